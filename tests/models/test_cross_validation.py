"""Out-of-fold margins against scikit-learn's own, and classes that a fold never saw."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from src.models.cross_validation import (
    Cost,
    aligned_margins,
    both_columns,
    by_share,
    can_cross_fit,
    cross_fit,
    fit_classifier,
    take,
)

N = 240


def draw(n_classes: int = 4) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, n_classes, N)
    values = np.eye(n_classes)[codes] + rng.normal(size=(N, n_classes))
    return pd.DataFrame(values, columns=list("abcd")[:n_classes]), codes * 10 + 7


X, Y = draw()
FOLDS = np.arange(N) % 4
EVERY = np.ones(N, dtype=bool)
EACH = np.arange(N)


def expert() -> BaseEstimator:
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))


@pytest.mark.parametrize("n_classes", [2, 4])
def test_margins_are_those_of_cross_val_predict(n_classes: int) -> None:
    X, y = draw(n_classes)
    assert all(len(np.unique(y[fold == FOLDS])) == n_classes for fold in range(4))
    library = cross_val_predict(
        expert(), X, y, cv=PredefinedSplit(FOLDS), method="decision_function"
    )
    ours = cross_fit(expert(), X, y, EACH, FOLDS, EVERY)
    np.testing.assert_array_equal(ours, both_columns(library))


def test_rows_that_are_not_there_have_no_part() -> None:
    present = np.random.default_rng(1).random(N) < 0.7
    margins = cross_fit(expert(), X, Y, EACH, FOLDS, present)
    assert (np.isnan(margins).all(axis=1) == ~present).all()
    for fold in range(4):
        train, held = present & (fold != FOLDS), present & (fold == FOLDS)
        alone = expert().fit(X[train], Y[train])
        np.testing.assert_array_equal(margins[held], alone.decision_function(X[held]))


def test_what_it_takes_is_added_up() -> None:
    cost = Cost()
    for n in (1, 2):
        cross_fit(expert(), X, Y, EACH, FOLDS, EVERY, cost)
        assert cost.predicted == n * N
    assert cost.fit_s > 0
    assert cost.predict_s > 0


def test_a_class_that_a_fold_never_saw_comes_last() -> None:
    seen = Y != 7
    fitted = expert().fit(X[seen], Y[seen])
    margins = aligned_margins(fitted, X, np.unique(Y))
    np.testing.assert_array_equal(margins[:, 0], margins[:, 1:].min(axis=1))
    np.testing.assert_array_equal(margins[:, 1:], fitted.decision_function(X))


def test_two_classes_of_three_have_a_column_each() -> None:
    seen = np.isin(Y, [7, 27])
    fitted = expert().fit(X[seen], Y[seen])
    margins = aligned_margins(fitted, X, np.array([7, 17, 27]))
    single = fitted.decision_function(X)
    np.testing.assert_array_equal(margins[:, [0, 2]], np.column_stack([-single, single]))
    np.testing.assert_array_equal(margins[:, 1], -np.abs(single))


class Grouped(ClassifierMixin, BaseEstimator):
    """Keeps the groups that it is given."""

    def fit(self, X: object, y: np.ndarray, groups: np.ndarray | None = None) -> Grouped:
        self.classes_, self.groups_ = np.unique(y), groups
        return self

    def decision_function(self, X: object) -> np.ndarray:
        return np.zeros((len(X), len(self.classes_)))


def test_groups_go_to_the_last_step_that_asks_for_them() -> None:
    groups = EACH // 2
    assert fit_classifier(Grouped(), X, Y, groups).groups_ is groups
    assert fit_classifier(make_pipeline(StandardScaler(), Grouped()), X, Y, groups)[
        -1
    ].groups_ is groups  # fmt: skip
    tree = DecisionTreeClassifier(random_state=0)
    assert fit_classifier(tree, X, Y, groups).score(X, Y) == 1.0
    assert not hasattr(tree, "classes_")


@pytest.mark.parametrize(
    ("y", "present", "expected"),
    [
        ([1, 1, 2, 2], [1, 1, 1, 1], True),
        ([1, 1, 2, 2], [0, 0, 0, 0], False),
        ([1, 1, 2, 2], [1, 1, 1, 0], False),  # beside one fold a single row is left
        ([1, 2, 1, 2], [1, 1, 1, 1], False),  # each class in one fold alone
        ([1, 1, 2, 2], [1, 0, 1, 0], False),  # one fold alone: nothing beside it
    ],
)
def test_two_classes_are_needed_beside_every_fold(
    y: list[int], present: list[int], *, expected: bool
) -> None:
    folds = np.arange(4) % 2
    assert can_cross_fit(np.array(y), folds, np.array(present, dtype=bool)) is expected


def test_rows_are_taken_by_position_or_mask() -> None:
    frame = X.set_axis(EACH[::-1])
    rows = np.array([5, 2])
    pd.testing.assert_frame_equal(take(frame, rows), frame.iloc[rows])
    np.testing.assert_array_equal(take(frame.to_numpy(), rows), frame.iloc[rows])
    mask = EACH == 3
    pd.testing.assert_frame_equal(take(frame, mask), frame.iloc[[3]])


def test_prior_is_the_shares_of_the_other_folds() -> None:
    codes, folds = np.array([0, 0, 0, 1, 2, 0]), np.array([0, 0, 1, 1, 1, 1])
    found = by_share("prior", codes, folds, 0)
    np.testing.assert_allclose(found[:2], [[0.5, 0.25, 0.25]] * 2)
    np.testing.assert_allclose(found[2:], [[1.0, 0.0, 0.0]] * 4)


def test_stratified_answers_are_drawn_by_share_and_do_not_look_at_the_row() -> None:
    rng = np.random.default_rng(0)
    codes = rng.choice(3, 6000, p=[0.6, 0.3, 0.1])
    folds = np.arange(6000) % 5
    found = by_share("stratified", codes, folds, 1)
    assert set(np.unique(found)) == {0.0, 1.0}
    np.testing.assert_allclose(found.mean(axis=0), np.bincount(codes) / 6000, atol=0.02)
    chance = (np.bincount(codes) / 6000 @ np.bincount(codes)) / 6000
    accuracy = (found.argmax(axis=1) == codes).mean()
    assert accuracy == pytest.approx(chance, abs=4 * np.sqrt(chance * (1 - chance) / 6000))
    np.testing.assert_array_equal(found, by_share("stratified", codes, folds, 1))
