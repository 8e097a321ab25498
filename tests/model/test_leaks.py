"""No kind of model knows labels that it should not: permuted labels score at chance, copies gain
nothing. On a small drawn shop, with class sampling and the lexicon, which learns from labels, on.
"""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from src.features.extracted import Extracted
from src.pipelines.extraction import extract

from src.config import Config, load_config
from src.data.duplicates import normalise_text
from src.data.splits import split_folds
from src.models.cross_validation import cross_fit
from src.pipelines.product_model import ProductModel, model_on
from src.pipelines.registry import build_branches
from tools.demo_shop.catalogue import draw_catalogue

KINDS = pytest.mark.parametrize("kind", ["linear_svc", "logreg", "xgboost", "lightgbm"])
N_CLASSES, N_FOLDS = 5, 3


def configure() -> Config:
    features = ["max_features=800", "char.max_features=800", "min_df=1", "char.min_df=1"]
    features += ["svd.n_components=8", "weights.lexicon=2.0"]
    trees = [f"model.{k}.n_estimators=12" for k in ("xgboost", "lightgbm")]
    return load_config(
        overrides=[
            *(f"features.text.{one}" for one in features),
            *("features.image.stats.enabled=false", "features.image.cnn.enabled=false"),
            *("sampling.enabled=true", "sampling.cap=1.1", "sampling.floor=1.0"),
            *(*trees, "compute.n_jobs=1"),
        ]
    )


@functools.cache
def shop() -> tuple[Extracted, np.ndarray]:
    """The products of the five largest classes among 1,200, with their duplicates' groups."""
    items = pd.DataFrame(draw_catalogue(1200, seed=5).train)
    items = items[items["label"].isin(items["label"].value_counts().index[:N_CLASSES])]
    items = items.assign(image="").reset_index(drop=True)
    texts = (items["designation"] + " " + items["description"]).map(normalise_text)
    extracted = extract(items, build_branches(configure())[0].extractors, cache=None)
    return extracted.with_column("group", pd.factorize(texts)[0]), items["label"].to_numpy()


def expert(kind: str) -> ProductModel:
    return model_on(configure(), build_branches(configure()), kind)


def folds_of(X: Extracted, y: np.ndarray) -> np.ndarray:
    return split_folds(y, X.table["group"], N_FOLDS, seed=1)


def answers(model: ProductModel, X: Extracted, y: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Return the code that each product gets from the model fitted on the other folds."""
    classes, everyone = np.unique(y), np.ones(len(y), dtype=bool)
    return classes[cross_fit(model, X, y, folds, everyone, classes).argmax(axis=1)]


def beyond_chance(given: np.ndarray, y: np.ndarray) -> float:
    """Return how many standard errors the accuracy is above that of answers that ignore `y`."""
    shares = [np.array([(codes == code).mean() for code in np.unique(y)]) for codes in (given, y)]
    chance = float(shares[0] @ shares[1])
    return float(((given == y).mean() - chance) / np.sqrt(chance * (1.0 - chance) / len(y)))


@functools.cache
def permuted_shop() -> tuple[Extracted, np.ndarray]:
    X, y = shop()
    return X, np.random.default_rng(2).permutation(y)


@KINDS
def test_permuted_labels_score_at_chance(kind: str) -> None:
    X, permuted = permuted_shop()
    folds = folds_of(X, permuted)
    assert abs(beyond_chance(answers(expert(kind), X, permuted, folds), permuted)) < 3.5
    y = shop()[1]
    assert beyond_chance(answers(expert(kind), X, y, folds), y) > 15


class Leaky(ProductModel):
    """Branches that were fitted on every row: what the test above is there to find."""

    def fit(self, X: Extracted, y: np.ndarray) -> Leaky:
        union = clone(self.features).fit(*permuted_shop())
        return self.fit_head(union, union.transform(X), y)


def test_a_lexicon_of_all_rows_would_be_found() -> None:
    X, permuted = permuted_shop()
    honest = expert("logreg")
    leaky = Leaky(honest.features, honest.head, honest.sampling)
    assert beyond_chance(answers(leaky, X, permuted, folds_of(X, permuted)), permuted) > 5


def doubled_shop(*, apart: bool) -> tuple[Extracted, np.ndarray]:
    """Every product twice, in one group, or `apart` in two."""
    X, y = shop()
    twice = np.repeat(np.arange(len(y)), 2)
    X2 = X.take(twice)
    group = X2.table["group"] * 2 + (np.arange(len(twice)) % 2) * apart
    return X2.with_column("group", np.unique(group, return_inverse=True)[1]), y[twice]


def gain_of_copies(kind: str, *, apart: bool) -> float:
    """Return what copies gain over each product once in the same folds, in half-widths.

    The half-width is that of the bootstrap interval of the plain accuracy.
    """
    X, y = shop()
    X2, y2 = doubled_shop(apart=apart)
    folds = folds_of(X2, y2)
    plain = answers(expert(kind), X, y, folds[::2]) == y
    doubled = answers(expert(kind), X2, y2, folds) == y2
    draws = np.random.default_rng(0).integers(0, len(y), size=(2000, len(y)))
    low, high = np.quantile(plain[draws].mean(axis=1), [0.025, 0.975])
    return float((doubled.mean() - plain.mean()) / ((high - low) / 2))


@KINDS
def test_copies_in_one_group_gain_nothing(kind: str) -> None:
    assert gain_of_copies(kind, apart=False) <= 1.0


def test_copies_in_two_groups_would_be_found() -> None:
    assert gain_of_copies("logreg", apart=True) > 2.0
