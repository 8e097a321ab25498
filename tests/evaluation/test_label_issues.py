"""Doubtful labels: planted and drawn errors come first, and as many are wrong as was said."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from src.evaluation.label_issues import expected_precisions, label_issues, wrong_probabilities
from src.labels import Labels
from tools.demo_shop.catalogue import draw_catalogue

if TYPE_CHECKING:
    from tests.evaluation.conftest import Answers


def planted(true: Answers, share: float) -> np.ndarray:
    """The labels, this share of them exchanged for others at random."""
    rng = np.random.default_rng(1)
    return np.where(rng.random(len(true.y)) < share, rng.permutation(true.y), true.y)


def find(true: Answers, given: np.ndarray, labels: Labels, least: float) -> pd.DataFrame:
    return label_issues(
        given,
        true.proba,
        true.classes,
        products=true.products,
        labels=labels,
        least_precision=least,
    )


def by_hand(columns: np.ndarray, proba: np.ndarray, share: float) -> np.ndarray:
    """The formula row by row, at a known share."""
    k = proba.shape[1]
    taken = np.zeros((k, k))
    for p in proba:
        taken[p.argmax()] += p
    np.fill_diagonal(taken, 0.0)
    taken += 1e-3 * np.maximum(taken.sum(axis=1, keepdims=True), 1.0)
    np.fill_diagonal(taken, 0.0)
    found = []
    for p, i in zip(proba, columns, strict=True):
        mistake = sum(p[j] * taken[j, i] / taken[j].sum() for j in range(k) if j != i)
        found.append(share * mistake / ((1 - share) * p[i] + share * mistake))
    return np.array(found)


@pytest.mark.parametrize("seed", range(3))
def test_probabilities_are_the_formulas_at_the_share_that_they_add_up_to(seed: int) -> None:
    rng = np.random.default_rng(seed)
    proba = rng.dirichlet(np.full(5, 0.3), size=300)
    columns = np.where(rng.random(300) < 0.8, proba.argmax(axis=1), rng.integers(5, size=300))
    wrong = wrong_probabilities(columns, proba)
    assert 0.05 < wrong.mean() < 0.35
    assert wrong == pytest.approx(by_hand(columns, proba, wrong.mean()), abs=1e-3)


@pytest.mark.parametrize("share", [0.02, 0.08])
def test_planted_errors_come_first_and_in_the_number_that_is_said(
    draw_answers: Callable[..., Answers], labels: Labels, share: float
) -> None:
    true = draw_answers(np.array(labels.codes), 4000, sharpness=7.0)
    given = planted(true, share)
    issues = find(true, given, labels, 0.4)
    place = dict(zip(true.products["row_index"], range(len(given)), strict=True))
    rows = np.array([place[row] for row in issues["row_index"]])
    wrong = given[rows] != true.y[rows]
    said = expected_precisions(issues)
    assert list(said) == sorted(said)
    assert max(said) == len(issues)
    for n, precision in said.items():
        assert wrong[:n].mean() == pytest.approx(precision, abs=0.15)
    assert wrong.mean() > 8 * share or share > 0.05
    hits = rows[wrong]
    assert (issues["suggested"].to_numpy()[wrong] == true.y[hits]).mean() > 0.9
    row, chances = issues.iloc[0], true.proba[rows[0]]
    assert (row["rank"], row["given"]) == (1, given[rows[0]])
    assert row["productid"] == true.products["productid"][rows[0]]
    assert row["suggested_label"] == labels.label(row["suggested"])
    assert row["suggested_probability"] == chances[list(true.classes).index(row["suggested"])]
    assert row["given_probability"] == chances[list(true.classes).index(row["given"])]
    assert issues["wrong_probability"].is_monotonic_decreasing
    assert issues["expected_precision"].min() >= 0.4
    longer = find(true, given, labels, 0.2)
    assert longer["row_index"].tolist()[: len(issues)] == issues["row_index"].tolist()
    assert len(longer) > len(issues)


def test_right_labels_are_not_doubted(draw_answers: Callable[..., Answers], labels: Labels) -> None:
    true = draw_answers(np.array(labels.codes), 4000, sharpness=7.0)
    assert len(find(true, true.y, labels, 0.4)) < 10


def test_the_shops_own_wrong_labels() -> None:
    """Of the first 50, 100 and 200 about as many are wrong as was said, and more than a gap finds.

    The ranking before went by the gap between the likeliest class and the label's.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict
    from sklearn.pipeline import make_pipeline

    items = draw_catalogue(3000, 1).train
    y, truth = (np.array([getattr(i, name) for i in items]) for name in ("label", "true_code"))
    texts = [f"{i.designation} {i.description[:300]}" for i in items]
    words = TfidfVectorizer(min_df=2, sublinear_tf=True)
    model = make_pipeline(words, LogisticRegression(C=10.0, tol=1e-2))
    proba = cross_val_predict(model, texts, y, cv=4, method="predict_proba")
    columns, wrong = np.unique(y, return_inverse=True)[1], truth != y
    found = wrong_probabilities(columns, proba)
    order = np.argsort(-found, kind="stable")
    gap = np.argsort(proba[np.arange(len(y)), columns] - proba.max(axis=1), kind="stable")
    for n in (50, 100, 200):
        assert wrong[order[:n]].mean() > 0.8 * found[order[:n]].mean()
        assert wrong[order[:n]].sum() >= wrong[gap[:n]].sum()
    assert wrong[order[:50]].mean() > 10 * wrong.mean()


def test_agreement_is_no_issue() -> None:
    proba = np.array([[0.9, 0.1], [0.2, 0.8]])
    assert wrong_probabilities(np.array([0, 1]), proba).max() < 0.2
