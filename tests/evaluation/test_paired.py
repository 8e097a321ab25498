"""Two tables of predictions against scikit-learn's scores and rows that are really resampled."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score

from src.evaluation.paired import (
    changed_answers,
    class_differences,
    pair_answers,
    score_differences,
)

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


def pair_of_systems(n: int = 300) -> pd.DataFrame:
    """True codes of uneven classes, and two systems of which b is better."""
    rng = np.random.default_rng(0)
    y = rng.choice(CLASSES, size=n, p=[0.6, 0.3, 0.1])
    a, b = (
        np.where(rng.random(n) < right, y, rng.choice(CLASSES, size=n)) for right in (0.7, 0.76)
    )
    return pd.DataFrame({"prdtypecode": y, "a": a, "b": b})


def resamples(n: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(1)
    for _ in range(LIBRARY_DRAWS):
        yield rng.integers(n, size=n)


def half_width(row: pd.Series) -> float:
    return (row["high"] - row["low"]) / 2


def test_score_differences_are_those_of_real_resampling() -> None:
    pair = pair_of_systems()
    y, a, b = (pair[name].to_numpy() for name in pair)
    found = score_differences(pair, draws=DRAWS)
    for name, f in LIBRARY.items():
        row = found.loc[name]
        values = [f(y[r], b[r]) - f(y[r], a[r]) for r in resamples(len(y))]
        low, high = np.quantile(values, [0.025, 0.975])
        assert row[["a", "b"]].tolist() == pytest.approx([f(y, a), f(y, b)])
        assert row["difference"] == pytest.approx(f(y, b) - f(y, a))
        assert row[["low", "high"]].tolist() == pytest.approx(
            [low, high], abs=TOLERANCE * (high - low)
        )


def test_class_differences_are_the_librarys_what_surely_moved_first() -> None:
    pair = pair_of_systems()
    found = class_differences(pair)
    sure = (found["low"] > 0) | (found["high"] < 0)
    assert found["sure"].tolist() == sure.tolist() == sorted(sure, reverse=True)
    for part in (found[sure], found[~sure]):
        assert part["difference"].abs().is_monotonic_decreasing
    by_code = found.set_index("prdtypecode").loc[CLASSES]
    for name in ("a", "b"):
        f1 = f1_score(pair["prdtypecode"], pair[name], average=None, labels=CLASSES)
        assert by_code[name].tolist() == pytest.approx(f1.tolist())
    assert (by_code["difference"] - (by_code["b"] - by_code["a"])).abs().max() < 1e-12
    assert by_code["support"].tolist() == pair["prdtypecode"].value_counts().loc[CLASSES].tolist()
    assert (by_code["low"] <= by_code["high"]).all()


def test_a_class_of_two_rows_is_scored_where_it_comes() -> None:
    """Two rows that a takes for others and b finds: no draw without them counts."""
    y = np.array([10] * 200 + [2583] * 2)
    pair = pd.DataFrame({"prdtypecode": y, "a": 10, "b": y})
    last = class_differences(pair).set_index("prdtypecode").loc[2583]
    assert last[["difference", "low", "high"]].tolist() == [1.0, 1.0, 1.0]


def test_the_same_system_differs_by_nothing_and_both_ways_by_the_same() -> None:
    pair = pair_of_systems()
    same = score_differences(pair.assign(b=pair["a"]))
    assert (same[["difference", "low", "high"]] == 0).all(axis=None)
    ahead = score_differences(pair).loc["accuracy"]
    behind = score_differences(pair.rename(columns={"a": "b", "b": "a"})).loc["accuracy"]
    assert behind["difference"] == pytest.approx(-ahead["difference"])
    assert half_width(behind) == pytest.approx(half_width(ahead), rel=0.1)


def test_rows_that_come_three_times_are_worth_one() -> None:
    """Without groups, copies would narrow the interval by the root of 3."""
    once = pair_of_systems()
    copies = once.loc[once.index.repeat(3)]
    grouped, naive, alone = (
        score_differences(pair).loc["f1_weighted"]
        for pair in (copies.assign(group=copies.index), copies, once)
    )
    assert grouped["difference"] == pytest.approx(alone["difference"])
    assert half_width(grouped) == pytest.approx(half_width(alone), rel=0.1)
    assert half_width(naive) == pytest.approx(half_width(alone) / np.sqrt(3), rel=0.1)


def test_the_answers_of_two_runs_are_paired_on_the_products_of_both_and_the_later_labels() -> None:
    a = pd.DataFrame(
        {"productid": [5, 6, 7], "prdtypecode": [10, 10, 40], "predicted": [10, 40, 40]}
    )
    b = pd.DataFrame(
        {
            "productid": [8, 7, 6, 5],
            "prdtypecode": [10, 60, 10, 10],
            "predicted": [10, 50, 10, 60],
            "group": [0, 1, 2, 3],
        }
    )
    changed = changed_answers(pair_answers(a, b)).set_index("productid")
    assert changed.loc[:, ["prdtypecode", "a", "b", "group", "change"]].to_dict("index") == {
        7: {"prdtypecode": 60, "a": 40, "b": 50, "group": 1, "change": "other"},
        6: {"prdtypecode": 10, "a": 40, "b": 10, "group": 2, "change": "fixed"},
        5: {"prdtypecode": 10, "a": 10, "b": 60, "group": 3, "change": "broken"},
    }
