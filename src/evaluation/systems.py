"""Several systems scored on the same rows: one row a system, and every pair with its interval."""

import itertools
from collections.abc import Mapping

import numpy as np
import pandas as pd

from src.evaluation.bootstrap import score_intervals
from src.evaluation.metrics import score, score_probabilities
from src.evaluation.paired import score_differences

COLUMNS = [
    "system", "f1_weighted", "f1_macro", "accuracy", "log_loss", "ece", "top3", "f1_weighted_low",
    "f1_weighted_high",
]  # fmt: skip


def score_systems(
    y: np.ndarray,
    probabilities: Mapping[str, np.ndarray],
    classes: np.ndarray,
    *,
    groups: np.ndarray,
    seed: int,
) -> pd.DataFrame:
    """Return `COLUMNS` of every system: probabilities by name, (n, n_classes), of the same rows."""
    rows = []
    for name, proba in probabilities.items():
        predicted = classes[proba.argmax(axis=1)]
        scores = score(y, predicted, classes) | score_probabilities(y, proba, classes)
        found, _ = score_intervals(y, predicted, classes=classes, groups=groups, seed=seed)
        f1 = found["f1_weighted"]
        ends = {"f1_weighted_low": f1.low, "f1_weighted_high": f1.high}
        rows.append({"system": name, **scores, **ends})
    return pd.DataFrame(rows, columns=COLUMNS)


def score_pairs(
    y: np.ndarray,
    probabilities: Mapping[str, np.ndarray],
    classes: np.ndarray,
    *,
    groups: np.ndarray,
    seed: int,
) -> pd.DataFrame:
    """Return weighted F1 of one system less another's, for every pair; parameters as above.

    Columns system, versus, difference, difference_low, difference_high: 95 % interval of the
    paired bootstrap. A pair stands once, the later system first.
    """
    predicted = {name: classes[proba.argmax(axis=1)] for name, proba in probabilities.items()}
    rows = []
    for versus, system in itertools.combinations(predicted, 2):
        pair = {"prdtypecode": y, "a": predicted[versus], "b": predicted[system], "group": groups}
        f1 = score_differences(pd.DataFrame(pair), seed=seed).loc["f1_weighted"]
        rows.append((system, versus, f1["difference"], f1["low"], f1["high"]))
    columns = ["system", "versus", "difference", "difference_low", "difference_high"]
    return pd.DataFrame(rows, columns=columns)
