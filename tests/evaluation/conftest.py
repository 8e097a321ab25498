"""A small late fusion on drawn products, for explanations, and drawn answers, for scores."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier
from sklearn.base import ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

from src.config import load_config
from src.features.tfidf.vectorizers import TfidfChars, TfidfWords
from src.labels import Labels, load_labels
from src.models.boosted_trees import BoostedTrees
from src.models.late_fusion import LateFusion
from src.models.linear_svm import ThreadedLinearSVC
from src.models.model_trainer import ModelTrainer
from src.pipelines.branches import BranchUnion, PresentRows, join_text, select_columns

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

    X: pd.DataFrame
    y: np.ndarray
    model: LateFusion


def draw_products(n: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    codes = np.arange(n) % len(WORDS)
    y = np.array(list(WORDS))[codes]
    picture = rng.random(n) < 0.7
    # The picture expert never sees class 40.
    picture &= y != 40
    columns: dict[str, list[str]] = {"clean_title": [], "clean_description": []}
    for code in y.tolist():
        for name, most in (("clean_title", 5), ("clean_description", 12)):
            size = int(rng.integers(1 if name == "clean_title" else 0, most))
            columns[name].append(" ".join(rng.choice(WORDS[code] + COMMON, size)))
    image = rng.normal(size=(n, 6)) + 1.5 * np.eye(6)[codes]
    table = pd.DataFrame(columns, dtype=object).assign(
        has_description=[bool(text) for text in columns["clean_description"]],
        has_image=picture,
        title_length=np.array([len(t) for t in columns["clean_title"]], dtype=np.float32),
    )
    image[~picture] = np.nan
    names = [f"picture__{number}" for number in range(6)]
    return table.join(pd.DataFrame(image.astype(np.float32), columns=names)), y


def text_expert() -> Pipeline:
    both = join_text("clean_title", "clean_description")
    branches = [
        ("words", make_pipeline(both, TfidfWords(ngram_range=(1, 2)))),
        ("characters", make_pipeline(both, TfidfChars(ngram_range=(2, 4)))),
        ("title_words", make_pipeline(join_text("clean_title"), TfidfWords())),
        ("length", select_columns("title_length")),
    ]
    weights = {"title_words": 0.6, "length": 0.02}
    return expert_of(
        BranchUnion(branches, transformer_weights=weights), ThreadedLinearSVC(n_jobs=1)
    )


def image_expert(classifier: ClassifierMixin) -> Pipeline:
    picture = make_pipeline(select_columns("picture"), PresentRows())
    return expert_of(BranchUnion([("picture", picture)]), classifier)


def expert_of(union: BranchUnion, classifier: ClassifierMixin) -> Pipeline:
    return Pipeline([("features", union), ("classifier", ModelTrainer(classifier))])


def shop_of(image_classifier: ClassifierMixin, n: int) -> Shop:
    X, y = draw_products(n, 0)
    experts = [("text", text_expert()), ("image", image_expert(image_classifier))]
    model = LateFusion(
        experts, requires={"text": ["has_text"], "image": ["has_image"]}, n_folds=3
    ).fit(X, y)
    return Shop(*draw_products(60, 1), model)


@pytest.fixture(scope="session")
def toy_shop() -> Shop:
    """Sixty products that a late fusion fitted on 400 others never saw."""
    return shop_of(LogisticRegression(C=10.0, max_iter=500), 400)


@pytest.fixture(scope="session")
def tree_shop() -> Shop:
    """The same with boosted trees for the pictures."""
    trees = LGBMClassifier(
        n_estimators=5, num_leaves=4, min_child_samples=3, n_jobs=1, random_state=0, verbosity=-1
    )
    return shop_of(BoostedTrees(trees), 300)


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


@pytest.fixture(scope="session")
def labels() -> Labels:
    """The 27 classes and 9 themes of the challenge."""
    paths = load_config().paths
    return load_labels(paths.labels_map, paths.theme_map)


@pytest.fixture(scope="session")
def answers(labels: Labels) -> Answers:
    return draw(np.array(labels.codes), 1500)


@pytest.fixture(scope="session")
def draw_answers() -> Callable[..., Answers]:
    """Return the function that draws answers: classes, number of products, seed, sharpness."""
    return draw
