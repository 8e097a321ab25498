"""Columns laid out by frequency hold the same matrix."""

from __future__ import annotations

import numpy as np
import pytest
from numba.core import caching
from scipy import sparse

from src.models.dual_descent import by_frequency, compiled_solver
from src.models.linear_svm import ThreadedLinearSVC


def test_by_frequency() -> None:
    X = sparse.random(40, 30, 0.2, format="csr", random_state=0, dtype=np.float32)
    before = X.toarray()
    matrix, order = by_frequency(X)
    renamed = sparse.csr_matrix(matrix, shape=X.shape)
    np.testing.assert_array_equal(renamed.toarray(), before[:, order])
    np.testing.assert_array_equal(X.toarray(), before)
    assert renamed.has_sorted_indices
    counts = (before[:, order] != 0).sum(axis=0)
    np.testing.assert_array_equal(counts, np.sort(counts)[::-1])


def test_a_matrix_beyond_two_billion_values_has_the_same_solution() -> None:
    X = sparse.random(60, 30, 0.3, format="csr", random_state=0, dtype=np.float32)
    (data, indices, indptr), _ = by_frequency(X)
    sign = np.where(np.arange(60) % 3, -1.0, 1.0)
    norm = np.asarray(X.multiply(X).sum(axis=1), dtype=np.float64).ravel()
    problem = (sign, np.full(60, 0.5), norm)
    found = [
        compiled_solver()(
            (data, indices.astype(kind), indptr.astype(kind)), problem, 30, 1e-3, 99, 7
        )
        for kind in (np.uint32, np.uint64)  # scipy's int32 and int64, read without their sign
    ]
    np.testing.assert_array_equal(found[0][0], found[1][0])
    assert found[0][1] == found[1][1] < 99


def test_where_nothing_can_be_written_the_solver_is_compiled_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])  # no folder will do
    compiled_solver.cache_clear()
    try:
        y = np.array([0, 1] * 20)
        X = sparse.csr_matrix(np.eye(2)[y])
        assert ThreadedLinearSVC().fit(X, y).predict(X).tolist() == y.tolist()
    finally:
        compiled_solver.cache_clear()
