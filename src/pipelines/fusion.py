"""`WeightedFeatureUnion`: the branches side by side, each with its weight and its columns known.

The same numbers as scikit-learn's ``FeatureUnion`` with ``transformer_weights`` (tested), but the
parts stay apart with their `Block`s: a matrix can be explained, weighed and reduced by branch.
"""

from __future__ import annotations

import logging
import time

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin, clone

from src.features.extracted import Extracted
from src.features.matrix import FeatureMatrix, Part, part_bytes

logger = logging.getLogger(__name__)


class JoinColumns(TransformerMixin, BaseEstimator):
    """Hand several text columns of `Extracted` on as one text a product.

    Parameters
    ----------
    columns : tuple of str
        Names in ``Extracted.table``, in order.
    """

    def __init__(self, columns: tuple[str, ...]) -> None:
        self.columns = columns

    def fit(self, X: Extracted, y: object = None) -> JoinColumns:
        """Learn nothing."""
        return self

    def transform(self, X: Extracted) -> np.ndarray:
        """Return n texts, their parts on lines of their own so that no two words are glued."""
        texts = np.empty(len(X), dtype=object)
        parts = (X.table[name].tolist() for name in self.columns)
        texts[:] = ["\n".join(row) for row in zip(*parts, strict=True)]
        return texts

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Return the names of the columns."""
        return np.array(self.columns, dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return True


class SelectColumn(TransformerMixin, BaseEstimator):
    """Hand one column of `Extracted` to the estimators that follow.

    Parameters
    ----------
    column : str
        Name in ``Extracted.table``.

    Attributes
    ----------
    width_ : int
        Number of values a product; 1 for texts and single numbers.
    """

    def __init__(self, column: str) -> None:
        self.column = column

    def fit(self, X: Extracted, y: object = None) -> SelectColumn:
        """Learn the width of the column."""
        values = X.table[self.column]
        self.width_ = 1 if values.ndim == 1 else values.shape[1]
        return self

    def transform(self, X: Extracted) -> np.ndarray:
        """Return the column, n rows; one-dimensional numbers become a column of shape (n, 1)."""
        values = X.table[self.column]
        return values.reshape(-1, 1) if values.ndim == 1 and values.dtype != object else values

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Return the column's name, numbered where it is several values wide."""
        if self.width_ == 1:
            return np.array([self.column], dtype=object)
        return np.array([f"{self.column}_{i}" for i in range(self.width_)], dtype=object)


class PresentRows(TransformerMixin, BaseEstimator):
    """Fit a transformer of one column on the products that have the thing; the others get zeros.

    Parameters
    ----------
    column : str
        Name in ``Extracted.table``, a matrix.
    mask : str
        Name in ``Extracted.masks``.
    transformer : transformer
        Unfitted; of dense rows.

    Attributes
    ----------
    transformer_ : transformer or None
        None when no product had the thing: then every column is zero.
    width_ : int
        Number of values a product.
    """

    def __init__(self, column: str, mask: str, transformer: BaseEstimator) -> None:
        self.column = column
        self.mask = mask
        self.transformer = transformer

    def fit(self, X: Extracted, y: object = None) -> PresentRows:
        """Fit on the products of `X` that have the thing."""
        values, present = X.table[self.column], X.masks[self.mask]
        self.transformer_, self.width_ = None, values.shape[1]
        if present.any():
            self.transformer_ = clone(self.transformer).fit(values[present])
            self.width_ = self.transformer_.transform(values[present][:1]).shape[1]
        return self

    def transform(self, X: Extracted) -> np.ndarray:
        """Return the transformed rows, shape (n, width_), float32; zeros where it is missing."""
        present = X.masks[self.mask]
        rows = np.zeros((len(present), self.width_), dtype=np.float32)
        if self.transformer_ is not None and present.any():
            rows[present] = self.transformer_.transform(X.table[self.column][present])
        return rows

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Return the column's name, numbered."""
        return np.array([f"{self.column}_{i}" for i in range(self.width_)], dtype=object)


class WeightedFeatureUnion(TransformerMixin, BaseEstimator):
    """Fit every branch on the same products and lay the results side by side.

    Parameters
    ----------
    transformer_list : list of (str, transformer)
        Branch name and an unfitted transformer from `Extracted` to a matrix.
    transformer_weights : dict of str to float
        Factor on each branch's columns.

    Attributes
    ----------
    transformers_ : list of (str, transformer)
        The fitted branches, in the same order.
    """

    def __init__(
        self,
        transformer_list: list[tuple[str, BaseEstimator]],
        transformer_weights: dict[str, float],
    ) -> None:
        self.transformer_list = transformer_list
        self.transformer_weights = transformer_weights

    def fit(self, X: Extracted, y: np.ndarray | None = None) -> WeightedFeatureUnion:
        """Fit the branches; see `fit_transform`."""
        self.fit_transform(X, y)
        return self

    def fit_transform(
        self, X: Extracted, y: np.ndarray | None = None, **_: object
    ) -> FeatureMatrix:
        """Fit every branch on `X` (n products) and return their matrix, n rows."""
        self.transformers_ = [(name, clone(branch)) for name, branch in self.transformer_list]
        parts = {}
        for name, branch in self.transformers_:
            started = time.perf_counter()
            parts[name] = self._weigh(name, branch.fit_transform(X, y))
            _log_part(name, parts[name], time.perf_counter() - started)
        return FeatureMatrix.of(parts)

    def transform(self, X: Extracted) -> FeatureMatrix:
        """Return the matrix of n products, n rows, with the columns that were learned."""
        return FeatureMatrix.of(
            {name: self._weigh(name, branch.transform(X)) for name, branch in self.transformers_}
        )

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Return ``branch__column`` for every column, in order."""
        return np.concatenate(
            [
                np.array([f"{name}__{column}" for column in branch.get_feature_names_out()], object)
                for name, branch in self.transformers_
            ]
        )

    def _weigh(self, name: str, part: Part) -> Part:
        """Return the part as float32, CSR or dense, times the branch's weight."""
        part = part.tocsr() if sparse.issparse(part) else np.asarray(part)
        weight = np.float32(self.transformer_weights.get(name, 1.0))
        return part.astype(np.float32, copy=False) * weight


def _log_part(name: str, part: Part, elapsed_s: float) -> None:
    rows, columns = part.shape
    filled = part.nnz if sparse.issparse(part) else np.count_nonzero(part)
    logger.debug(
        "branch %-16s %9s x %-9s %6.2f %% dense  %6.1f s  %9s rows/s  %7.1f MB",
        name,
        f"{rows:,}",
        f"{columns:,}",
        100 * filled / max(rows * columns, 1),
        elapsed_s,
        f"{rows / max(elapsed_s, 1e-9):,.0f}",
        part_bytes(part) / 1e6,
    )
