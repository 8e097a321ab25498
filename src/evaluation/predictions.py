"""The table of predictions, one row a product: every score of a report can be had from it."""

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

    `products` has row_index, productid and the columns to slice by, which are put last; a fold of
    -1 is the hold-out model. true_rank is 1 where the prediction is right; with two classes the
    third is -1 at 0.0.
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
