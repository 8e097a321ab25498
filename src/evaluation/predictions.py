"""The table of predictions, one row a product: every score of a report can be had from it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from src.evaluation.metrics import true_probabilities, true_ranks

NO_CODE = -1


def prediction_table(
    y_true: np.ndarray,
    proba: np.ndarray,
    classes: np.ndarray,
    *,
    products: pd.DataFrame,
    folds: np.ndarray,
    threshold: float,
) -> pd.DataFrame:
    """Write out what a model said of n products.

    Parameters
    ----------
    y_true : ndarray, shape (n,)
        True codes, each one of `classes`.
    proba : ndarray, shape (n, n_classes)
        Rows add up to 1.
    classes : ndarray, shape (n_classes,)
        Code of each column, ascending.
    products : DataFrame, n rows
        Columns row_index, productid, and those to slice by (language, has_image ...), put last.
    folds : ndarray of int, shape (n,)
        Fold whose model gave the row; -1 for the hold-out model.
    threshold : float
        Rows of a lower probability need a person.

    Returns
    -------
    DataFrame
        row_index, productid, fold, prdtypecode (true), predicted, probability, true_probability,
        true_rank (1: the prediction is right), second, second_probability, third,
        third_probability, needs_review; then the slices. With two classes the third is -1 at 0.0.
    """
    # Stable, so that ties rank in the order of the columns, as argmax takes them.
    best = np.argsort(-proba, axis=1, kind="stable")[:, :3]
    codes, chances = classes[best], np.take_along_axis(proba, best, axis=1)
    missing = 3 - best.shape[1]
    codes = np.pad(codes, ((0, 0), (0, missing)), constant_values=NO_CODE)
    chances = np.pad(chances, ((0, 0), (0, missing)))
    table = {
        "row_index": products["row_index"].to_numpy(),
        "productid": products["productid"].to_numpy(),
        "fold": folds,
        "prdtypecode": y_true,
        "predicted": codes[:, 0],
        "probability": chances[:, 0],
        "true_probability": true_probabilities(y_true, proba, classes),
        "true_rank": true_ranks(y_true, proba, classes),
        "second": codes[:, 1],
        "second_probability": chances[:, 1],
        "third": codes[:, 2],
        "third_probability": chances[:, 2],
        "needs_review": chances[:, 0] < threshold,
    }
    slices = products.drop(columns=["row_index", "productid"])
    return pd.DataFrame(table | {name: slices[name].to_numpy() for name in slices})
