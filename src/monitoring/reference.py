"""The reference profile: what the shop looked like to a model that had not seen it.

`build_reference` condenses a sample of labelled products into one JSON file of at most a few
megabytes: readable summaries of every signal, and the sample itself in codes of a byte, so that
any batch can be compared at its own size without the training data.
"""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from src.errors import ArtifactError
from src.monitoring.binning import ABSENT, Coded, Coding, Projection, fit_projection, quantile_edges
from src.monitoring.signals import CATEGORIES, FLAGS, NUMBERS, Signals

VERSION = 1
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
N_COMPONENTS = 16
TRAIN_COMMAND = "python scripts/train_pipeline.py"


@dataclasses.dataclass(frozen=True)
class About:
    """Where a reference comes from.

    Attributes
    ----------
    run_id, kind, data_hash : str
        Run and kind of the model, state of the data.
    synthetic : bool
        True for the demo shop.
    """

    run_id: str
    kind: str
    data_hash: str
    synthetic: bool


@dataclasses.dataclass(frozen=True, eq=False)
class Answers:
    """What models that had not seen them answered for all labelled rows, and how right they were.

    Attributes
    ----------
    confusion : ndarray of int64, shape (n_classes, n_classes)
        Counts, true by predicted.
    confidence, worth : ndarray of float64, shape (n_knots,)
        Share of right answers as a function of the top probability: knots, linear in between.
    mean_confidence : float
        Mean top probability.
    error : float
        Standard error of what the knots say of the accuracy.
    """

    confusion: np.ndarray
    confidence: np.ndarray
    worth: np.ndarray
    mean_confidence: float
    error: float

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return float(np.trace(self.confusion) / self.confusion.sum())


@dataclasses.dataclass(frozen=True, eq=False)
class Reference:
    """What batches are compared with.

    Attributes
    ----------
    about : About
    coding : Coding
        How signals become cells.
    coded : Coded
        The sample, m products.
    answers : Answers
        Of all labelled rows.
    quantiles : mapping of str to ndarray of float64
        `QUANTILES` of each number that the sample has.
    """

    about: About
    coding: Coding
    coded: Coded
    answers: Answers
    quantiles: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.coded.proba)

    @property
    def classes(self) -> np.ndarray:
        """Codes, ascending."""
        return self.coding.classes


def choose_rows(folds: np.ndarray, rows: int, seed: int) -> np.ndarray:
    """Return the positions of the products that the reference is made of, ascending.

    Parameters
    ----------
    folds : ndarray of int, shape (n,)
        -1 for hold-out rows. They come first: a fold's model has seen fewer products than the
        served one and is less sure of itself.
    rows : int
        How many at the most.
    seed : int
    """
    shuffled = np.random.default_rng(seed).permutation(len(folds))
    held_first = shuffled[np.argsort(folds[shuffled] != -1, kind="stable")]
    return np.sort(held_first[:rows])


def judge_answers(proba: np.ndarray, y: np.ndarray, classes: np.ndarray) -> Answers:
    """Return how right the answers for n labelled products were.

    Parameters
    ----------
    proba : ndarray, shape (n, n_classes)
        Each row from a model that had not seen the product.
    y : ndarray of int64, shape (n,)
        True codes.
    classes : ndarray of int64, shape (n_classes,)
        Ascending.

    Notes
    -----
    What a top probability is worth comes from isotonic regression (Zadrozny and Elkan 2002).
    """
    from sklearn.isotonic import IsotonicRegression

    predicted, true = proba.argmax(axis=1), np.searchsorted(classes, y)
    width = len(classes)
    counts = np.bincount(true * width + predicted, minlength=width**2).reshape(width, width)
    confidence, correct = proba.max(axis=1), predicted == true
    curve = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
    fitted = curve.fit_transform(confidence, correct)
    error = np.sqrt(((correct - fitted) ** 2).mean() / len(y))
    knots = (curve.X_thresholds_.astype(np.float64), curve.y_thresholds_.astype(np.float64))
    return Answers(counts, *knots, float(confidence.mean()), float(error))


def build_reference(signals: Signals, answers: Answers, about: About) -> Reference:
    """Condense a sample.

    Parameters
    ----------
    signals : Signals
        Of m products, with probabilities from a model that had not seen them.
    answers : Answers
        Of all labelled rows.
    about : About
    """
    values = {name: column[~np.isnan(column)] for name, column in signals.numbers.items()}
    values = {name: values[name] for name in NUMBERS if len(values[name])}
    languages = sorted(set(signals.language.tolist()) - {"other"})
    projection = None
    if signals.embedding is not None:
        projection = fit_projection(signals.embedding, N_COMPONENTS)
    coding = Coding(
        {name: quantile_edges(column) for name, column in values.items()},
        (*languages, "other"),
        signals.classes,
        projection,
    )
    quantiles = {name: np.quantile(column, QUANTILES) for name, column in values.items()}
    return Reference(about, coding, coding.encode(signals), answers, quantiles)


