"""Intervals against rows that are really resampled and scored by scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from src.evaluation import bootstrap
from src.evaluation.metrics import score

CLASSES = np.array([10, 40, 2583])
DRAWS = 4000
LIBRARY_DRAWS = 400
# Of the interval's width: three standard errors of a quantile of 400 draws.
TOLERANCE = 0.1
Score = Callable[[np.ndarray, np.ndarray], float]
LIBRARY: dict[str, Score] = {
    "f1_weighted": lambda y, p: f1_score(y, p, average="weighted", zero_division=0.0),
    "f1_macro": lambda y, p: f1_score(y, p, average="macro", zero_division=0.0),
    "accuracy": accuracy_score,
}


def half_width(interval: bootstrap.Interval) -> float:
    return (interval.high - interval.low) / 2


def systems(n: int = 300) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True codes of uneven classes, and two systems of which the second is better."""
    rng = np.random.default_rng(0)
    y = rng.choice(CLASSES, size=n, p=[0.6, 0.3, 0.1])
    a, b = (
        np.where(rng.random(n) < right, y, rng.choice(CLASSES, size=n)) for right in (0.7, 0.76)
    )
    return y, a, b


def resamples(groups: np.ndarray) -> Iterator[np.ndarray]:
    """Rows of whole groups drawn with replacement, one array a draw."""
    rng = np.random.default_rng(1)
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    for _ in range(LIBRARY_DRAWS):
        chosen = rng.integers(len(members), size=len(members))
        yield np.concatenate([members[i] for i in chosen])


@pytest.mark.parametrize("size", [1, 3])
def test_overall_intervals_are_those_of_real_resampling(size: int) -> None:
    y, a, _ = systems()
    groups = np.arange(len(y)) // size
    found, _ = bootstrap.score_intervals(y, a, classes=CLASSES, draws=DRAWS, groups=groups)
    drawn = [[f(y[rows], a[rows]) for f in LIBRARY.values()] for rows in resamples(groups)]
    for name, values in zip(LIBRARY, np.transpose(drawn), strict=True):
        low, high = np.quantile(values, [0.025, 0.975])
        assert found[name].low == pytest.approx(low, abs=TOLERANCE * (high - low))
        assert found[name].high == pytest.approx(high, abs=TOLERANCE * (high - low))
    assert {name: found[name].value for name in found} == pytest.approx(score(y, a))


def test_classes_against_real_resampling() -> None:
    y, a, _ = systems()
    _, found = bootstrap.score_intervals(y, a, classes=CLASSES, draws=DRAWS)
    drawn = [
        f1_score(y[rows], a[rows], average=None, labels=CLASSES, zero_division=0.0)
        for rows in resamples(np.arange(len(y)))
    ]
    for interval, values in zip(found, np.transpose(drawn), strict=True):
        low, high = np.quantile(values, [0.025, 0.975])
        assert interval.low == pytest.approx(low, abs=TOLERANCE * (high - low))
        assert interval.high == pytest.approx(high, abs=TOLERANCE * (high - low))
    assert half_width(found[2]) > half_width(found[0])  # a tenth of the rows against six


def test_a_class_of_a_few_rows_is_judged_where_it_comes() -> None:
    """Three rows, all found, and two that are taken for others: no draw without them counts."""
    y = np.array([10] * 200 + [40] * 3 + [2583] * 2)
    found = np.where(y == 2583, 10, y)
    _, intervals = bootstrap.score_intervals(y, found, classes=np.array([10, 40, 2583, 2905]))
    assert intervals[1] == bootstrap.Interval(1.0, 1.0, 1.0)
    assert intervals[2] == intervals[3] == bootstrap.Interval(0.0, 0.0, 0.0)


def test_mean_interval_is_the_textbooks() -> None:
    values = np.random.default_rng(3).normal(2.0, 1.0, size=1000)
    found = bootstrap.mean_interval(values, draws=DRAWS)
    assert found.value == pytest.approx(values.mean())
    assert half_width(found) == pytest.approx(1.96 * values.std() / np.sqrt(1000), rel=0.06)
    doubled = bootstrap.mean_interval(
        np.repeat(values, 2), draws=DRAWS, groups=np.repeat(np.arange(1000), 2)
    )
    assert (doubled.low, doubled.high) == pytest.approx((found.low, found.high))


def test_seed_decides_the_digits() -> None:
    y, a, _ = systems()
    first, again, other = (
        bootstrap.score_intervals(y, a, classes=CLASSES, seed=seed)[0] for seed in (5, 5, 6)
    )
    assert first == again
    assert first["f1_macro"] != other["f1_macro"]


def test_a_code_that_is_no_class_is_refused() -> None:
    y, a, _ = systems()
    with pytest.raises(ValueError, match=r"codes \[2583\] are none of the 2 classes"):
        bootstrap.score_intervals(y, a, classes=CLASSES[:2])
