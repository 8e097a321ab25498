"""The combiner: what is absent costs nothing, what helps is found, and the gradient is right."""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax
from src.models.combiner import Combiner, describe, even_combiner, fit_combiner

N_CLASSES = 4


def votes_of(n: int, seed: int) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Two experts: the first is right on long titles, the second on short ones."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, N_CLASSES, n)
    length = rng.choice([5.0, 200.0], n)
    truth = np.eye(N_CLASSES)[codes]
    strength = np.where(length > 50, 3.0, 0.3)[:, None]
    first = log_softmax(strength * truth + rng.normal(size=truth.shape), axis=1)
    second = log_softmax((3.3 - strength) * truth + rng.normal(size=truth.shape), axis=1)
    return [first, second], describe(np.ones(n, bool), length), codes


def loss(scores: np.ndarray, codes: np.ndarray) -> float:
    return float(-scores[np.arange(len(codes)), codes].mean())


def test_weights_follow_what_tells_who_is_right() -> None:
    votes, conditions, codes = votes_of(4000, 0)
    fitted = fit_combiner(votes, conditions, codes)
    new_votes, new_conditions, new_codes = votes_of(4000, 1)
    weights = fitted.weights(new_votes, new_conditions)
    long = new_conditions[:, 2] > 0
    assert weights[long, 0].mean() > 2 * weights[long, 1].mean()
    assert weights[~long, 1].mean() > 2 * weights[~long, 0].mean()
    even = even_combiner(2, 3).scores(new_votes, new_conditions)
    assert loss(fitted.scores(new_votes, new_conditions), new_codes) < loss(even, new_codes) - 0.05
    assert all(
        loss(fitted.scores(new_votes, new_conditions), new_codes) < loss(vote, new_codes)
        for vote in new_votes
    )


def test_the_optimum_is_one() -> None:
    """No small step away from the fitted theta lowers the penalised loss."""
    from src.models.combiner import PRIOR_ROWS

    votes, conditions, codes = votes_of(500, 2)
    theta = fit_combiner(votes, conditions, codes).theta
    start = even_combiner(2, 3).theta

    def penalised(point: np.ndarray) -> float:
        change = point - start
        scores = Combiner(point).scores(votes, conditions)
        return loss(scores, codes) + PRIOR_ROWS / 2 * (change**2).sum() / len(codes)

    best = penalised(theta)
    rng = np.random.default_rng(0)
    for _ in range(50):
        assert penalised(theta + rng.normal(scale=0.02, size=theta.shape)) >= best - 1e-6


def test_a_product_that_one_expert_saw_keeps_its_probabilities() -> None:
    votes, conditions, codes = votes_of(200, 3)
    fitted = fit_combiner(votes, conditions, codes)
    votes[1][:50] = np.nan
    scores = fitted.scores(votes, conditions)
    np.testing.assert_allclose(scores[:50], votes[0][:50])
    assert np.isfinite(scores).all()
    assert (fitted.weights(votes, conditions)[:50] == [1.0, 0.0]).all()


def test_a_product_that_nobody_saw_is_even() -> None:
    blind = [np.full((1, N_CLASSES), np.nan)] * 2
    scores = even_combiner(2, 3).scores(blind, describe(np.zeros(1, bool), np.zeros(1)))
    np.testing.assert_allclose(np.exp(scores), 1 / N_CLASSES)


def test_conditions_are_centred_on_the_usual_title() -> None:
    found = describe(np.array([True, False]), np.array([60.0, 0.0]))
    expected = [[1.0, 1.0, 0.0], [1.0, 0.0, -np.log(61.0) / 2]]
    np.testing.assert_allclose(found, expected)


def test_a_title_of_a_megabyte_weighs_no_more_than_the_fit_allows() -> None:
    theta = np.zeros((2, 5))
    theta[:, 2] = [2.0, -2.0]
    votes = [np.log(np.full((1, N_CLASSES), 1 / N_CLASSES))] * 2
    conditions = describe(np.ones(1, bool), np.array([1e6]))
    found = Combiner(theta).weights(votes, conditions)
    np.testing.assert_allclose(np.log(found), [[5.0, -2 * conditions[0, 2]]])
