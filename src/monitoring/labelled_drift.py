"""A labelled batch against its baseline: which classes are recognised worse than they were.

Recalls are compared class by class with an interval for the difference of two proportions. The
intervals hold together: each is as wide as it takes for all of them to cover at once. Counts are
(correct, support) of each class.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

Counts = Sequence[tuple[int, int]]


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
    codes: Sequence[int], batch: Counts, baseline: Counts, false_alarm_rate: float
) -> pd.DataFrame:
    """Compare recalls; of unchanged batches, this share may be said to have a changed class.

    Columns code, correct, support, baseline_correct, baseline_support, recall, baseline_recall,
    delta, low and high (its interval, Bonferroni over the classes that the batch has), change
    ("fell", "rose", "steady", or "unknown" where one side is empty).
    """
    now, before = (np.array(counts, dtype=np.int64).reshape(-1, 2) for counts in (batch, baseline))
    error = false_alarm_rate / max((now[:, 1] > 0).sum(), 1)
    table = pd.DataFrame({"code": list(codes), "correct": now[:, 0], "support": now[:, 1]})
    table = table.assign(baseline_correct=before[:, 0], baseline_support=before[:, 1])
    table["recall"] = table["correct"] / table["support"]
    table["baseline_recall"] = table["baseline_correct"] / table["baseline_support"]
    table["delta"] = table["recall"] - table["baseline_recall"]
    ends = [difference_interval(*pair, error) for pair in zip(batch, baseline, strict=True)]
    table[["low", "high"]] = np.array(ends).reshape(-1, 2)
    cases = [table["delta"].isna(), table["high"] < 0, table["low"] > 0]
    return table.assign(change=np.select(cases, ["unknown", "fell", "rose"], "steady"))


def compare_accuracy(
    batch: Counts, baseline: Counts, false_alarm_rate: float
) -> dict[str, Any] | None:
    """Compare the accuracy of a batch with what its classes let expect; None without such a class.

    Batches have few products of a class: a loss in all of them shows here long before it shows in
    one (docs/experiments.md, "Drift"). Gives accuracy, expected (what the baseline's recalls give
    on as many products of each class), low and high of their difference, and whether it fell.

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
    high = gap + np.hypot(high - accuracy, half)
    values = {"accuracy": accuracy, "expected": expected}
    values |= {"low": gap - np.hypot(accuracy - low, half), "high": high}
    return {**{name: float(value) for name, value in values.items()}, "fell": bool(high < 0)}


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