def to_json(reference: Reference) -> dict[str, Any]:
    """Return the JSON values of ``artifacts/reference_profile.json``.

    "summary" is for people and other programs, "sample" and "coding" are what `from_json` reads.
    """
    coding, coded = reference.coding, reference.coded
    return {
        "version": VERSION,
        **dataclasses.asdict(reference.about),
        "rows": len(reference),
        "classes": reference.classes.tolist(),
        "summary": _summary(reference),
        "answers": {
            "confusion": reference.answers.confusion.tolist(),
            "confidence": reference.answers.confidence.round(6).tolist(),
            "worth": reference.answers.worth.round(6).tolist(),
            "mean_confidence": reference.answers.mean_confidence,
            "error": reference.answers.error,
        },
        "coding": {
            "edges": {name: edges.tolist() for name, edges in coding.edges.items()},
            "languages": list(coding.languages),
            "projection": _projection_to_json(coding.projection),
        },
        "sample": {
            "bins": {name: _pack(bins) for name, bins in coded.bins.items()},
            "proba": _pack(coded.proba),
            "embedding": None if coded.embedding is None else _pack(coded.embedding),
        },
    }


def _summary(reference: Reference) -> dict[str, Any]:
    bins, proba = reference.coded.bins, reference.coded.proba.astype(np.float64)
    numbers = {}
    for name, edges in reference.coding.edges.items():
        counts = np.bincount(bins[name][bins[name] != ABSENT], minlength=len(edges) + 1)
        shares = (counts / counts.sum()).round(5).tolist()
        quantiles = dict(zip(map(str, QUANTILES), reference.quantiles[name].tolist(), strict=True))
        present = round(float((bins[name] != ABSENT).mean()), 5)
        numbers[name] = {"present": present, "quantiles": quantiles, "histogram": shares}
    values = {"language": list(reference.coding.languages), "predicted": reference.classes.tolist()}
    categories = {
        name: dict(zip(map(str, values[name]), _shares(bins[name], len(values[name])), strict=True))
        for name in CATEGORIES
    }
    return {
        "numbers": numbers,
        "flags": {name: round(float(bins[name].mean()), 5) for name in FLAGS},
        **categories,
        "class_mix": proba.mean(axis=0).round(5).tolist(),
        "accuracy": round(reference.answers.accuracy, 5),
    }


def _shares(positions: np.ndarray, width: int) -> list[float]:
    return (np.bincount(positions, minlength=width) / len(positions)).round(5).tolist()


def from_json(content: Mapping[str, Any]) -> Reference:
    """Read `to_json` back.

    Raises
    ------
    ArtifactError
        The profile is of another version.
    """
    if content.get("version") != VERSION:
        raise ArtifactError(
            f"reference_profile.json: found version {content.get('version')}, expected {VERSION}",
            next_command=TRAIN_COMMAND,
        )
    classes = np.array(content["classes"], dtype=np.int64)
    m, sample = content["rows"], content["sample"]
    edges = {name: np.array(v, dtype=np.float64) for name, v in content["coding"]["edges"].items()}
    projection = _projection_from_json(content["coding"]["projection"])
    bins = {name: _unpack(text, np.uint8, m) for name, text in sample["bins"].items()}
    embedding = None
    if sample["embedding"] is not None:
        embedding = _unpack(sample["embedding"], np.float16, m)
    summary = content["summary"]["numbers"]
    return Reference(
        About(*(content[field.name] for field in dataclasses.fields(About))),
        Coding(edges, tuple(content["coding"]["languages"]), classes, projection),
        Coded(bins, _unpack(sample["proba"], np.float16, m), embedding),
        _answers_from_json(content["answers"]),
        {name: np.array(list(of["quantiles"].values())) for name, of in summary.items()},
    )


def _answers_from_json(content: Mapping[str, Any]) -> Answers:
    return Answers(
        np.array(content["confusion"], dtype=np.int64),
        np.array(content["confidence"], dtype=np.float64),
        np.array(content["worth"], dtype=np.float64),
        content["mean_confidence"],
        content["error"],
    )


def _projection_to_json(projection: Projection | None) -> dict[str, Any] | None:
    if projection is None:
        return None
    return {
        "centre": _pack(projection.centre),
        "components": _pack(projection.components),
        "deviations": projection.deviations.tolist(),
        "spread": projection.spread,
    }


def _projection_from_json(content: Mapping[str, Any] | None) -> Projection | None:
    if content is None:
        return None
    deviations = np.array(content["deviations"], dtype=np.float32)
    return Projection(
        _unpack(content["centre"], np.float32, -1).ravel(),
        _unpack(content["components"], np.float32, len(deviations)),
        deviations,
        float(content["spread"]),
    )


def _pack(values: np.ndarray) -> str:
    """Return the bytes of an array, little-endian and row by row, as base64."""
    little = values.astype(values.dtype.newbyteorder("<"), order="C")
    return base64.b64encode(little.tobytes()).decode("ascii")


def _unpack(text: str, dtype: type[np.generic], rows: int) -> np.ndarray:
    """Return an array of `rows` rows, one-dimensional where a row is one value."""
    values = np.frombuffer(base64.b64decode(text), dtype=np.dtype(dtype).newbyteorder("<"))
    values = values.astype(dtype)
    return values if rows < 0 or len(values) == rows else values.reshape(rows, -1)
