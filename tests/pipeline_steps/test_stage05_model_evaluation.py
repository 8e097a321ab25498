"""Whose answers each split is scored on, with a model that only says what it is told to."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from src.config import load_config
from src.data.csv_files import Snapshot
from src.labels import Labels, load_labels
from src.pipeline_steps.stage05_model_evaluation import ModelEvaluationPipeline
from src.runs.types import Evaluated, OutOfFoldScores, Trained, Transformed

CLASSES = np.array([10, 40, 2583])
N = 300


class Oracle:
    """A model that knows every label, row by row."""

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        return np.eye(3)[X["column"]] * 0.9 + 1 / 30

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        return CLASSES[X["column"]]


@pytest.fixture(scope="module")
def labels() -> Labels:
    paths = load_config().paths
    return load_labels(paths.labels_map, paths.theme_map)


@pytest.fixture
def transformed() -> Transformed:
    columns = np.random.default_rng(0).integers(3, size=N)
    rows = np.arange(N)
    table = pd.DataFrame(
        {
            "row_index": rows + 50,
            "productid": rows + 900,
            "language": np.where(rows % 2, "fr", "en"),
            "has_image": columns > 0,
            "has_description": False,
            "column": columns,
        }
    )
    train = table.assign(prdtypecode=CLASSES[columns], group=rows)
    nothing: Any = None
    snapshot = Snapshot("0" * 64, "demo")
    return Transformed(train, table.head(4), snapshot, (), (), rows < 60, nothing)


def trained(transformed: Transformed, folds: np.ndarray, text: np.ndarray | None) -> Trained:
    """Say that everything is of the first class, out of fold; the hold-out model knows better."""
    alone = {} if text is None else {"text": text}
    oof = OutOfFoldScores(CLASSES, folds, np.tile([0.8, 0.1, 0.1], (N, 1)), alone)
    model: Any = Oracle()
    return Trained(model, model, oof, 0.5)


def evaluate(
    transformed: Transformed, given: Trained, labels: Labels, *, on_train: bool = False
) -> Evaluated:
    pipeline = ModelEvaluationPipeline(transformed, given, labels, load_config())
    return pipeline.run(on_train=on_train)


def test_the_holdout_is_not_asked_again_unless_folds_had_it(
    transformed: Transformed, labels: Labels
) -> None:
    held = np.where(transformed.holdout, -1, 2)
    known = evaluate(transformed, trained(transformed, held, None), labels)
    asked = evaluate(transformed, trained(transformed, np.full(N, 2), None), labels)
    first = (transformed.y[:60] == 10).mean()
    assert known.scored[0].scores["accuracy"] == pytest.approx(first)
    assert asked.scored[0].scores["accuracy"] == 1.0
    assert set(asked.scored[0].predictions["fold"]) == {-1}
    everywhere = (transformed.y == 10).mean()
    for evaluated in (known, asked):
        assert [s.split for s in evaluated.scored] == ["holdout", "oof"]
        assert evaluated.scored[1].scores["accuracy"] == pytest.approx(everywhere)
    pd.testing.assert_series_equal(
        known.submission["prdtypecode"],
        pd.Series(transformed.y[:4], index=[50, 51, 52, 53], name="prdtypecode"),
        check_names=False,
    )


def test_train_rows_are_answered_by_the_model_that_has_seen_them(
    transformed: Transformed, labels: Labels
) -> None:
    given = trained(transformed, np.where(transformed.holdout, -1, 0), None)
    train = evaluate(transformed, given, labels, on_train=True).scored[-1]
    assert (train.split, train.scores["accuracy"]) == ("train", 1.0)
    expected = transformed.train["row_index"][~transformed.holdout].tolist()
    assert train.predictions["row_index"].tolist() == expected


def test_b2_is_the_text_expert_where_it_has_input(transformed: Transformed, labels: Labels) -> None:
    text = Oracle().predict_proba(transformed.train)
    text[:100] = np.nan
    folds = np.where(transformed.holdout, -1, 0)
    given = trained(transformed, folds, text)
    diagnosed = evaluate(transformed, given, labels).diagnosed
    b2, b4 = diagnosed["b2"], diagnosed["b4"]
    assert b2[0]["f1"].tolist() == [1.0, 1.0, 1.0]
    assert b2[0]["support"].sum() == N - 100
    assert b2[1].empty
    wrong = (transformed.y == 40).sum()
    told = b4[0].set_index("prdtypecode").loc[40, "top_confusions"]
    assert told == f"Second-hand books (100.0 %, {wrong})"
    without = dataclasses.replace(given, oof=dataclasses.replace(given.oof, expert_proba={}))
    same = evaluate(transformed, without, labels).diagnosed
    pd.testing.assert_frame_equal(same["b2"][0], same["b4"][0])


def test_presence_scores_the_same_products_by_what_is_shown_of_them(
    transformed: Transformed, labels: Labels
) -> None:
    known = Oracle().predict_proba(transformed.train)
    image = known.copy()
    image[:100] = np.nan
    given = trained(transformed, np.where(transformed.holdout, -1, 0), known)
    given.oof.expert_proba["image"] = image  # type: ignore[index]
    given.oof.modality_proba.update(given.oof.expert_proba)  # type: ignore[attr-defined]
    given.holdout_model.gating_ = SimpleNamespace(prior=np.array([0.2, 0.2, 0.6]))  # type: ignore[assignment]
    evaluated = evaluate(transformed, given, labels, on_train=True)
    y = transformed.y[100:]
    expected = {
        "both": (y == 10).mean(),
        "text": 1.0,
        "image": 1.0,
        "neither": (y == CLASSES[2]).mean(),
    }
    holdout, oof, train = (scored.details.get("presence") for scored in evaluated.scored)
    assert (holdout, train) == ({}, None)  # the hold-out has no image here
    assert {name: scores["rows"] for name, scores in oof.items()} == dict.fromkeys(
        expected, N - 100
    )
    assert {name: scores["accuracy"] for name, scores in oof.items()} == pytest.approx(expected)
    shares = [(y == code).mean() for code in CLASSES]
    loss = -np.log([0.2, 0.2, 0.6]) @ shares
    assert oof["neither"]["log_loss"] == pytest.approx(loss)
    assert set(oof["both"]) == {"rows", "accuracy", "log_loss", "ece", "top3"}


def test_experts_tell_what_each_adds_and_costs(transformed: Transformed, labels: Labels) -> None:
    """With the image the answer is surer by a known factor on the 200 products that have one."""
    known = Oracle().predict_proba(transformed.train)
    image = known.copy()
    image[:100] = np.nan
    folds = np.where(transformed.holdout, -1, 0)
    given = trained(transformed, folds, known)
    alone = {"text": known, "image": image}
    without = {"text": image, "image": np.full((N, 3), 1 / 3)}
    oof = dataclasses.replace(given.oof, proba=known, expert_proba=alone, without=without)
    cost = {"fit_s": 3.0, "mb": 20.0, "ms": 1.5}
    given = dataclasses.replace(given, oof=oof, costs={"image": cost})
    holdout, found = (s.details["experts"] for s in evaluate(transformed, given, labels).scored)
    assert holdout == []  # none of its products has an image
    text, picture = found
    assert (text["expert"], text["rows"], text["adds_log_loss"]) == ("text", N - 100, [0, 0, 0])
    gain = np.log((0.9 + 1 / 30) * 3)
    assert picture["adds_log_loss"] == pytest.approx([gain] * 3)
    assert picture["log_loss"] == pytest.approx(-np.log(0.9 + 1 / 30))
    wrong = (transformed.y[100:] != 10).mean()  # a tie of probabilities goes to the first class
    assert picture["adds_accuracy"][0] == pytest.approx(wrong)
    assert picture["adds_accuracy"][1] < wrong < picture["adds_accuracy"][2]
    assert {name: picture[name] for name in cost} == cost


def test_predictions_and_slices_tell_what_the_table_knows_of_a_product(
    transformed: Transformed, labels: Labels
) -> None:
    given = trained(transformed, np.where(transformed.holdout, -1, 0), None)
    scored = evaluate(transformed, given, labels).scored[1]
    about = ["row_index", "productid", "language", "has_image", "has_description"]
    pd.testing.assert_frame_equal(
        scored.predictions[about].reset_index(drop=True), transformed.train[about]
    )
    counts = transformed.train["language"].value_counts()
    rows = {name: part["rows"] for name, part in scored.details["slices"]["language"].items()}
    assert rows == counts.to_dict()
