"""What is learned from out-of-fold margins, on experts whose truth is known."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.special import log_softmax, softmax
from sklearn.metrics import log_loss

from src.models.calibration import Calibrator
from src.models.gating import (
    HOLDOUT_FOLD,
    PRIOR_ROWS,
    Combination,
    Gating,
    OutOfFold,
    available,
    centred,
    fit_theta,
    gating_conditions,
)

N_CLASSES = 4
Drawn = tuple[list[np.ndarray], np.ndarray, np.ndarray]


def conditions_of(described: np.ndarray, length: np.ndarray) -> np.ndarray:
    return gating_conditions(pd.DataFrame({"has_description": described, "title_length": length}))


def draw(n: int, seed: int, share_seen: float = 0.7) -> OutOfFold:
    """Margins of two overconfident experts; the second has input of a part of the products."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, N_CLASSES, n)
    truth = np.eye(N_CLASSES)[codes]
    first = 4 * (0.9 * truth + rng.normal(size=truth.shape))
    second = 0.1 * (1.2 * truth + rng.normal(size=truth.shape))
    second[rng.random(n) > share_seen] = np.nan
    conditions = conditions_of(np.ones(n, bool), np.full(n, 60.0))
    return OutOfFold({"text": first, "image": second}, np.arange(n) % 5, conditions, codes)


def of_one(oof: OutOfFold, name: str) -> OutOfFold:
    return dataclasses.replace(oof, margins={name: oof.margins[name]})


def fit(n: int = 3000, seed: int = 0) -> Gating:
    return draw(n, seed).fit_gating()


def answers(gating: Gating, oof: OutOfFold) -> np.ndarray:
    return gating.predict_proba(oof.arrays, oof.conditions)


def test_fused_margins_are_the_weighted_sum_of_centred_linear_log_probabilities() -> None:
    gating, new = fit(), draw(200, 1, share_seen=1.0)
    assert all(vote.flattening is None for vote in gating.votes)
    weights = gating.weights(new.arrays, new.conditions)
    expected = sum(
        weights[:, [i]] * centred(margin @ step.slope + step.offset)
        for i, (margin, step) in enumerate(zip(new.arrays, gating.votes, strict=True))
    )
    np.testing.assert_allclose(gating.scores(new.arrays, new.conditions), expected, atol=1e-9)


def test_probabilities_are_the_last_map_of_the_fused_margins() -> None:
    gating, new = fit(), draw(200, 1, share_seen=1.0)
    last = gating.fused[0, 1].calibrator
    expected = last.predict_proba(gating.scores(new.arrays, new.conditions))
    np.testing.assert_allclose(answers(gating, new), expected)


def test_a_product_of_one_expert_gets_that_experts_own_calibrated_answer() -> None:
    gating, new = fit(), draw(200, 1, share_seen=0.0)
    expected = gating.alone[0].predict_proba(new.margins["text"])
    np.testing.assert_allclose(answers(gating, new), expected)
    weights = gating.weights(new.arrays, new.conditions)
    np.testing.assert_array_equal(weights, np.tile([1.0, 0.0], (200, 1)))
    assert np.isfinite(gating.scores(new.arrays, new.conditions)).all()


def test_a_product_of_no_expert_gets_the_shares_of_the_classes() -> None:
    oof = of_one(draw(1000, 0), "image")
    gating = oof.fit_gating()
    blind = ~available(oof.arrays).ravel()
    found = answers(gating, oof)[blind]
    shares = (np.bincount(oof.codes) + 1) / (len(oof.codes) + N_CLASSES)
    np.testing.assert_allclose(found, np.tile(shares, (blind.sum(), 1)))
    scores = gating.scores(oof.arrays, oof.conditions)[blind]
    np.testing.assert_allclose(softmax(scores, axis=1), found)


def test_without_any_of_two_experts_it_is_the_shares_too() -> None:
    gating, new = fit(), draw(50, 1)
    blind = [np.full((50, N_CLASSES), np.nan)] * 2
    expected = np.tile(gating.prior, (50, 1))
    np.testing.assert_allclose(gating.predict_proba(blind, new.conditions), expected)
    scores = gating.scores(blind, new.conditions)
    np.testing.assert_allclose(softmax(scores, axis=1), expected)
    assert not gating.weights(blind, new.conditions).any()


