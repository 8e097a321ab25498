"""Timers of a run: one log line a stage, with the figures that matter."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import resource
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

logger = logging.getLogger("src.stages")


@dataclasses.dataclass
class StageLine:
    """What a stage says when it ends.

    Attributes
    ----------
    says : str
        Set by the stage: its shapes and counts.
    """

    says: str = ""


@contextlib.contextmanager
def stage(number: int, total: int, name: str) -> Iterator[StageLine]:
    """Time a stage and log ``[3/5] transform  <what it says>  41.2 s  1.9 GB`` when it ends well.

    The memory is the peak of the whole process so far.
    """
    line = StageLine()
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
