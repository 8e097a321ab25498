"""Out-of-fold margins: what a classifier says of rows that were left out when it was fitted.

Calibration, the gating of late fusion, the review threshold and the list of doubtful labels are all
learned from them.
"""

import dataclasses
import time
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import ClassifierMixin, clone
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter
from threadpoolctl import threadpool_limits

from src.cluster import run_tasks


@dataclasses.dataclass
class Cost:
    """What cross-validation took, summed over the folds: seconds of wall time, rows answered."""

    fit_s: float = 0.0
    predict_s: float = 0.0
    predicted: int = 0


def cross_fit(
    classifier: ClassifierMixin,
    X: pd.DataFrame,
    y: np.ndarray,
    groups: np.ndarray,
    folds: np.ndarray,
    present: np.ndarray,
    cost: Cost | None = None,
    only: int | None = None,
) -> np.ndarray:
    """Return out-of-fold margins, shape (n, n_classes): one column a class of `y`, ascending.

    Those of `present` rows (that the classifier has input of: an image expert reads only products
    with an image) come from a clone that was fitted on the other folds, its transformers and all;
    others are NaN. `groups` are duplicates, which do not straddle `folds`, for classifiers that
    split their training rows once more. What it takes is added to `cost`. A fold that is the `only`
    one is all that gets margins, of one fit.

    On rows of one class set and without absent rows it is scikit-learn's ``cross_val_predict`` with
    ``method="decision_function"`` on a ``PredefinedSplit`` (tested).
    """
    classes = np.unique(y)
    margins = np.full((len(y), len(classes)), np.nan)
    cost = cost or Cost()
    tasks = [(fold,) for fold in (np.unique(folds[present]) if only is None else (only,))]
    shared = classifier, X, y, groups, folds, present
    for (fold,), (found, took) in zip(tasks, run_tasks(_fit_fold, tasks, shared), strict=True):
        margins[present & (folds == fold)] = found
        cost.fit_s += took.fit_s
        cost.predict_s += took.predict_s
        cost.predicted += took.predicted
    return margins


def _fit_fold(
    classifier: ClassifierMixin,
    X: pd.DataFrame,
    y: np.ndarray,
    groups: np.ndarray,
    folds: np.ndarray,
    present: np.ndarray,
    fold: int,
) -> tuple[np.ndarray, Cost]:
    """Return the margins of a fold's present rows, one column a class of `y`, and their cost."""
    train, held = present & (folds != fold), present & (folds == fold)
    started = time.perf_counter()
    fitted = fit_classifier(classifier, take(X, train), y[train], groups[train])
    between = time.perf_counter()
    margins = aligned_margins(fitted, take(X, held), np.unique(y))
    ended = time.perf_counter()
    return margins, Cost(between - started, ended - between, len(margins))


def fit_classifier(
    classifier: ClassifierMixin,
    X: Any,  # noqa: ANN401
    y: np.ndarray,
    groups: np.ndarray,
) -> ClassifierMixin:
    """Return a fitted clone, which gets the groups where it, or its last step, asks for them.

    A row counts as often as a column `times` of a table says. BLAS adds up in another order with
    another number of threads: with one, the digits are the same on every machine.
    """
    if "times" in getattr(X, "columns", ()) and (X["times"] != 1).any():
        rows = np.repeat(np.arange(len(y)), X["times"])
        X, y, groups = take(X, rows).reset_index(drop=True), y[rows], groups[rows]
    fitted = clone(classifier)
    last = fitted.steps[-1] if isinstance(fitted, Pipeline) else ("", fitted)
    asked = has_fit_parameter(last[1], "groups")
    with threadpool_limits(1, user_api="blas"):
        return fitted.fit(
            X, y, **{f"{last[0]}__groups".removeprefix("__"): groups} if asked else {}
        )


def can_cross_fit(y: np.ndarray, folds: np.ndarray, present: np.ndarray) -> bool:
    """Say whether beside each fold with present rows there are present rows of two classes."""
    return bool(present.any()) and all(
        len(np.unique(y[present & (folds != fold)])) > 1 for fold in np.unique(folds[present])
    )


def aligned_margins(fitted: ClassifierMixin, X: Any, classes: np.ndarray) -> np.ndarray:  # noqa: ANN401
    """Return margins, shape (n, n_classes), with one column for each of `classes`.

    A class that the classifier never saw gets the lowest margin of its row: possible, but last.
    """
    if type(fitted) is Pipeline:  # a `Partitioned` must not transform all rows at once
        for _, step in fitted.steps[:-1]:  # what a Pipeline checks costs a product 1 ms
            X = step.transform(X)
        margins = fitted.steps[-1][1].decision_function(X)
    else:
        margins = fitted.decision_function(X)
    margins = both_columns(np.asarray(margins, dtype=np.float64))
    if np.array_equal(fitted.classes_, classes):
        return margins
    aligned = np.repeat(margins.min(axis=1, keepdims=True), len(classes), axis=1)
    aligned[:, np.searchsorted(classes, fitted.classes_)] = margins
    return aligned


def both_columns(margins: np.ndarray) -> np.ndarray:
    """Return two columns for the one margin that scikit-learn gives two classes."""
    return np.column_stack([-margins, margins]) if margins.ndim == 1 else margins


def take(X: Any, rows: np.ndarray) -> Any:  # noqa: ANN401
    """Return the rows of a DataFrame, array or sparse matrix at positions or where a mask."""
    return (
        X.iloc[np.flatnonzero(rows) if rows.dtype == bool else rows]
        if hasattr(X, "iloc")
        else X[rows]
    )


def by_share(strategy: str, codes: np.ndarray, folds: np.ndarray, seed: int) -> np.ndarray:
    """Return out-of-fold probabilities, shape (n, n_classes), by the shares of the other folds.

    Of scikit-learn's ``DummyClassifier``, "prior" answers the majority with the shares as
    probabilities, "stratified" draws its answer and is sure of it.
    """
    from sklearn.dummy import DummyClassifier

    probabilities = np.zeros((len(codes), int(codes.max()) + 1))
    for fold in np.unique(folds):
        held = np.flatnonzero(folds == fold)
        dummy = DummyClassifier(strategy=strategy, random_state=seed + int(fold))
        dummy.fit(np.zeros((len(codes) - len(held), 1)), codes[folds != fold])
        probabilities[np.ix_(held, dummy.classes_)] = dummy.predict_proba(np.zeros((len(held), 1)))
    return probabilities
