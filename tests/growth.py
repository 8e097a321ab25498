"""How work grows with its input, whatever machine it runs on and whoever else runs there."""

from __future__ import annotations

import time
from collections.abc import Callable


def cpu_growth(work: Callable[[str], object], piece: str, length: int, times: int = 8) -> float:
    """Return how many times the CPU time that a text `times` as long takes; linear work: `times`.

    The best of three each: the first call may compile, and a busy machine only makes a call dearer.
    """

    def cost(n: int) -> float:
        text, costs = piece * (n // len(piece)), []
        for _ in range(3):
            start = time.process_time()
            work(text)
            costs.append(time.process_time() - start)
        return max(min(costs), 1e-4)

    return cost(length) / cost(length // times)
