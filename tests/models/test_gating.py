"""What is learned from out-of-fold margins, on votes whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn.metrics import log_loss
from src.models.combiner import describe
from src.models.fusion import centre, choose_maps, fit_fusion, honest_proba, seen

N_CLASSES = 4
Drawn = tuple[list[np.ndarray], np.ndarray, np.ndarray, np.ndarray]


def draw(n: int, seed: int, share_seen: float = 0.7) -> Drawn:
    """Margins of two experts, overconfident ones; the second sees a part of the products."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, N_CLASSES, n)
    truth = np.eye(N_CLASSES)[codes]
    first = 4 * (0.9 * truth + rng.normal(size=truth.shape))
    second = 0.1 * (1.2 * truth + rng.normal(size=truth.shape))
    second[rng.random(n) > share_seen] = np.nan
    return [first, second], describe(np.ones(n, bool), np.full(n, 60.0)), codes, np.arange(n) % 5


def fit(n: int = 3000, seed: int = 0) -> tuple:
    margins, conditions, codes, folds = draw(n, seed)
    maps = choose_maps(margins, conditions, codes, folds)
    return maps, fit_fusion(maps, margins, conditions, codes, folds)


def test_fused_margins_are_the_weighted_sum_of_centred_linear_votes() -> None:
    _, fusion = fit()
    margins, conditions, _, _ = draw(200, 1, share_seen=1.0)
    assert {step.kind for step in fusion.linear} <= {"temperature", "multinomial"}
    weights = fusion.weights(margins, conditions)
    expected = sum(
        weights[:, [i]] * centre(margin @ step.slope + step.offset)
        for i, (margin, step) in enumerate(zip(margins, fusion.linear, strict=True))
    )
    np.testing.assert_allclose(fusion.scores(margins, conditions), expected, atol=1e-9)


def test_probabilities_are_the_last_map_of_the_fused_margins() -> None:
    _, fusion = fit()
    margins, conditions, _, _ = draw(200, 1, share_seen=1.0)
    fused = fusion.scores(margins, conditions)
    expected = fusion.calibrator.predict_proba(fused)
    np.testing.assert_allclose(fusion.predict_proba(margins, conditions), expected)


def test_who_is_seen_by_one_expert_gets_its_own_calibrated_answer() -> None:
    _, fusion = fit()
    margins, conditions, _, _ = draw(200, 1, share_seen=0.0)
    expected = fusion.alone[0].predict_proba(margins[0])
    np.testing.assert_allclose(fusion.predict_proba(margins, conditions), expected)


def test_who_is_seen_by_nobody_gets_the_shares_of_the_classes() -> None:
    margins, conditions, codes, folds = draw(1000, 0)
    maps = choose_maps(margins[1:], conditions, codes, folds)
    fusion = fit_fusion(maps, margins[1:], conditions, codes, folds)
    blind = ~seen(margins[1:]).ravel()
    found = fusion.predict_proba(margins[1:], conditions)[blind]
    shares = (np.bincount(codes) + 1) / (len(codes) + N_CLASSES)
    np.testing.assert_allclose(found, np.tile(shares, (blind.sum(), 1)))
    scores = fusion.scores(margins[1:], conditions)[blind]
    np.testing.assert_allclose(softmax(scores, axis=1), found)


def test_overconfident_margins_become_honest_probabilities() -> None:
    _, fusion = fit()
    margins, conditions, codes, _ = draw(20_000, 2)
    probabilities = fusion.predict_proba(margins, conditions)
    raw = log_loss(codes, softmax(margins[0], axis=1))
    assert log_loss(codes, probabilities) < raw - 0.3
    # Calibrated: the mean confidence is the accuracy, to three standard errors.
    accuracy = (probabilities.argmax(axis=1) == codes).mean()
    assert probabilities.max(axis=1).mean() == pytest.approx(accuracy, abs=0.015)


def test_both_together_beat_each_alone() -> None:
    _, fusion = fit()
    margins, conditions, codes, _ = draw(5000, 3, share_seen=1.0)
    both = log_loss(codes, fusion.predict_proba(margins, conditions))
    for step, margin in zip(fusion.alone, margins, strict=True):
        assert both < log_loss(codes, step.predict_proba(margin)) - 0.03


def test_honest_probabilities_never_use_the_rows_own_fold() -> None:
    """Labels of one fold are turned round: its own answers stay, those of the others change."""
    margins, conditions, codes, folds = draw(600, 4)
    maps = choose_maps(margins, conditions, codes, folds)
    first = honest_proba(maps, margins, conditions, codes, folds)
    turned = np.where(folds == 2, (codes + 1) % N_CLASSES, codes)
    second = honest_proba(maps, margins, conditions, turned, folds)
    same = np.isclose(first, second).all(axis=1)
    assert same[folds == 2].all()
    assert not same[folds != 2].any()


def test_centred_scores_have_the_same_softmax() -> None:
    scores = np.random.default_rng(0).normal(size=(5, 3))
    np.testing.assert_allclose(centre(scores).mean(axis=1), 0, atol=1e-12)
    same = log_softmax(centre(scores), axis=1)
    np.testing.assert_allclose(same, log_softmax(scores, axis=1))
