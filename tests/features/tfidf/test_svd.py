"""The capped SVD against scikit-learn's own, and dense rows of any branch."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.decomposition import TruncatedSVD
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, normalize

from src.features.tfidf.svd import CappedSVD

X = sparse.random(40, 12, 0.4, format="csr", random_state=0, dtype=np.float32)


@pytest.mark.parametrize(("columns", "rows", "expected"), [(12, 40, 11), (3, 40, 2), (12, 4, 3)])
def test_more_than_there_is_is_cut(columns: int, rows: int, expected: int) -> None:
    svd = CappedSVD(300).fit(X[:rows, :columns])
    assert svd.transform(X[:, :columns]).shape == (40, expected)
    assert svd.get_feature_names_out().tolist() == [f"svd_{i}" for i in range(expected)]


def test_sparse_rows_are_reduced_to_unit_length() -> None:
    ours = clone(CappedSVD(5)).fit(X[:30])
    expected = normalize(TruncatedSVD(5, random_state=0).fit(X[:30]).transform(X))
    np.testing.assert_allclose(ours.transform(X), expected, atol=1e-5)
    assert ours.transform(X).dtype == np.float32
    assert ours.get_feature_names_out(["a"] * 12).tolist() == [f"svd_{i}" for i in range(5)]


def test_dense_rows_stay_as_they_are_with_their_names() -> None:
    dense = X.toarray()
    pipeline = make_pipeline(FunctionTransformer(feature_names_out="one-to-one"), CappedSVD(5)).fit(
        dense
    )
    assert pipeline.transform(dense) is dense
    assert pipeline.get_feature_names_out().tolist() == [f"x{i}" for i in range(12)]


def test_one_column_stays_as_it_is() -> None:
    reduced = CappedSVD(5).fit_transform(X[:, :1])
    np.testing.assert_array_equal(reduced, X[:, :1].toarray())
