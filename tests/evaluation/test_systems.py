"""Systems on the same rows: the scores are the library's, pairs stand once, equals differ by 0."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, log_loss

from src.evaluation.systems import score_pairs, score_systems

CLASSES = np.array([10, 40, 50])


def answers(strength: float, seed: int, y: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(seed)
    scores = strength * (y[:, None] == CLASSES) + rng.normal(size=(len(y), 3))
    proba = np.exp(scores)
    return proba / proba.sum(axis=1, keepdims=True)


@pytest.fixture
def y() -> np.ndarray:
    return np.random.default_rng(9).choice(CLASSES, 600)


def test_scores_are_the_librarys(y: np.ndarray) -> None:
    proba = answers(1.5, 0, y)
    table = score_systems(y, {"a": proba}, CLASSES, groups=np.arange(600), seed=0)
    row = table.iloc[0]
    predicted = CLASSES[proba.argmax(axis=1)]
    assert row["system"] == "a"
    assert row["f1_weighted"] == pytest.approx(f1_score(y, predicted, average="weighted"))
    assert row["f1_macro"] == pytest.approx(f1_score(y, predicted, average="macro"))
    assert row["accuracy"] == pytest.approx(accuracy_score(y, predicted))
    assert row["log_loss"] == pytest.approx(log_loss(y, proba, labels=CLASSES))
    assert row["top3"] == 1.0
    assert row["f1_weighted_low"] < row["f1_weighted"] < row["f1_weighted_high"]


def test_every_pair_stands_once_with_the_later_system_first(y: np.ndarray) -> None:
    systems = {"weak": answers(0.5, 1, y), "same": answers(0.5, 1, y), "strong": answers(3, 2, y)}
    pairs = score_pairs(y, systems, CLASSES, groups=np.arange(600), seed=0)
    assert list(zip(pairs["system"], pairs["versus"], strict=True)) == [
        ("same", "weak"),
        ("strong", "weak"),
        ("strong", "same"),
    ]
    assert pairs.loc[0, ["difference", "difference_low", "difference_high"]].tolist() == [0, 0, 0]
    assert (pairs.loc[1:, "difference_low"] > 0).all()
