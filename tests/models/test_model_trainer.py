"""`ModelTrainer` gives the library's own fit, leaves its head alone and reports what went wrong."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC
from src.features.matrix import FeatureMatrix

from src.models.model_trainer import ModelTrainer

X, Y = make_classification(200, 12, n_informative=6, n_classes=3, random_state=0)
MATRIX = FeatureMatrix.of({"a": X[:, :5].astype(np.float32), "b": X[:, 5:].astype(np.float32)})


def test_equals_a_plain_fit() -> None:
    head = LinearSVC(random_state=0)
    fitted = ModelTrainer(head).fit(MATRIX, Y)
    plain = LinearSVC(random_state=0).fit(X.astype(np.float32), Y)
    np.testing.assert_allclose(fitted.coef_, plain.coef_, rtol=1e-6)
    assert not hasattr(head, "coef_")


class Grouped(ClassifierMixin, BaseEstimator):
    """Keeps the groups that it is given."""

    def fit(self, X: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None) -> Grouped:
        self.groups_ = groups
        return self


def test_groups_reach_the_classifiers_that_ask_for_them() -> None:
    groups = np.arange(200) // 2
    assert ModelTrainer(Grouped()).fit(MATRIX, Y, groups).groups_ is groups
    with_groups = ModelTrainer(LinearSVC(random_state=0)).fit(MATRIX, Y, groups)
    plain = ModelTrainer(LinearSVC(random_state=0)).fit(MATRIX, Y)
    np.testing.assert_array_equal(with_groups.coef_, plain.coef_)


def test_a_solver_that_did_not_converge_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="src"):
        ModelTrainer(LogisticRegression(max_iter=1)).fit(MATRIX, Y)
    assert len(caplog.messages) == 1
    assert "stopped before it converged: raise max_iter or lower C" in caplog.messages[0]
