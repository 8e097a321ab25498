"""Scores of predictions: accuracy, precision, recall and F1, overall and by class."""

from __future__ import annotations

import numpy as np
import pandas as pd


def score(y_true: np.ndarray, y_pred: np.ndarray) -> dict[str, float]:
    """Return the overall scores.

    Parameters
    ----------
    y_true, y_pred : ndarray, shape (n,)
        True and predicted codes.

    Returns
    -------
    dict of str to float
        accuracy, f1_weighted (the challenge's metric), f1_macro, precision_weighted,
        recall_macro, ...; each between 0 and 1, as scikit-learn defines them.
    """
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support

    scores = {"accuracy": float(accuracy_score(y_true, y_pred))}
    for average in ("weighted", "macro"):
        precision, recall, f1, _ = precision_recall_fscore_support(
            y_true, y_pred, average=average, zero_division=0.0
        )
        scores |= {
            f"f1_{average}": float(f1),
            f"precision_{average}": float(precision),
            f"recall_{average}": float(recall),
        }
    return scores


def score_by_class(y_true: np.ndarray, y_pred: np.ndarray, codes: np.ndarray) -> pd.DataFrame:
    """Return one row a class.

    Returns
    -------
    DataFrame
        Columns prdtypecode, precision, recall, f1, support, predicted (number of rows given the
        class); one row for each of `codes`, in their order.
    """
    from sklearn.metrics import precision_recall_fscore_support

    precision, recall, f1, support = precision_recall_fscore_support(
        y_true, y_pred, labels=codes, zero_division=0.0
    )
    predicted = pd.Series(y_pred).value_counts().reindex(codes, fill_value=0)
    return pd.DataFrame(
        {
            "prdtypecode": codes,
            "precision": precision,
            "recall": recall,
            "f1": f1,
            "support": support,
            "predicted": predicted.to_numpy(),
        }
    )
