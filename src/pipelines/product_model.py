"""Branches and head put together: `ProductModel` learns, `FullPipeline` is what serving loads."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin

from src.config import Config
from src.features.extracted import Extracted
from src.features.matrix import FeatureMatrix
from src.models.kinds import build_head
from src.models.late_fusion import LateFusion
from src.models.model_trainer import ModelTrainer
from src.pipelines.extraction import Extractor, extract
from src.pipelines.fusion import WeightedFeatureUnion
from src.pipelines.registry import branch_weights
from src.pipelines.registry_types import Branch


class ProductModel(ClassifierMixin, BaseEstimator):
    """A classifier of products: ``clone(model).fit(extracted.take(rows), y[rows])`` is one fold.

    Parameters
    ----------
    features : WeightedFeatureUnion
        Unfitted branches.
    head : classifier
        Unfitted; sees the stacked matrix.

    Attributes
    ----------
    features_ : WeightedFeatureUnion
        Fitted on the rows that `fit` saw, and no others.
    head_ : classifier
        Fitted likewise.
    classes_ : ndarray of int64, shape (n_classes,)
        prdtypecode of each column of `decision_function`.
    background_ : ndarray of float32, shape (n_columns,)
        Mean of each column over the training rows: what explanations compare a product with.
    blocks_ : tuple of Block
        Columns of each branch.
    """

    def __init__(self, features: WeightedFeatureUnion, head: ClassifierMixin) -> None:
        self.features = features
        self.head = head

    def fit(self, X: Extracted, y: np.ndarray) -> ProductModel:
        """Fit branches and head on n products and their codes, shape (n,)."""
        from sklearn.base import clone

        features = clone(self.features)
        return self.fit_head(features, features.fit_transform(X, y), y)

    def fit_head(
        self, features: WeightedFeatureUnion, matrix: FeatureMatrix, y: np.ndarray
    ) -> ProductModel:
        """Fit the head on a matrix that `features`, already fitted, made of the same rows."""
        self.features_ = features
        self.head_ = ModelTrainer(self.head).fit(matrix, y)
        self.classes_ = self.head_.classes_
        self.background_, self.blocks_ = matrix.column_means(), matrix.blocks
        return self

    def decision_function(self, X: Extracted) -> np.ndarray:
        """Return margins of n products, shape (n, n_classes), larger is likelier.

        Two classes give two columns here (scikit-learn gives one), the first with the sign turned.
        """
        return self.margins_of(self.features_.transform(X))

    def margins_of(self, matrix: FeatureMatrix) -> np.ndarray:
        """Return the same for what `features_` made of the products."""
        margins = self.head_.decision_function(matrix.stack())
        return np.column_stack([-margins, margins]) if margins.ndim == 1 else margins

    def predict(self, X: Extracted) -> np.ndarray:
        """Return the likeliest prdtypecode of each product, shape (n,); n may be 0."""
        if not len(X):
            return self.classes_[:0]
        return self.classes_[self.decision_function(X).argmax(axis=1)]


def build_model(cfg: Config, branches: list[Branch]) -> ProductModel | LateFusion:
    """Return the unfitted model that ``[model].name`` asks for, on these branches.

    Late fusion has one expert for the text branches and one for the image branches; without the
    latter it is the text expert with calibrated probabilities. Any other kind sees all branches
    side by side.
    """
    name = cfg.model.name
    if name != "late_fusion":
        return _on_branches(cfg, branches, name)
    kinds = {"text": cfg.model.late_fusion.text, "image": cfg.model.late_fusion.image}
    experts = []
    for expert, mask in (("text", ""), ("image", "image")):
        own = [branch for branch in branches if branch.modality.startswith(expert)]
        if own:
            experts.append((expert, mask, _on_branches(cfg, own, kinds[expert])))
    return LateFusion(experts, n_folds=cfg.model.late_fusion.n_folds, random_state=cfg.compute.seed)


def _on_branches(cfg: Config, branches: list[Branch], kind: str) -> ProductModel:
    head = build_head(cfg.model, kind, seed=cfg.compute.seed, n_jobs=cfg.compute.n_jobs)
    return ProductModel(union_of(cfg, branches), head)


def union_of(cfg: Config, branches: list[Branch]) -> WeightedFeatureUnion:
    """Return the unfitted union of the branches, with the configured weights."""
    return WeightedFeatureUnion([(b.name, b.estimator) for b in branches], branch_weights(cfg))


@dataclasses.dataclass(frozen=True, eq=False)
class FullPipeline:
    """Everything that serving needs, in one file, so that files of two runs can't mix.

    Attributes
    ----------
    extractors : tuple of Extractor
        From raw text and picture to `Extracted`.
    model : ProductModel or LateFusion
        Fitted on all labelled rows.
    labels : mapping of int to mapping of str to str
        Label of each code by language.
    kind, data_hash : str
        Kind of model; state of the data it learned from.
    synthetic : bool
        True when it learned from the demo shop.
    """

    extractors: tuple[Extractor, ...]
    model: ProductModel | LateFusion
    labels: Mapping[int, Mapping[str, str]]
    kind: str
    data_hash: str
    synthetic: bool

    def predict(self, items: pd.DataFrame) -> np.ndarray:
        """Return the prdtypecode of products given as `Dataset.items`, shape (n,)."""
        return self.model.predict(extract(items, self.extractors, cache=None))
