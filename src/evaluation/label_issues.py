"""Products whose label is probably wrong, found from out-of-fold probabilities.

Confident learning (Northcutt, Jiang and Chuang, "Confident learning: estimating uncertainty in
dataset labels", JAIR 2021): a class's *self-confidence* is the mean probability that rows labelled
so are given of it. A row is an issue when another class is at least as likely as that class's
self-confidence, and the label's own probability is below its own. Thresholds a class, not one for
all, because a model is surer of some classes than of others.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from src.evaluation.metrics import columns_of
from src.labels import Labels


def label_issues(
    y_true: np.ndarray,
    proba: np.ndarray,
    classes: np.ndarray,
    *,
    products: pd.DataFrame,
    labels: Labels,
) -> pd.DataFrame:
    """Return the rows where the model confidently disagrees with the label.

    Parameters
    ----------
    y_true : ndarray, shape (n,)
        Given codes, each one of `classes`.
    proba : ndarray, shape (n, n_classes)
        Out-of-fold: a model that was fitted on a row would believe its label.
    classes : ndarray, shape (n_classes,)
        Code of each column, ascending.
    products : DataFrame, n rows
        Columns row_index and productid.
    labels : Labels
        Names of the codes.

    Returns
    -------
    DataFrame
        Columns rank, row_index, productid, given, given_label, given_probability, suggested,
        suggested_label, suggested_probability; the widest gap of probabilities first.
    """
    rows, suggested = find_issues(columns_of(y_true, classes), proba)
    codes = classes[suggested]
    given_probability = proba[rows, columns_of(y_true[rows], classes)]
    return pd.DataFrame(
        {
            "rank": np.arange(1, len(rows) + 1),
            "row_index": products["row_index"].to_numpy()[rows],
            "productid": products["productid"].to_numpy()[rows],
            "given": y_true[rows],
            "given_label": [labels.label(code) for code in y_true[rows]],
            "given_probability": given_probability,
            "suggested": codes,
            "suggested_label": [labels.label(code) for code in codes],
            "suggested_probability": proba[rows, suggested],
        }
    )


def find_issues(columns: np.ndarray, proba: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return rows at issue, the surest first, and the column that each should rather be.

    Parameters
    ----------
    columns : ndarray of int, shape (n,)
        Column of the given label.
    proba : ndarray, shape (n, n_classes)
        Out-of-fold probabilities.
    """
    every, n_classes = np.arange(len(proba)), proba.shape[1]
    of_label = proba[every, columns]
    rows_of_class = np.bincount(columns, minlength=n_classes)
    sums = np.bincount(columns, of_label, minlength=n_classes)
    confidence = np.divide(sums, rows_of_class, out=np.ones(n_classes), where=rows_of_class > 0)
    likely = np.where(proba >= confidence, proba, 0.0)
    likely[every, columns] = 0.0
    suggested = likely.argmax(axis=1)
    gap = likely[every, suggested] - of_label
    rows = np.flatnonzero((gap > 0) & (of_label < confidence[columns]))
    rows = rows[np.argsort(-gap[rows], kind="stable")]
    return rows, suggested[rows]