def test_one_expert_keeps_its_raw_margins() -> None:
    oof = of_one(draw(500, 0), "text")
    gating = oof.fit_gating()
    np.testing.assert_array_equal(gating.scores(oof.arrays, oof.conditions), oof.margins["text"])
    expected = gating.alone[0].predict_proba(oof.margins["text"])
    np.testing.assert_array_equal(answers(gating, oof), expected)


def test_overconfident_margins_become_probabilities_that_mean_what_they_say() -> None:
    new = draw(20_000, 2)
    probabilities = answers(fit(), new)
    raw = log_loss(new.codes, softmax(new.margins["text"], axis=1))
    assert log_loss(new.codes, probabilities) < raw - 0.3
    # Calibrated: the mean confidence is the accuracy, to three standard errors.
    accuracy = (probabilities.argmax(axis=1) == new.codes).mean()
    assert probabilities.max(axis=1).mean() == pytest.approx(accuracy, abs=0.015)


def test_both_together_beat_each_alone() -> None:
    gating, new = fit(), draw(5000, 3, share_seen=1.0)
    both = log_loss(new.codes, answers(gating, new))
    for step, margin in zip(gating.alone, new.arrays, strict=True):
        assert both < log_loss(new.codes, step.predict_proba(margin)) - 0.03


def test_out_of_fold_probabilities_never_use_the_rows_own_fold() -> None:
    """Labels of one fold are turned round: its own answers stay, those of the others change."""
    oof = draw(600, 4)
    options = oof.chosen_options
    turned = np.where(oof.folds == 2, (oof.codes + 1) % N_CLASSES, oof.codes)
    second = dataclasses.replace(oof, codes=turned, options=options).probabilities
    same = np.isclose(oof.probabilities, second).all(axis=1)
    assert same[oof.folds == 2].all()
    assert not same[oof.folds != 2].any()


def test_two_experts_answer_as_before_there_could_be_more() -> None:
    """The values are those of the code for two experts, which was equal to the bit."""
    rng = np.random.default_rng(7)
    codes = rng.integers(0, N_CLASSES, 600)
    truth = np.eye(N_CLASSES)[codes]
    first = 4 * (0.9 * truth + rng.normal(size=truth.shape))
    second = 0.1 * (1.2 * truth + rng.normal(size=truth.shape))
    second[rng.random(600) > 0.7] = np.nan
    first[rng.random(600) > 0.95] = np.nan
    conditions = conditions_of(rng.random(600) > 0.5, rng.integers(5, 200, 600))
    oof = OutOfFold({"text": first, "image": second}, np.arange(600) % 5, conditions, codes)
    gating, rows = oof.fit_gating(), [2, 3, 0]  # of both, of both, of the first alone
    close = {"rtol": 1e-4, "atol": 1e-6}
    np.testing.assert_allclose(
        oof.probabilities[rows],
        [
            [0.01413756, 0.6851074, 0.21850592, 0.08224912],
            [0.04892861, 0.01494935, 0.18488823, 0.75123381],
            [0.23046413, 0.14717076, 0.15416647, 0.46819864],
        ],
        **close,
    )
    np.testing.assert_allclose(
        gating.weights(oof.arrays, conditions)[rows],
        [[1.09698376, 0.94539567], [0.98078752, 0.90995357], [1.0, 0.0]],
        **close,
    )
    np.testing.assert_allclose(
        answers(gating, oof)[rows],
        [
            [0.01110476, 0.69458778, 0.23010685, 0.0642006],
            [0.04683595, 0.0144687, 0.18504071, 0.75365464],
            [0.2328782, 0.15227691, 0.15912459, 0.4557203],
        ],
        **close,
    )


def test_options_are_chosen_once_and_go_with_the_rows() -> None:
    oof = draw(600, 4)
    chosen = oof.chosen_options
    assert dataclasses.replace(oof, options=chosen).take(oof.folds > 0).chosen_options is chosen
    assert len(chosen.alone) == len(chosen.votes) == 2
    assert not any(option.flat for option in chosen.votes)


def test_few_paired_products_leave_the_weights_equal() -> None:
    theta = draw(300, 0, share_seen=0.1).fit_gating().fused[0, 1].theta
    np.testing.assert_allclose(theta[:, 0], np.log(0.5))
    assert not theta[:, 1:].any()


