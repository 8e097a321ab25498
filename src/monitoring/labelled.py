"""A labelled lot against its baseline: which classes are recognised worse than they were.

Recalls are compared class by class with Newcombe's interval for a difference of two proportions.
The intervals hold together: each is as wide as it takes for all of them to cover at once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy import stats

Change = Literal["fell", "rose", "steady", "unknown"]


@dataclasses.dataclass(frozen=True)
class ClassChange:
    """One class.

    Attributes
    ----------
    code : int
    support, correct : int
        Products of the lot with this label, and those among them that got it.
    baseline_support, baseline_correct : int
        The same of the baseline.
    low, high : float
        Simultaneous interval of `delta`.
    """

    code: int
    support: int
    correct: int
    baseline_support: int
    baseline_correct: int
    low: float
    high: float

    @property
    def recall(self) -> float:
        """Share of the lot's products of the class that were recognised; NaN without any."""
        return self.correct / self.support if self.support else float("nan")

    @property
    def baseline_recall(self) -> float:
        """The same of the baseline."""
        if not self.baseline_support:
            return float("nan")
        return self.baseline_correct / self.baseline_support

    @property
    def delta(self) -> float:
        """Recall of the lot minus that of the baseline."""
        return self.recall - self.baseline_recall

    @property
    def change(self) -> Change:
        """Whether the interval leaves room for no change; "unknown" where one side is empty."""
        if not self.support or not self.baseline_support:
            return "unknown"
        return "fell" if self.high < 0 else "rose" if self.low > 0 else "steady"


def wilson_interval(successes: int, n: int, z: float) -> tuple[float, float]:
    """Return Wilson's score interval of a proportion (1927); all of 0..1 for n = 0."""
    if n == 0:
        return 0.0, 1.0
    share = successes / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def difference_interval(
    first: tuple[int, int], second: tuple[int, int], z: float
) -> tuple[float, float]:
    """Return the interval of ``first - second``, each (successes, n).

    Notes
    -----
    Newcombe (1998), method 10: the two Wilson intervals put together.
    """
    p, q = (s / n if n else 0.5 for s, n in (first, second))
    (l1, u1), (l2, u2) = wilson_interval(*first, z), wilson_interval(*second, z)
    return (
        float(p - q - np.hypot(p - l1, u2 - q)),
        float(p - q + np.hypot(u1 - p, q - l2)),
    )


def compare_classes(
    codes: Sequence[int],
    lot: Sequence[tuple[int, int]],
    baseline: Sequence[tuple[int, int]],
    false_alarm_rate: float,
) -> list[ClassChange]:
    """Compare recalls.

    Parameters
    ----------
    codes : sequence of int
    lot, baseline : sequence of (int, int)
        (correct, support) of each code.
    false_alarm_rate : float
        Share of unchanged lots of which some class may be said to have changed (Bonferroni over
        the classes that the lot has).
    """
    present = max(sum(n > 0 for _, n in lot), 1)
    z = float(stats.norm.isf(false_alarm_rate / present / 2))
    return [
        ClassChange(
            code, n, ok, base_n, base_ok, *difference_interval((ok, n), (base_ok, base_n), z)
        )
        for code, (ok, n), (base_ok, base_n) in zip(codes, lot, baseline, strict=True)
    ]


def recalls(confusion: np.ndarray) -> list[tuple[int, int]]:
    """Return (correct, support) of each class from counts, true by predicted."""
    pairs = zip(np.diag(confusion).tolist(), confusion.sum(axis=1).tolist(), strict=True)
    return [(int(ok), int(n)) for ok, n in pairs]


def confusion_shifts(lot: np.ndarray, baseline: np.ndarray) -> np.ndarray:
    """Return how much more often each true class is taken for each other one, in shares.

    Parameters
    ----------
    lot, baseline : ndarray of int64, shape (n_classes, n_classes)
        Counts, true by predicted.

    Returns
    -------
    ndarray of float64, shape (n_classes, n_classes)
        Rate in the lot minus rate in the baseline; NaN rows where one side lacks the class.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return lot / lot.sum(axis=1, keepdims=True) - (
            baseline / baseline.sum(axis=1, keepdims=True)
        )
