"""One rate for all signals, the same thresholds for the same seed, and odd batches."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats

from src.errors import ConfigError, DataError
from src.monitoring.drift import Calibration, Finding, calibrate, compare, estimate_accuracy
from src.monitoring.reference import Reference

if TYPE_CHECKING:
    from src.monitoring.signals import Signals
    from tests.monitoring.conftest import MakeSignals


def thresholds(reference: Reference, rows: int, seed: int = 0) -> Calibration:
    return calibrate(reference, rows, false_alarm_rate=0.05, resamples=499, seed=seed)


def alerts(findings: tuple[Finding, ...]) -> set[str]:
    return {finding.signal for finding in findings if finding.alert}


@pytest.mark.parametrize("rows", [10, 200])
def test_undrifted_batches_alarm_at_the_stated_rate(
    rows: int, make_signals: MakeSignals, reference: Reference
) -> None:
    calibration = thresholds(reference, rows)
    alarmed = sum(
        bool(alerts(compare(reference, make_signals(rows, 100 + i), calibration)))
        for i in range(200)
    )
    assert stats.binomtest(alarmed, 200, 0.05, alternative="greater").pvalue > 0.05


def test_the_rate_counts_the_resamples_themselves(reference: Reference) -> None:
    calibration = thresholds(reference, 100)
    beyond = (calibration.strongest > calibration.critical).sum()
    assert beyond / (len(calibration.strongest) + 1) <= 0.05
    assert calibration.p_value(calibration.strongest[-1] + 1) == pytest.approx(1 / 500)
    assert calibration.p_value(0.0) == 1.0


def test_alert_threshold_and_p_value_agree(reference: Reference, make_signals: MakeSignals) -> None:
    calibration = thresholds(reference, 150)
    for seed in range(20):
        signals = make_signals(150, seed, pictured=0.7, described=0.5)
        for f in compare(reference, signals, calibration):
            assert f.alert == (f.p_value <= 0.05)
            assert f.alert == (f.statistic > f.threshold * (1 - 1e-9)), f


def test_the_same_seed_gives_the_same_thresholds(reference: Reference) -> None:
    first, second, other = (thresholds(reference, 50, seed) for seed in (1, 1, 2))
    assert first.strongest.tolist() == second.strongest.tolist()
    assert first.strongest.tolist() != other.strongest.tolist()


def replace_number(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable:
    def shift(signals: Signals) -> Signals:
        changed = {**signals.numbers, name: change(signals.numbers[name])}
        return dataclasses.replace(signals, numbers=changed)

    return shift


def without_images(signals: Signals) -> Signals:
    gone = {n: np.full(len(signals), np.nan) for n in signals.numbers if n.startswith("image_")}
    return dataclasses.replace(
        signals,
        numbers={**signals.numbers, **gone},
        flags={**signals.flags, "missing_image": np.ones(len(signals), dtype=bool)},
        embedding=np.full_like(signals.embedding, np.nan),
    )


def without_descriptions(signals: Signals) -> Signals:
    numbers = {**signals.numbers, "description_length": np.full(len(signals), np.nan)}
    flags = {**signals.flags, "missing_description": np.ones(len(signals), dtype=bool)}
    return dataclasses.replace(signals, numbers=numbers, flags=flags)


def one_class(signals: Signals) -> Signals:
    proba = np.tile([0.01, 0.99, 0.0], (len(signals), 1))
    numbers = {**signals.numbers, "confidence": np.full(len(signals), 0.99)}
    return dataclasses.replace(signals, proba=proba, numbers=numbers)


DRIFTS = {
    "no image at all": (without_images, {"missing_image"}),
    "all descriptions empty": (without_descriptions, {"missing_description"}),
    "all classes but one absent": (one_class, {"predicted", "class_mix"}),
    "titles cut": (replace_number("title_length", lambda v: np.minimum(v, 60)), {"title_length"}),
    "less sure": (replace_number("confidence", lambda v: v * 0.8), {"confidence"}),
    "surer": (replace_number("confidence", lambda v: 1 - (1 - v) * 0.1), set()),
    "darker": (replace_number("image_gray_mean", lambda v: v * 0.6), {"image_gray_mean"}),
    "other pictures": (
        lambda s: dataclasses.replace(s, embedding=s.embedding + np.linspace(1, 0, 24)),
        {"embedding"},
    ),
    "all Dutch": (
        lambda s: dataclasses.replace(s, language=np.full(len(s), "nl", dtype=object)),
        {"language"},
    ),
}


@pytest.mark.parametrize("name", DRIFTS)
def test_a_shift_alarms_by_its_own_name(
    name: str, reference: Reference, make_signals: MakeSignals
) -> None:
    shift, expected = DRIFTS[name]
    findings = compare(reference, shift(make_signals(200, 9)), thresholds(reference, 200))
    assert alerts(findings) == expected


def test_ten_products_without_pictures_are_judged_on_the_rest(
    reference: Reference, make_signals: MakeSignals
) -> None:
    signals = without_images(without_descriptions(make_signals(10, 3)))
    findings = {f.signal: f for f in compare(reference, signals, thresholds(reference, 10))}
    assert findings["missing_image"].alert
    for name in ("image_entropy", "description_length", "embedding"):
        assert (findings[name].measured, findings[name].alert) == (0, False)
    assert findings["title_length"].measured == 10


def test_a_signal_that_never_moved_in_the_reference(make_signals: MakeSignals) -> None:
    """One product without a picture among 200 is chance, thirty are not."""
    from tests.monitoring.conftest import reference_of

    known = reference_of(make_signals(1000, 1, pictured=1.1), 2)
    calibration = thresholds(known, 200)
    for missing, expected in ((1, set()), (30, {"missing_image"})):
        signals = make_signals(200, 8, pictured=1.1)
        flags = {**signals.flags, "missing_image": np.arange(200) < missing}
        found = compare(known, dataclasses.replace(signals, flags=flags), calibration)
        assert alerts(found) == expected


def test_the_estimate_is_what_confidence_was_worth(
    reference: Reference, make_signals: MakeSignals
) -> None:
    covered, close = 0, 0
    for seed in range(100):
        signals = make_signals(500, 300 + seed)
        draws = np.random.default_rng(seed).random((500, 1))
        y = signals.classes[(signals.proba.cumsum(axis=1) < draws).sum(axis=1)]
        truth = (signals.predicted == y).mean()
        found = estimate_accuracy(reference, signals)
        covered += found.low <= truth <= found.high
        close += abs(found.value - truth) < 0.03
    # The sampling error of 500 products alone is 1.9 points here: 3 points are 1.6 of them.
    assert (close >= 80, covered >= 90) == (True, True)


def test_what_can_not_be_compared_is_refused(
    reference: Reference, make_signals: MakeSignals
) -> None:
    with pytest.raises(ConfigError, match=r"monitoring\.resamples: 98 can't show .* at least 99"):
        calibrate(reference, 10, false_alarm_rate=0.01, resamples=98, seed=0)
    calibration = thresholds(reference, 10)
    with pytest.raises(DataError, match="batches of 10 products, found 11"):
        compare(reference, make_signals(11), calibration)
    foreign = dataclasses.replace(make_signals(10), classes=np.array([1, 2, 3]))
    with pytest.raises(DataError, match=r"reference of run run-1 knows 3 or others: two models"):
        compare(reference, foreign, calibration)
