"""How sure a score is: percentile bootstrap intervals. Two systems: `src.evaluation.paired`.

Scores such as F1 depend on counts alone, so no row is ever copied. Rows (or groups of duplicates)
that count alike are one *type*; drawing n rows with replacement is one multinomial draw of how
often each type comes, and 1,000 draws of 84,916 rows take a second instead of minutes.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np

from src.evaluation.metrics import columns_of

LEVEL = 0.95
DRAWS_AT_ONCE = 100
SCORES = (
    "accuracy",
    "f1_weighted",
    "precision_weighted",
    "recall_weighted",
    "f1_macro",
    "precision_macro",
    "recall_macro",
)


@dataclasses.dataclass(frozen=True)
class Interval:
    """A figure on all rows, and the 2.5 and 97.5 % quantiles of it over the draws.

    A macro average over classes of a few rows is lower in most draws than on all rows: the
    interval then lies around less.
    """

    value: float
    low: float
    high: float


def score_intervals(
    y_true: np.ndarray,
    y_pred: np.ndarray,
    *,
    classes: np.ndarray,
    draws: int = 1000,
    seed: int = 0,
    groups: np.ndarray | None = None,
) -> tuple[dict[str, Interval], list[Interval]]:
    """Return the interval of each of `SCORES`, and of the F1 of each of `classes`.

    Duplicates share one of `groups` and are resampled together, which widens the interval; None
    takes every row as its own. `classes` ascend and hold every code. Draws without a row of a class
    say nothing of it and are left out: a class of four rows would otherwise have one draw in fifty
    at 0, however well it is found.

    >>> y = np.array([10, 10, 40, 40])
    >>> score_intervals(y, y, classes=np.array([10, 40]))[0]["accuracy"]
    Interval(value=1.0, low=1.0, high=1.0)
    """
    (whole,), (drawn,) = resample(y_true, [y_pred], classes, draws, seed, groups)
    value, each = scores_of_counts(whole), scores_of_counts(drawn)
    overall = {name: percentile_interval(value[name][0], each[name]) for name in SCORES}
    f1 = f1_of_counts(whole)[0], f1_of_counts(drawn)
    return overall, class_f1_intervals(*f1, drawn.support > 0)


def mean_interval(
    values: np.ndarray, *, draws: int = 1000, seed: int = 0, groups: np.ndarray | None = None
) -> Interval:
    """Return the interval of a mean over rows, as of -log p; see `score_intervals`."""
    values = np.asarray(values, dtype=np.float64)
    group = np.arange(len(values)) if groups is None else np.unique(groups, return_inverse=True)[1]
    totals, sizes = np.bincount(group, values), np.bincount(group)
    rng = np.random.default_rng(seed)
    means = np.empty(draws)
    for draw in range(draws):
        rows = rng.integers(len(sizes), size=len(sizes))
        means[draw] = totals[rows].sum() / sizes[rows].sum()
    return percentile_interval(values.mean(), means)


@dataclasses.dataclass(frozen=True, eq=False)
class Counts:
    """Rows of a class found, there, and given it, each of shape (n_draws, n_classes)."""

    hit: np.ndarray
    support: np.ndarray
    predicted: np.ndarray


def scores_of_counts(counts: Counts) -> dict[str, np.ndarray]:
    """Return each of `SCORES`, shape (n_draws,), as scikit-learn defines them.

    Its macro averages run over the classes that occur, true or predicted; so do these, draw by
    draw.
    """
    rows = counts.support.sum(axis=1)
    by_class = {
        "f1": f1_of_counts(counts),
        "precision": _ratio(counts.hit, counts.predicted),
        "recall": _ratio(counts.hit, counts.support),
    }
    n_seen = (counts.support + counts.predicted > 0).sum(axis=1)
    scores = {"accuracy": counts.hit.sum(axis=1) / rows}
    for name, values in by_class.items():
        scores[f"{name}_weighted"] = (values * counts.support).sum(axis=1) / rows
        scores[f"{name}_macro"] = values.sum(axis=1) / n_seen
    return scores


def f1_of_counts(counts: Counts) -> np.ndarray:
    """Return F1 by class, shape (n_draws, n_classes)."""
    return _ratio(2 * counts.hit, counts.support + counts.predicted)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def class_f1_intervals(
    values: np.ndarray, drawn: np.ndarray, has_rows: np.ndarray
) -> list[Interval]:
    """Return an interval a column of `drawn`, over the draws where the class has rows, if any."""
    return [
        percentile_interval(value, column[held] if held.any() else column)
        for value, column, held in zip(values, drawn.T, has_rows.T, strict=True)
    ]


def percentile_interval(value: float, draws: np.ndarray) -> Interval:
    """Return the 95 % percentile interval of a figure."""
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(value), float(low), float(high))


def resample(
    y_true: np.ndarray,
    systems: list[np.ndarray],
    classes: np.ndarray,
    draws: int,
    seed: int,
    groups: np.ndarray | None,
) -> tuple[list[Counts], list[Counts]]:
    """Return the counts of each system on all rows (one "draw") and on `draws` resamples."""
    codes = [columns_of(column, classes) for column in (y_true, *systems)]
    shape = (len(classes),) * len(codes)
    cells, cell_of_row = np.unique(np.ravel_multi_index(codes, shape), return_inverse=True)
    types, n_of_type = _types(cell_of_row, len(cells), groups)
    true, *predicted = np.unravel_index(cells, shape)
    rng = np.random.default_rng(seed)
    whole = (n_of_type @ types)[None, :]
    drawn = np.concatenate([times @ types for times in _draw(rng, n_of_type, draws)])
    made = [
        [_count(by_cell, true, p, len(classes)) for p in predicted] for by_cell in (whole, drawn)
    ]
    return made[0], made[1]


def _types(
    cell_of_row: np.ndarray, n_cells: int, groups: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows that each type holds in each cell, (n_types, n_cells), and its frequency.

    Without groups a row is a type of its cell. Groups are of one type when the multisets of their
    cells agree; a sum of 64-bit random numbers, one a cell, tells.
    """
    from scipy import sparse

    if groups is None:
        return sparse.identity(n_cells, format="csr"), np.bincount(cell_of_row, minlength=n_cells)
    _, group_of_row = np.unique(groups, return_inverse=True)
    held = sparse.csr_matrix((np.ones(len(cell_of_row)), (group_of_row, cell_of_row)))
    names = np.random.default_rng(0).integers(2**63, size=n_cells, dtype=np.uint64)
    sums = np.zeros(held.shape[0], dtype=np.uint64)
    np.add.at(sums, group_of_row, names[cell_of_row])
    _, first, n_of_type = np.unique(sums, return_index=True, return_counts=True)
    return held[first], n_of_type


def _draw(rng: np.random.Generator, n_of_type: np.ndarray, draws: int) -> Iterator[np.ndarray]:
    """Yield how often each type comes, some draws at a time, shape (n_draws, n_types)."""
    n = n_of_type.sum()
    for start in range(0, draws, DRAWS_AT_ONCE):
        yield rng.multinomial(n, n_of_type / n, size=min(DRAWS_AT_ONCE, draws - start))


def _count(by_cell: np.ndarray, true: np.ndarray, predicted: np.ndarray, n_classes: int) -> Counts:
    """Add cells up to counts a class."""
    from scipy import sparse

    def add_up(cells: np.ndarray, classes: np.ndarray) -> np.ndarray:
        ones = np.ones(len(cells))
        member = sparse.csr_matrix((ones, (cells, classes)), shape=(by_cell.shape[1], n_classes))
        return np.asarray(by_cell @ member, dtype=np.float64)

    every, right = np.arange(len(true)), np.flatnonzero(true == predicted)
    return Counts(add_up(right, true[right]), add_up(every, true), add_up(every, predicted))
