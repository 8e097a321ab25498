"""Two sets of predictions for the same rows: how far the scores differ, and how sure that is.

Every comparison of two runs or systems goes through here: `pair_answers` makes the pair, a table of
one row a product with the columns prdtypecode (true), a, b (predicted) and, where duplicates are
known, group; `score_differences` and `class_differences` bootstrap it, both systems
by the same draws; `changed_answers` names the products behind.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

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


def pair_answers(a: pd.DataFrame, b: pd.DataFrame) -> pd.DataFrame:
    """Return the pair of two runs' answers: the products that are in both.

    Both have the columns productid, prdtypecode, predicted and perhaps group. Both are scored on
    the labels of `b`, of which people may have corrected some since `a`.
    """
    before = a.rename(columns={"predicted": "a"})[["productid", "a"]]
    return b.rename(columns={"predicted": "b"}).merge(before, on="productid")


def changed_answers(pair: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that b answers otherwise than a, and in the column change how.

    "fixed": only b is right; "broken": only a is; "other": neither.
    """
    moved = pair[pair["a"] != pair["b"]]
    right_a, right_b = (moved[name] == moved["prdtypecode"] for name in ("a", "b"))
    return moved.assign(change=np.select([right_b, right_a], ["fixed", "broken"], "other"))


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
    """Return the same for the F1 of each class: those that surely moved first, then by how far.

    Columns prdtypecode, support, a, b, difference, low, high, sure: each interval excludes 0 by
    chance in one class of twenty. Draws without a row of the class are left out.
    """
    codes, whole, drawn = _counts(pair, draws, seed)
    a, b = (f1_of_counts(counts)[0] for counts in whole)
    drawn_a, drawn_b = (f1_of_counts(counts) for counts in drawn)
    intervals = class_f1_intervals(b - a, drawn_b - drawn_a, drawn[0].support > 0)
    support = whole[0].support[0].astype(np.int64)
    table = {"prdtypecode": codes, "support": support, "a": a, "b": b, **_columns(intervals)}
    moved = pd.DataFrame(table)
    moved["sure"] = (moved["low"] > 0) | (moved["high"] < 0)
    size = moved["difference"].abs()
    order = np.lexsort((-size, ~moved["sure"]))
    return moved.iloc[order].reset_index(drop=True)


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