def test_a_holdout_is_merged_where_its_rows_stand() -> None:
    whole = draw(300, 5)
    held = np.arange(300) % 7 == 3
    inside, outside = whole.take(~held), whole.take(held)
    merged = inside.with_holdout(outside, held)
    for name, margins in whole.margins.items():
        np.testing.assert_array_equal(merged.margins[name], margins)
    np.testing.assert_array_equal(merged.codes, whole.codes)
    np.testing.assert_array_equal(merged.conditions, whole.conditions)
    assert (merged.folds[held] == HOLDOUT_FOLD).all()
    np.testing.assert_array_equal(merged.folds[~held], whole.folds[~held])
    assert merged.chosen_options == inside.chosen_options  # the hold-out chose nothing


def draw_text_pair(n: int, seed: int, third: float) -> OutOfFold:
    """n-grams, an encoder that errs elsewhere, and images of seven in ten products.

    Of every ten products one has an image alone. `third` is how well images tell.
    """
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, N_CLASSES, n)
    truth = np.eye(N_CLASSES)[codes]
    tells = {"text": (1.0, 4.0), "text_encoder": (1.0, 0.5), "image": (third, 1.0)}
    margins = {
        name: scale * (signal * truth + rng.normal(size=truth.shape))
        for name, (signal, scale) in tells.items()
    }
    draws = rng.random(n)
    margins["image"][draws > 0.7] = np.nan
    for name in ("text", "text_encoder"):
        margins[name][draws < 0.1] = np.nan
    conditions = conditions_of(np.ones(n, bool), np.full(n, 60.0))
    return OutOfFold(margins, np.arange(n) % 5, conditions, codes)


def loss_of(oof: OutOfFold, *names: str) -> float:
    return log_loss(oof.codes, oof.answers(names))


def test_a_second_text_expert_gains_and_a_useless_third_costs_nothing() -> None:
    oof = draw_text_pair(4000, 0, third=0.0)
    pair = loss_of(oof, "text", "text_encoder")
    assert pair < min(loss_of(oof, "text"), loss_of(oof, "text_encoder")) - 0.1
    read = ~np.isnan(oof.margins["text"][:, 0])
    alone = oof.answers(["text", "text_encoder"])[read]
    whole = log_loss(oof.codes[read], oof.probabilities[read])
    assert whole < log_loss(oof.codes[read], alone) + 0.002


def test_three_experts_beat_any_two() -> None:
    oof = draw_text_pair(4000, 1, third=1.0)
    pairs = itertools.combinations(oof.margins, 2)
    assert loss_of(oof, *oof.margins) < min(loss_of(oof, *pair) for pair in pairs) - 0.05


def test_hidden_experts_leave_the_answer_of_those_that_are_shown() -> None:
    """A pattern learns from every product that its experts answer, as if there were no other."""
    oof = draw_text_pair(1500, 2, third=1.0)
    for names in (["text", "text_encoder"], ["text_encoder", "image"], ["image"]):
        fewer = dataclasses.replace(oof, margins={name: oof.margins[name] for name in names})
        np.testing.assert_allclose(oof.answers(names), fewer.probabilities, rtol=1e-9)
        new = draw_text_pair(100, 3, third=1.0)
        shown = [new.margins[name] for name in names]
        expected = fewer.fit_gating().predict_proba(shown, new.conditions)
        found = oof.fit_gating().predict_proba(new.showing(names), new.conditions)
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_only_patterns_that_products_may_have_are_learned() -> None:
    oof = dataclasses.replace(draw_text_pair(600, 4, third=1.0), patterns=((0, 1), (0, 1, 2)))
    gating = oof.fit_gating()
    assert list(gating.fused) == list(oof.chosen_options.fused) == [(0, 1), (0, 1, 2)]
    whole = draw_text_pair(600, 4, third=1.0)
    np.testing.assert_array_equal(oof.probabilities, whole.probabilities)
    assert whole.take(oof.folds > 0).patterns is None
    assert oof.with_holdout(oof.take(oof.folds == 0), np.arange(720) >= 600).patterns == (
        (0, 1),
        (0, 1, 2),
    )


def test_three_of_which_few_are_together_weigh_the_same() -> None:
    oof = draw_text_pair(600, 5, third=1.0)
    oof.margins["image"][oof.codes > 0] = np.nan
    theta = oof.take(np.arange(600) < 240).fit_gating().fused[0, 1, 2].theta
    np.testing.assert_allclose(theta[:, 0], np.log(1 / 3))
    assert not theta[:, 1:].any()


