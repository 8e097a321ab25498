"""Scores of predictions and of probabilities: F1 and its kin, log-loss, calibration, coverage."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, log_loss, precision_recall_fscore_support

N_BINS = 10
THRESHOLDS = tuple(step / 100 for step in range(100))


def score(
    y_true: np.ndarray, y_pred: np.ndarray, codes: np.ndarray | None = None
) -> dict[str, float]:
    """Return scikit-learn's accuracy, and f1, precision and recall, ``_weighted`` and ``_macro``.

    f1_weighted is the challenge's metric. Macro averages run over `codes`; None takes all that
    occur, true or predicted.
    """
    scores = {"accuracy": float(accuracy_score(y_true, y_pred))}
    for average in ("weighted", "macro"):
        precision, recall, f1, _ = precision_recall_fscore_support(
            y_true, y_pred, labels=codes, average=average, zero_division=0.0
        )
        scores |= {
            f"f1_{average}": float(f1),
            f"precision_{average}": float(precision),
            f"recall_{average}": float(recall),
        }
    return scores


def score_by_class(y_true: np.ndarray, y_pred: np.ndarray, codes: np.ndarray) -> pd.DataFrame:
    """Return one row for each of `codes`, in their order.

    Columns prdtypecode, precision, recall, f1, support, predicted (rows given the class).
    """
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


def score_probabilities(
    y_true: np.ndarray, proba: np.ndarray, classes: np.ndarray
) -> dict[str, float]:
    """Return what the probabilities, (n, n_classes) with ascending `classes`, are worth.

    top3 goes by ranks, since scikit-learn's function wants another shape for two classes, and warns
    where there are no more than three.
    """
    return {
        "top3": float((true_ranks(y_true, proba, classes) <= 3).mean()),
        "log_loss": float(log_loss(y_true, np.asarray(proba, dtype=np.float64), labels=classes)),
        "ece": ece(y_true, proba, classes),
    }


def true_probabilities(
    y_true: np.ndarray, proba: np.ndarray, classes: np.ndarray
) -> np.ndarray:  # fmt: skip
    """Return the probability of each row's true class, shape (n,)."""
    return proba[np.arange(len(proba)), columns_of(y_true, classes)]


def true_losses(y_true: np.ndarray, proba: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return the log-loss of each row, shape (n,), clipped as scikit-learn clips it."""
    of_true = true_probabilities(y_true, proba, classes)
    return -np.log(np.maximum(of_true, np.finfo(np.float64).eps))


def true_ranks(y_true: np.ndarray, proba: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return the rank of the true class among the probabilities, shape (n,); 1 is the likeliest.

    Ties rank in the order of the columns, as ``argmax`` takes them.
    """
    of_true = true_probabilities(y_true, proba, classes)[:, None]
    earlier = np.arange(proba.shape[1]) < columns_of(y_true, classes)[:, None]
    return 1 + ((proba > of_true) | ((proba == of_true) & earlier)).sum(axis=1)


def columns_of(codes: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return the position of each code in `classes`, which ascend; an unknown one is an error."""
    columns = np.minimum(np.searchsorted(classes, codes), len(classes) - 1)
    unknown = np.unique(np.asarray(codes)[classes[columns] != codes])
    if len(unknown):
        raise ValueError(f"codes {unknown.tolist()} are none of the {len(classes)} classes")
    return columns


def ece(y_true: np.ndarray, proba: np.ndarray, classes: np.ndarray, n_bins: int = N_BINS) -> float:
    """Return the expected calibration error of the likeliest class.

    The mean over rows of |accuracy - mean confidence| of the row's bin; bins of equal width
    (Naeini et al., "Obtaining well calibrated probabilities using Bayesian binning", AAAI 2015;
    Guo et al., "On calibration of modern neural networks", ICML 2017).
    """
    bins = reliability(y_true, proba, classes, n_bins)
    return float(((bins["accuracy"] - bins["confidence"]).abs() * bins["rows"]).sum() / len(y_true))


def reliability(
    y_true: np.ndarray, proba: np.ndarray, classes: np.ndarray, n_bins: int = N_BINS
) -> pd.DataFrame:
    """Compare confidence and accuracy, bin by bin.

    Columns low, high (a bin holds low < probability <= high), rows, confidence (mean of the
    likeliest class's probability), accuracy. Bins without rows are left out.
    """
    edges = np.linspace(0.0, 1.0, n_bins + 1)
    confidence, correct = _answers(y_true, proba, classes)
    bins = np.searchsorted(edges[1:-1], confidence)
    rows = np.bincount(bins, minlength=n_bins)
    table = pd.DataFrame(
        {
            "low": edges[:-1],
            "high": edges[1:],
            "rows": rows,
            "confidence": np.bincount(bins, confidence, minlength=n_bins) / np.maximum(rows, 1),
            "accuracy": np.bincount(bins, correct, minlength=n_bins) / np.maximum(rows, 1),
        }
    )
    return table[rows > 0].reset_index(drop=True)


def selective(
    y_true: np.ndarray,
    proba: np.ndarray,
    classes: np.ndarray,
    thresholds: Sequence[float] = THRESHOLDS,
) -> pd.DataFrame:
    """Return what is answered, and how well, when rows below a threshold go to a person.

    Columns threshold, coverage (share of rows with a probability of at least the threshold),
    accuracy (among those); thresholds that accept no row are left out.
    """
    confidence, correct = _answers(y_true, proba, classes)
    order = np.argsort(confidence)
    first = np.searchsorted(confidence[order], thresholds)
    accepted = len(confidence) - first
    right = np.concatenate([np.cumsum(correct[order][::-1])[::-1], [0.0]])[first]
    table = pd.DataFrame(
        {
            "threshold": thresholds,
            "coverage": accepted / len(confidence),
            "accuracy": right / np.maximum(accepted, 1),
        }
    )
    return table[accepted > 0].reset_index(drop=True)


def theme_accuracy(y_true: np.ndarray, y_pred: np.ndarray, themes: Mapping[int, str]) -> float:
    """Return the share of rows whose predicted class lies in the true one's theme."""
    true, predicted = (pd.Series(codes).map(themes).to_numpy() for codes in (y_true, y_pred))
    return float((true == predicted).mean())


def _answers(
    y_true: np.ndarray, proba: np.ndarray, classes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the likeliest class's probability and whether it is right (0.0 or 1.0)."""
    right = classes[proba.argmax(axis=1)] == y_true
    return np.asarray(proba.max(axis=1), dtype=np.float64), right.astype(np.float64)
