"""A labelled batch against its baseline: which classes are recognised worse than they were.

Recalls are compared class by class with an interval for the difference of two proportions. The
intervals hold together: each is as wide as it takes for all of them to cover at once.
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
    support, correct : int
        Products of the batch with this label, and those among them that got it.
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
        """Share of the batch's products of the class that were recognised; NaN without any."""
        return self.correct / self.support if self.support else float("nan")

    @property
    def baseline_recall(self) -> float:
        """The same of the baseline."""
        if not self.baseline_support:
            return float("nan")
        return self.baseline_correct / self.baseline_support

    @property
    def delta(self) -> float:
        """Recall of the batch minus that of the baseline."""
        return self.recall - self.baseline_recall

    @property
    def change(self) -> Change:
        """Whether the interval leaves room for no change; "unknown" where one side is empty."""
        if not self.support or not self.baseline_support:
            return "unknown"
        return "fell" if self.high < 0 else "rose" if self.low > 0 else "steady"


def exact_interval(successes: int, n: int, error: float) -> tuple[float, float]:
    """Return the interval of Clopper and Pearson (1934); all of 0..1 for n = 0."""
    low = stats.beta.ppf(error / 2, successes, n - successes + 1) if successes else 0.0
    high = stats.beta.isf(error / 2, successes + 1, n - successes) if successes < n else 1.0
    return float(low), float(high)


def difference_interval(
    first: tuple[int, int], second: tuple[int, int], error: float
) -> tuple[float, float]:
    """Return an interval of ``first - second``, each (successes, n), that errs at most so often.

    Newcombe's (1998) way of putting two intervals together, on exact ones: Wilson's err more often
    than stated where a class has a handful of products (docs/experiments.md, "Drift").
    """
    p, q = (s / n if n else 0.5 for s, n in (first, second))
    (l1, u1), (l2, u2) = exact_interval(*first, error), exact_interval(*second, error)
    return (
        float(p - q - np.hypot(p - l1, u2 - q)),
        float(p - q + np.hypot(u1 - p, q - l2)),
    )


def compare_classes(
    codes: Sequence[int],
    batch: Sequence[tuple[int, int]],
    baseline: Sequence[tuple[int, int]],
    false_alarm_rate: float,
) -> list[ClassChange]:
    """Compare recalls.

    Parameters
    ----------
    batch, baseline : sequence of (int, int)
        (correct, support) of each code.
    false_alarm_rate : float
        Share of unchanged batches of which some class may be said to have changed (Bonferroni over
        the classes that the batch has).
    """
    present = max(sum(n > 0 for _, n in batch), 1)
    error = false_alarm_rate / present
    changes = []
    for code, now, before in zip(codes, batch, baseline, strict=True):
        low, high = difference_interval(now, before, error)
        changes.append(
            ClassChange(
                code=code,
                support=now[1],
                correct=now[0],
                baseline_support=before[1],
                baseline_correct=before[0],
                low=low,
                high=high,
            )
        )
    return changes


@dataclasses.dataclass(frozen=True)
class AccuracyChange:
    """All classes of a batch together.

    Attributes
    ----------
    accuracy : float
        Share of the batch's products that were recognised.
    expected : float
        What the baseline's recalls give on as many products of each class.
    low, high : float
        Interval of their difference.
    """

    accuracy: float
    expected: float
    low: float
    high: float

    @property
    def fell(self) -> bool:
        """Whether the interval leaves no room for an accuracy as before."""
        return self.high < 0


def compare_accuracy(
    batch: Sequence[tuple[int, int]], baseline: Sequence[tuple[int, int]], false_alarm_rate: float
) -> AccuracyChange | None:
    """Compare the accuracy of a batch with what its classes let expect; None without such a class.

    Batches have few products of a class: a loss in all of them shows here long before it shows in
    one (docs/experiments.md, "Drift").

    Parameters
    ----------
    batch, baseline : sequence of (int, int)
        (correct, support) of each class.
    false_alarm_rate : float
        Of both sides of the interval together.

    Notes
    -----
    Direct standardisation: a batch of harder classes is no worse for it. The batch's interval is
    exact for one share, and too wide for a mixture of shares (Hoeffding 1956); the baseline's is
    normal, for the baseline is large.
    """
    pairs = [
        (*now, *before) for now, before in zip(batch, baseline, strict=True) if now[1] and before[1]
    ]
    if not pairs:
        return None
    correct, n, base_correct, base_n = np.array(pairs, dtype=np.float64).T
    share = n / n.sum()
    recall = (base_correct + 1) / (base_n + 2)  # Laplace: a class never missed may be missed
    error = np.sqrt((share**2 * recall * (1 - recall) / base_n).sum())
    half = stats.norm.isf(false_alarm_rate / 2) * error
    accuracy, expected = correct.sum() / n.sum(), (share * base_correct / base_n).sum()
    low, high = exact_interval(int(correct.sum()), int(n.sum()), false_alarm_rate)
    gap = accuracy - expected
    return AccuracyChange(
        accuracy=float(accuracy),
        expected=float(expected),
        low=float(gap - np.hypot(accuracy - low, half)),
        high=float(gap + np.hypot(high - accuracy, half)),
    )


def recalls(confusion: np.ndarray) -> list[tuple[int, int]]:
    """Return (correct, support) of each class from counts, true by predicted."""
    pairs = zip(np.diag(confusion).tolist(), confusion.sum(axis=1).tolist(), strict=True)
    return [(int(ok), int(n)) for ok, n in pairs]


def confusion_shifts(batch: np.ndarray, baseline: np.ndarray) -> np.ndarray:
    """Return how much more often each true class is taken for each other one, in shares.

    From counts, true by predicted; NaN rows where one side lacks the class.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return batch / batch.sum(axis=1, keepdims=True) - (
            baseline / baseline.sum(axis=1, keepdims=True)
        )
