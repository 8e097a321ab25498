"""A small late fusion on drawn products, text and picture, for the tests of explanations."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from src.features.extracted import Extracted
from src.features.tfidf import TfidfChars, TfidfWords
from src.models.late_fusion import LateFusion
from src.models.linear_ovr import ThreadedLinearSVC
from src.pipelines.fusion import JoinColumns, SelectColumn, WeightedFeatureUnion
from src.pipelines.product_model import ProductModel

WORDS = {
    10: ["roman", "livre", "auteur", "poche", "tome"],
    20: ["lampe", "led", "ampoule", "bureau", "chevet"],
    30: ["console", "manette", "jeu", "switch", "ps4"],
    40: ["piscine", "pompe", "filtre", "bache", "jardin"],
}
COMMON = ["lot", "de", "neuf", "bleu", "2", "pièces", "avec", "le", "la", "grand"]


@dataclasses.dataclass(frozen=True)
class Shop:
    """Products, their codes, and a fitted late fusion."""

    X: Extracted
    y: np.ndarray
    model: LateFusion


def draw_products(n: int, seed: int) -> tuple[Extracted, np.ndarray]:
    rng = np.random.default_rng(seed)
    codes = np.arange(n) % len(WORDS)
    y = np.array(list(WORDS))[codes]
    picture = rng.random(n) < 0.7
    # The picture expert never sees class 40.
    picture &= y != 40
    columns: dict[str, list[str]] = {"title": [], "text_description": []}
    for code in y.tolist():
        for name, most in (("title", 5), ("text_description", 12)):
            size = int(rng.integers(1 if name == "title" else 0, most))
            columns[name].append(" ".join(rng.choice(WORDS[code] + COMMON, size)))
    image = rng.normal(size=(n, 6)) + 1.5 * np.eye(6)[codes]
    table = {name: np.array(texts, dtype=object) for name, texts in columns.items()}
    table["title_length"] = np.array([len(t) for t in columns["title"]], dtype=np.float32)
    table["image"] = np.where(picture[:, None], image, 0.0).astype(np.float32)
    described = np.array([bool(text) for text in columns["text_description"]])
    return Extracted(table, {"description": described, "image": picture}), y


def text_expert() -> ProductModel:
    both = JoinColumns(("title", "text_description"))
    branches = [
        ("words", make_pipeline(both, TfidfWords(ngram_range=(1, 2)))),
        ("characters", make_pipeline(both, TfidfChars(ngram_range=(2, 4)))),
        ("title_words", make_pipeline(JoinColumns(("title",)), TfidfWords())),
        ("length", SelectColumn("title_length")),
    ]
    weights = {"title_words": 0.6, "length": 0.02}
    return ProductModel(WeightedFeatureUnion(branches, weights), ThreadedLinearSVC(n_jobs=1))


def image_expert() -> ProductModel:
    union = WeightedFeatureUnion([("picture", SelectColumn("image"))], {})
    return ProductModel(union, LogisticRegression(C=10.0, max_iter=500))


def fit_fusion(n: int = 400, seed: int = 0) -> LateFusion:
    X, y = draw_products(n, seed)
    experts = [("text", "", text_expert()), ("image", "image", image_expert())]
    return LateFusion(experts, n_folds=3).fit(X, y)


@pytest.fixture(scope="session")
def toy_shop() -> Shop:
    """Sixty products that a late fusion fitted on 400 others never saw."""
    X, y = draw_products(60, 1)
    return Shop(X, y, fit_fusion())
