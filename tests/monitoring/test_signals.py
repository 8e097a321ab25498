"""Signals of a few products, by hand; and the way through the service's log and back."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from src.features.image.statistics import STAT_NAMES
from src.monitoring.signals import (
    IMAGE_NUMBERS,
    LEAST_LOGGED,
    NUMBERS,
    SignalReader,
    from_profiles,
    profile_of,
)

if TYPE_CHECKING:
    from tests.monitoring.conftest import MakeSignals

TABLE = pd.DataFrame(
    {
        "designation": ["Jeu de cartes pour enfants", "the lord of the rings", "12 345"],
        "description": ["<p>Un jeu</p>", "  ", ""],
        "clean_title": ["jeu de cartes pour enfants", "the lord of the rings", ""],
        "clean_description": ["un jeu", "", ""],
        "language": ["fr", "en", "other"],
        "has_description": [True, False, False],
        "has_image": [True, False, True],
        "title_length": np.array([26, 21, 6], dtype=np.float32),
    }
)
PROBA = np.array([[0.7, 0.2, 0.1], [0.1, 0.5, 0.4], [0.0, 1.0, 0.0]])
READER = SignalReader(np.array([10, 40, 2583]), frozenset({"jeu", "de", "the"}), r"(?u)\b\w\w+\b")


def with_block(
    table: pd.DataFrame, name: str, values: np.ndarray, names: list[str]
) -> pd.DataFrame:
    values[~table["has_image"]] = np.nan
    return table.join(pd.DataFrame(values, columns=[f"{name}__{value}" for value in names]))


def test_signals_of_three_products() -> None:
    stats = np.arange(3 * len(STAT_NAMES), dtype=np.float32).reshape(3, -1)
    table = with_block(TABLE, "image_stats", stats, list(STAT_NAMES))
    table = with_block(table, "image_cnn", np.ones((3, 4), dtype=np.float32), list("0123"))
    found = READER.read(table, PROBA)
    numbers = {name: values.tolist() for name, values in found.numbers.items()}
    expected = {
        "title_length": [26.0, 21.0, 6.0],
        "description_length": [6.0, math.nan, math.nan],
        "unknown_words": [4 / 7, 3 / 5, math.nan],
        "confidence": [0.7, 0.5, 1.0],
        "doubt": [-sum(p * math.log(p) for p in row if p) for row in PROBA.tolist()],
        **{
            f"image_{name}": [
                float(STAT_NAMES.index(name)),
                math.nan,
                2.0 * len(STAT_NAMES) + STAT_NAMES.index(name),
            ]
            for name in IMAGE_NUMBERS
        },
    }
    assert numbers.keys() == expected.keys() == set(NUMBERS)
    for name, values in expected.items():
        assert numbers[name] == pytest.approx(values, nan_ok=True), name
    assert found.flags["missing_description"].tolist() == [False, True, True]
    assert found.flags["missing_image"].tolist() == [False, True, False]
    assert found.language.tolist() == ["fr", "en", "other"]
    assert found.predicted.tolist() == [10, 40, 40]
    assert found.embedding is not None
    assert np.isnan(found.embedding).any(axis=1).tolist() == [False, True, False]


def test_without_image_blocks_and_known_words() -> None:
    reader = SignalReader(READER.classes, frozenset(), "")
    found = reader.read(TABLE, PROBA)
    assert np.isnan(found.numbers["unknown_words"]).all()
    assert np.isnan(found.numbers["image_entropy"]).all()
    assert found.embedding is None


def test_a_profile_is_json_and_comes_back(make_signals: MakeSignals) -> None:
    signals = make_signals(40)
    logged = [json.loads(json.dumps(profile_of(signals, row))) for row in range(40)]
    back = from_profiles(logged, signals.classes)
    for name in NUMBERS:
        assert back.numbers[name] == pytest.approx(signals.numbers[name], abs=1e-5, nan_ok=True)
    assert {n: f.tolist() for n, f in back.flags.items()} == {
        n: f.tolist() for n, f in signals.flags.items()
    }
    assert back.language.tolist() == signals.language.tolist()
    assert back.predicted.tolist() == signals.predicted.tolist()
    assert np.abs(back.proba - signals.proba).max() < 3 * LEAST_LOGGED
    assert back.proba.sum(axis=1) == pytest.approx(1.0)


def test_a_log_without_profiles_is_read_as_missing() -> None:
    back = from_profiles([{}, {"language": "de"}], np.array([10, 40]))
    assert np.isnan(back.numbers["title_length"]).all()
    assert back.language.tolist() == ["other", "de"]
    assert from_profiles([], np.array([10, 40])).proba.shape == (0, 2)
