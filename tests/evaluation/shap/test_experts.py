"""Contributions through the fusion beside Shapley values by their definition."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from src.features.extracted import Extracted
from src.pipelines.fusion import SelectColumn, WeightedFeatureUnion

from src.evaluation.shap.blocks import block_contributions
from src.evaluation.shap.experts import cast_votes
from src.models.calibration import Calibrator
from src.models.late_fusion import LateFusion
from src.pipelines.product_model import ProductModel

N_CLASSES = 3
# One column a block, so that a block's contribution is a column's.
COLUMNS = {"text": ["t0", "t1", "t2"], "image": ["i0", "i1"]}


def expert(columns: list[str]) -> ProductModel:
    union = WeightedFeatureUnion([(name, SelectColumn(name)) for name in columns], {})
    return ProductModel(union, LogisticRegression())


def products(n: int, seed: int) -> tuple[Extracted, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % N_CLASSES
    names = [*COLUMNS["text"], *COLUMNS["image"]]
    table = {name: (rng.normal(size=n) + y * rng.normal()).astype("f4") for name in names}
    masks = {"description": rng.random(n) < 0.5, "image": rng.random(n) < 0.6}
    return Extracted(table, masks), y


@pytest.fixture(scope="module")
def model() -> LateFusion:
    X, y = products(300, 0)
    experts = [("text", "", expert(COLUMNS["text"])), ("image", "image", expert(COLUMNS["image"]))]
    fitted = LateFusion(experts, n_folds=3).fit(X, y)
    rng = np.random.default_rng(5)
    full = [
        Calibrator("multinomial", rng.normal(size=(3, 3)), rng.normal(size=3)) for _ in range(2)
    ]
    fitted.fusion_ = dataclasses.replace(fitted.fusion_, linear=tuple(full))
    return fitted


def shapley(value: Callable[[frozenset[str]], np.ndarray], players: list[str]) -> np.ndarray:
    """Shapley (1953): the mean of what a player adds, over all orders."""
    n, found = len(players), []
    for player in players:
        others = [other for other in players if other != player]
        total = np.zeros(N_CLASSES)
        for size in range(n):
            share = math.factorial(size) * math.factorial(n - size - 1) / math.factorial(n)
            for chosen in map(frozenset, itertools.combinations(others, size)):
                total += share * (value(chosen | {player}) - value(chosen))
        found.append(total)
    return np.array(found)


def test_equals_shapley_values_over_all_coalitions(model: LateFusion) -> None:
    X, _ = products(6, 1)
    found = block_contributions(model, cast_votes(model, X))
    weights = model.weights(X)
    players = [*COLUMNS["text"], *COLUMNS["image"]]
    assert found.blocks == tuple(players)
    means = {}
    for name, _, one in model.experts_:
        means |= dict(zip(COLUMNS[name], one.background_.tolist(), strict=True))
    for row in range(6):

        def value(present: frozenset[str], row: int = row) -> np.ndarray:
            """The fused margin where absent columns are at the mean; the row's weights held."""
            total = np.zeros(N_CLASSES)
            for number, (name, _, one) in enumerate(model.experts_):
                x = [X.table[c][row] if c in present else means[c] for c in COLUMNS[name]]
                step = model.fusion_.linear[number]
                logits = one.head_.decision_function([x])[0] @ step.slope + step.offset
                total += weights[row, number] * (logits - logits.mean())
            return total

        expected = shapley(value, players)
        np.testing.assert_allclose(found.values[row], expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found.base[row], value(frozenset()), rtol=1e-5, atol=1e-6)
        everything = model.decision_function(X)[row]
        np.testing.assert_allclose(value(frozenset(players)), everything, rtol=1e-5, atol=1e-6)


def test_one_expert_explains_its_raw_margins() -> None:
    X, y = products(200, 0)
    alone = LateFusion([("image", "image", expert(COLUMNS["image"]))], n_folds=3).fit(X, y)
    new, _ = products(30, 1)
    found = block_contributions(alone, cast_votes(alone, new))
    np.testing.assert_allclose(
        found.base + found.values.sum(axis=1), alone.decision_function(new), rtol=1e-4, atol=1e-5
    )
    blind = ~new.masks["image"]
    assert blind.any()
    np.testing.assert_array_equal(found.weights[:, 0], new.masks["image"])
    assert not found.values[blind].any()


def test_no_product_with_a_picture(model: LateFusion) -> None:
    X, _ = products(5, 1)
    bare = Extracted(X.table, {**X.masks, "image": np.zeros(5, dtype=bool)})
    found = block_contributions(model, cast_votes(model, bare))
    np.testing.assert_array_equal(found.weights, [[1.0, 0.0]] * 5)
    assert not found.values[:, 3:].any()
    np.testing.assert_allclose(
        found.base + found.values.sum(axis=1), model.decision_function(bare), rtol=1e-5, atol=1e-6
    )