def test_rows_are_taken_by_position_or_mask() -> None:
    oof, rows = draw(50, 0), np.array([7, 3])
    mask = np.zeros(50, dtype=bool)
    mask[[3, 7]] = True
    for taken, order in ((oof.take(rows), [7, 3]), (oof.take(mask), [3, 7])):
        np.testing.assert_array_equal(taken.margins["image"], oof.margins["image"][order])
        np.testing.assert_array_equal(taken.codes, oof.codes[order])


def test_centred_scores_have_the_same_softmax() -> None:
    scores = np.random.default_rng(0).normal(size=(5, 3))
    np.testing.assert_allclose(centred(scores).mean(axis=1), 0, atol=1e-12)
    same = log_softmax(centred(scores), axis=1)
    np.testing.assert_allclose(same, log_softmax(scores, axis=1))


def test_conditions_are_centred_on_the_usual_title() -> None:
    found = conditions_of(np.array([True, False]), np.array([60.0, 0.0]))
    np.testing.assert_allclose(found, [[1.0, 1.0, 0.0], [1.0, 0.0, -np.log(61.0) / 2]])
    unknown = gating_conditions(pd.DataFrame({"designation": ["a", "b"]}))
    np.testing.assert_allclose(unknown, [[1.0, 1.0, 0.0]] * 2)


def log_probabilities_of(n: int, seed: int) -> Drawn:
    """Two experts: the first is right on long titles, the second on short ones."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, N_CLASSES, n)
    length = rng.choice([5.0, 200.0], n)
    truth = np.eye(N_CLASSES)[codes]
    strength = np.where(length > 50, 3.0, 0.3)[:, None]
    first = log_softmax(strength * truth + rng.normal(size=truth.shape), axis=1)
    second = log_softmax((3.3 - strength) * truth + rng.normal(size=truth.shape), axis=1)
    return [first, second], conditions_of(np.ones(n, bool), length), codes


def gating_of(theta: np.ndarray) -> Gating:
    """A gating that reads margins as log-probabilities and weighs them by `theta`."""
    same = Calibrator.identity(N_CLASSES)
    ends = np.array([[-np.inf], [np.inf]]) * np.ones(3)
    together = {(0, 1): Combination(theta, same)}
    return Gating(np.full(N_CLASSES, 1 / N_CLASSES), (same, same), (same, same), together, ends)


EQUAL = np.zeros((2, 5))
EQUAL[:, 0] = np.log(0.5)


def fused_loss(theta: np.ndarray, drawn: Drawn) -> float:
    log_p, conditions, codes = drawn
    return log_loss(codes, softmax(gating_of(theta).scores(log_p, conditions), axis=1))


def test_weights_follow_what_tells_which_expert_is_right() -> None:
    theta = fit_theta(*log_probabilities_of(4000, 0))
    new = log_probabilities_of(4000, 1)
    log_p, conditions, codes = new
    weights = gating_of(theta).weights(log_p, conditions)
    long = conditions[:, 2] > 0
    assert weights[long, 0].mean() > 2 * weights[long, 1].mean()
    assert weights[~long, 1].mean() > 2 * weights[~long, 0].mean()
    assert fused_loss(theta, new) < fused_loss(EQUAL, new) - 0.05
    assert all(fused_loss(theta, new) < log_loss(codes, np.exp(one)) for one in log_p)


def test_the_optimum_is_one() -> None:
    """No small step away from the fitted theta lowers the penalised loss."""
    drawn = log_probabilities_of(500, 2)
    theta = fit_theta(*drawn)

    def penalised(point: np.ndarray) -> float:
        return fused_loss(point, drawn) + PRIOR_ROWS / 2 * ((point - EQUAL) ** 2).sum() / 500

    best = penalised(theta)
    rng = np.random.default_rng(0)
    for _ in range(50):
        assert penalised(theta + rng.normal(scale=0.02, size=theta.shape)) >= best - 1e-6


def test_a_title_of_a_megabyte_weighs_no_more_than_the_fit_allows() -> None:
    theta = np.zeros((2, 5))
    theta[:, 2] = [2.0, -2.0]
    log_p = [np.log(np.full((1, N_CLASSES), 1 / N_CLASSES))] * 2
    conditions = conditions_of(np.ones(1, bool), np.array([1e6]))
    found = gating_of(theta).weights(log_p, conditions)
    np.testing.assert_allclose(np.log(found), [[5.0, -2 * conditions[0, 2]]])
