"""Branches and head put together: `ProductModel` learns, `FullPipeline` is what serving loads."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.pipeline import make_pipeline

from src.config import Config
from src.data.sampling import Sampling
from src.features.extracted import Extracted
from src.features.matrix import FeatureMatrix
from src.features.tfidf.svd import DenseRows
from src.models.classifiers import TREES, build_classifier
from src.models.late_fusion import LateFusion
from src.models.linear_svm import head_margins
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
    sampling : Sampling or None
        Which of the rows the head sees, and how often; None is each once.

    Attributes
    ----------
    features_ : WeightedFeatureUnion
        Fitted on the rows that `fit` saw, each once, and no others.
    head_ : classifier
        Fitted likewise, on the rows that `sampling` chose.
    classes_ : ndarray of int64, shape (n_classes,)
        prdtypecode of each column of `decision_function`.
    background_ : ndarray of float32, shape (n_columns,)
        Mean of each column over the training rows: what explanations compare a product with.
    blocks_ : tuple of Block
        Columns of each branch.
    """

    def __init__(
        self,
        features: WeightedFeatureUnion,
        head: ClassifierMixin,
        sampling: Sampling | None = None,
    ) -> None:
        self.features = features
        self.head = head
        self.sampling = sampling

    def fit(self, X: Extracted, y: np.ndarray) -> ProductModel:
        """Fit branches and head on n products and their codes, shape (n,).

        A column "group" of `X` keeps duplicates on one side of a head's own inner split.
        """
        from sklearn.base import clone

        features = clone(self.features)
        return self.fit_head(features, features.fit_transform(X, y), y, X.table.get("group"))

    def fit_head(
        self,
        features: WeightedFeatureUnion,
        matrix: FeatureMatrix,
        y: np.ndarray,
        groups: np.ndarray | None = None,
    ) -> ProductModel:
        """Fit the head on a matrix that `features`, already fitted, made of the same rows."""
        self.features_ = features
        if self.sampling is not None:
            rows = self.sampling.rows(y)
            # Copies of a row that was inflated are duplicates of each other.
            groups = rows if groups is None else groups[rows]
            matrix, y = matrix.take(rows), y[rows]
        self.head_ = ModelTrainer(self.head).fit(matrix, y, groups)
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
        margins = head_margins(self.head_, matrix.stack())
        return np.column_stack([-margins, margins]) if margins.ndim == 1 else margins

    def predict(self, X: Extracted) -> np.ndarray:
        """Return the likeliest prdtypecode of each product, shape (n,); n may be 0."""
        if not len(X):
            return self.classes_[:0]
        return self.classes_[self.decision_function(X).argmax(axis=1)]


def build_model(cfg: Config, branches: list[Branch]) -> LateFusion:
    """Return the unfitted model that ``[model].name`` asks for, on these branches.

    Late fusion has one expert for the text branches and one for the image branches; any other kind
    is one expert, "all", on all branches side by side.
    """
    name, options = cfg.model.name, cfg.model.late_fusion
    experts = [("all", "", branches, name)]
    if name == "late_fusion":
        text = [branch for branch in branches if branch.modality == "text"]
        image = [branch for branch in branches if branch.modality != "text"]
        experts = [("text", "", text, options.text), ("image", "image", image, options.image)]
    built = [(n, mask, model_on(cfg, own, kind)) for n, mask, own, kind in experts if own]
    return LateFusion(built, n_folds=cfg.cv.n_folds, random_state=cfg.compute.seed)


def model_on(cfg: Config, branches: list[Branch], kind: str) -> ProductModel:
    """Return the unfitted model of one kind on these branches side by side."""
    head = build_classifier(cfg.model, kind, seed=cfg.compute.seed, n_jobs=cfg.compute.n_jobs)
    return ProductModel(union_of(cfg, branches, kind), head, _sampling(cfg))


def union_of(cfg: Config, branches: list[Branch], kind: str = "") -> WeightedFeatureUnion:
    """Return the unfitted union of the branches, with the configured weights.

    Parameters
    ----------
    cfg : Config
        Weights, the kind and, for trees, ``[features.text.svd].n_components`` are read.
    branches : list of Branch
        What is laid side by side.
    kind : str
        Of the classifier behind it, ``[model].name`` where it is "": trees get every sparse branch
        reduced, whatever ``[features.text.svd].enabled`` says.
    """
    steps = [(branch.name, branch.estimator) for branch in branches]
    if (kind or cfg.model.name) in TREES:
        dense = DenseRows(cfg.features.text.svd.n_components)
        steps = [(name, make_pipeline(estimator, dense)) for name, estimator in steps]
    return WeightedFeatureUnion(steps, branch_weights(cfg))


def _sampling(cfg: Config) -> Sampling | None:
    options = cfg.sampling
    return Sampling(options.cap, options.floor, cfg.compute.seed) if options.enabled else None


@dataclasses.dataclass(frozen=True, eq=False)
class FullPipeline:
    """Everything that serving needs, in one file, so that files of two runs can't mix.

    Attributes
    ----------
    extractors : tuple of Extractor
        From raw text and picture to `Extracted`.
    model : LateFusion
        Fitted on all labelled rows.
    threshold : float
        An answer less probable than this needs review.
    labels : mapping of int to mapping of str to str
        Label of each code by language.
    themes : mapping of int to str
        Theme of each code.
    seen : ndarray of uint64, ascending
        `product_keys` of the training products.
    kind, run_id, data_hash : str
        Kind of model; run that trained it; state of the data it learned from.
    synthetic : bool
        True when it learned from the demo shop.
    """

    extractors: tuple[Extractor, ...]
    model: LateFusion
    threshold: float
    labels: Mapping[int, Mapping[str, str]]
    themes: Mapping[int, str]
    seen: np.ndarray
    kind: str
    run_id: str
    data_hash: str
    synthetic: bool

    def extract(self, items: pd.DataFrame) -> Extracted:
        """Return what the extractors give for n products (designation, description, image)."""
        return extract(items, self.extractors, cache=None)

    def predict_proba(self, items: pd.DataFrame) -> np.ndarray:
        """Return probabilities of n products, shape (n, n_classes), columns as `model.classes_`."""
        return self.model.predict_proba(self.extract(items))

    def predict(self, items: pd.DataFrame) -> np.ndarray:
        """Return the likeliest prdtypecode of n products, shape (n,)."""
        return self.model.predict(self.extract(items))
