"""The threaded one-vs-rest SVM against scikit-learn's LinearSVC."""

from __future__ import annotations

import os

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import check_estimator

from src.models.dual_descent import compiled_solver
from src.models.linear_svm import ThreadedLinearSVC, linear_decision_function, linear_margins


def words(n: int = 600, n_classes: int = 7) -> tuple[sparse.csr_matrix, np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.integers(0, n_classes, n) * 10
    counts = sparse.random(n, 900, 0.02, format="csr", random_state=0, dtype=np.float32)
    topic = sparse.csr_matrix((np.ones(n), (np.arange(n), y)), shape=(n, 900), dtype=np.float32)
    return (counts + 0.4 * topic).tocsr(), y


@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize("n_jobs", [1, 3])
def test_same_decisions_as_the_library(class_weight: str | None, n_jobs: int) -> None:
    X, y = words()
    options = {"C": 0.5, "class_weight": class_weight, "random_state": 0, "tol": 1e-6}
    ours = ThreadedLinearSVC(**options, n_jobs=n_jobs).fit(X, y)
    library = LinearSVC(**options, max_iter=5000).fit(X, y)
    np.testing.assert_allclose(ours.decision_function(X), library.decision_function(X), atol=1e-3)
    assert (ours.predict(X) == library.predict(X)).mean() > 0.999
    np.testing.assert_array_equal(ours.classes_, library.classes_)


def test_the_default_tolerance_is_close_enough() -> None:
    X, y = words()
    ours = ThreadedLinearSVC(C=0.5, random_state=0).fit(X, y)
    library = LinearSVC(C=0.5, random_state=0, tol=1e-6, max_iter=5000).fit(X, y)
    np.testing.assert_allclose(ours.decision_function(X), library.decision_function(X), atol=1e-3)


def test_two_classes_have_one_margin() -> None:
    X, y = make_classification(200, 10, random_state=0)
    ours = ThreadedLinearSVC(random_state=0, tol=1e-6, max_iter=20000).fit(X, y)
    library = LinearSVC(random_state=0, tol=1e-6, max_iter=20000).fit(X, y)
    np.testing.assert_allclose(ours.decision_function(X), library.decision_function(X), atol=1e-3)
    np.testing.assert_array_equal(ours.predict(X), library.predict(X))


def test_threads_give_the_same_digits() -> None:
    X, y = words()
    one, two = (ThreadedLinearSVC(random_state=0, n_jobs=n).fit(X, y) for n in (1, 2))
    np.testing.assert_array_equal(one.coef_, two.coef_)


def test_no_convergence_is_told_once() -> None:
    X, y = words()
    with pytest.warns(ConvergenceWarning, match="the solver did not converge") as caught:
        ThreadedLinearSVC(max_iter=1, random_state=0).fit(X, y)
    assert len(caught) == 1


def test_one_class_is_refused() -> None:
    X, _ = words(20)
    with pytest.raises(ValueError, match="at least 2 classes, found 1 class"):
        ThreadedLinearSVC().fit(X, np.zeros(20, int))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_the_librarys_contract() -> None:
    check_estimator(ThreadedLinearSVC(max_iter=200))


@pytest.mark.parametrize("n_classes", [2, 5])
@pytest.mark.parametrize("few", [True, False])
def test_margins_of_a_sparse_matrix_are_the_plain_product(few: bool, n_classes: int) -> None:
    rng = np.random.default_rng(0)
    X = sparse.random(
        1 if few else 400, 300, density=0.05, format="csr", random_state=0, dtype=np.float32
    )
    coef = rng.normal(size=(n_classes, 300)).astype(np.float32)
    np.testing.assert_array_equal(linear_margins(X, coef), X @ coef.T)
    assert linear_margins(X[:0], coef).shape == (0, n_classes)


def test_a_dense_row_has_the_same_margins_alone_and_among_others() -> None:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(999, 1500)).astype(np.float32)
    coef = rng.normal(size=(27, 1500)).astype(np.float32)
    together = linear_margins(X, coef)
    np.testing.assert_allclose(together, X @ coef.T, rtol=1e-3, atol=1e-3)
    alone = np.vstack([linear_margins(X[[row]], coef) for row in range(50)])
    np.testing.assert_array_equal(alone, together[:50])


@pytest.mark.parametrize("n_classes", [2, 4])
def test_margins_of_a_librarys_classifier_are_its_own(n_classes: int) -> None:
    rng = np.random.default_rng(2)
    X, y = rng.normal(size=(90, 6)).astype(np.float32), np.arange(90) % n_classes
    fitted = LogisticRegression().fit(X, y)
    expected = fitted.decision_function(X)
    np.testing.assert_allclose(linear_decision_function(fitted, X), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(os.getuid() != 0, reason="only root may become another user")
def test_it_is_compiled_where_no_folder_for_a_cache_can_be_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As a user who may write neither the code's folder nor a home."""
    monkeypatch.setenv("HOME", "/nonexistent")
    ThreadedLinearSVC().fit(np.eye(4, dtype=np.float32), [0, 0, 1, 1])
    compiled_solver.cache_clear()
    if (child := os.fork()) == 0:
        status = 1
        try:
            os.setuid(54321)
            compiled_solver()
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
