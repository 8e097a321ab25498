"""Contributions through the fusion beside Shapley values by their definition."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from src.evaluation.shap.blocks import block_contributions
from src.evaluation.shap.experts import take_apart
from src.models.calibration import Calibrator
from src.models.gating import gating_conditions
from src.models.late_fusion import LateFusion
from src.models.model_trainer import ModelTrainer
from src.pipelines.branches import BranchUnion, select_columns

N_CLASSES = 3
# One column a block, so that a block's contribution is a column's.
COLUMNS = {"text": ["t0", "t1", "t2"], "image": ["i0", "i1"]}


def expert(columns: list[str]) -> Pipeline:
    union = BranchUnion([(name, select_columns(name)) for name in columns])
    return Pipeline([("features", union), ("classifier", ModelTrainer(LogisticRegression()))])


def products(n: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % N_CLASSES
    names = [*COLUMNS["text"], *COLUMNS["image"]]
    table = {name: (rng.normal(size=n) + y * rng.normal()).astype("f4") for name in names}
    flags = {"has_description": rng.random(n) < 0.5, "has_image": rng.random(n) < 0.6}
    return pd.DataFrame(table | flags), y


@pytest.fixture(scope="module")
def model() -> LateFusion:
    X, y = products(300, 0)
    experts = [(name, expert(columns)) for name, columns in COLUMNS.items()]
    fitted = LateFusion(experts, requires={"image": ["has_image"]}, n_folds=3).fit(X, y)
    rng = np.random.default_rng(5)
    full = [Calibrator(rng.normal(size=(3, 3)), rng.normal(size=3)) for _ in range(2)]
    fitted.gating_ = dataclasses.replace(fitted.gating_, votes=tuple(full))
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
    found = block_contributions(model, take_apart(model, X))
    margins = list(model.margins(X).values())
    weights = model.gating_.weights(margins, gating_conditions(X))
    players = [*COLUMNS["text"], *COLUMNS["image"]]
    assert found.blocks == tuple(players)
    means = {}
    for name, one in model.experts_.items():
        background = one["classifier"].background_.tolist()
        means |= dict(zip(COLUMNS[name], background, strict=True))
    for row in range(6):

        def value(present: frozenset[str], row: int = row) -> np.ndarray:
            """The fused margin where absent columns are at the mean; the row's weights held."""
            total = np.zeros(N_CLASSES)
            for number, one in enumerate(model.experts_.values()):
                factors = one["features"].factors_
                x = [X[c].iloc[row] * factors[c] if c in present else means[c] for c in factors]
                step = model.gating_.votes[number]
                logits = (
                    one["classifier"].classifier_.decision_function([x])[0] @ step.slope
                    + step.offset
                )
                total += weights[row, number] * (logits - logits.mean())
            return total

        expected = shapley(value, players)
        np.testing.assert_allclose(found.values[row], expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found.base[row], value(frozenset()), rtol=1e-5, atol=1e-6)
        everything = model.decision_function(X)[row]
        np.testing.assert_allclose(value(frozenset(players)), everything, rtol=1e-5, atol=1e-6)


def test_one_expert_explains_its_raw_margins() -> None:
    X, y = products(200, 0)
    experts = [("image", expert(COLUMNS["image"]))]
    alone = LateFusion(experts, requires={"image": ["has_image"]}, n_folds=3).fit(X, y)
    new, _ = products(30, 1)
    found = block_contributions(alone, take_apart(alone, new))
    np.testing.assert_allclose(
        found.base + found.values.sum(axis=1), alone.decision_function(new), rtol=1e-4, atol=1e-5
    )
    blind = ~new["has_image"]
    assert blind.any()
    np.testing.assert_array_equal(found.weights[:, 0], new["has_image"])
    assert not found.values[blind].any()


def test_no_product_with_a_picture(model: LateFusion) -> None:
    X, _ = products(5, 1)
    bare = X.assign(has_image=False)
    found = block_contributions(model, take_apart(model, bare))
    np.testing.assert_array_equal(found.weights, [[1.0, 0.0]] * 5)
    assert not found.values[:, 3:].any()
    np.testing.assert_allclose(
        found.base + found.values.sum(axis=1), model.decision_function(bare), rtol=1e-5, atol=1e-6
    )
