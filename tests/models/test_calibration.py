"""Calibration maps against what the library fits, and on margins whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss as library_log_loss

from src.models.calibration import (
    Calibrator,
    choose_map,
    fit_blend,
    fit_flat_multinomial,
    fit_multinomial,
    fit_sharpness,
    fit_sigmoid,
    fit_temperature,
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
    slope = np.random.default_rng(3).normal(size=(N_CLASSES, N_CLASSES))
    margins, codes = draw(4000, 3, slope)
    ours = fit_multinomial(margins, codes, shrinkage=1e-6).predict_proba(margins)
    library = LogisticRegression(C=1e6, max_iter=2000, tol=1e-8).fit(margins, codes)
    np.testing.assert_allclose(ours, library.predict_proba(margins), atol=2e-3)


def test_multinomial_with_much_shrinkage_is_the_temperature() -> None:
    margins, codes = draw(500, 4, np.eye(N_CLASSES) * 2)
    ours = fit_multinomial(margins, codes, shrinkage=1e9).predict_proba(margins)
    expected = fit_temperature(margins, codes).predict_proba(margins)
    np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_sigmoid_is_one_logistic_regression_a_class() -> None:
    margins, codes = draw(20_000, 5, np.eye(N_CLASSES) * 2)
    expected = np.empty_like(margins)
    for code in range(N_CLASSES):
        one = LogisticRegression(C=1e9, tol=1e-8).fit(margins[:, [code]], codes == code)
        expected[:, code] = expit(margins[:, code] * one.coef_[0, 0] + one.intercept_[0])
    expected /= expected.sum(axis=1, keepdims=True)
    found = fit_sigmoid(margins, codes).predict_proba(margins)
    np.testing.assert_allclose(found, expected, atol=2e-3)  # Platt's targets are smoothed


def test_sigmoid_survives_a_class_without_rows() -> None:
    margins, codes = draw(200, 6, np.eye(N_CLASSES))
    codes[codes == 4] = 0
    p = fit_sigmoid(margins, codes).predict_proba(margins)
    assert np.isfinite(p).all()
    assert p[:, 4].max() < 0.1


def test_blend_is_the_geometric_mean_of_temperature_and_sigmoids() -> None:
    margins, codes = draw(3000, 10, np.eye(N_CLASSES) * 2)
    temperature = fit_temperature(margins, codes).predict_proba(margins)
    sigmoid = fit_sigmoid(margins, codes).predict_proba(margins)
    expected = np.sqrt(temperature * sigmoid)
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(
        fit_blend(margins, codes).predict_proba(margins), expected, rtol=2e-6
    )


def test_the_multinomial_of_a_blend_is_that_of_its_logits() -> None:
    slope = np.diag(np.linspace(1, 3, N_CLASSES)) + 0.2
    margins, codes = draw(3000, 14, slope)
    found = fit_flat_multinomial(margins, codes, 30.0, share=0.5)
    flat = fit_blend(margins, codes).logits(margins)
    expected = fit_multinomial(flat, codes, 30.0).predict_proba(flat)
    np.testing.assert_allclose(found.predict_proba(margins), expected, rtol=2e-6)


def test_sharpness_is_found_and_is_the_power_of_the_probabilities() -> None:
    margins, codes = draw(20_000, 13, np.eye(N_CLASSES) * 2)
    dull = softmax(margins, axis=1)  # the truth is their square
    assert fit_sharpness(dull, codes) == pytest.approx(2, rel=0.05)
    squared = dull**2 / (dull**2).sum(axis=1, keepdims=True)
    linear = Calibrator("temperature", np.eye(N_CLASSES), np.zeros(N_CLASSES)).sharpened(2)
    np.testing.assert_allclose(linear.predict_proba(margins), squared, rtol=2e-6)
    for fit in (fit_sigmoid, fit_blend):
        plain = fit(margins, codes)
        p = plain.predict_proba(margins) ** 1.3
        expected = p / p.sum(axis=1, keepdims=True)
        sharp = plain.sharpened(1.3).predict_proba(margins)
        np.testing.assert_allclose(sharp, expected, rtol=1e-5)


def test_where_the_truth_is_sigmoids_they_are_chosen() -> None:
    def drawn(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        margins = 3 * rng.normal(size=(n, N_CLASSES))
        p = expit(2 * margins - 1)
        p /= p.sum(axis=1, keepdims=True)
        return margins, (p.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)

    margins, codes = drawn(4000, 11)
    chosen = choose_map(margins, codes, np.arange(4000) % 5)(margins, codes)
    assert chosen.kind in {"sigmoid", "blend"}
    new, truth = drawn(20_000, 12)
    plain = log_loss(fit_temperature(margins, codes).predict_proba(new), truth)
    assert log_loss(chosen.predict_proba(new), truth) < plain - 0.01
    linear = choose_map(margins, codes, np.arange(4000) % 5, linear_only=True)(margins, codes)
    assert linear.kind in {"temperature", "multinomial"}


def accuracy(probabilities: np.ndarray, codes: np.ndarray) -> float:
    return float((probabilities.argmax(axis=1) == codes).mean())


@pytest.mark.parametrize("n", [150, 4000])
def test_the_chosen_map_is_near_the_best_on_new_rows(n: int) -> None:
    rng = np.random.default_rng(7)
    slope = np.diag(rng.uniform(1, 4, N_CLASSES)) + rng.normal(scale=0.4, size=(5, 5))
    margins, codes = draw(n, 8, slope)
    chosen = choose_map(margins, codes, np.arange(n) % 5)(margins, codes)
    new_margins, new_codes = draw(20_000, 9, slope)
    plain = fit_temperature(margins, codes).predict_proba(new_margins)
    found = chosen.predict_proba(new_margins)
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    assert log_loss(found, new_codes) <= log_loss(plain, new_codes) + 0.01
    assert accuracy(found, new_codes) >= accuracy(plain, new_codes) - 0.01
