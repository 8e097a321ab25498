"""Timers of a run: one log line a stage, with the figures that matter."""

from __future__ import annotations

import contextlib
import logging
import resource
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TypeVar

T = TypeVar("T")

logger = logging.getLogger("src.stages")


@contextlib.contextmanager
def stage(number: int, total: int, name: str) -> Iterator[SimpleNamespace]:
    """Time a stage and log ``[3/5] transform  <line.says>  41.2 s  1.9 GB`` when it ends well.

    What the stage sets as `says` are its shapes and counts; the memory is the peak of the whole
    process so far.
    """
    line = SimpleNamespace(says="")
    started = time.perf_counter()
    yield line
    logger.info(
        "[%d/%d] %-9s  %-41s %7.1f s %5.1f GB",
        number,
        total,
        name,
        line.says,
        time.perf_counter() - started,
        peak_memory_gb(),
    )


def progress(steps: Sequence[T], name: str) -> Iterable[T]:
    """Return the steps, with a progress bar on stderr where that is a terminal."""
    if len(steps) < 2 or not sys.stderr.isatty():
        return steps
    from tqdm import tqdm

    return tqdm(steps, desc=f"  {name}", leave=False, unit="chunk")


def peak_memory_gb() -> float:
    """Return the largest resident size that this process has had, in GB (10^9 bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e9 if sys.platform == "darwin" else peak * 1024 / 1e9


class PeakMemory:
    """The largest resident size during a block, over what it was before.

    Read twenty times a second: what lives shorter than that may be missed.
    """

    def __init__(self, interval_s: float = 0.05) -> None:
        self.interval_s = interval_s
        self.megabytes = 0.0

    def __enter__(self) -> PeakMemory:
        self._done = threading.Event()
        self._start = resident_mb()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._done.wait(self.interval_s):
            self._look()

    def _look(self) -> None:
        self.megabytes = max(self.megabytes, resident_mb() - self._start)


def resident_mb() -> float:
    """Return the resident size of this process in MB (10^6 bytes); the peak where only that is."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return 1000 * peak_memory_gb()
    return int(statm.read_text().split()[1]) * resource.getpagesize() / 1e6
