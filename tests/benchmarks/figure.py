"""`Figure`: one measured line, and how it is timed."""

import dataclasses
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Figure:
    """One measured line: seconds of wall time, and of the plain library way where there is one."""

    what: str
    ours_s: float
    plain_s: float | None
    target: str
    reached: bool

    @property
    def line(self) -> str:
        """The figure on a line of at most 100 columns."""
        beside = ""
        if self.plain_s is not None:
            beside = f"plain {self.plain_s:7.2f} s  {self.plain_s / self.ours_s:5.1f} x"
        mark = "ok  " if self.reached else "MISS"
        return f"{mark} {self.what:<38} {self.ours_s:7.2f} s  {beside:<24}  {self.target}"


def timed(function: Callable[[], T]) -> tuple[float, T]:
    """Return the seconds of wall time of one call, and what it gave."""
    started = time.perf_counter()
    result = function()
    return time.perf_counter() - started, result
