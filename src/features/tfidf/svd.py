"""`CappedSVD`: truncated SVD that asks for no more components than there are, and `DenseRows`."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import TruncatedSVD
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import Normalizer


class CappedSVD(TransformerMixin, BaseEstimator):
    """scikit-learn's ``TruncatedSVD``, cut to what the training rows allow.

    A small fold or catalogue may have fewer columns than the configuration asks components of.

    Parameters
    ----------
    n_components : int
        Columns at the most.
    random_state : int
        Seed of the randomised solver.

    Attributes
    ----------
    svd_ : TruncatedSVD
    """

    def __init__(self, n_components: int = 100, random_state: int = 0) -> None:
        self.n_components = n_components
        self.random_state = random_state

    def fit(self, X: sparse.csr_matrix, y: object = None) -> CappedSVD:
        """Fit on n rows, shape (n, n_features)."""
        allowed = min(self.n_components, min(X.shape) - 1)
        self.svd_ = TruncatedSVD(max(allowed, 1), random_state=self.random_state).fit(X)
        return self

    def transform(self, X: sparse.csr_matrix) -> np.ndarray:
        """Return the components of n rows, shape (n, at most n_components), float32."""
        return self.svd_.transform(X).astype(np.float32)

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Return ``svd_0``, ``svd_1`` and so on."""
        return np.array([f"svd_{i}" for i in range(self.svd_.n_components)], dtype=object)


class DenseRows(TransformerMixin, BaseEstimator):
    """Reduce a sparse matrix to the directions of its `CappedSVD`; leave a dense one as it is.

    Put behind a branch for classifiers that need few dense columns.

    Parameters
    ----------
    n_components : int
        Columns of a reduced matrix at the most.

    Attributes
    ----------
    reducer_ : Pipeline or None
        `CappedSVD` and rows scaled to length 1; None where the matrix was dense.
    """

    def __init__(self, n_components: int = 100) -> None:
        self.n_components = n_components

    def fit(self, X: sparse.csr_matrix | np.ndarray, y: object = None) -> DenseRows:
        """Fit on n rows, shape (n, n_features)."""
        self.reducer_: Pipeline | None = None
        if sparse.issparse(X):
            self.reducer_ = make_pipeline(CappedSVD(self.n_components), Normalizer()).fit(X)
        return self

    def transform(self, X: sparse.csr_matrix | np.ndarray) -> np.ndarray:
        """Return n dense rows."""
        return X if self.reducer_ is None else self.reducer_.transform(X)

    def get_feature_names_out(self, input_features: np.ndarray | None = None) -> np.ndarray:
        """Return ``svd_0``, ``svd_1`` and so on, or the names that a dense matrix came with."""
        if self.reducer_ is None:
            return np.asarray(input_features, dtype=object)
        return self.reducer_[0].get_feature_names_out()
