"""The drift report of one batch as JSON values and as a table: what moved, how sure, who shows it.

Everything that the page says is in these values, and everything in them can be recomputed from the
batch's signals and the reference profile.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from src.evaluation.bootstrap import Interval
from src.i18n import LANGUAGES
from src.labels import Labels
from src.monitoring.binning import SignalSpec
from src.monitoring.drift import Finding
from src.monitoring.reference import QUANTILES, Reference
from src.monitoring.signals import Signals

N_EXAMPLES = 3
MOST_TITLE_CHARS = 120


@dataclasses.dataclass(frozen=True)
class BatchInfo:
    """What a report is about."""

    name: str  # as in the file name, like the ISO date
    date: str
    source: str  # the batch's file, or what was read of the log
    false_alarm_rate: float
    resamples: int
    in_training: int  # products of the batch that the model learned from: it is surer of those
    images_given: bool = True  # nothing of images is judged where they were not


def build_report(
    info: BatchInfo,
    reference: Reference,
    signals: Signals,
    findings: Sequence[Finding],
    accuracy: Interval | None,
    items: pd.DataFrame,
    labels: Labels,
) -> dict[str, Any]:
    """Put the report of n products together; `items` has their productid and designation.

    A designation is "" where it is not at hand; an empty batch has no finding and no accuracy, and
    answers that are not judged have neither accuracy nor mix.
    """
    discretizer = reference.discretizer
    known, batch = (discretizer.indicators(of) for of in (reference.sample, signals))
    specs = {spec.name: spec for spec in discretizer.specs}
    distance = _distance(reference, signals)
    described = []
    for finding in findings:
        spec, values = specs[finding.signal], dataclasses.asdict(finding)
        columns = known[:, spec.columns], batch[:, spec.columns]
        rows = _examples(spec, *columns) if finding.alert else []
        described.append(
            {
                **{name: finite(v) if isinstance(v, float) else v for name, v in values.items()},
                **_before_and_now(spec, reference, signals, columns, distance),
                "examples": [_example(row, signals, items, labels) for row in rows],
            }
        )
    return {
        **dataclasses.asdict(info),
        **dataclasses.asdict(reference.about),
        "rows": len(signals),
        "reference_rows": len(reference),
        "alert": any(finding.alert for finding in findings),
        "findings": described,
        "accuracy": accuracy
        and {"accuracy": accuracy.value, "low": accuracy.low, "high": accuracy.high},
        "reference_accuracy": reference.answers.accuracy,
        "class_mix": _class_mix(reference, signals, labels),
        "not_looked_at": _not_measured(reference, signals, distance),
        "labels": None,
    }


def class_names(labels: Labels, code: int) -> dict[str, str]:
    """Return a class's label by language."""
    return {language: labels.label(code, language) for language in LANGUAGES}


def finite(value: float) -> float | None:
    """Return a number as JSON may hold it: null for NaN."""
    return None if math.isnan(value) else float(value)


def _before_and_now(
    spec: SignalSpec,
    reference: Reference,
    signals: Signals,
    columns: tuple[np.ndarray, np.ndarray],
    distance: float | None,
) -> dict[str, Any]:
    """Return what the signal was in the reference and is in the batch, in its own terms."""
    if spec.kind == "number":
        values = signals.numbers[spec.name]
        values = values[~np.isnan(values)]
        now = np.quantile(values, QUANTILES).tolist() if len(values) else None
        return {"before": reference.quantiles[spec.name].tolist(), "now": now}
    if spec.kind == "embedding":
        return {"before": 0.0, "now": distance}
    shares = [of.sum(axis=0, dtype=np.float64) / len(of) for of in columns]
    if spec.kind == "flag":
        return {"before": float(shares[0][0]), "now": float(shares[1][0])}
    names: Sequence[object] = reference.classes.tolist()
    if spec.name == "language":
        names = reference.discretizer.languages
    before, now = (
        dict(zip(map(str, names), of.round(6).tolist(), strict=True)) for of in shares
    )  # fmt: skip
    return {"before": before, "now": now}


