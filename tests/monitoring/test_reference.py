"""The profile comes back from JSON as it was, says what the sample says, and stays small."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import confusion_matrix

from src.errors import ArtifactError
from src.monitoring.reference import (
    QUANTILES,
    About,
    build_reference,
    choose_rows,
    from_json,
    judge_answers,
    to_json,
)

if TYPE_CHECKING:
    from src.monitoring.reference import Reference
    from tests.monitoring.conftest import MakeSignals

ABOUT = About("run-1", "linear_svc", "f" * 64, False)


def flat(value: object) -> object:
    """Dataclasses and arrays as plain values, so that whole references compare."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: flat(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: flat(item) for key, item in value.items()}
    return (str(value.dtype), repr(value.tolist())) if isinstance(value, np.ndarray) else value


def test_json_and_back(reference: Reference) -> None:
    back = from_json(json.loads(json.dumps(to_json(reference))))
    assert flat(back) == flat(reference)


def test_without_embeddings_and_pictures(make_signals: MakeSignals) -> None:
    signals = dataclasses.replace(make_signals(50, pictured=0.0), embedding=None)
    answers = judge_answers(signals.proba, signals.predicted, signals.classes)
    made = build_reference(signals, answers, ABOUT)
    assert "image_entropy" not in made.discretizer.edges
    assert flat(from_json(json.loads(json.dumps(to_json(made))))) == flat(made)


def test_summary_says_what_the_sample_says(make_signals: MakeSignals) -> None:
    signals = make_signals(400, 5)
    answers = judge_answers(signals.proba, np.full(400, 10), signals.classes)
    summary = to_json(build_reference(signals, answers, ABOUT))["summary"]
    lengths = signals.numbers["description_length"]
    present = lengths[~np.isnan(lengths)]
    told = summary["numbers"]["description_length"]
    assert told["present"] == pytest.approx(len(present) / 400, abs=1e-5)
    expected = dict(zip(map(str, QUANTILES), np.quantile(present, QUANTILES), strict=True))
    assert told["quantiles"] == pytest.approx(expected)
    assert sum(told["histogram"]) == pytest.approx(1.0, abs=1e-3)
    assert summary["flags"]["missing_image"] == pytest.approx(
        signals.flags["missing_image"].mean(), abs=1e-5
    )
    assert summary["language"]["en"] == pytest.approx((signals.language == "en").mean(), abs=1e-5)
    assert summary["accuracy"] == pytest.approx((signals.predicted == 10).mean(), abs=1e-5)
    assert summary["class_mix"] == pytest.approx(signals.proba.mean(axis=0), abs=1e-3)


def test_answers_are_scikit_learns(make_signals: MakeSignals) -> None:
    signals = make_signals(400, 6)
    y = np.random.default_rng(0).choice(signals.classes, 400)
    answers = judge_answers(signals.proba, y, signals.classes)
    expected = confusion_matrix(y, signals.predicted, labels=signals.classes)
    assert answers.confusion.tolist() == expected.tolist()
    confidence = signals.proba.max(axis=1)
    curve = IsotonicRegression().fit(confidence, y == signals.predicted)
    assert np.interp(confidence, answers.confidence, answers.worth) == pytest.approx(
        curve.predict(confidence)
    )
    assert answers.accuracy == pytest.approx((y == signals.predicted).mean())


def test_holdout_rows_come_first() -> None:
    folds = np.array([0, 1, -1, 2, -1, 0, 1, 2, -1])
    assert choose_rows(folds, 3, 0).tolist() == [2, 4, 8]
    chosen = choose_rows(folds, 5, 0)
    assert {2, 4, 8} < set(chosen.tolist())
    assert (len(chosen), sorted(chosen.tolist())) == (5, chosen.tolist())
    assert choose_rows(folds, 50, 0).tolist() == list(range(9))


def test_ten_thousand_products_of_27_classes_take_less_than_five_megabytes(
    make_signals: MakeSignals,
) -> None:
    signals = make_signals(10_000)
    rng = np.random.default_rng(0)
    wide = dataclasses.replace(
        signals,
        proba=rng.dirichlet(np.ones(27), 10_000),
        classes=np.arange(27),
        embedding=rng.normal(size=(10_000, 256)).astype(np.float32),
    )
    answers = judge_answers(wide.proba, wide.predicted, wide.classes)
    size = len(json.dumps(to_json(build_reference(wide, answers, ABOUT))))
    extra = 16 * (1280 - 256) * 4 * 4 / 3  # an EfficientNet's embedding has 1280 numbers
    assert size + extra < 5e6


def test_another_version_is_refused(reference: Reference) -> None:
    with pytest.raises(ArtifactError, match="found version 0, expected 2"):
        from_json({**to_json(reference), "version": 0})
