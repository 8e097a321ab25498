"""`ModelTrainer` gives the library's own fit, leaves its classifier alone and says what failed."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import check_estimator

from src.data.sampling import Sampling
from src.models.model_trainer import ModelTrainer

X, Y = make_classification(200, 12, n_informative=6, n_classes=3, random_state=0)
X = X.astype(np.float32)


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_matrix])
def test_equals_a_plain_fit(make: type) -> None:
    classifier = LinearSVC(random_state=0)
    fitted = ModelTrainer(classifier).fit(make(X), Y)
    plain = LinearSVC(random_state=0).fit(make(X), Y)
    np.testing.assert_allclose(fitted.classifier_.coef_, plain.coef_, rtol=1e-6)
    margins = plain.decision_function(make(X))
    np.testing.assert_allclose(fitted.decision_function(make(X)), margins, atol=1e-5)
    np.testing.assert_array_equal(fitted.predict(make(X)), plain.predict(make(X)))
    np.testing.assert_array_equal(fitted.classes_, plain.classes_)
    assert not hasattr(classifier, "coef_")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_the_librarys_contract() -> None:
    check_estimator(ModelTrainer(LogisticRegression()))


class Grouped(ClassifierMixin, BaseEstimator):
    """Keeps the groups that it is given."""

    def fit(self, X: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None) -> Grouped:
        self.groups_, self.classes_ = groups, np.unique(y)
        return self


def test_groups_reach_the_classifiers_that_ask_for_them() -> None:
    groups = np.arange(200) // 2
    assert ModelTrainer(Grouped()).fit(X, Y, groups).classifier_.groups_ is groups
    each = ModelTrainer(Grouped()).fit(X, Y).classifier_.groups_
    np.testing.assert_array_equal(each, np.arange(200))
    with_groups = ModelTrainer(LinearSVC(random_state=0)).fit(X, Y, groups)
    plain = ModelTrainer(LinearSVC(random_state=0)).fit(X, Y)
    np.testing.assert_array_equal(with_groups.classifier_.coef_, plain.classifier_.coef_)


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_matrix])
def test_the_background_is_the_mean_of_the_rows_it_was_fitted_on(make: type) -> None:
    sampling = Sampling(cap=1.0, floor=1.0, seed=2)
    background = ModelTrainer(LinearSVC(), sampling).fit(make(X), Y).background_
    assert background.dtype == np.float32
    np.testing.assert_allclose(background, X[sampling.rows(Y)].mean(axis=0), rtol=1e-4, atol=1e-6)


class TreeMargins(DecisionTreeClassifier):
    """A classifier that is not linear."""

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        return self.predict_proba(X)


def test_margins_of_a_classifier_that_is_not_linear_are_its_own() -> None:
    fitted = ModelTrainer(TreeMargins(random_state=0)).fit(X, Y)
    plain = TreeMargins(random_state=0).fit(X, Y)
    np.testing.assert_array_equal(fitted.decision_function(X), plain.decision_function(X))


def test_a_solver_that_did_not_converge_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="src"):
        ModelTrainer(LogisticRegression(max_iter=1)).fit(X, Y)
    assert len(caplog.messages) == 1
    assert "stopped before it converged: raise max_iter or lower C" in caplog.messages[0]
