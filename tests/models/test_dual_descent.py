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
