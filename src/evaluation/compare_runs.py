"""Two runs on the same rows: what got better, what got worse, and how sure that is."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd

from src.artifacts.store import TRAIN_COMMAND
from src.errors import DataError
from src.evaluation.bootstrap import Interval, class_differences, paired_difference
from src.evaluation.metrics import score, score_by_class
from src.labels import Labels

COMPARED = ("f1_weighted", "f1_macro", "accuracy")


@dataclasses.dataclass(frozen=True, eq=False)
class Comparison:
    """Run b against run a.

    Attributes
    ----------
    overall : DataFrame
        Columns score, a, b, difference (b - a), low, high: one row for each of `COMPARED`.
    by_class : DataFrame
        Columns prdtypecode, label, support, f1_a, f1_b, difference, low, high; the greatest loss
        first.
    rows, both_right, only_a, only_b, both_wrong : int
        Products, and which of the runs is right about them.
    """

    overall: pd.DataFrame
    by_class: pd.DataFrame
    rows: int
    both_right: int
    only_a: int
    only_b: int
    both_wrong: int


def compare_runs(
    a: pd.DataFrame, b: pd.DataFrame, labels: Labels, *, draws: int = 1000, seed: int = 0
) -> Comparison:
    """Compare the prediction tables of two runs, of whatever kinds of model.

    Parameters
    ----------
    a, b : DataFrame
        As `prediction_table` makes them; read are row_index, prdtypecode and predicted. The order
        of the rows does not matter.
    labels : Labels
        Names of the codes.
    draws, seed : int
        Of the paired bootstrap.

    Raises
    ------
    DataError
        The tables are not about the same rows with the same true codes.
    """
    true, of_a, of_b = _aligned(a, b)
    codes = np.unique(np.concatenate([true, of_a, of_b]))
    both = score(true, of_a), score(true, of_b)
    differences = [
        paired_difference(true, of_a, of_b, classes=codes, score=name, draws=draws, seed=seed)
        for name in COMPARED
    ]
    scores = {"a": [both[0][n] for n in COMPARED], "b": [both[1][n] for n in COMPARED]}
    right_a, right_b = of_a == true, of_b == true
    return Comparison(
        overall=pd.DataFrame({"score": COMPARED, **scores, **_columns(differences)}),
        by_class=_by_class(true, of_a, of_b, labels, draws, seed),
        rows=len(true),
        both_right=int((right_a & right_b).sum()),
        only_a=int((right_a & ~right_b).sum()),
        only_b=int((~right_a & right_b).sum()),
        both_wrong=int((~right_a & ~right_b).sum()),
    )


def _by_class(
    true: np.ndarray, of_a: np.ndarray, of_b: np.ndarray, labels: Labels, draws: int, seed: int
) -> pd.DataFrame:
    codes = np.unique(np.concatenate([true, of_a, of_b]))
    differences = class_differences(true, of_a, of_b, classes=codes, draws=draws, seed=seed)
    first, second = (score_by_class(true, predicted, codes) for predicted in (of_a, of_b))
    table = pd.DataFrame(
        {
            "prdtypecode": codes,
            "label": [labels.label(code) for code in codes],
            "support": first["support"],
            "f1_a": first["f1"],
            "f1_b": second["f1"],
            **_columns(differences),
        }
    )
    return table.sort_values("difference", kind="stable", ignore_index=True)


def _columns(intervals: Sequence[Interval]) -> dict[str, list[float]]:
    return {
        "difference": [interval.value for interval in intervals],
        "low": [interval.low for interval in intervals],
        "high": [interval.high for interval in intervals],
    }


def _aligned(a: pd.DataFrame, b: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    first, second = (table.set_index("row_index").sort_index() for table in (a, b))
    if not first.index.equals(second.index):
        shared = len(first.index.intersection(second.index))
        raise DataError(
            f"the runs tell of other rows: {len(first):,} and {len(second):,}, {shared:,} of them "
            "in both; expected the same split of the same data",
            next_command=TRAIN_COMMAND,
        )
    true = first["prdtypecode"].to_numpy()
    if other := int((second["prdtypecode"].to_numpy() != true).sum()):
        raise DataError(
            f"the runs have other true codes on {other:,} of {len(true):,} rows; expected the "
            "same labels",
            next_command=TRAIN_COMMAND,
        )
    return true, first["predicted"].to_numpy(), second["predicted"].to_numpy()
