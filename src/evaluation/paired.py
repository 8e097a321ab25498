"""Two sets of predictions for the same rows: how far the scores differ, and how sure that is.

Every comparison of two runs or systems goes through here: `align` makes the pair, a table of one
row a product with the columns prdtypecode (true), a, b (predicted) and, where duplicates are known,
group; `score_differences` and `class_differences` bootstrap it, both systems by the same draws.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from src.artifacts.store import TRAIN_COMMAND
from src.errors import DataError
from src.evaluation.bootstrap import (
    SCORES,
    Counts,
    Interval,
    class_f1_intervals,
    f1_of_counts,
    percentile_interval,
    resample,
    scores_of_counts,
)


def align(a: pd.DataFrame, b: pd.DataFrame, *, same_labels: bool = True) -> pd.DataFrame:
    """Return the pair of two tables of predictions, row by row.

    Both have the columns row_index, prdtypecode, predicted, rows in any order; group of `b` is
    taken over where it has one. Without `same_labels` both are scored on the labels of `b`, where
    people may have corrected some since `a`.

    Tables that are not about the same rows, or differ in true codes and must not, are a DataError.
    """
    first, second = (table.set_index("row_index").sort_index() for table in (a, b))
    if not first.index.equals(second.index):
        shared = len(first.index.intersection(second.index))
        raise DataError(
            f"the runs have other rows: {len(first):,} and {len(second):,}, {shared:,} of them "
            "in both; expected the same split of the same data",
            next_command=TRAIN_COMMAND,
        )
    other = int((first["prdtypecode"] != second["prdtypecode"]).sum())
    if same_labels and other:
        raise DataError(
            f"the runs have other true codes on {other:,} of {len(first):,} rows; expected the "
            "same labels",
            next_command=TRAIN_COMMAND,
        )
    pair = second.rename(columns={"predicted": "b"}).assign(a=first["predicted"])
    return pair[["prdtypecode", "a", "b", *(["group"] if "group" in pair else [])]]


def score_differences(pair: pd.DataFrame, *, draws: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Return a, b, difference (above 0: b is better), low and high of each of `SCORES` (index).

    >>> pair = pd.DataFrame({"prdtypecode": [10, 40], "a": [10, 10], "b": [10, 40]})
    >>> float(score_differences(pair).loc["accuracy", "difference"])
    0.5
    """
    _, whole, drawn = _counts(pair, draws, seed)
    (a, b), (drawn_a, drawn_b) = ([scores_of_counts(c) for c in side] for side in (whole, drawn))
    intervals = [
        percentile_interval(b[name][0] - a[name][0], drawn_b[name] - drawn_a[name])
        for name in SCORES
    ]
    scores = {"a": [a[name][0] for name in SCORES], "b": [b[name][0] for name in SCORES]}
    return pd.DataFrame({**scores, **_columns(intervals)}, index=pd.Index(SCORES, name="score"))


def class_differences(pair: pd.DataFrame, *, draws: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Return the same for the F1 of each class, the greatest loss first.

    Columns prdtypecode, support, a, b, difference, low, high. Draws without a row of the class are
    left out.
    """
    codes, whole, drawn = _counts(pair, draws, seed)
    a, b = (f1_of_counts(counts)[0] for counts in whole)
    drawn_a, drawn_b = (f1_of_counts(counts) for counts in drawn)
    intervals = class_f1_intervals(b - a, drawn_b - drawn_a, drawn[0].support > 0)
    support = whole[0].support[0].astype(np.int64)
    table = {"prdtypecode": codes, "support": support, "a": a, "b": b, **_columns(intervals)}
    return pd.DataFrame(table).sort_values("difference", kind="stable", ignore_index=True)


def _counts(
    pair: pd.DataFrame, draws: int, seed: int
) -> tuple[np.ndarray, list[Counts], list[Counts]]:
    """Return all codes, and the counts of a and b on all rows and on the resamples."""
    true, a, b = (pair[name].to_numpy() for name in ("prdtypecode", "a", "b"))
    groups = pair["group"].to_numpy() if "group" in pair else None
    codes = np.unique(np.concatenate([true, a, b]))
    return codes, *resample(true, [a, b], codes, draws, seed, groups)


def _columns(intervals: Sequence[Interval]) -> dict[str, list[float]]:
    return {
        "difference": [interval.value for interval in intervals],
        "low": [interval.low for interval in intervals],
        "high": [interval.high for interval in intervals],
    }
