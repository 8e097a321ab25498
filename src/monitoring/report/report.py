"""The drift report of one lot as JSON values and as a table: what moved, how sure, who shows it.

Everything that the HTML page says is in these values, and everything in them can be recomputed
from the batch's signals and the reference profile.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from src.labels import Labels
from src.monitoring.binning import Look
from src.monitoring.drift import AccuracyEstimate, Finding
from src.monitoring.reference import QUANTILES, Reference
from src.monitoring.signals import Signals

N_EXAMPLES = 3
MOST_TITLE_CHARS = 120


@dataclasses.dataclass(frozen=True)
class Lot:
    """What a report is about.

    Attributes
    ----------
    name, date : str
        As in the file name; the date is ISO.
    source : str
        The batch's file, or what was read of the log.
    false_alarm_rate : float
        Of the whole report.
    resamples : int
        Behind the thresholds.
    in_training : int
        Products of the lot that the model learned from: it is surer of those.
    """

    name: str
    date: str
    source: str
    false_alarm_rate: float
    resamples: int
    in_training: int


def build_report(
    lot: Lot,
    reference: Reference,
    signals: Signals,
    findings: Sequence[Finding],
    accuracy: AccuracyEstimate | None,
    items: pd.DataFrame,
    labels: Labels,
) -> dict[str, Any]:
    """Put a report together.

    Parameters
    ----------
    lot : Lot
    reference : Reference
    signals : Signals
        Of the lot's n products.
    findings : sequence of Finding
        The strongest first; empty for an empty lot.
    accuracy : AccuracyEstimate or None
        None for an empty lot.
    items : DataFrame, n rows
        Columns productid and designation, for the examples; "" where a text is not at hand.
    labels : Labels
        Names of the classes.
    """
    return {
        **dataclasses.asdict(lot),
        **dataclasses.asdict(reference.about),
        "rows": len(signals),
        "reference_rows": len(reference),
        "alert": any(finding.alert for finding in findings),
        "findings": [_finding(f, reference, signals, items, labels) for f in findings],
        "accuracy": None if accuracy is None else dataclasses.asdict(accuracy),
        "reference_accuracy": reference.answers.accuracy,
        "class_mix": _class_mix(reference, signals, labels),
        "not_looked_at": _not_looked_at(reference, signals),
        "labels": None,
    }


def _finding(
    finding: Finding, reference: Reference, signals: Signals, items: pd.DataFrame, labels: Labels
) -> dict[str, Any]:
    values = {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in dataclasses.asdict(finding).items()
    }
    look = next(look for look in reference.coding.looks if look.name == finding.signal)
    values |= _before_and_now(look, reference, signals)
    shown = _examples(look, reference, signals) if finding.alert else np.array([], dtype=np.int64)
    return {**values, "examples": [_example(row, signals, items, labels) for row in shown.tolist()]}


def _before_and_now(look: Look, reference: Reference, signals: Signals) -> dict[str, Any]:
    """Return what the signal was in the reference and is in the lot, in its own terms."""
    if look.kind == "number":
        values = signals.numbers[look.name]
        values = values[~np.isnan(values)]
        now = np.quantile(values, QUANTILES).tolist() if len(values) else None
        return {"before": reference.quantiles[look.name].tolist(), "now": now}
    sums = _sums(look, reference, signals)
    if look.kind == "embedding":
        return {"before": 0.0, "now": _distance(reference, signals)}
    before, now = sums[0] / len(reference), sums[1] / len(signals)
    if look.kind == "flag":
        return {"before": float(before[0]), "now": float(now[0])}
    names: Sequence[object] = reference.classes.tolist()
    if look.name == "language":
        names = reference.coding.languages
    keys = [str(name) for name in names]
    return {
        "before": dict(zip(keys, before.round(6).tolist(), strict=True)),
        "now": dict(zip(keys, now.round(6).tolist(), strict=True)),
    }


def _cells(look: Look, reference: Reference, signals: Signals) -> tuple[np.ndarray, np.ndarray]:
    """Return the signal's cells of the reference and of the lot."""
    coding = reference.coding
    both = coding.cells(reference.coded), coding.cells(coding.encode(signals))
    return both[0][:, look.columns], both[1][:, look.columns]


def _sums(look: Look, reference: Reference, signals: Signals) -> tuple[np.ndarray, np.ndarray]:
    known, batch = _cells(look, reference, signals)
    return known.sum(axis=0, dtype=np.float64), batch.sum(axis=0, dtype=np.float64)


