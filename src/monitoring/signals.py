"""What monitoring measures of every product: text, image and the model's own answer as `Signals`.

`SignalReader` turns a batch into them; the reference profile, the drift report and the service's
log all hold the same signals under the same names. A product without a description or an image is
an ordinary product: what can't be measured is NaN.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import entropy

from src.models.late_fusion import LateFusion
from src.pipelines.table import block_mask, block_values
from src.pipelines.training_range import find_vocabulary, known_words, unknown_shares

# Readable ones among the 157 statistics: proportions, size of the object, ground, colour, detail.
IMAGE_NUMBERS = (
    "aspect_ratio_log", "gray_mean", "entropy", "occupancy", "border_white_share",
    "saturation_mean", "edge_density",
)  # fmt: skip
FLAGS = ("missing_description", "missing_image")
NUMBERS = (
    "title_length", "description_length", "unknown_words",
    *(f"image_{name}" for name in IMAGE_NUMBERS), "confidence", "doubt",
)  # fmt: skip
IMAGE_SIGNALS = ("missing_image", *(f"image_{name}" for name in IMAGE_NUMBERS), "embedding")
ANSWER_SIGNALS = ("confidence", "doubt", "predicted", "class_mix")
# Probabilities below it are left out of the service's log: 27 classes take 60 bytes, not 400.
LEAST_LOGGED = 0.005


@dataclasses.dataclass(frozen=True, eq=False)
class Signals:
    """Signals of n products.

    `numbers` are `NUMBERS`: lengths in characters, shares, image statistics, top probability
    ("confidence") and entropy of the probabilities in nats ("doubt"); NaN where there is nothing
    to measure. `flags` are `FLAGS`. The embedding is the image's, (n, d): rows of NaN where there
    is none, None where the network is off.
    """

    numbers: Mapping[str, np.ndarray]
    flags: Mapping[str, np.ndarray]
    language: np.ndarray
    proba: np.ndarray  # (n, n_classes)
    classes: np.ndarray
    embedding: np.ndarray | None

    def __len__(self) -> int:
        return len(self.proba)

    @property
    def predicted(self) -> np.ndarray:
        """Likeliest code of each product, shape (n,)."""
        return self.classes[self.proba.argmax(axis=1)] if len(self) else self.classes[:0]

    def take(self, rows: np.ndarray) -> Signals:
        """Return the products at the positions (or where the mask) `rows`."""
        return Signals(
            {name: values[rows] for name, values in self.numbers.items()},
            {name: values[rows] for name, values in self.flags.items()},
            self.language[rows],
            self.proba[rows],
            self.classes,
            None if self.embedding is None else self.embedding[rows],
        )


@dataclasses.dataclass(frozen=True)
class SignalReader:
    """From products to signals; `words` are those that the text expert knows.

    Without a text expert, or with hashed columns, there are none, and `word_pattern` is "".
    """

    classes: np.ndarray
    words: frozenset[str]
    word_pattern: str

    @classmethod
    def of(cls, model: LateFusion, *, in_training: bool = False) -> SignalReader:
        """Return the reader of a model's products; those that it learned from if `in_training`."""
        counter = find_vocabulary(model)
        if counter is None:
            return cls(model.classes_, frozenset(), "")
        return cls(
            model.classes_, known_words(counter, of_others=in_training), counter.token_pattern
        )

    def read(self, table: pd.DataFrame, proba: np.ndarray) -> Signals:
        """Measure n products; `proba` is out-of-fold for training products."""
        has_description = table["has_description"].to_numpy(dtype=bool)
        has_image = table["has_image"].to_numpy(dtype=bool)
        lengths = table["clean_description"].str.len().to_numpy(dtype=np.float64)
        numbers = {
            "title_length": table["title_length"].to_numpy(dtype=np.float64),
            "description_length": np.where(has_description, lengths, np.nan),
            "unknown_words": self._unknown(table),
            **_image_numbers(table),
            "confidence": proba.max(axis=1, initial=0.0),
            "doubt": entropy(proba, axis=1),
        }
        return Signals(
            numbers=numbers,
            flags={"missing_description": ~has_description, "missing_image": ~has_image},
            language=table["language"].to_numpy(dtype=object),
            proba=proba,
            classes=self.classes,
            embedding=_embedding(table),
        )

    def _unknown(self, table: pd.DataFrame) -> np.ndarray:
        if not self.words:
            return np.full(len(table), np.nan)
        texts = table["clean_title"] + "\n" + table["clean_description"]
        return unknown_shares(texts.tolist(), self.words, self.word_pattern)


def _image_numbers(table: pd.DataFrame) -> dict[str, np.ndarray]:
    values = {}
    for name in IMAGE_NUMBERS:
        column = f"image_stats__{name}"
        known = table[column] if column in table else pd.Series(np.nan, index=table.index)
        values[f"image_{name}"] = known.to_numpy(dtype=np.float64)
    return values


def _embedding(table: pd.DataFrame) -> np.ndarray | None:
    return block_values(table, "image_cnn") if block_mask(table, "image_cnn").any() else None


def profile_of(signals: Signals, row: int) -> dict[str, Any]:
    """Return one product's signals as JSON values: the column ``project.predictions.profile``.

    The embedding is left out (a thousand numbers a request), and so are small probabilities.
    """
    numbers = {name: float(values[row]) for name, values in signals.numbers.items()}
    proba = zip(signals.classes.tolist(), signals.proba[row].tolist(), strict=True)
    return {
        **{name: None if math.isnan(v) else round(v, 5) for name, v in numbers.items()},
        **{name: bool(values[row]) for name, values in signals.flags.items()},
        "language": str(signals.language[row]),
        "proba": {str(code): round(p, 4) for code, p in proba if p >= LEAST_LOGGED},
    }


def from_profiles(profiles: Sequence[Mapping[str, Any]], classes: np.ndarray) -> Signals:
    """Return the signals of n logged requests, `profile_of` read back.

    A key that is missing is a signal that is missing. Small probabilities were left out; what
    remains is scaled to a sum of 1.
    """
    proba = np.array(
        [[p.get("proba", {}).get(str(code), 0.0) for code in classes.tolist()] for p in profiles]
    ).reshape(len(profiles), len(classes))
    total = proba.sum(axis=1, keepdims=True)
    return Signals(
        {name: np.array([p.get(name) for p in profiles], dtype=np.float64) for name in NUMBERS},
        {name: np.array([bool(p.get(name)) for p in profiles], dtype=bool) for name in FLAGS},
        np.array([p.get("language", "other") for p in profiles], dtype=object),
        proba / np.where(total == 0, 1.0, total),
        classes,
        None,
    )
