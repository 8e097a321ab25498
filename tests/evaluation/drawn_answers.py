"""Answers of a made-up model on made-up products, for what looks at answers."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd


@dataclasses.dataclass(frozen=True, eq=False)
class Answers:
    """True codes (n,), probabilities (n, n_classes), classes, and who the products are."""

    y: np.ndarray
    proba: np.ndarray
    classes: np.ndarray
    products: pd.DataFrame

    @property
    def predicted(self) -> np.ndarray:
        return self.classes[self.proba.argmax(axis=1)]


def draw(classes: np.ndarray, n: int, seed: int = 0, sharpness: float = 4.0) -> Answers:
    """Draw products whose true class follows the probabilities: a calibrated model's answers."""
    rng = np.random.default_rng(seed)
    margins = rng.normal(size=(n, len(classes)))
    margins[np.arange(n), rng.integers(len(classes), size=n)] += sharpness
    proba = np.exp(margins) / np.exp(margins).sum(axis=1, keepdims=True)
    drawn = (proba.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    products = pd.DataFrame(
        {
            "row_index": rng.permutation(n),
            "productid": np.arange(n) + 1000,
            "language": rng.choice(["fr", "en"], size=n, p=[0.8, 0.2]),
            "has_image": rng.random(n) < 0.7,
        }
    )
    return Answers(classes[drawn], proba, classes, products)
