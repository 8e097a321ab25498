"""Statistics of how far a batch is from the reference, from their counts.

Every function takes the counts of k batches and of the reference (or of k resamples of it), shape
(k, width), and returns per batch the statistic and its *evidence*, -log10 of the p-value that
theory gives it. Evidence is only a scale on which signals compare: what a batch is judged by is
calibrated by resampling (`drift`), so an approximation here costs power, never false alarms.
"""

import math

import numpy as np
from scipy import stats
from scipy.spatial.distance import jensenshannon

Outcome = tuple[np.ndarray, np.ndarray]
MOST_EVIDENCE = 300.0
LN10 = math.log(10.0)


def kolmogorov_smirnov(batch: np.ndarray, reference: np.ndarray, side: int = 0) -> Outcome:
    """Return the largest difference of the two distribution functions at the bins' edges.

    `side` 1 tests for larger values in the batch alone, -1 for smaller ones, 0 for either.
    p = 2 exp(-2 D² n m / (n + m)), the leading term of Smirnov (1948); 0 evidence where one side
    has no value.
    """
    n, m = batch.sum(axis=-1), reference.sum(axis=-1)
    gap = _shares(batch).cumsum(axis=-1) - _shares(reference).cumsum(axis=-1)
    gap = np.abs(gap) if side == 0 else -side * gap
    gap = np.where((n > 0) & (m > 0), gap.max(axis=-1), 0.0)
    effective = n * m / np.maximum(n + m, 1.0)
    return gap, _evidence(2 * effective * gap**2 / LN10 - math.log10(2.0))


def chi_squared(batch: np.ndarray, reference: np.ndarray) -> Outcome:
    """Return Pearson's chi² of homogeneity of the two rows of counts (1900).

    The pooled shares are smoothed by half a product a category, so that one product of a category
    that never occurred weighs, but does not weigh everything.
    """
    n, m = batch.sum(axis=-1, keepdims=True), reference.sum(axis=-1, keepdims=True)
    pooled = batch + reference + 0.5
    pooled = pooled / pooled.sum(axis=-1, keepdims=True)
    value = sum(
        ((counts - size * pooled) ** 2 / np.maximum(size * pooled, 1e-12)).sum(axis=-1)
        for counts, size in ((batch, n), (reference, m))
    )
    value = np.where((n[..., 0] > 0) & (m[..., 0] > 0), value, 0.0)
    return value, _evidence(-stats.chi2.logsf(value, batch.shape[-1] - 1) / LN10)


def share_gap(batch: np.ndarray, reference: np.ndarray, n: int, m: int) -> Outcome:
    """Return the difference of two shares, with the two-sided binomial p-value of the batch's.

    Counts have the shape (k, 1): products with the flag, of n in a batch and m in the reference.
    """
    count = np.rint(batch[..., 0])
    share = smoothed(reference[..., 0], m)
    tail = np.minimum(stats.binom.logsf(count - 1, n, share), stats.binom.logcdf(count, n, share))
    return np.abs(count / n - reference[..., 0] / m), _evidence(-(tail + math.log(2.0)) / LN10)


def smoothed(count: np.ndarray, m: int) -> np.ndarray:
    """Return a share that is never 0 or 1: (count + 1) / (m + 2), Laplace's rule of succession."""
    return (count + 1.0) / (m + 2.0)


def largest_share_shift(
    batch: np.ndarray, reference: np.ndarray, n: int, m: int, variance: np.ndarray
) -> Outcome:
    """Return the largest shift of a class's mean probability, in standard errors.

    Sums of probabilities have the shape (k, n_classes); `variance` is that of one product's
    probability of each class. The score test of "this class has another share" for a model with
    calibrated probabilities: the likelihood ratio of a product is p(class | product) / share.
    Counts of predicted classes throw away what the model knows of the runners-up.
    """
    error = np.sqrt(np.maximum(variance, 1e-12) * (1.0 / n + 1.0 / m))
    value = np.abs((batch / n - reference / m) / error).max(axis=-1)
    bonferroni = math.log(2.0 * batch.shape[-1])
    return value, _evidence(-(stats.norm.logsf(value) + bonferroni) / LN10)


def embedding_distance(batch: np.ndarray, reference: np.ndarray) -> Outcome:
    """Return Hotelling's T² (1931) of the mean embeddings, on components of variance 1.

    Sums of coordinates, and last the number of products that have an embedding.
    """
    n, m = batch[..., -1], reference[..., -1]
    gap = batch[..., :-1] / np.maximum(n, 1.0)[..., None] - (
        reference[..., :-1] / np.maximum(m, 1.0)[..., None]
    )
    value = (gap**2).sum(axis=-1) * n * m / np.maximum(n + m, 1.0)
    return value, _evidence(-stats.chi2.logsf(value, batch.shape[-1] - 1) / LN10)


def population_stability(batch: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return the population stability index: sum of (b - r) ln(b / r) over smoothed shares."""
    b, r = _smoothed_shares(batch), _smoothed_shares(reference)
    return ((b - r) * np.log(b / r)).sum(axis=-1)


def jensen_shannon(batch: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return the Jensen-Shannon divergence in bits (Lin 1991): 0 for equal, 1 for disjoint."""
    shares = _smoothed_shares(batch), _smoothed_shares(reference)
    return np.asarray(jensenshannon(*shares, base=2, axis=-1)) ** 2


def _shares(counts: np.ndarray) -> np.ndarray:
    return counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1.0)


def _smoothed_shares(counts: np.ndarray) -> np.ndarray:
    """Half a product a bin: an empty one would make the logarithm infinite."""
    counts = counts + 0.5
    return counts / counts.sum(axis=-1, keepdims=True)


def _evidence(raw: np.ndarray) -> np.ndarray:
    return np.clip(raw, 0.0, MOST_EVIDENCE)


def threshold(kind: str, evidence: float, sizes: tuple[float, float], width: int) -> float:
    """Return the statistic that has this much evidence: the inverse of the functions above.

    `sizes` are the products of batch and reference that have the signal, `width` is the number of
    categories, classes or components.
    """
    p = 10.0**-evidence
    if kind == "number":
        effective = max(sizes[0] * sizes[1] / max(sum(sizes), 1.0), 1e-9)
        return math.sqrt((evidence + math.log10(2.0)) * LN10 / (2 * effective))
    if kind == "mix":
        return float(stats.norm.isf(min(p / (2 * width), 0.5)))
    return float(stats.chi2.isf(p, width - 1 if kind == "category" else width))


def share_thresholds(share: float, n: int, evidence: float) -> tuple[float, float]:
    """Return the shares below and above which a batch of n products has this much evidence."""
    half = 10.0**-evidence / 2
    return (
        float(stats.binom.ppf(half, n, share) - 1) / n,
        float(stats.binom.isf(half, n, share) + 1) / n,
    )
