"""`CappedSVD`: truncated SVD that asks for no more components than there are."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import TruncatedSVD
from sklearn.preprocessing import normalize


class CappedSVD(TransformerMixin, BaseEstimator):
    """Reduce a sparse matrix by ``TruncatedSVD``, rows scaled to length 1; leave a dense one.

    A small fold or catalogue may have fewer columns than the configuration asks components of.
    `svd_` is None where the matrix was dense, or one column.
    """

    def __init__(self, n_components: int = 100, random_state: int = 0) -> None:
        self.n_components = n_components
        self.random_state = random_state

    def fit(self, X: sparse.csr_matrix | np.ndarray, y: object = None) -> CappedSVD:
        """Fit on n rows, shape (n, n_features)."""
        self.svd_: TruncatedSVD | None = None
        if sparse.issparse(X) and X.shape[1] > 1:
            allowed = max(min(self.n_components, min(X.shape) - 1), 1)
            self.svd_ = TruncatedSVD(allowed, random_state=self.random_state).fit(X)
        return self

    def transform(self, X: sparse.csr_matrix | np.ndarray) -> np.ndarray:
        """Return n dense rows, at most n_components wide if they were sparse; float32."""
        if self.svd_ is None:
            return sparse.csr_matrix(X).toarray() if sparse.issparse(X) else np.asarray(X)
        return normalize(self.svd_.transform(X).astype(np.float32), copy=False)

    def get_feature_names_out(self, input_features: np.ndarray | None = None) -> np.ndarray:
        """Return ``svd_0``, ``svd_1`` and so on, or the names that other columns came with."""
        if self.svd_ is None:
            return np.asarray(input_features, dtype=object)
        return np.array([f"svd_{i}" for i in range(self.svd_.n_components)], dtype=object)
