"""How much each expert's vote counts, product by product.

The combined score of a class is a weighted sum of the experts' log-probabilities. A weight is
exp(phi . theta): positive, and dependent on a few things that tell when an expert can be trusted.
That is a handful of numbers in all: a full matrix of stacking weights lost 4 to 9 points where only
a few hundred products had both a text and a picture.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax
from threadpoolctl import threadpool_limits

CONDITIONS = ("constant", "has_description", "log_title_length")
# Strength of the pull of every theta toward its start, in rows: 30 products outweigh it.
PRIOR_ROWS = 30.0


@dataclasses.dataclass(frozen=True, eq=False)
class Combiner:
    """Fitted weights.

    Attributes
    ----------
    theta : ndarray, shape (n_experts, n_conditions + n_experts)
        One row an expert: its dependence on the conditions and on every expert's confidence.
    """

    theta: np.ndarray

    def weights(self, votes: Sequence[np.ndarray], conditions: np.ndarray) -> np.ndarray:
        """Return the weight of each expert for n products, shape (n, n_experts).

        Parameters
        ----------
        votes : sequence of ndarray, each of shape (n, n_classes)
            Log-probabilities of each expert; rows of NaN where it has nothing to look at.
        conditions : ndarray, shape (n, n_conditions)
            As `describe` gives them.

        Notes
        -----
        An absent expert has weight 0. A product that only one expert saw keeps that expert's own
        probabilities (weight 1): nothing is lost by what is missing.
        """
        present = np.column_stack([~np.isnan(vote[:, 0]) for vote in votes])
        weights = _weigh(_features(votes, conditions), self.theta) * present
        alone = present.sum(axis=1) == 1
        weights[alone] = present[alone]
        return weights

    def scores(self, votes: Sequence[np.ndarray], conditions: np.ndarray) -> np.ndarray:
        """Return log-probabilities of the classes, shape (n, n_classes)."""
        weights = self.weights(votes, conditions)
        total = sum(weights[:, [number]] * np.nan_to_num(vote) for number, vote in enumerate(votes))
        return log_softmax(np.asarray(total), axis=1)


def fit_combiner(
    votes: Sequence[np.ndarray], conditions: np.ndarray, codes: np.ndarray
) -> Combiner:
    """Fit the weights by log-loss on products that every expert saw.

    Parameters
    ----------
    votes : sequence of ndarray, each of shape (n, n_classes)
        Out-of-fold log-probabilities, without NaN.
    conditions : ndarray, shape (n, n_conditions)
        As `describe` gives them.
    codes : ndarray of int, shape (n,)
        Column of the true class.
    """
    n, n_experts = len(codes), len(votes)
    features = _features(votes, conditions)
    stacked = np.stack(votes)
    rows = np.arange(n)

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        theta = flat.reshape(n_experts, -1)
        weights = _weigh(features, theta)
        log_p = log_softmax(np.einsum("ne,enc->nc", weights, stacked), axis=1)
        error = np.exp(log_p)
        error[rows, codes] -= 1.0
        by_weight = np.einsum("nc,enc->ne", error, stacked) * weights
        change = flat - start
        value = -log_p[rows, codes].sum() + PRIOR_ROWS / 2 * (change @ change)
        return value / n, ((by_weight.T @ features).ravel() + PRIOR_ROWS * change) / n

    start = _start(n_experts, features.shape[1]).ravel()
    with threadpool_limits(1, user_api="blas"):  # small products: see calibration.py
        found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 200})
    return Combiner(found.x.reshape(n_experts, -1))


def even_combiner(n_experts: int, n_conditions: int) -> Combiner:
    """Return the combiner that nothing was learned for: every vote counts the same."""
    return Combiner(_start(n_experts, n_conditions + n_experts))


def describe(has_description: np.ndarray, title_length: np.ndarray) -> np.ndarray:
    """Return the conditions of n products, shape (n, len(CONDITIONS)).

    Parameters
    ----------
    has_description : ndarray of bool, shape (n,)
    title_length : ndarray, shape (n,)
        Characters; its logarithm is centred near the usual title (60 characters).
    """
    length = (np.log1p(title_length) - np.log1p(60.0)) / 2.0
    return np.column_stack([np.ones(len(length)), has_description, length]).astype(np.float64)


def _start(n_experts: int, n_features: int) -> np.ndarray:
    theta = np.zeros((n_experts, n_features))
    theta[:, 0] = np.log(1.0 / n_experts)
    return theta


def _weigh(features: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Weights within what the fit may reach: a title of a megabyte is no reason for more."""
    return np.exp(np.clip(features @ theta.T, -20.0, 5.0))


def _features(votes: Sequence[np.ndarray], conditions: np.ndarray) -> np.ndarray:
    """Conditions, and each expert's confidence: its largest log-probability (0 if absent)."""
    confidence = [np.nan_to_num(vote.max(axis=1)) for vote in votes]
    return np.column_stack([conditions, *confidence])
