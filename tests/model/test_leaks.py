"""No kind of model knows labels that it should not: permuted labels score at chance, copies gain
nothing. On a small drawn shop, with class sampling and the lexicon, which learns from labels, on.
"""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import Pipeline

from src.config import Config, load_config
from src.data.duplicates import normalise_text
from src.data.splits import split_folds
from src.models.cross_validation import cross_fit
from src.pipelines.branches import BranchUnion
from src.pipelines.product_model import build_expert
from src.pipelines.registry import build_branches, extractors_of
from src.pipelines.table import extract_table
from tools.demo_shop.catalogue import draw_catalogue

KINDS = pytest.mark.parametrize("kind", ["linear_svc", "logreg", "sgd", "xgboost", "lightgbm"])
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
def shop() -> tuple[pd.DataFrame, np.ndarray]:
    """The products of the five largest classes among 1,200, with their duplicates' groups."""
    products = pd.DataFrame(draw_catalogue(1200, seed=5).train)
    largest = products["label"].value_counts().index[:N_CLASSES]
    products = products[products["label"].isin(largest)].assign(image="")
    texts = (products["designation"] + " " + products["description"]).map(normalise_text)
    cfg = configure()
    table = extract_table(products, extractors_of(cfg, build_branches(cfg)), cache=None)
    return table.assign(group=pd.factorize(texts)[0]), products["label"].to_numpy()


def expert(kind: str) -> Pipeline:
    return build_expert(configure(), build_branches(configure()), kind)


def folds_of(X: pd.DataFrame, y: np.ndarray) -> np.ndarray:
    return split_folds(y, X["group"].to_numpy(), N_FOLDS, seed=1)


def answers(model: Pipeline, X: pd.DataFrame, y: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Return the code that each product gets from the model fitted on the other folds."""
    classes, everyone = np.unique(y), np.ones(len(y), dtype=bool)
    groups = X["group"].to_numpy()
    return classes[cross_fit(model, X, y, groups, folds, everyone).argmax(axis=1)]


def beyond_chance(given: np.ndarray, y: np.ndarray) -> float:
    """Return how many standard errors the accuracy is above that of answers that ignore `y`."""
    shares = [np.array([(codes == code).mean() for code in np.unique(y)]) for codes in (given, y)]
    chance = float(shares[0] @ shares[1])
    return float(((given == y).mean() - chance) / np.sqrt(chance * (1.0 - chance) / len(y)))


@functools.cache
def permuted_shop() -> tuple[pd.DataFrame, np.ndarray]:
    X, y = shop()
    return X, np.random.default_rng(2).permutation(y)


@KINDS
def test_permuted_labels_score_at_chance(kind: str) -> None:
    X, permuted = permuted_shop()
    folds = folds_of(X, permuted)
    assert abs(beyond_chance(answers(expert(kind), X, permuted, folds), permuted)) < 3.5
    y = shop()[1]
    assert beyond_chance(answers(expert(kind), X, y, folds), y) > 15


class LeakyUnion(BranchUnion):
    """Branches that are fitted on every row: what the test above is there to find."""

    def fit_transform(self, X: pd.DataFrame, y: np.ndarray) -> object:
        super().fit_transform(*permuted_shop())
        return self.transform(X)


def test_a_lexicon_of_all_rows_would_be_found() -> None:
    X, permuted = permuted_shop()
    leaky = expert("logreg")
    leaky.set_params(features=LeakyUnion(**leaky["features"].get_params(deep=False)))
    assert beyond_chance(answers(leaky, X, permuted, folds_of(X, permuted)), permuted) > 5


def doubled_shop(*, apart: bool) -> tuple[pd.DataFrame, np.ndarray]:
    """Every product twice, in one group, or `apart` in two."""
    X, y = shop()
    twice = np.repeat(np.arange(len(y)), 2)
    X2 = X.iloc[twice].reset_index(drop=True)
    group = X2["group"].to_numpy() * 2 + (np.arange(len(twice)) % 2) * apart
    return X2.assign(group=np.unique(group, return_inverse=True)[1]), y[twice]


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
