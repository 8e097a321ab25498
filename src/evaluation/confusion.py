"""Which class is taken for which: counts, shares, the most frequent errors, diagnostics a class."""

import numpy as np
import pandas as pd

from src.evaluation.metrics import columns_of
from src.labels import Labels

# A class has a handful of neighbours that explain its errors; the rest is chance.
ERRORS_A_CLASS = 3


def confusion_counts(y_true: np.ndarray, y_pred: np.ndarray, codes: np.ndarray) -> pd.DataFrame:
    """Return the counts of (true, predicted) pairs: a row a true code, a column a predicted one.

    `codes` ascend and hold every code.
    """
    counts = np.zeros((len(codes), len(codes)), dtype=np.int64)
    np.add.at(counts, (columns_of(y_true, codes), columns_of(y_pred, codes)), 1)
    return pd.DataFrame(counts, index=pd.Index(codes, name="true"), columns=codes)


def confusion_percent(counts: pd.DataFrame) -> pd.DataFrame:
    """Return each count as a percentage of its row; a class without rows has zeros."""
    support = counts.sum(axis=1)
    return 100.0 * counts.div(support.where(support > 0, 1), axis=0)


def top_errors(counts: pd.DataFrame, labels: Labels) -> pd.DataFrame:
    """Return every confusion that occurs, the most frequent first.

    Columns true, true_label, predicted, predicted_label, count, rate (share of the true class's
    rows), same_theme (a smaller error than another theme's class).
    """
    cells, codes = counts.to_numpy(), counts.columns.to_numpy()
    true, predicted = np.nonzero(cells * ~np.eye(len(codes), dtype=bool))
    count = cells[true, predicted]
    rate = count / cells.sum(axis=1)[true]
    order = np.lexsort((predicted, true, -rate, -count))
    pairs = [(codes[true[i]], codes[predicted[i]]) for i in order]
    return pd.DataFrame(
        {
            "true": codes[true[order]],
            "true_label": [labels.label(t) for t, _ in pairs],
            "predicted": codes[predicted[order]],
            "predicted_label": [labels.label(p) for _, p in pairs],
            "count": count[order],
            "rate": rate[order],
            "same_theme": [labels.theme(t) == labels.theme(p) for t, p in pairs],
        }
    )


def diagnostics(by_class: pd.DataFrame, errors: pd.DataFrame) -> pd.DataFrame:
    """Return one row a class with what it is most often taken for.

    To `score_by_class` with a column label it adds top_confusions from `top_errors`: up to three,
    as ``New books (12.3 %, 45); Home decoration (2.1 %, 8)``.
    """
    of_class: dict[int, list[str]] = {}
    for error in errors.to_dict("records"):
        text = f"{error['predicted_label']} ({100 * error['rate']:.1f} %, {error['count']})"
        of_class.setdefault(error["true"], []).append(text)
    columns = ["prdtypecode", "label", "precision", "recall", "f1", "support"]
    texts = ["; ".join(of_class.get(code, [])[:ERRORS_A_CLASS]) for code in by_class["prdtypecode"]]
    return by_class[columns].assign(top_confusions=texts)
