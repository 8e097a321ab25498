"""`FineTunedCNN`: a network that goes on learning from the training rows of a fold.

Unlike a frozen network it learns from many products, so it is an estimator: each fold tunes its own
copy, and no row that is scored has been seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

if TYPE_CHECKING:
    from src.features.networks.fine_tuning import FineTuning


class FineTunedCNN(TransformerMixin, BaseEstimator):
    """Embeddings of a network fine-tuned on the rows of `fit`.

    Parameters
    ----------
    featurizer : CNNFeaturizer
        Where tuning starts.
    tuning : FineTuning
        Its settings.

    Attributes
    ----------
    featurizer_ : CNNFeaturizer
        The tuned copy.
    """

    def __init__(self, featurizer: Any, tuning: FineTuning) -> None:  # noqa: ANN401
        self.featurizer = featurizer
        self.tuning = tuning

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> FineTunedCNN:
        """Tune on the products of `X` that have an image; duplicates stay on one inner side."""
        present = X["has_image"].to_numpy(dtype=bool)
        groups = X["group"].to_numpy() if "group" in X else None
        self.featurizer_ = self.featurizer.fine_tune(
            X["image"][present].tolist(),
            y[present],
            self.tuning,
            groups=None if groups is None else groups[present],
        )
        return self

    def transform(self, X: pd.DataFrame) -> np.ndarray:
        """Return embeddings, shape (n, n_features), float32; zeros where there is no image."""
        sources = [source or None for source in X["image"]]
        return self.featurizer_.extract(sources)[0]

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Return the names of the embedding's values."""
        return np.array(self.featurizer_.names, dtype=object)
