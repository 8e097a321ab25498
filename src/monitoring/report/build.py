"""The drift report of one batch as JSON values and as a table: what moved, how sure, who shows it.

Everything that the page says is in these values, and everything in them can be recomputed from the
batch's signals and the reference profile.
"""

import dataclasses
import html
import math
from collections.abc import Mapping, Sequence
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
MOST_PRODUCTS = 50
MOST_TITLE_CHARS = 120
# Between so many of a number's edges its shares are shown.
N_SHOWN_EDGES = 6


@dataclasses.dataclass(frozen=True)
class BatchInfo:
    """What a report is about."""

    name: str  # as in the file name, like the ISO date
    date: str
    created_at: str  # UTC, ISO 8601
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
    known_items: pd.DataFrame | None = None,
) -> dict[str, Any]:
    """Put the report of n products together; `items` has their productid and designation.

    `known_items` has the same of the reference's sample, None where it does not say which products
    it is of. A designation is "" where it is not at hand; an empty batch has no finding and no
    accuracy, and answers that are not judged have neither accuracy nor mix.

    "products" names those of the batch that are most unlike the reference, as far as they have a
    productid: by the sum of what each signal that moved says (naive Bayes: the signals count as if
    they were independent), and for the signal that says most.
    """
    discretizer = reference.discretizer
    known, batch = (discretizer.indicators(of) for of in (reference.sample, signals))
    specs = {spec.name: spec for spec in discretizer.specs}
    distance = _distance(reference, signals)
    products, described, unlike = _answered(items, signals.proba, signals.classes), [], {}
    known_products = None
    if known_items is not None:
        known_products = _answered(known_items, reference.sample.proba, reference.classes)
    for finding in findings:
        spec, values = specs[finding.signal], dataclasses.asdict(finding)
        columns = known[:, spec.columns], batch[:, spec.columns]
        examples: dict[str, list[dict[str, Any]]] = {"examples": [], "examples_before": []}
        if finding.alert:
            unlike[finding.signal] = ratios = _log_ratios(spec, *columns)
            examples["examples"] = _examples(ratios, products, labels)
            if known_products is not None:
                ratios = _log_ratios(spec, *columns[::-1])
                examples["examples_before"] = _examples(ratios, known_products, labels)
        described.append(
            {
                **{name: finite(v) if isinstance(v, float) else v for name, v in values.items()},
                **_before_and_now(spec, reference, signals, columns, distance),
                **examples,
            }
        )
    return {
        **dataclasses.asdict(info),
        **dataclasses.asdict(reference.about),
        "rows": len(signals),
        "reference_rows": len(reference),
        "alert": any(finding.alert for finding in findings),
        "findings": described,
        "products": _most_unlike(unlike, items),
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
        histogram = _histogram(reference.discretizer.edges[spec.name], *columns)
        before = reference.quantiles[spec.name].tolist()
        return {"before": before, "now": now, "histogram": histogram}
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


def _histogram(edges: np.ndarray, known: np.ndarray, batch: np.ndarray) -> dict[str, list[float]]:
    """Return the shares of products below, between and above some edges of a number's bins."""
    chosen = np.unique(np.linspace(0, len(edges) - 1, N_SHOWN_EDGES).round().astype(int))
    starts, shares = [0, *(chosen + 1).tolist()], []
    for of in (known, batch):
        counts = np.add.reduceat(of.sum(axis=0, dtype=np.float64), starts)
        shares.append((counts / max(counts.sum(), 1.0)).round(6).tolist())
    return {"edges": edges[chosen].tolist(), "before": shares[0], "now": shares[1]}


def _log_ratios(spec: SignalSpec, known: np.ndarray, batch: np.ndarray) -> np.ndarray:
    """Return the log of how much likelier each product of the batch is there than in the reference.

    As one signal alone says it, from its indicators. Of the mix the class that grew most counts.
    """
    if spec.kind == "flag":
        known, batch = (np.hstack([of, 1 - of]) for of in (known, batch))
    before, now = (of.mean(axis=0, dtype=np.float64) for of in (known, batch))
    if spec.kind == "embedding":  # two normal distributions of the same spread
        before, now = (of[:-1] / max(of[-1], 1e-9) for of in (before, now))
        pull = np.append(now - before, -(now - before) @ (now + before) / 2)
    else:
        pull = np.log((now + 1e-3) / (before + 1e-3))
    if spec.kind == "mix":
        pull[np.arange(len(pull)) != (now - before).argmax()] = 0.0
    return batch @ pull


def _answered(items: pd.DataFrame, proba: np.ndarray, classes: np.ndarray) -> pd.DataFrame:
    """Return products with the class that each was taken for, and how surely."""
    best = {"predicted": classes[proba.argmax(axis=1)], "confidence": proba.max(axis=1)}
    return items.reset_index(drop=True).assign(**best)


def _examples(ratios: np.ndarray, products: pd.DataFrame, labels: Labels) -> list[dict[str, Any]]:
    """Describe the products that show a shift best."""
    return [
        {
            "row": row.Index,
            "productid": int(row.productid),
            "designation": _shortened(row.designation),
            "predicted": int(row.predicted),
            "label": class_names(labels, row.predicted),
            "confidence": round(float(row.confidence), 4),
        }
        for row in _likeliest(ratios, products).head(N_EXAMPLES).itertuples()
    ]


def _likeliest(ratios: np.ndarray, products: pd.DataFrame) -> pd.DataFrame:
    """Return the products with a ratio above 0, the largest first, no title twice."""
    order = np.argsort(-ratios, kind="stable")
    rows = products.iloc[order[ratios[order] > 0]]
    return rows[(rows["designation"] == "") | ~rows["designation"].duplicated()]


def _shortened(title: str) -> str:
    title = html.unescape(title)
    return title[:MOST_TITLE_CHARS] + ("…" if len(title) > MOST_TITLE_CHARS else "")


def _most_unlike(ratios: Mapping[str, np.ndarray], items: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the products that the signals that moved set apart most; the reason is a signal."""
    table = pd.DataFrame(ratios, index=range(len(items)))
    reasons = table.idxmax(axis=1) if len(table.columns) else ""
    named = items[["productid", "designation"]].reset_index(drop=True).assign(reason=reasons)
    chosen = _likeliest(table.sum(axis=1).to_numpy(), named).query("productid >= 0")
    chosen = chosen.head(MOST_PRODUCTS)
    return chosen.assign(designation=chosen["designation"].map(_shortened)).to_dict("records")


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
