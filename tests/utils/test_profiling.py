"""The stage timer says what it measured, and nothing when the stage failed."""

from __future__ import annotations

import logging
import re
import time

import numpy as np
import pytest

from src.utils.profiling import PeakMemory, peak_memory_gb, stage


def test_line(caplog: pytest.LogCaptureFixture) -> None:
    started = time.perf_counter()
    with caplog.at_level(logging.INFO, logger="src.stages"), stage(2, 5, "validate") as line:
        time.sleep(0.12)
        line.says = "14 checks"
    elapsed_s = time.perf_counter() - started
    found = re.fullmatch(
        r"\[2/5\] validate   14 checks +([\d.]+) s +([\d.]+) GB", caplog.messages[0]
    )
    assert found is not None
    assert 0.1 <= float(found[1]) <= elapsed_s + 0.05  # printed with one decimal


def test_a_failed_stage_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(logging.INFO, logger="src.stages"),
        pytest.raises(RuntimeError, match="broken"),
        stage(1, 5, "ingest"),
    ):
        raise RuntimeError("broken")
    assert caplog.messages == []


def test_peak_memory_grows_with_what_is_held() -> None:
    before = peak_memory_gb()
    held = bytearray(int(1e9 * before) + 200_000_000)
    held[::4096] = b"x" * len(held[::4096])
    assert peak_memory_gb() >= before + 0.2


def test_peak_memory_sees_what_a_block_held() -> None:
    with PeakMemory(interval_s=0.005) as peak:
        held = np.ones(10_000_000)  # 80 MB, written to
        while peak.megabytes < 70:  # until it was looked at, however busy the machine is
            time.sleep(0.001)
        del held
    assert 70 < peak.megabytes < 200
