"""Calibration against what the library fits, and on margins whose truth is known."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss as library_log_loss

from src.models.calibration import (
    SHRINKAGES,
    Calibration,
    Calibrator,
    best_power,
    choose_calibration,
    fit_flattening,
    fit_multinomial,
    fit_temperature,
    flatten,
    log_loss,
)

N_CLASSES = 5


def draw(n: int, seed: int, slope: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Margins, and codes drawn from softmax(margins @ slope)."""
    rng = np.random.default_rng(seed)
    margins = rng.normal(size=(n, N_CLASSES))
    p = softmax(margins @ slope, axis=1)
    return margins, (p.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)


def test_temperature_finds_the_true_one() -> None:
    margins, codes = draw(20_000, 0, np.eye(N_CLASSES) * 2.5)
    found = fit_temperature(margins, codes)
    assert found.slope[0, 0] == pytest.approx(2.5, rel=0.03)
    grid = [library_log_loss(codes, softmax(margins * s, axis=1)) for s in np.linspace(1, 5, 81)]
    assert log_loss(found.predict_proba(margins), codes) <= min(grid) + 1e-9


def test_log_loss_is_the_librarys() -> None:
    margins, codes = draw(300, 1, np.eye(N_CLASSES))
    p = softmax(margins, axis=1)
    assert log_loss(p, codes) == pytest.approx(library_log_loss(codes, p))


def test_multinomial_without_shrinkage_is_logistic_regression() -> None:
    changes = np.random.default_rng(3).uniform(-0.3, 0.3, size=(N_CLASSES, N_CLASSES))
    margins, codes = draw(20_000, 3, 2 * (np.eye(N_CLASSES) + changes))
    ours = fit_multinomial(margins, codes, shrinkage=1e-6).predict_proba(margins)
    library = LogisticRegression(C=1e6, max_iter=2000, tol=1e-8).fit(margins, codes)
    np.testing.assert_allclose(ours, library.predict_proba(margins), atol=2e-3)


def test_multinomial_with_much_shrinkage_is_the_temperature() -> None:
    margins, codes = draw(500, 4, np.eye(N_CLASSES) * 2)
    ours = fit_multinomial(margins, codes, shrinkage=1e9).predict_proba(margins)
    expected = fit_temperature(margins, codes).predict_proba(margins)
    np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_identity_takes_margins_for_logits() -> None:
    margins, _ = draw(50, 2, np.eye(N_CLASSES))
    found = Calibrator.identity(N_CLASSES).predict_proba(margins)
    np.testing.assert_allclose(found, softmax(margins, axis=1), rtol=2e-6)


def test_flattening_holds_one_logistic_regression_a_class() -> None:
    margins, codes = draw(20_000, 5, np.eye(N_CLASSES) * 2)
    _, slope, offset = fit_flattening(margins, codes)
    for code in range(N_CLASSES):
        one = LogisticRegression(C=1e9, tol=1e-8).fit(margins[:, [code]], codes == code)
        expected = expit(margins[:, code] * one.coef_[0, 0] + one.intercept_[0])
        ours = expit(margins[:, code] * slope[code] + offset[code])
        np.testing.assert_allclose(ours, expected, atol=2e-3)  # Platt's targets are smoothed


def test_flattening_survives_a_class_without_rows_and_a_separable_one() -> None:
    margins, codes = draw(200, 6, np.eye(N_CLASSES))
    codes[codes == 4] = 0
    margins[:, 1] = np.where(codes == 1, 5.0, -5.0)
    _, slope, offset = fit_flattening(margins, codes)
    assert np.isfinite([slope, offset]).all()
    assert expit(margins[:, 4] * slope[4] + offset[4]).max() < 0.1


def test_flat_margins_are_the_mean_of_the_temperatures_logits_and_log_sigmoids() -> None:
    """So that their softmax is the geometric mean of temperature and sigmoids."""
    margins, codes = draw(3000, 10, np.eye(N_CLASSES) * 2)
    flattening = fit_flattening(margins, codes)
    temperature = fit_temperature(margins, codes).predict_proba(margins)
    sigmoid = expit(margins * flattening[1] + flattening[2])
    expected = np.sqrt(temperature * sigmoid)
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(softmax(flatten(margins, flattening), axis=1), expected, rtol=2e-6)


def test_the_flattened_multinomial_is_that_of_the_flat_margins() -> None:
    slope = np.diag(np.linspace(1, 3, N_CLASSES)) + 0.2
    margins, codes = draw(3000, 14, slope)
    found = Calibration(30.0, flat=True).fit(margins, codes)
    flat = flatten(margins, fit_flattening(margins, codes))
    expected = fit_multinomial(flat, codes, 30.0).predict_proba(flat)
    np.testing.assert_allclose(found.predict_proba(margins), expected, rtol=2e-6)


def test_infinite_shrinkage_is_the_temperature_flat_or_not() -> None:
    margins, codes = draw(500, 4, np.eye(N_CLASSES) * 2)
    expected = fit_temperature(margins, codes).predict_proba(margins)
    for flat in (False, True):
        found = Calibration(math.inf, flat).fit(margins, codes)
        assert found.flattening is None
        np.testing.assert_array_equal(found.predict_proba(margins), expected)


