"""The stage timer says what it measured, and nothing when the stage failed."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import time

import pytest

from src.config import REPOSITORY
from src.utils.profiling import peak_memory_gb, stage


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


BLOCK_OF_80_MB = """
import time
import numpy as np
from src.utils.profiling import PeakMemory
until = time.monotonic() + 60
with PeakMemory(interval_s=0.005) as peak:
    held = np.ones(10_000_000)
    while peak.megabytes < 70 and time.monotonic() < until:  # however busy the machine is
        time.sleep(0.001)
    del held
print(peak.megabytes)
"""


def test_peak_memory_sees_what_a_block_held() -> None:
    """In a process of its own: an old one may give as much back meanwhile as the block takes."""
    command = [sys.executable, "-c", BLOCK_OF_80_MB]
    done = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True)
    assert 70 < float(done.stdout) < 200
