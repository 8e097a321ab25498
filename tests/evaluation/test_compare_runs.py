"""Two tables of predictions against scikit-learn's scores of each."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from src.errors import DataError
from src.evaluation.compare_runs import compare_runs
from src.labels import Labels


def table(y: np.ndarray, predicted: np.ndarray) -> pd.DataFrame:
    rows = {"row_index": np.arange(len(y)), "prdtypecode": y, "predicted": predicted}
    return pd.DataFrame(rows)


def two_runs(n: int = 1000) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Run b is better on class 10 alone."""
    rng = np.random.default_rng(0)
    y = rng.choice([10, 40, 2583], size=n)
    a = np.where(rng.random(n) < 0.7, y, rng.choice([10, 40, 2583], size=n))
    b = np.where((y == 10) & (rng.random(n) < 0.7), y, a)
    return table(y, a), table(y, b)


def test_scores_differences_and_who_is_right(labels: Labels) -> None:
    a, b = two_runs()
    shuffled = b.sample(frac=1.0, random_state=0)
    found = compare_runs(a, shuffled, labels)
    weighted = found.overall.set_index("score").loc["f1_weighted"]
    scores = [f1_score(t.prdtypecode, t.predicted, average="weighted") for t in (a, b)]
    assert weighted[["a", "b"]].tolist() == pytest.approx(scores)
    assert weighted["difference"] == pytest.approx(scores[1] - scores[0])
    assert 0 < weighted["low"] < weighted["difference"] < weighted["high"]
    right_a, right_b = (t["predicted"] == t["prdtypecode"] for t in (a, b))
    assert (found.both_right, found.only_a, found.only_b, found.both_wrong) == (
        (right_a & right_b).sum(),
        0,
        (~right_a & right_b).sum(),
        (~right_a & ~right_b).sum(),
    )
    assert found.rows == len(a)
    by_class = found.by_class.set_index("prdtypecode")
    f1 = f1_score(b.prdtypecode, b.predicted, average=None)
    assert by_class.loc[[10, 40, 2583], "f1_b"].tolist() == pytest.approx(f1.tolist())
    assert by_class.loc[10, "low"] > 0
    assert by_class.loc[10, "label"] == "Second-hand books"
    assert found.by_class["difference"].is_monotonic_increasing


def test_other_rows_and_other_labels_are_refused(labels: Labels) -> None:
    a, b = two_runs()
    with pytest.raises(DataError, match=r"other rows: 1,000 and 900, 900 of them in both"):
        compare_runs(a, b.head(900), labels)
    changed = b.assign(prdtypecode=b["prdtypecode"].replace({40: 10}))
    with pytest.raises(DataError, match=r"other true codes on \d+ of 1,000 rows"):
        compare_runs(a, changed, labels)
