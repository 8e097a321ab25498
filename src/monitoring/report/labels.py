"""What a drift report says of a batch whose labels are known."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from src.evaluation.confusion import confusion_counts
from src.labels import Labels
from src.monitoring.labelled_drift import (
    compare_accuracy,
    compare_classes,
    confusion_shifts,
    recalls,
)
from src.monitoring.reference import Reference
from src.monitoring.report.build import class_names, finite
from src.monitoring.signals import Signals

N_CONFUSIONS = 10


def with_labels(
    report: dict[str, Any], reference: Reference, signals: Signals, y: np.ndarray, labels: Labels
) -> dict[str, Any]:
    """Return the report with the batch's confusion beside the baseline's.

    A code `y` that is not one of the model's marks a product without a label.
    """
    known = np.isin(y, reference.classes)
    codes = reference.classes.tolist()
    predicted = signals.predicted[known]
    counts = confusion_counts(y[known], predicted, reference.classes).to_numpy()
    baseline = reference.answers.confusion
    pairs, rate = (recalls(counts), recalls(baseline)), report["false_alarm_rate"]
    # Falls alone alarm: each of the two spends half of the rate.
    changes = compare_classes(codes, *pairs, rate)
    overall = compare_accuracy(*pairs, rate)
    fell = overall is not None and overall["fell"]
    names = {code: class_names(labels, code) for code in codes}
    classes = [
        {name: finite(v) if isinstance(v, float) else v for name, v in change.items()}
        | {"label": names[change["code"]]}
        for change in changes.to_dict("records")
    ]
    return {
        **report,
        "alert": report["alert"] or fell or bool((changes["change"] == "fell").any()),
        "labels": {
            "rows": int(known.sum()),
            "accuracy": finite(np.trace(counts) / max(counts.sum(), 1)) if known.any() else None,
            "change": overall,
            "fell": fell,
            "baseline_accuracy": reference.answers.accuracy,
            "classes": classes,
            "confusion": counts.tolist(),
            "confusions": _worst_confusions(counts, baseline, codes, names),
        },
    }


def _worst_confusions(
    counts: np.ndarray, baseline: np.ndarray, codes: Sequence[int], names: dict[int, Any]
) -> list[dict[str, Any]]:
    """Return the confusions that grew most, in products beyond what the baseline's rate gives."""
    shifts = np.nan_to_num(confusion_shifts(counts, baseline))
    excess = shifts * counts.sum(axis=1, keepdims=True)
    np.fill_diagonal(excess, 0.0)
    order = np.argsort(-excess, axis=None, kind="stable")[:N_CONFUSIONS]
    rows = [divmod(int(i), len(codes)) for i in order]
    return [
        {
            "true": codes[t],
            "true_label": names[codes[t]],
            "predicted": codes[p],
            "predicted_label": names[codes[p]],
            "count": int(counts[t, p]),
            "rate": float(counts[t, p] / counts[t].sum()),
            "baseline_rate": float(counts[t, p] / counts[t].sum() - shifts[t, p]),
        }
        for t, p in rows
        if excess[t, p] > 0
    ]