def _distance(reference: Reference, signals: Signals) -> float | None:
    """Return how far the mean embedding moved, in root mean square distances from the mean."""
    projection, embedding = reference.discretizer.projection, signals.embedding
    if projection is None or embedding is None or np.isnan(embedding).all():
        return None
    gap = np.nanmean(embedding, axis=0, dtype=np.float64) - projection.centre
    return float(np.linalg.norm(gap) / projection.spread)


def _examples(spec: SignalSpec, known: np.ndarray, batch: np.ndarray) -> list[int]:
    """Return the rows that show a shift best: those in bins that became most frequent."""
    before, now = known.mean(axis=0, dtype=np.float64), batch.mean(axis=0, dtype=np.float64)
    if spec.kind == "mix":
        pull = np.zeros(len(before))
        pull[((now - before) / np.sqrt(known.var(axis=0, dtype=np.float64) + 1e-12)).argmax()] = 1.0
    elif spec.kind == "embedding":
        pull = np.append((now - before)[:-1], 0.0)
    elif spec.kind == "flag":
        pull = np.sign(now - before)
    else:
        pull = np.log((now + 1e-3) / (before + 1e-3))
    scores = batch @ pull
    order = np.argsort(-scores, kind="stable")[:N_EXAMPLES]
    # Where a flag became rarer, every product without it shows that.
    rarer = spec.kind == "flag" and pull[0] <= 0
    return (order if rarer else order[scores[order] > 0]).tolist()


def _example(row: int, signals: Signals, items: pd.DataFrame, labels: Labels) -> dict[str, Any]:
    title = items["designation"].iloc[row]
    code = int(signals.predicted[row])
    return {
        "row": row,
        "productid": int(items["productid"].iloc[row]),
        "designation": title[:MOST_TITLE_CHARS] + ("…" if len(title) > MOST_TITLE_CHARS else ""),
        "predicted": code,
        "label": class_names(labels, code),
        "confidence": round(float(signals.numbers["confidence"][row]), 4),
    }


def _class_mix(reference: Reference, signals: Signals, labels: Labels) -> list[dict[str, Any]]:
    """Return each class's share as the model sees it: its mean probability."""
    before = reference.sample.proba.astype(np.float64).mean(axis=0)
    answered = len(signals) and reference.judges_answers
    now = signals.proba.mean(axis=0) if answered else np.full(len(before), np.nan)
    return [
        {
            "code": code,
            "label": class_names(labels, code),
            "before": round(float(b), 6),
            "now": finite(round(float(n), 6)),
        }
        for code, b, n in zip(reference.classes.tolist(), before, now, strict=True)
    ]


def _not_measured(reference: Reference, signals: Signals, distance: float | None) -> list[str]:
    """Return the signals that the batch or the reference lacks."""
    edges, missing = reference.discretizer.edges, list(reference.discretizer.left_out)
    missing += [name for name in signals.numbers if name not in edges]
    missing += [name for name in edges if np.isnan(signals.numbers[name]).all()]
    return list(dict.fromkeys(missing if distance is not None else [*missing, "embedding"]))


def report_table(report: dict[str, Any]) -> pd.DataFrame:
    """Return the report as rows: one a signal, one a class of the mix, one a labelled class.

    A column is empty where it says nothing of a part. Distributions show their median.
    """
    rows = []
    for f in report["findings"]:
        row = {key: f[key] for key in ("statistic", "threshold", "p_value", "alert")}
        for key in ("before", "now"):
            value = f[key]
            if isinstance(value, list):
                value = value[QUANTILES.index(0.5)]
            row[key] = value if isinstance(value, float) else None
        rows.append({"part": "signal", "name": f["signal"], **row})
    for c in report["class_mix"]:
        row = {"part": "class_mix", "name": c["code"], "label": c["label"]["en"]}
        rows.append({**row, "before": c["before"], "now": c["now"]})
    for c in report["labels"]["classes"] if report["labels"] else []:
        row = {"part": "class", "name": c["code"], "label": c["label"]["en"]}
        row |= {key: c[key] for key in ("support", "baseline_support", "low", "high")}
        row |= {"before": c["baseline_recall"], "now": c["recall"], "alert": c["change"] == "fell"}
        rows.append(row)
    columns = [
        "part", "name", "label", "before", "now", "statistic", "threshold", "p_value", "alert",
        "support", "baseline_support", "low", "high",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)