def _distance(reference: Reference, signals: Signals) -> float | None:
    """Return how far the mean embedding moved, in root mean square distances from the mean."""
    projection, embedding = reference.coding.projection, signals.embedding
    if projection is None or embedding is None or np.isnan(embedding).all():
        return None
    gap = np.nanmean(embedding, axis=0, dtype=np.float64) - projection.centre
    return float(np.linalg.norm(gap) / projection.spread)


def _examples(look: Look, reference: Reference, signals: Signals) -> np.ndarray:
    """Return the rows that show a shift best: those in cells that became most frequent."""
    known, batch = _cells(look, reference, signals)
    before, now = known.mean(axis=0, dtype=np.float64), batch.mean(axis=0, dtype=np.float64)
    if look.kind == "mix":
        pull = np.zeros(len(before))
        pull[_moved_class(reference, signals)] = 1.0
    elif look.kind == "embedding":
        pull = np.append((now - before)[:-1], 0.0)
    elif look.kind == "flag":
        pull = np.sign(now - before)
    else:
        pull = np.log((now + 1e-3) / (before + 1e-3))
    scores = batch @ pull
    order = np.argsort(-scores, kind="stable")[:N_EXAMPLES]
    return order[scores[order] > 0] if look.kind != "flag" or pull[0] > 0 else order


def _moved_class(reference: Reference, signals: Signals) -> int:
    known = reference.coded.proba.astype(np.float64)
    gap = signals.proba.mean(axis=0) - known.mean(axis=0)
    return int((gap / np.sqrt(known.var(axis=0) + 1e-12)).argmax())


def _example(row: int, signals: Signals, items: pd.DataFrame, labels: Labels) -> dict[str, Any]:
    title = items["designation"].iloc[row]
    code = int(signals.predicted[row])
    return {
        "row": row,
        "productid": int(items["productid"].iloc[row]),
        "designation": title[:MOST_TITLE_CHARS] + ("…" if len(title) > MOST_TITLE_CHARS else ""),
        "predicted": code,
        "label": {language: labels.label(code, language) for language in ("fr", "en")},
        "confidence": round(float(signals.numbers["confidence"][row]), 4),
    }


def _class_mix(reference: Reference, signals: Signals, labels: Labels) -> list[dict[str, Any]]:
    """Return each class's share as the model sees it: its mean probability."""
    before = reference.coded.proba.astype(np.float64).mean(axis=0)
    now = signals.proba.mean(axis=0) if len(signals) else np.full(len(before), np.nan)
    return [
        {
            "code": code,
            "label": {language: labels.label(code, language) for language in ("fr", "en")},
            "before": round(float(b), 6),
            "now": None if math.isnan(n) else round(float(n), 6),
        }
        for code, b, n in zip(reference.classes.tolist(), before, now, strict=True)
    ]


def _not_looked_at(reference: Reference, signals: Signals) -> list[str]:
    """Return the signals that the lot or the reference lacks."""
    missing = [name for name in signals.numbers if name not in reference.coding.edges]
    missing += [
        name
        for name in reference.coding.edges
        if not len(signals) or np.isnan(signals.numbers[name]).all()
    ]
    if reference.coding.projection is None or _distance(reference, signals) is None:
        missing.append("embedding")
    return missing


def report_table(report: dict[str, Any]) -> pd.DataFrame:
    """Return the report as rows: one a signal, one a class of the mix, one a labelled class.

    Returns
    -------
    DataFrame
        Columns part ("signal", "class_mix", "class"), name, label, before, now, statistic,
        threshold, p_value, alert, support, baseline_support, low, high; empty where a column says
        nothing of a part. Distributions are told by their median.
    """
    rows = []
    for f in report["findings"]:
        middle = QUANTILES.index(0.5)
        before, now = (
            v[middle] if isinstance(v, list) else v if isinstance(v, float) else None
            for v in (f["before"], f["now"])
        )
        kept = {key: f[key] for key in ("statistic", "threshold", "p_value", "alert")}
        rows.append({"part": "signal", "name": f["signal"], "before": before, "now": now, **kept})
    for c in report["class_mix"]:
        row = {"part": "class_mix", "name": c["code"], "label": c["label"]["en"]}
        rows.append({**row, "before": c["before"], "now": c["now"]})
    for c in (report["labels"] or {"classes": []})["classes"]:
        row = {"part": "class", "name": c["code"], "label": c["label"]["en"]}
        row |= {key: c[key] for key in ("support", "baseline_support", "low", "high")}
        row |= {"before": c["baseline_recall"], "now": c["recall"], "alert": c["change"] == "fell"}
        rows.append(row)
    columns = [
        "part", "name", "label", "before", "now", "statistic", "threshold", "p_value", "alert",
        "support", "baseline_support", "low", "high",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)
