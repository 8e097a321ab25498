"""The reference profile: the signals of products for a model that had not seen them.

`build_reference` condenses a sample of labelled products into one JSON file of at most a few
megabytes: readable summaries of every signal, and the sample itself in bins of a byte, so that any
batch can be compared at its own size without the training data.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from src.artifacts.store import TRAIN_COMMAND
from src.errors import ArtifactError
from src.evaluation.confusion import confusion_counts
from src.monitoring.binning import (
    ABSENT,
    BinnedSample,
    Discretizer,
    Listed,
    Packed,
    fit_projection,
    quantile_edges,
)
from src.monitoring.signals import ANSWER_SIGNALS, FLAGS, IMAGE_SIGNALS, NUMBERS, Signals

VERSION = 2
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
N_COMPONENTS = 16


@dataclasses.dataclass(frozen=True)
class About:
    """Run and kind of the model behind a reference, and the state of its data."""

    run_id: str
    kind: str
    data_hash: str
    synthetic: bool


@dataclasses.dataclass(frozen=True, eq=False)
class Answers:
    """What models that had not seen them answered for all labelled rows, and how right they were.

    `worth` is the share of right answers at each knot of the top probability, linear in between.
    """

    confusion: Listed  # (n_classes, n_classes): counts, true by predicted
    confidence: Listed  # (n_knots,)
    worth: Listed  # (n_knots,)
    mean_confidence: float  # mean top probability
    error: float  # standard error of what the knots say of the accuracy

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return float(np.trace(self.confusion) / self.confusion.sum())


@dataclasses.dataclass(frozen=True, eq=False)
class Reference:
    """What batches are compared with: a sample of m products, answers of all labelled rows.

    `quantiles` has the `QUANTILES` of each number that the sample has; `productids`, (m,), name its
    products, None in a profile of an earlier version.
    """

    about: About
    discretizer: Discretizer
    sample: BinnedSample
    answers: Answers
    quantiles: Mapping[str, Listed]
    productids: Packed | None = None

    def __len__(self) -> int:
        return len(self.sample.proba)

    @property
    def classes(self) -> np.ndarray:
        """Codes, ascending."""
        return self.discretizer.classes

    @property
    def judges_answers(self) -> bool:
        """Whether the answers of a batch can be compared: not if images that count are missing."""
        return not set(ANSWER_SIGNALS) & set(self.discretizer.left_out)


def choose_rows(folds: np.ndarray, rows: int, seed: int) -> np.ndarray:
    """Return the positions of the products that the reference is made of, ascending.

    Hold-out rows, whose fold is -1, come first: a fold's model has seen fewer products than the
    served one and is less sure of itself.
    """
    shuffled = np.random.default_rng(seed).permutation(len(folds))
    held_first = shuffled[np.argsort(folds[shuffled] != -1, kind="stable")]
    return np.sort(held_first[:rows])


def judge_answers(proba: np.ndarray, y: np.ndarray, classes: np.ndarray) -> Answers:
    """Return how right the answers, (n, n_classes), for n labelled products were.

    Each row is from a model that had not seen the product. What a top probability is worth comes
    from isotonic regression (Zadrozny and Elkan 2002).
    """
    from sklearn.isotonic import IsotonicRegression

    predicted, confidence = classes[proba.argmax(axis=1)], proba.max(axis=1)
    correct = predicted == y
    curve = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
    fitted = curve.fit_transform(confidence, correct)
    error = np.sqrt(((correct - fitted) ** 2).mean() / len(y))
    return Answers(
        confusion=confusion_counts(y, predicted, classes).to_numpy(),
        confidence=curve.X_thresholds_.astype(np.float64),
        worth=curve.y_thresholds_.astype(np.float64),
        mean_confidence=float(confidence.mean()),
        error=float(error),
    )


def build_reference(
    signals: Signals, answers: Answers, about: About, productids: np.ndarray | None = None
) -> Reference:
    """Condense a sample of m products, with probabilities from a model that had not seen them."""
    present = {name: column[~np.isnan(column)] for name, column in signals.numbers.items()}
    values = {name: present[name] for name in NUMBERS if len(present[name])}
    projection = None
    if signals.embedding is not None:
        projection = fit_projection(signals.embedding, N_COMPONENTS)
    discretizer = Discretizer(
        edges={name: quantile_edges(column) for name, column in values.items()},
        languages=(*sorted(set(signals.language.tolist()) - {"other"}), "other"),
        classes=signals.classes,
        projection=projection,
    )
    return Reference(
        about=about,
        discretizer=discretizer,
        sample=discretizer.transform(signals),
        answers=answers,
        quantiles={name: np.quantile(column, QUANTILES) for name, column in values.items()},
        productids=productids,
    )


def to_json(reference: Reference) -> dict[str, Any]:
    """Return the JSON values of ``artifacts/reference_profile.json``.

    "summary" is for people and other programs, all else is what `from_json` reads.
    """
    fields = TypeAdapter(Reference).dump_python(reference, mode="json")
    return {"version": VERSION, "summary": _summary(reference), **fields}


def _summary(reference: Reference) -> dict[str, Any]:
    bins, classes = reference.sample.bins, reference.classes.tolist()
    numbers = {}
    for name, edges in reference.discretizer.edges.items():
        binned = bins[name][bins[name] != ABSENT]
        numbers[name] = {
            "present": round(len(binned) / len(reference), 5),
            "quantiles": dict(
                zip(map(str, QUANTILES), reference.quantiles[name].tolist(), strict=True)
            ),
            "histogram": _shares(binned, len(edges) + 1),
        }
    categories = {"language": reference.discretizer.languages, "predicted": classes}
    return {
        "numbers": numbers,
        "flags": {name: round(float(bins[name].mean()), 5) for name in FLAGS},
        **{
            name: dict(zip(map(str, values), _shares(bins[name], len(values)), strict=True))
            for name, values in categories.items()
        },
        "class_mix": reference.sample.proba.astype(np.float64).mean(axis=0).round(5).tolist(),
        "accuracy": round(reference.answers.accuracy, 5),
    }


def _shares(positions: np.ndarray, width: int) -> list[float]:
    return (np.bincount(positions, minlength=width) / len(positions)).round(5).tolist()


def from_json(content: Mapping[str, Any]) -> Reference:
    """Read `to_json` back; another version is an ArtifactError."""
    if content.get("version") != VERSION:
        raise ArtifactError(
            f"reference_profile.json: found version {content.get('version')}, expected {VERSION}",
            next_command=TRAIN_COMMAND,
        )
    return TypeAdapter(Reference).validate_python(content)


def without_images(content: Mapping[str, Any]) -> Reference:
    """Read the reference of batches whose images were not given: nothing of images is judged.

    Their answers are compared with those of the text alone; a model that has none, since one
    expert reads all, and that learned from images can't be judged by its answers either.
    """
    text_alone = content.get("text_alone")
    reference = from_json(text_alone or content)
    had_images = not reference.sample.bins["missing_image"].all()
    left_out = IMAGE_SIGNALS + (ANSWER_SIGNALS if text_alone is None and had_images else ())
    discretizer = dataclasses.replace(reference.discretizer, left_out=left_out)
    return dataclasses.replace(reference, discretizer=discretizer)
