"""Each statistic against scipy, or against its definition worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import spatial, stats

from src.monitoring import statistics

RNG = np.random.default_rng(0)
BATCH = RNG.multinomial(200, [0.1, 0.2, 0.3, 0.4], size=3).astype(float)
REFERENCE = RNG.multinomial(900, [0.15, 0.2, 0.3, 0.35], size=3).astype(float)


def values_of(counts: np.ndarray) -> np.ndarray:
    return np.repeat(np.arange(len(counts)), counts.astype(int))


def test_ks_is_scipys_on_binned_values() -> None:
    value, evidence = statistics.kolmogorov_smirnov(BATCH, REFERENCE)
    for row in range(3):
        found = stats.ks_2samp(values_of(BATCH[row]), values_of(REFERENCE[row]), method="asymp")
        assert value[row] == pytest.approx(found.statistic)
        tail = stats.kstwobign.sf(found.statistic * math.sqrt(200 * 900 / 1100))
        assert evidence[row] == pytest.approx(-math.log10(tail), abs=0.2)


@pytest.mark.parametrize(("side", "alternative"), [(1, "less"), (-1, "greater")])
def test_one_sided_ks_is_scipys(side: int, alternative: str) -> None:
    value, _ = statistics.kolmogorov_smirnov(BATCH, REFERENCE, side)
    for row in range(3):
        found = stats.ks_2samp(
            values_of(BATCH[row]), values_of(REFERENCE[row]), alternative=alternative
        )
        assert value[row] == pytest.approx(found.statistic)


def test_ks_without_a_value_says_nothing() -> None:
    value, evidence = statistics.kolmogorov_smirnov(np.zeros((1, 4)), REFERENCE[:1])
    assert (value.tolist(), evidence.tolist()) == ([0.0], [0.0])


def test_chi_squared_is_scipys_but_for_the_smoothing() -> None:
    value, evidence = statistics.chi_squared(BATCH * 100, REFERENCE * 100)
    for row in range(3):
        table = np.array([BATCH[row], REFERENCE[row]]) * 100
        found = stats.chi2_contingency(table, correction=False)
        assert value[row] == pytest.approx(found.statistic, rel=1e-3)
        assert evidence[row] == pytest.approx(-math.log10(found.pvalue), rel=1e-3)


def test_share_gap_is_the_binomial_test() -> None:
    counts = np.array([[4.0], [15.0], [40.0]])
    value, evidence = statistics.share_gap(counts, np.full((3, 1), 150.0), 200, 998)
    assert value == pytest.approx(np.abs(counts[:, 0] / 200 - 150 / 998))
    for count, strength in zip((4, 15, 40), evidence, strict=True):
        tails = [
            stats.binomtest(count, 200, 151 / 1000, alternative=a) for a in ("less", "greater")
        ]
        expected = 2 * min(tail.pvalue for tail in tails)
        assert strength == pytest.approx(-math.log10(min(expected, 1.0)), abs=1e-9)


def test_largest_share_shift_is_the_largest_z() -> None:
    variance = np.array([0.04, 0.05, 0.06, 0.07])
    value, evidence = statistics.largest_share_shift(BATCH, REFERENCE, 200, 900, variance)
    z = (BATCH / 200 - REFERENCE / 900) / np.sqrt(variance * (1 / 200 + 1 / 900))
    assert value == pytest.approx(np.abs(z).max(axis=1))
    expected = 8 * stats.norm.sf(value)
    assert evidence == pytest.approx(np.maximum(-np.log10(expected), 0))


def test_embedding_distance_is_hotellings() -> None:
    batch, known = RNG.normal(0.3, 1, (50, 3)), RNG.normal(0, 1, (400, 3))
    sums = [np.append(x.sum(axis=0), len(x))[None] for x in (batch, known)]
    value, evidence = statistics.embedding_distance(*sums)
    gap = batch.mean(axis=0) - known.mean(axis=0)
    assert value[0] == pytest.approx(gap @ gap / (1 / 50 + 1 / 400))
    assert evidence[0] == pytest.approx(-math.log10(stats.chi2.sf(value[0], 3)))


def test_divergences_are_their_definitions() -> None:
    b, r = ((c + 0.5) / (c.sum() + 2) for c in (BATCH[0], REFERENCE[0]))
    psi = statistics.population_stability(BATCH, REFERENCE)[0]
    assert psi == pytest.approx(stats.entropy(b, r) + stats.entropy(r, b))
    divergence = statistics.jensen_shannon(BATCH, REFERENCE)[0]
    assert divergence == pytest.approx(spatial.distance.jensenshannon(b, r, base=2) ** 2)


@pytest.mark.parametrize("kind", ["number", "category", "mix", "embedding"])
def test_threshold_has_the_evidence_that_was_asked_for(kind: str) -> None:
    value = statistics.threshold(kind, 3.5, (200.0, 900.0), 4)
    p = {
        "number": 2 * math.exp(-2 * value**2 * 200 * 900 / 1100),
        "category": stats.chi2.sf(value, 3),
        "mix": 8 * stats.norm.sf(value),
        "embedding": stats.chi2.sf(value, 4),
    }[kind]
    assert -math.log10(p) == pytest.approx(3.5)


def test_share_thresholds_are_the_first_counts_beyond() -> None:
    low, high = statistics.share_thresholds(0.3, 100, 3.0)
    for share, beyond in ((low, -0.01), (high, 0.01)):
        at = [2 * min(stats.binom.cdf(k, 100, 0.3), stats.binom.sf(k - 1, 100, 0.3))
              for k in (round(100 * share), round(100 * (share - beyond)))]  # fmt: skip
        assert at[0] <= 1e-3 < at[1]