def test_the_power_is_found() -> None:
    margins, codes = draw(20_000, 13, np.eye(N_CLASSES) * 2)
    dull = np.log(softmax(margins, axis=1))  # the truth is the square of these
    assert best_power(dull, codes, math.log(4.0)) == pytest.approx(2, rel=0.05)
    assert best_power(dull, codes, 0.1) == pytest.approx(math.exp(0.1), rel=1e-3)  # the bound


@pytest.mark.parametrize(("shrinkage", "flat"), [(math.inf, False), (30.0, False), (30.0, True)])
def test_inverse_temperature_is_the_power_of_the_probabilities(
    shrinkage: float, flat: bool
) -> None:
    margins, codes = draw(2000, 13, np.eye(N_CLASSES) * 2)
    plain = Calibration(shrinkage, flat)
    p = plain.fit(margins, codes).predict_proba(margins) ** 1.3
    sharp = dataclasses.replace(plain, inverse_temperature=1.3).fit(margins, codes)
    expected = p / p.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(sharp.predict_proba(margins), expected, rtol=1e-5)


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("n", [200, 400, 1000])
@pytest.mark.parametrize("seed", range(4))
def test_more_of_a_classs_own_margin_is_never_less_of_its_probability(
    seed: int, n: int, flat: bool
) -> None:
    """Even where small classes have lower margins on their own rows than on others'."""
    rng = np.random.default_rng(seed)
    shares = 1 / np.arange(1, 11) ** 1.5
    codes = rng.choice(10, n, p=shares / shares.sum())
    margins = rng.normal(size=(n, 10))
    margins[np.arange(n), codes] += np.linspace(2, -2, 10)[codes]
    found = Calibration(100.0, flat).fit(margins, codes)
    for column in range(10):
        steps = np.repeat(margins[:20, None], 41, axis=1)
        steps[:, :, column] = np.linspace(-8, 8, 41)
        p = found.predict_proba(steps.reshape(-1, 10)).reshape(20, 41, 10)[:, :, column]
        assert (np.diff(p, axis=1) >= -1e-6).all()


def test_where_the_truth_is_sigmoids_flat_margins_are_chosen() -> None:
    def drawn(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        margins = 3 * rng.normal(size=(n, N_CLASSES))
        p = expit(2 * margins - 1)
        p /= p.sum(axis=1, keepdims=True)
        return margins, (p.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)

    margins, codes = drawn(4000, 11)
    folds = np.arange(4000) % 5
    chosen = choose_calibration(margins, codes, folds, flat=True)
    assert chosen.flat
    assert math.isfinite(chosen.shrinkage)
    new, truth = drawn(20_000, 12)
    plain = log_loss(fit_temperature(margins, codes).predict_proba(new), truth)
    assert log_loss(chosen.fit(margins, codes).predict_proba(new), truth) < plain - 0.01
    linear = choose_calibration(margins, codes, folds, flat=False)
    assert linear.fit(margins, codes).flattening is None


@pytest.mark.parametrize("flat", [False, True])
def test_the_choice_has_the_lowest_left_out_loss(flat: bool) -> None:
    """Each candidate cross-validated by hand, raised to its own best power."""
    margins, codes = draw(600, 15, np.diag(np.linspace(1, 4, N_CLASSES)) + 0.3)
    folds = np.arange(600) % 3
    losses = {}
    for shrinkage in SHRINKAGES:
        p = np.empty_like(margins)
        for fold in range(3):
            held = folds == fold
            fitted = Calibration(shrinkage, flat).fit(margins[~held], codes[~held])
            p[held] = fitted.predict_proba(margins[held])
        powers = np.exp(np.linspace(-math.log(4), math.log(4), 401))
        raised = [softmax(power * np.log(p), axis=1) for power in powers]
        losses[shrinkage] = min(library_log_loss(codes, one) for one in raised)
    chosen = choose_calibration(margins, codes, folds, flat=flat)
    assert chosen.shrinkage == min(losses, key=losses.__getitem__)


def test_one_fold_alone_is_the_temperature() -> None:
    margins, codes = draw(200, 1, np.eye(N_CLASSES))
    assert choose_calibration(margins, codes, np.zeros(200), flat=True) == Calibration()


def accuracy(probabilities: np.ndarray, codes: np.ndarray) -> float:
    return float((probabilities.argmax(axis=1) == codes).mean())


@pytest.mark.parametrize("n", [150, 4000])
def test_the_chosen_map_is_near_the_best_on_new_rows(n: int) -> None:
    rng = np.random.default_rng(7)
    slope = np.diag(rng.uniform(1, 4, N_CLASSES)) + rng.normal(scale=0.4, size=(5, 5))
    margins, codes = draw(n, 8, slope)
    folds = np.arange(n) % 5
    chosen = choose_calibration(margins, codes, folds, flat=True).fit(margins, codes)
    new_margins, new_codes = draw(20_000, 9, slope)
    plain = fit_temperature(margins, codes).predict_proba(new_margins)
    found = chosen.predict_proba(new_margins)
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    assert log_loss(found, new_codes) <= log_loss(plain, new_codes) + 0.01
    assert accuracy(found, new_codes) >= accuracy(plain, new_codes) - 0.01
