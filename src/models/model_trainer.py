"""`ModelTrainer`: the last step of an expert; samples rows, fits a classifier, logs the cost."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import get_tags
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.validation import check_is_fitted, validate_data

from src.data.sampling import Sampling
from src.models.cross_validation import fit_classifier
from src.models.linear_svm import linear_decision_function

logger = logging.getLogger(__name__)

Matrix: TypeAlias = Any
"""ndarray or csr_matrix, shape (n, n_features); scipy carries no types to check."""


class ModelTrainer(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """A classifier fitted on rows of a feature matrix that `sampling` chooses; None takes all once.

    `background_` is the mean of each column over these, (n_features,): what explanations compare
    with.
    """

    def __init__(self, classifier: Any, sampling: Sampling | None = None) -> None:  # noqa: ANN401
        self.classifier = classifier
        self.sampling = sampling

    def fit(self, X: Matrix, y: np.ndarray, groups: np.ndarray | None = None) -> ModelTrainer:
        """Fit on n rows; groups are duplicates, for classifiers that split their rows once more.

        A solver that stops before it converged is a warning in the log with what to change.
        """
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=[np.float32, np.float64])
        groups = np.arange(len(y)) if groups is None else groups
        if self.sampling is not None:
            rows = self.sampling.rows(y)
            # Copies of a repeated row are duplicates of each other: they keep its group.
            X, y, groups = X[rows], y[rows], groups[rows]
        started = time.perf_counter()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.classifier_ = fit_classifier(self.classifier, X, y, groups)
        self._relay(caught)
        name, elapsed_s = type(self.classifier).__name__, time.perf_counter() - started
        logger.debug("fit %s on %d x %d in %.1f s", name, *X.shape, elapsed_s)
        self.classes_ = self.classifier_.classes_
        self.background_ = np.asarray(X.mean(axis=0, dtype=np.float64), dtype=np.float32).ravel()
        return self

    def fit_parts(
        self, parts: Iterable[tuple[Matrix, np.ndarray]], y: np.ndarray, passes: int = 1
    ) -> ModelTrainer:
        """Fit on parts (rows and their classes) one after the other, on each `passes` times.

        `y` are the classes of all. The classifier has ``partial_fit``; rows are taken as they come,
        whatever `sampling` says.
        """
        started, sums, n = time.perf_counter(), np.zeros(1), 0
        self.classes_ = np.unique(y)
        weights = compute_class_weight(self.classifier.class_weight, classes=self.classes_, y=y)
        self.classifier_ = clone(self.classifier)
        self.classifier_.set_params(class_weight=dict(zip(self.classes_, weights, strict=True)))
        for X, codes in parts:
            for _ in range(passes):
                self.classifier_.partial_fit(X, codes, classes=self.classes_)
            sums, n = sums + np.asarray(X.sum(axis=0, dtype=np.float64)).ravel(), n + len(codes)
            logger.debug("fitted on %d of %d in %.1f s", n, len(y), time.perf_counter() - started)
        for state in [name for name in vars(self.classifier_) if name.startswith("_")]:
            delattr(self.classifier_, state)  # for a next step: twice the size of the coefficients
        self.n_features_in_ = self.classifier_.n_features_in_
        self.background_ = (sums / n).astype(np.float32)
        return self

    def decision_function(self, X: Matrix) -> np.ndarray:
        """Return margins, shape (n, n_classes), or as the classifier gives them for two classes.

        Those of a linear classifier have the same digits for a row alone and in a batch.
        """
        if not (sparse.issparse(X) and X.format == "csr" and X.dtype == np.float32):
            # What a union of branches gives is right as it is; the checks cost a product 1 ms.
            check_is_fitted(self)
            floats = [np.float32, np.float64]
            X = validate_data(self, X, accept_sparse="csr", dtype=floats, reset=False)
        if hasattr(self.classifier_, "coef_"):
            return linear_decision_function(self.classifier_, X)
        return self.classifier_.decision_function(X)

    def predict(self, X: Matrix) -> np.ndarray:
        """Return the likeliest class of each row, shape (n,)."""
        margins = self.decision_function(X)
        chosen = (margins > 0).astype(int) if margins.ndim == 1 else margins.argmax(axis=1)
        return self.classes_[chosen]

    def __sklearn_tags__(self) -> object:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = get_tags(self.classifier).input_tags.sparse
        return tags

    def _relay(self, caught: list[warnings.WarningMessage]) -> None:
        for found in caught:
            if issubclass(found.category, ConvergenceWarning):
                logger.warning(
                    "%s stopped before it converged: raise max_iter or lower C", self.classifier
                )
            else:
                warnings.warn_explicit(found.message, found.category, found.filename, found.lineno)
