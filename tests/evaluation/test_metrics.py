"""Scores against counts done by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.evaluation.confusion import confusion_counts
from src.evaluation.metrics import score, score_by_class

code = st.sampled_from([10, 40, 2583])


def by_hand(y_true: list[int], y_pred: list[int], codes: list[int]) -> pd.DataFrame:
    rows = []
    for c in codes:
        hit = sum(t == p == c for t, p in zip(y_true, y_pred, strict=True))
        support, predicted = y_true.count(c), y_pred.count(c)
        precision = hit / predicted if predicted else 0.0
        recall = hit / support if support else 0.0
        f1 = 2 * hit / (support + predicted) if support + predicted else 0.0
        rows.append((c, precision, recall, f1, support, predicted))
    columns = ["prdtypecode", "precision", "recall", "f1", "support", "predicted"]
    return pd.DataFrame(rows, columns=columns)


@given(st.lists(st.tuples(code, code), min_size=1, max_size=30))
def test_by_hand(pairs: list[tuple[int, int]]) -> None:
    y_true, y_pred = [p[0] for p in pairs], [p[1] for p in pairs]
    codes = [10, 40, 2583, 99]
    found = score_by_class(np.array(y_true), np.array(y_pred), np.array(codes))
    expected = by_hand(y_true, y_pred, codes)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    scores = score(np.array(y_true), np.array(y_pred))
    seen = expected[expected.prdtypecode.isin({*y_true, *y_pred})]
    assert scores["f1_macro"] == pytest.approx(seen.f1.mean())
    weighted = (expected.f1 * expected.support).sum() / len(pairs)
    assert scores["f1_weighted"] == pytest.approx(weighted)
    assert scores["accuracy"] == pytest.approx(np.mean(np.array(y_true) == np.array(y_pred)))
    assert scores["recall_weighted"] == pytest.approx(scores["accuracy"])


def test_confusion_is_true_by_predicted() -> None:
    counts = confusion_counts(np.array([1, 1, 2, 3]), np.array([1, 2, 2, 1]), np.array([1, 2, 3]))
    assert counts.loc[1, 2] == 1
    assert counts.to_numpy().tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]
    assert counts.index.name == "true"
