"""`CappedSVD`: truncated SVD that asks for no more components than there are."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import TruncatedSVD


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
