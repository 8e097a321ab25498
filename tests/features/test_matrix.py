"""`FeatureMatrix`: parts, blocks and the stacked whole agree."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from src.features.matrix import Block, FeatureMatrix

SPARSE = sparse.csr_matrix(np.array([[0, 1, 0], [2, 0, 0]], np.float32))
DENSE = np.array([[5, 0], [0, 7]], np.float32)


def test_blocks_are_the_columns_of_the_stack() -> None:
    matrix = FeatureMatrix.of({"words": SPARSE, "length": DENSE})
    assert matrix.blocks == (Block("words", 0, 3), Block("length", 3, 5))
    assert [block.width for block in matrix.blocks] == [3, 2]
    assert matrix.shape == (2, 5)
    stacked = matrix.stack()
    assert sparse.issparse(stacked)
    assert stacked.dtype == np.float32
    np.testing.assert_array_equal(stacked.toarray(), np.hstack([SPARSE.toarray(), DENSE]))


def test_dense_parts_stay_dense() -> None:
    stacked = FeatureMatrix.of({"a": DENSE, "b": DENSE}).stack()
    np.testing.assert_array_equal(stacked, np.hstack([DENSE, DENSE]))
    assert FeatureMatrix.of({"a": DENSE}).stack() is DENSE


def test_density_and_bytes() -> None:
    matrix = FeatureMatrix.of({"words": SPARSE, "length": DENSE})
    assert matrix.density == pytest.approx(4 / 10)
    expected = SPARSE.data.nbytes + SPARSE.indices.nbytes + SPARSE.indptr.nbytes + DENSE.nbytes
    assert matrix.nbytes == expected


def test_uneven_heights_are_refused() -> None:
    with pytest.raises(ValueError, match=r"same number of rows, found \{'a': 2, 'b': 1\}"):
        FeatureMatrix.of({"a": DENSE, "b": DENSE[:1]})


def test_rows_are_taken_from_every_part_and_may_repeat() -> None:
    matrix = FeatureMatrix.of({"words": SPARSE, "length": DENSE})
    taken = matrix.take(np.array([1, 1, 0]))
    assert taken.blocks == matrix.blocks
    expected = np.hstack([SPARSE.toarray(), DENSE])[[1, 1, 0]]
    np.testing.assert_array_equal(taken.stack().toarray(), expected)


def test_means_are_those_of_the_stacked_columns() -> None:
    matrix = FeatureMatrix.of({"words": SPARSE, "length": DENSE})
    means = matrix.column_means()
    assert means.dtype == np.float32
    np.testing.assert_allclose(means, np.hstack([SPARSE.toarray(), DENSE]).mean(axis=0))
