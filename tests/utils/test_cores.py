"""Cores and threads: as configured, as the system lets, and patient where others wait."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from src.config import REPOSITORY
from src.utils.cores import available_cores


def test_what_is_configured_comes_before_what_the_system_lets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 5, 7}, raising=False)
    assert (available_cores(2), available_cores(), available_cores(0)) == (2, 3, 3)
    monkeypatch.delattr(os, "sched_getaffinity")  # as on macOS
    assert available_cores() == os.cpu_count()


def test_no_file_asks_for_what_macos_lacks() -> None:
    files = [path for room in ("src", "etl", "scripts", "tools", "streamlit_app")
             for path in (REPOSITORY / room).rglob("*.py")]  # fmt: skip
    asking = [
        path.name for path in files if "sched_getaffinity" in path.read_text(encoding="utf-8")
    ]
    assert asking == ["cores.py"]


@pytest.mark.skipif(sys.platform != "linux", reason="GNU's OpenMP says how it waits")
def test_openmp_threads_of_boosted_trees_do_not_spin() -> None:
    environment = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}
    environment |= {"OMP_DISPLAY_ENV": "true", "PYTHONPATH": str(REPOSITORY)}
    program = "import src.models.boosted_trees, lightgbm, xgboost"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in done.stderr
    assert "OMP_WAIT_POLICY = 'ACTIVE'" not in done.stderr
