"""Slices and details against the same scores on the rows picked by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, log_loss, top_k_accuracy_score

from src.evaluation.bootstrap import Interval
from src.evaluation.summary import decision, overall_intervals, overall_scores, summarise
from src.labels import Labels

if TYPE_CHECKING:
    from tests.evaluation.conftest import Answers


def half_width(interval: Interval) -> float:
    return (interval.high - interval.low) / 2


@pytest.fixture(scope="module")
def told(answers: Answers, labels: Labels) -> dict:
    return summarise(
        answers.y,
        answers.proba,
        answers.classes,
        slices=answers.products[["language", "has_image"]],
        themes=labels.themes,
        groups=None,
        folds=np.arange(len(answers.y)) % 4 - 1,
        threshold=0.6,
        target_accuracy=0.9,
    )


def test_each_fold_has_its_score_and_rows_in_none_are_left_out(
    answers: Answers, told: dict
) -> None:
    folds = np.arange(len(answers.y)) % 4 - 1
    expected = [
        f1_score(answers.y[folds == k], answers.predicted[folds == k], average="weighted")
        for k in (0, 1, 2)
    ]
    assert told["by_fold"] == pytest.approx(expected)


def test_slices_are_the_librarys_scores_of_their_rows(
    answers: Answers, labels: Labels, told: dict
) -> None:
    themes = np.array([labels.themes[code] for code in answers.y.tolist()])
    masks = {
        ("language", "en"): answers.products["language"] == "en",
        ("has_image", "false"): ~answers.products["has_image"],
        ("theme", "books"): themes == "books",
        ("theme", "pets"): themes == "pets",
    }
    for (column, value), mask in masks.items():
        y, p, found = answers.y[mask], answers.proba[mask], told["slices"][column][value]
        predicted, codes = answers.predicted[mask], np.unique(y)
        expected = {
            "rows": mask.sum(),
            "accuracy": accuracy_score(y, predicted),
            "f1_weighted": f1_score(y, predicted, average="weighted"),
            # Of the classes that have rows: other themes' classes would add zeros.
            "f1_macro": f1_score(y, predicted, labels=codes, average="macro"),
            "log_loss": log_loss(y, p, labels=answers.classes),
            "top3": top_k_accuracy_score(y, p, k=3, labels=answers.classes),
        }
        assert {name: found[name] for name in expected} == pytest.approx(expected)
        low, high = found["intervals"]["accuracy"]
        assert low < found["accuracy"] < high
    assert set(told["slices"]) == {"language", "has_image", "theme"}
    for values in told["slices"].values():
        assert sum(value["rows"] for value in values.values()) == len(answers.y)


def test_values_are_json_and_intervals_hold_their_scores(
    answers: Answers, labels: Labels, told: dict
) -> None:
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    scores = overall_scores(answers.y, answers.proba, answers.classes, labels.themes)
    assert set(told["intervals"]) == set(scores) - {"ece", "theme_accuracy"}
    for name, (low, high) in told["intervals"].items():
        assert low < scores[name] < high


def test_intervals_of_means_are_the_textbooks(answers: Answers) -> None:
    found = overall_intervals(answers.y, answers.proba, answers.classes, groups=None)
    own = answers.proba[np.arange(len(answers.y)), np.searchsorted(answers.classes, answers.y)]
    n = len(own)
    assert found["log_loss"].value == pytest.approx(-np.log(own).mean())
    assert half_width(found["log_loss"]) == pytest.approx(
        1.96 * np.log(own).std() / np.sqrt(n), rel=0.1
    )
    top3 = found["top3"].value
    assert half_width(found["top3"]) == pytest.approx(
        1.96 * np.sqrt(top3 * (1 - top3) / n), rel=0.1
    )


def test_decision_at_the_threshold(answers: Answers, told: dict) -> None:
    sure = answers.proba.max(axis=1) >= 0.6
    right = (answers.predicted == answers.y)[sure].mean()
    expected = {"threshold": 0.6, "target_accuracy": 0.9, "coverage": sure.mean()}
    assert told["decision"] == pytest.approx({**expected, "accuracy": right})
    nothing = decision(answers.y, answers.proba, answers.classes, 1.01, 0.9)
    assert nothing == {
        "threshold": 1.01,
        "target_accuracy": 0.9,
        "coverage": 0.0,
        "accuracy": None,
    }
