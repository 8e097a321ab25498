"""Doubtful labels, ranked by the probability that they are wrong, from out-of-fold probabilities.

A label follows the model's probabilities p, or with probability e it is wrong, and then it is one
that products of the true class are taken for (a contaminated model, as in Copas, "Binary regression
models for contaminated data", JRSS B 1988, with the class-wise noise of confident learning:
Northcutt, Jiang and Chuang, JAIR 2021)::

    P(label i | x) = (1 - e) p_i(x) + e sum_j p_j(x) U_ji

U_ji is what rows whose likeliest class is j give to class i, of what they give to others. The share
e is that of the highest likelihood. What it is worth on known wrong labels, and beside cleanlab:
docs/experiments.md, "Doubtful labels".
"""

import numpy as np
import pandas as pd

from src.evaluation.metrics import columns_of
from src.labels import Labels

STATED = (50, 100, 200)
EM_STEPS = 200


def label_issues(
    y_true: np.ndarray,
    proba: np.ndarray,
    classes: np.ndarray,
    *,
    products: pd.DataFrame,
    labels: Labels,
    least_precision: float,
) -> pd.DataFrame:
    """Return the labels that are likeliest wrong, down to where too few of the list would be.

    `proba`, (n, n_classes), is out-of-fold: a model that was fitted on a row would believe its
    label. Columns rank, row_index, productid, given, given_label, given_probability, suggested,
    suggested_label, suggested_probability, wrong_probability, and expected_precision: the share
    of wrong labels to expect from the first row to this one, `least_precision` or more.
    """
    columns, rows = columns_of(y_true, classes), np.arange(len(proba))
    wrong = wrong_probabilities(columns, proba)
    order = np.argsort(-wrong, kind="stable")
    expected = wrong[order].cumsum() / np.arange(1, len(order) + 1)
    order = order[expected >= least_precision]
    others = proba.copy()
    others[rows, columns] = -1.0
    suggested = others.argmax(axis=1)[order]
    return pd.DataFrame(
        {
            "rank": np.arange(1, len(order) + 1),
            "row_index": products["row_index"].to_numpy()[order],
            "productid": products["productid"].to_numpy()[order],
            "given": y_true[order],
            "given_label": [labels.label(code) for code in y_true[order]],
            "given_probability": proba[order, columns[order]],
            "suggested": classes[suggested],
            "suggested_label": [labels.label(code) for code in classes[suggested]],
            "suggested_probability": proba[order, suggested],
            "wrong_probability": wrong[order],
            "expected_precision": expected[: len(order)],
        }
    )


def wrong_probabilities(columns: np.ndarray, proba: np.ndarray) -> np.ndarray:
    """Return the probability that each label, given by its column, is wrong; shape (n,)."""
    n, n_classes = proba.shape
    taken_for = np.zeros((n_classes, n_classes))
    np.add.at(taken_for, proba.argmax(axis=1), proba)
    np.fill_diagonal(taken_for, 0.0)
    # A thousandth of the rows' weight more: a class that no row is taken for may still be one.
    taken_for += 1e-3 * np.maximum(taken_for.sum(axis=1, keepdims=True), 1.0)
    np.fill_diagonal(taken_for, 0.0)
    taken_for /= taken_for.sum(axis=1, keepdims=True)
    by_model = proba[np.arange(n), columns]
    by_mistake = (proba * taken_for[:, columns].T).sum(axis=1)
    share = 0.05
    for _ in range(EM_STEPS):
        mistaken = share * by_mistake
        wrong = mistaken / np.maximum((1 - share) * by_model + mistaken, 1e-300)
        share = float(wrong.mean())
    return np.asarray(wrong)


def expected_precisions(issues: pd.DataFrame) -> dict[int, float]:
    """Return the expected share of wrong labels among the first 50, 100, 200, and all, by rows."""
    rows = sorted({n for n in STATED if n < len(issues)} | ({len(issues)} - {0}))
    return {n: float(issues["expected_precision"].iloc[n - 1]) for n in rows}
