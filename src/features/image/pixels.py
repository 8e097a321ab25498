"""Raw pixels: flattened, scaled to 0..1, and reduced by PCA or SVD.

`PixelExtractor` reads images; `PixelReducer` learns the projection. Give it rows that have an image
and no others: a few thousand blank rows would become the first component.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from src.data.image_decode import ImageSource
from src.errors import UsageError
from src.features.image.loader import load_batches, load_settings

if TYPE_CHECKING:
    from sklearn.decomposition import PCA, TruncatedSVD

Floats = NDArray[np.float32]
METHODS = ("pca", "svd")


@dataclasses.dataclass(eq=False)
class PixelExtractor:
    """Small images as rows of 3 size^2 numbers.

    >>> PixelExtractor(2).extract([None])[0].shape
    (1, 12)
    """

    size_px: int = 32
    mode: str = "letterbox"
    batch_size: int = 256

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns: row, column, channel."""
        side = range(self.size_px)
        return tuple(f"pixel_{row}_{col}_{c}" for row in side for col in side for c in "rgb")

    def settings(self) -> dict[str, str | int]:
        """Return all that changes a value: part of the address of whatever is cached."""
        return {**load_settings(self.size_px, self.mode), "features": "image_pixels"}

    def extract(self, sources: Sequence[ImageSource]) -> tuple[Floats, NDArray[np.bool_]]:
        """Return 0..1, shape (n, 3 size^2), zeros without an image, and where there is one."""
        values = np.zeros((len(sources), 3 * self.size_px**2), dtype=np.float32)
        mask = np.zeros(len(sources), dtype=bool)
        batches = load_batches(sources, self.batch_size, size_px=self.size_px, mode=self.mode)
        for rows, images, found in batches:
            np.divide(images.reshape(len(found), -1), 255, out=values[rows], where=found[:, None])
            mask[rows] = found
        return values, mask


class PixelReducer(TransformerMixin, BaseEstimator):
    """PCA, which subtracts the mean image first, or truncated SVD ("svd") of pixel rows.

    `n_components` are cut to what the training rows allow.

    >>> X = np.random.default_rng(0).random((6, 12))
    >>> PixelReducer(n_components=2).fit_transform(X).shape
    (6, 2)
    """

    def __init__(
        self, method: str = "pca", n_components: int = 64, *, random_state: int = 0
    ) -> None:
        self.method = method
        self.n_components = n_components
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> PixelReducer:
        """Learn the projection from rows of pixels, shape (n, d)."""
        if self.method not in METHODS:
            raise UsageError(f"pixel method {self.method!r} is not one of {', '.join(METHODS)}")
        values = validate_data(self, X, dtype=np.float32)
        self.reducer_ = self._make_reducer(values).fit(values)
        self.n_components_ = len(self.reducer_.components_)
        self._n_features_out = self.n_components_
        return self

    def transform(self, X: ArrayLike) -> Floats:
        """Project rows of pixels; shape (n, n_components_), float32."""
        check_is_fitted(self)
        values = validate_data(self, X, dtype=np.float32, reset=False)
        return self.reducer_.transform(values).astype(np.float32, copy=False)

    def __sklearn_tags__(self) -> Tags:
        """Say that the output is float32 whatever comes in."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """Return "pixel_pca_0" and so on."""
        check_is_fitted(self)
        names = [f"pixel_{self.method}_{i}" for i in range(self.n_components_)]
        return np.array(names, dtype=object)

    def _make_reducer(self, values: Floats) -> PCA | TruncatedSVD:
        from sklearn.decomposition import PCA, TruncatedSVD

        k = max(1, min(self.n_components, *values.shape))
        if self.method == "svd":
            # ARPACK wants fewer components than columns; the randomised solver does not.
            return TruncatedSVD(k, random_state=self.random_state)
        # Many more rows than columns: the covariance's eigenvectors are the cheaper way.
        solver = "covariance_eigh" if len(values) > 2 * values.shape[1] else "randomized"
        return PCA(k, svd_solver=solver, random_state=self.random_state)
