"""Scores against counts done by hand and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from src.evaluation import metrics
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


CLASSES = np.array([10, 40, 2583, 2905])
THEMES = {10: "books", 40: "gaming", 2583: "garden", 2905: "gaming"}


def answers(seed: int, n: int = 400, n_classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of n rows, and true codes that follow them more or less."""
    rng = np.random.default_rng(seed)
    proba = rng.dirichlet(np.full(n_classes, 0.4), size=n)
    drawn = (proba.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    return CLASSES[drawn], proba


@pytest.mark.parametrize("seed", [0, 1])
def test_probabilities_against_scikit_learn(seed: int) -> None:
    y, proba = answers(seed)
    top, right = proba.max(axis=1), CLASSES[proba.argmax(axis=1)] == y
    accuracy, confidence = calibration_curve(right, top, n_bins=10)
    bins = metrics.reliability(y, proba, CLASSES)
    np.testing.assert_allclose(bins["accuracy"], accuracy)
    np.testing.assert_allclose(bins["confidence"], confidence)
    inside = [((top > low) & (top <= high)).sum() for low, high in bins[["low", "high"]].to_numpy()]
    assert bins["rows"].tolist() == inside
    assert metrics.score_probabilities(y, proba, CLASSES) == pytest.approx(
        {
            "top3": sklearn.metrics.top_k_accuracy_score(y, proba, k=3, labels=CLASSES),
            "log_loss": sklearn.metrics.log_loss(y, proba, labels=CLASSES),
            "ece": np.abs(accuracy - confidence) @ inside / len(y),
        }
    )


def test_two_classes_and_ties_rank_in_the_order_of_the_columns() -> None:
    proba = np.array([[0.5, 0.5], [0.5, 0.5], [0.2, 0.8]])
    y, two = np.array([10, 40, 40]), CLASSES[:2]
    assert metrics.true_ranks(y, proba, two).tolist() == [1, 2, 1]
    assert metrics.score_probabilities(y, proba, two)["top3"] == 1.0


def test_a_certain_answer_that_is_wrong_costs_a_finite_amount() -> None:
    told = metrics.score_probabilities(np.array([10]), np.array([[0.0, 1.0]]), CLASSES[:2])
    assert told["log_loss"] == pytest.approx(-np.log(np.finfo(float).eps))


def test_selective_is_what_a_filter_gives() -> None:
    y, proba = answers(2)
    curve = metrics.selective(y, proba, CLASSES, thresholds=(0.0, 0.5, 0.9, 1.0, 1.1))
    top, right = proba.max(axis=1), CLASSES[proba.argmax(axis=1)] == y
    expected = [(t, (top >= t).mean(), right[top >= t].mean()) for t in (0.0, 0.5, 0.9)]
    np.testing.assert_allclose(curve.to_numpy()[:3], expected)
    assert curve["threshold"].max() < 1.1  # accepts no row


def test_a_confusion_inside_a_theme_is_right_by_theme() -> None:
    y, predicted = np.array([10, 40, 2583, 2905]), np.array([10, 2905, 40, 40])
    assert metrics.theme_accuracy(y, predicted, THEMES) == 0.75


def test_unknown_codes_are_named() -> None:
    with pytest.raises(ValueError, match=r"codes \[7, 3000\] are none of the 4 classes"):
        metrics.columns_of(np.array([10, 3000, 7, 7]), CLASSES)
