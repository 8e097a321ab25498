"""All scores of one split as JSON values: overall, with intervals, by slice, by confidence."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from src.evaluation.bootstrap import Interval, mean_interval, score_intervals
from src.evaluation.metrics import (
    reliability,
    score,
    score_probabilities,
    selective,
    theme_accuracy,
    true_losses,
    true_ranks,
)

# What a slice has intervals of; all seven would be four times the file for little more to see.
SLICE_INTERVALS = ("accuracy", "f1_weighted")
SCORE_NAMES = {
    "f1_weighted": "weighted F1",
    "f1_macro": "macro F1",
    "accuracy": "accuracy",
    "theme_accuracy": "theme accuracy",
    "top3": "top-3 accuracy",
    "log_loss": "log-loss",
    "ece": "ECE (10 bins)",
}


def overall_scores(
    y_true: np.ndarray,
    proba: np.ndarray,
    classes: np.ndarray,
    themes: Mapping[int, str],
    codes: np.ndarray | None = None,
) -> dict[str, float]:
    """Return every overall score of n rows, by name; `codes` as in `score`."""
    predicted = classes[proba.argmax(axis=1)]
    return {
        **score(y_true, predicted, codes),
        **score_probabilities(y_true, proba, classes),
        "theme_accuracy": theme_accuracy(y_true, predicted, themes),
    }


def overall_intervals(
    y_true: np.ndarray,
    proba: np.ndarray,
    classes: np.ndarray,
    *,
    groups: np.ndarray | None,
    seed: int = 0,
) -> dict[str, Interval]:
    """Return the interval of every overall score that is made of counts or is a mean."""
    predicted = classes[proba.argmax(axis=1)]
    options: dict[str, Any] = {"groups": groups, "seed": seed}
    ranks = true_ranks(y_true, proba, classes)
    return {
        **score_intervals(y_true, predicted, classes=classes, **options)[0],
        "top3": mean_interval(ranks <= 3, **options),
        "log_loss": mean_interval(true_losses(y_true, proba, classes), **options),
    }


def named_scores(facts: Mapping[str, Any]) -> Iterator[tuple[str, float, str]]:
    """Yield what reports show of a metrics file: name, value and interval ("" without one)."""
    for key, name in SCORE_NAMES.items():
        if key == "theme_accuracy" and len(facts["slices"].get("theme", {})) < 2:
            continue  # a catalogue without themes
        ends = facts["intervals"].get(key)
        yield name, facts[key], f"{ends[0]:.4f} to {ends[1]:.4f}" if ends else ""


def slice_scores(
    y_true: np.ndarray,
    proba: np.ndarray,
    classes: np.ndarray,
    *,
    slices: pd.DataFrame,
    themes: Mapping[int, str],
    groups: np.ndarray | None,
    seed: int = 0,
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return column -> value -> overall scores, rows and intervals, and the same by true theme.

    Values become text, booleans in lower case. Macro averages run over the classes that have rows
    there: in a slice of one theme the other themes' classes, predicted by mistake, would only add
    zeros.
    """
    by = slices.assign(theme=pd.Series(y_true).map(themes).to_numpy())
    scores: dict[str, dict[str, dict[str, Any]]] = {}
    for column in by:
        values = by[column].to_numpy()
        scores[str(column)] = {}
        for value in np.unique(values):
            rows = values == value
            y, p = y_true[rows], proba[rows]
            intervals, _ = score_intervals(
                y,
                classes[p.argmax(axis=1)],
                classes=classes,
                seed=seed,
                groups=None if groups is None else groups[rows],
            )
            scores[str(column)][_text(value)] = {
                **overall_scores(y, p, classes, themes, codes=np.unique(y)),
                "rows": int(rows.sum()),
                "intervals": {name: _ends(intervals[name]) for name in SLICE_INTERVALS},
            }
    return scores


def summarise(
    y_true: np.ndarray,
    proba: np.ndarray,
    classes: np.ndarray,
    *,
    slices: pd.DataFrame,
    themes: Mapping[int, str],
    groups: np.ndarray | None,
    folds: np.ndarray,
    threshold: float,
    target_accuracy: float,
    seed: int = 0,
) -> dict[str, Any]:
    """Return what a metrics file tells beside the overall scores, JSON values only.

    `folds` is negative where a row was left out of none; `target_accuracy` is what the threshold
    was chosen for.
    """
    intervals = overall_intervals(y_true, proba, classes, groups=groups, seed=seed)
    return {
        "intervals": {name: _ends(interval) for name, interval in intervals.items()},
        "by_fold": [
            score(y_true[folds == fold], classes[proba[folds == fold].argmax(axis=1)])[
                "f1_weighted"
            ]
            for fold in np.unique(folds[folds >= 0])
        ],
        "slices": slice_scores(
            y_true, proba, classes, slices=slices, themes=themes, groups=groups, seed=seed
        ),
        "reliability": reliability(y_true, proba, classes).to_dict("records"),
        "selective": selective(y_true, proba, classes).to_dict("records"),
        "decision": decision(y_true, proba, classes, threshold, target_accuracy),
    }


def decision(
    y_true: np.ndarray,
    proba: np.ndarray,
    classes: np.ndarray,
    threshold: float,
    target_accuracy: float,
) -> dict[str, float | None]:
    """Return coverage and accuracy at the threshold; accuracy is None where no row is accepted."""
    accepted = selective(y_true, proba, classes, thresholds=(threshold,))
    coverage, accuracy = accepted[["coverage", "accuracy"]].to_numpy().sum(axis=0).tolist()
    return {
        "threshold": threshold,
        "target_accuracy": target_accuracy,
        "coverage": coverage,
        "accuracy": accuracy if len(accepted) else None,
    }


def _ends(interval: Interval) -> list[float]:
    return [interval.low, interval.high]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool | np.bool_) else str(value)
