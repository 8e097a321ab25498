"""`ModelTrainer`: fits a classifier on a feature matrix and says what it cost."""

from __future__ import annotations

import dataclasses
import logging
import time
import warnings
from typing import TYPE_CHECKING

import numpy as np

from src.features.matrix import FeatureMatrix

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class ModelTrainer:
    """Fit one kind of classifier.

    Attributes
    ----------
    head : classifier
        Unfitted; cloned by every `fit`.
    """

    head: ClassifierMixin

    def fit(
        self, matrix: FeatureMatrix, y: np.ndarray, groups: np.ndarray | None = None
    ) -> ClassifierMixin:
        """Return a fitted clone of the classifier.

        Parameters
        ----------
        matrix : FeatureMatrix, n rows
            Features, weights applied.
        y : ndarray of int64, shape (n,)
            Class of each row.
        groups : ndarray of int, shape (n,), or None
            Duplicates, for classifiers that split their training rows once more.

        Notes
        -----
        A solver that stops before it converged is a warning in the log with what to change, not a
        silent result.
        """
        from sklearn.base import clone
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.utils.validation import has_fit_parameter

        head = clone(self.head)
        options = {"groups": groups} if has_fit_parameter(head, "groups") else {}
        started = time.perf_counter()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            head.fit(matrix.stack(), y, **options)
        for warning in caught:
            if issubclass(warning.category, ConvergenceWarning):
                logger.warning("%s stopped before it converged: raise max_iter or lower C", head)
            else:
                warnings.warn_explicit(
                    warning.message, warning.category, warning.filename, warning.lineno
                )
        logger.debug(
            "fit %s on %d rows in %.1f s",
            type(head).__name__,
            len(y),
            time.perf_counter() - started,
        )
        return head
