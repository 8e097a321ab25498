"""Whose answers each split is scored on, with a model that only says what it is told to."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from src.data.dataset import COLUMNS, Dataset, Snapshot
from src.features.extracted import Extracted
from src.pipeline_steps.types import OutsideScores, Trained, Transformed

from src.cache import ExtractionCache
from src.config import load_config
from src.labels import Labels, load_labels
from src.pipeline_steps import stage05_model_evaluation as stage05

CLASSES = np.array([10, 40, 2583])
N = 300
SNAPSHOT = Snapshot("0" * 64, "demo")


class Oracle:
    """A model that knows every label, row by row."""

    def predict_proba(self, X: Extracted) -> np.ndarray:
        return np.eye(3)[X.table["column"]] * 0.9 + 1 / 30

    def predict(self, X: Extracted) -> np.ndarray:
        return CLASSES[X.table["column"]]


@pytest.fixture(scope="module")
def labels() -> Labels:
    paths = load_config().paths
    return load_labels(paths.labels_map, paths.theme_map)


def items(n: int) -> pd.DataFrame:
    table = {name: [""] * n for name in COLUMNS}
    table |= {"row_index": np.arange(n) + 50, "productid": np.arange(n) + 900}
    table["designation"] = [
        "Un grand livre pour les enfants" if i % 2 else "The great book for all children"
        for i in range(n)
    ]
    return pd.DataFrame(table)[list(COLUMNS)]


@pytest.fixture
def transformed() -> Transformed:
    rng = np.random.default_rng(0)
    columns = rng.integers(3, size=N)
    extracted = Extracted(
        {"column": columns}, {"image": columns > 0, "description": np.zeros(N, dtype=bool)}
    )
    train = Dataset(items(N), CLASSES[columns], "train", SNAPSHOT)
    test = Dataset(items(4), None, "test", SNAPSHOT)
    nothing: Any = None
    return Transformed(
        train, test, extracted, extracted.take(np.arange(4)), (), np.arange(N), np.arange(N) < 60,
        nothing, nothing, nothing,
    )  # fmt: skip


def trained(transformed: Transformed, folds: np.ndarray, text: np.ndarray | None) -> Trained:
    """Say that everything is of the first class, from outside; the hold-out model knows better."""
    outside = OutsideScores(
        CLASSES, folds, np.tile([0.8, 0.1, 0.1], (N, 1)), {} if text is None else {"text": text}
    )
    model: Any = Oracle()
    return Trained(model, model, outside, 0.5)


def evaluate(
    transformed: Transformed, given: Trained, labels: Labels, folder: Path, *, on_train: bool
) -> Any:  # noqa: ANN401
    cfg = load_config()
    return stage05.run(transformed, given, labels, cfg, ExtractionCache(folder), on_train=on_train)


def test_the_holdout_is_not_asked_again_unless_folds_had_it(
    transformed: Transformed, labels: Labels, tmp_path: Path
) -> None:
    held = np.where(transformed.holdout, -1, 2)
    known = evaluate(
        transformed, trained(transformed, held, None), labels, tmp_path, on_train=False
    )
    of_folds = trained(transformed, np.full(N, 2), None)
    asked = evaluate(transformed, of_folds, labels, tmp_path, on_train=False)
    first = (transformed.train.labels[:60] == 10).mean()
    assert known.scored[0].scores["accuracy"] == pytest.approx(first)
    assert asked.scored[0].scores["accuracy"] == 1.0
    assert set(asked.scored[0].predictions["fold"]) == {-1}
    everywhere = (transformed.train.labels == 10).mean()
    for evaluated in (known, asked):
        assert [s.split for s in evaluated.scored] == ["holdout", "oof"]
        assert evaluated.scored[1].scores["accuracy"] == pytest.approx(everywhere)
    pd.testing.assert_series_equal(
        known.submission["prdtypecode"],
        pd.Series(transformed.train.labels[:4], index=[50, 51, 52, 53], name="prdtypecode"),
        check_names=False,
    )


def test_train_rows_are_answered_by_the_model_that_has_seen_them(
    transformed: Transformed, labels: Labels, tmp_path: Path
) -> None:
    given = trained(transformed, np.where(transformed.holdout, -1, 0), None)
    evaluated = evaluate(transformed, given, labels, tmp_path, on_train=True)
    train = evaluated.scored[-1]
    assert (train.split, train.scores["accuracy"]) == ("train", 1.0)
    expected = transformed.train.items["row_index"][~transformed.holdout].tolist()
    assert train.predictions["row_index"].tolist() == expected


def test_b2_is_the_text_expert_where_it_can_see(
    transformed: Transformed, labels: Labels, tmp_path: Path
) -> None:
    text = Oracle().predict_proba(transformed.extracted)
    text[:100] = np.nan
    folds = np.where(transformed.holdout, -1, 0)
    given = trained(transformed, folds, text)
    evaluated = evaluate(transformed, given, labels, tmp_path, on_train=False)
    b2, b4 = evaluated.diagnosed["b2"], evaluated.diagnosed["b4"]
    assert b2.by_class["f1"].tolist() == [1.0, 1.0, 1.0]
    assert b2.by_class["support"].sum() == N - 100
    assert b2.confusions.empty
    wrong = (transformed.train.labels == 40).sum()
    told = b4.by_class.set_index("prdtypecode").loc[40, "top_confusions"]
    assert told == f"Second-hand books (100.0 %, {wrong})"
    without = dataclasses.replace(
        given, outside=dataclasses.replace(given.outside, expert_proba={})
    )
    same = evaluate(transformed, without, labels, tmp_path, on_train=False).diagnosed
    pd.testing.assert_frame_equal(same["b2"].by_class, same["b4"].by_class)


def test_products_are_described(transformed: Transformed, tmp_path: Path) -> None:
    found = stage05.describe_products(transformed, ExtractionCache(tmp_path))
    assert found["language"].tolist() == ["en", "fr"] * (N // 2)
    assert found["has_image"].tolist() == (transformed.train.labels > 10).tolist()
    assert not found["has_description"].any()
