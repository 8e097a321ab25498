"""Columns laid out by frequency hold the same matrix."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from src.models.dual_descent import by_frequency


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
