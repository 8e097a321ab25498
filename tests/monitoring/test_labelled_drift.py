"""Intervals against scipy's, and what is said of a class that fell."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from src.monitoring.labelled_drift import (
    compare_accuracy,
    compare_classes,
    confusion_shifts,
    difference_interval,
    exact_interval,
    recalls,
)


@pytest.mark.parametrize(("successes", "n"), [(0, 20), (7, 20), (20, 20), (500, 900)])
def test_interval_is_scipys(successes: int, n: int) -> None:
    expected = stats.binomtest(successes, n).proportion_ci(0.97, method="exact")
    assert exact_interval(successes, n, 0.03) == pytest.approx(tuple(expected))


def test_intervals_are_put_together_as_newcombe_does() -> None:
    (l1, u1), (l2, u2) = (
        stats.binomtest(k, n).proportion_ci(0.95, method="exact") for k, n in ((56, 70), (48, 80))
    )
    low = 0.2 - ((0.8 - l1) ** 2 + (u2 - 0.6) ** 2) ** 0.5
    high = 0.2 + ((u1 - 0.8) ** 2 + (0.6 - l2) ** 2) ** 0.5
    assert difference_interval((56, 70), (48, 80), 0.05) == pytest.approx((low, high))


def test_an_empty_side_tells_nothing() -> None:
    changes = compare_classes([10, 40], [(0, 0), (9, 10)], [(50, 90), (0, 0)], 0.05)
    assert changes["change"].tolist() == ["unknown", "unknown"]
    assert math.isnan(changes["recall"][0])
    assert math.isnan(changes["baseline_recall"][1])
    assert exact_interval(0, 0, 0.05) == (0.0, 1.0)


def test_changes_are_named() -> None:
    changes = compare_classes(
        [10, 40, 50], [(20, 60), (55, 60), (30, 60)], [(700, 900), (500, 900), (450, 900)], 0.05
    )
    assert changes["change"].tolist() == ["fell", "rose", "steady"]
    assert changes["delta"][0] == pytest.approx(20 / 60 - 700 / 900)


def test_unchanged_batches_are_said_to_have_changed_at_most_at_the_rate() -> None:
    rng = np.random.default_rng(0)
    true = np.linspace(0.5, 0.95, 27)
    wrong = 0
    for _ in range(200):
        batch = [(int(k), 20) for k in rng.binomial(20, true)]
        base = [(int(k), 400) for k in rng.binomial(400, true)]
        wrong += (compare_classes(range(27), batch, base, 0.05)["change"] != "steady").any()
    assert stats.binomtest(wrong, 200, 0.05, alternative="greater").pvalue > 0.05


def test_accuracy_is_standardised_to_the_classes_of_the_batch() -> None:
    base = [(90, 100), (500, 1000), (7, 10)]
    change = compare_accuracy([(8, 10), (12, 30), (0, 0)], base, 0.05)
    assert change is not None
    assert change["accuracy"] == 0.5
    assert change["expected"] == pytest.approx((10 * 0.9 + 30 * 0.5) / 40)
    low, high = stats.binomtest(20, 40).proportion_ci(0.95, method="exact")
    variances = [(10 / 40) ** 2 * (91 / 102) * (11 / 102) / 100, (30 / 40) ** 2 * 0.25 / 1000]
    half = stats.norm.ppf(0.975) * math.sqrt(sum(variances))
    gap = 0.5 - change["expected"]
    assert change["low"] == pytest.approx(gap - math.hypot(0.5 - low, half))
    assert change["high"] == pytest.approx(gap + math.hypot(high - 0.5, half))
    assert not change["fell"]
    assert compare_accuracy([(0, 0), (3, 5)], [(4, 5), (0, 0)], 0.05) is None


def test_a_fall_of_every_class_is_found_where_no_class_shows_it() -> None:
    rng = np.random.default_rng(0)
    share, true = rng.dirichlet(np.full(27, 3.0)), rng.uniform(0.6, 0.95, 27)
    base = [(int(rng.binomial(n, p)), int(n)) for n, p in zip(20_000 * share, true, strict=True)]

    def fallen(points: float) -> int:
        count = 0
        for _ in range(200):
            sizes = rng.multinomial(500, share)
            batch = [
                (int(rng.binomial(n, p - points)), int(n)) for n, p in zip(sizes, true, strict=True)
            ]
            change = compare_accuracy(batch, base, 0.01)
            count += change is not None and change["fell"]
        return count

    assert stats.binomtest(fallen(0.0), 200, 0.01, alternative="greater").pvalue > 0.05
    assert fallen(0.1) >= 190


def test_recalls_and_shifts_of_a_confusion() -> None:
    batch, known = np.array([[6, 4], [0, 0]]), np.array([[90, 10], [5, 15]])
    assert recalls(batch) == [(6, 10), (0, 0)]
    shifts = confusion_shifts(batch, known)
    assert shifts[0] == pytest.approx([-0.3, 0.3])
    assert np.isnan(shifts[1]).all()
