"""Margins and probabilities for rows that a model did not see: the ground of every later choice.

Calibration, fusion weights, the review threshold and the list of doubtful labels are all learned
from what a model says about rows that were left out when it was fitted.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from typing import Any, Protocol

import numpy as np
from sklearn.base import clone

from src.features.extracted import Extracted

logger = logging.getLogger(__name__)


class Classifier(Protocol):
    """What is cross-fitted: fitted on `Extracted` rows, gives one margin a class."""

    classes_: np.ndarray

    def fit(self, X: Extracted, y: np.ndarray) -> Any:  # noqa: ANN401
        """Fit on n products."""

    def decision_function(self, X: Extracted) -> np.ndarray:
        """Return margins, shape (n, n_classes)."""


@dataclasses.dataclass
class Cost:
    """What cross-fitting took, summed over the folds.

    Attributes
    ----------
    fit_s, predict_s : float
        Seconds of wall time.
    predicted : int
        Rows that were answered.
    """

    fit_s: float = 0.0
    predict_s: float = 0.0
    predicted: int = 0


def cross_fit(
    model: Classifier,
    X: Extracted,
    y: np.ndarray,
    folds: np.ndarray,
    present: np.ndarray,
    classes: np.ndarray,
    cost: Cost | None = None,
) -> np.ndarray:
    """Return out-of-fold margins.

    Parameters
    ----------
    model : Classifier
        Unfitted; cloned and fitted once a fold, branches and all.
    X : Extracted
        n products.
    y : ndarray, shape (n,)
        Their codes.
    folds : ndarray of int, shape (n,)
        Fold of each row; groups of duplicates do not straddle.
    present : ndarray of bool, shape (n,)
        Rows that the model can see (an image expert sees only products with a picture).
    classes : ndarray, shape (n_classes,)
        Columns of the result.
    cost : Cost or None
        What it takes is added here.

    Returns
    -------
    ndarray of float64, shape (n, n_classes)
        Margins of present rows from the model that was fitted on the other folds; NaN elsewhere.
    """
    margins = np.full((len(y), len(classes)), np.nan)
    for fold in np.unique(folds):
        train, held = present & (folds != fold), present & (folds == fold)
        if not held.any():
            continue
        started = time.perf_counter()
        fitted = clone(model).fit(X.take(train), y[train])
        between = time.perf_counter()
        margins[held] = aligned_margins(fitted, X.take(held), classes)
        if cost is not None:
            cost.fit_s += between - started
            cost.predict_s += time.perf_counter() - between
            cost.predicted += int(held.sum())
    return margins


def can_cross_fit(y: np.ndarray, folds: np.ndarray, present: np.ndarray) -> bool:
    """Say whether beside each fold with present rows there are present rows of two classes."""
    return bool(present.any()) and all(
        len(np.unique(y[present & (folds != fold)])) > 1 for fold in np.unique(folds[present])
    )


def aligned_margins(fitted: Classifier, X: Extracted, classes: np.ndarray) -> np.ndarray:
    """Return margins with one column for each of `classes`.

    A class that the model never saw gets the lowest margin of its row: possible, but last.
    """
    own = np.asarray(fitted.decision_function(X), dtype=np.float64)
    if np.array_equal(fitted.classes_, classes):
        return own
    margins = np.repeat(own.min(axis=1, keepdims=True), len(classes), axis=1)
    margins[:, np.searchsorted(classes, fitted.classes_)] = own
    return margins
