"""From the experts' margins to one answer, learned from out-of-fold margins.

Each expert's margins m_e pass through a linear map (a temperature or a multinomial, see
``calibration.py``) and become log-probabilities l_e. A product x that several experts answer gets

    softmax of calibrated( sum_e w_e(x) centred(l_e(x)) ),
    w_e(x) = exp(theta_e . [1, has_description, log title length, confidence of each of them])

and one that a single expert answers gets that expert's own calibrated probabilities; without any,
the shares of the classes. Every set of experts that may answer a product together has a theta and a
last map of its own, learned from all products that those experts answer, what others say of them
hidden. That is a handful of numbers: a full matrix of stacking weights lost 4 to 9 points where
only a few hundred products had both a text and an image. With a product's weights taken as given
the sum is linear in the margins, so that explanations of linear experts stay exact
(``src/evaluation/shap``).
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import log_softmax
from threadpoolctl import threadpool_limits

from src.models.calibration import Calibration, Calibrator, choose_calibration

HOLDOUT_FOLD = -1
USUAL_TITLE_LENGTH = 60.0
# Strength of the pull of every theta toward equal weights, in rows.
PRIOR_ROWS = 30.0
# Below this number of products that several experts answer together, their weights stay equal.
LEAST_PAIRED_ROWS = 50
# Above this number a linear map is fitted once for the log-probabilities that weights are learned
# from: a few hundred numbers do not remember its rows.
MANY_ROWS = 20_000

Margins = Sequence[np.ndarray]
"""Raw margins, one array of shape (n, n_classes) an expert; rows of NaN where it has no input."""
Pattern: TypeAlias = tuple[int, ...]
"""Two experts or more that answer a product together, by number, ascending."""


@dataclasses.dataclass(frozen=True)
class GatingOptions:
    """How each map of a `Gating` is fitted, chosen by out-of-fold log-loss.

    One an expert for products that it `alone` answers, and a linear one to the log-probabilities
    that are weighed, its `votes`; one a pattern that enough products have to be `fused`.
    """

    alone: tuple[Calibration, ...]
    votes: tuple[Calibration, ...]
    fused: Mapping[Pattern, Calibration]


@dataclasses.dataclass(frozen=True, eq=False)
class OutOfFold:
    """What experts say of n labelled products that they were not fitted on."""

    margins: Mapping[str, np.ndarray]  # by expert, (n, n_classes); rows of NaN without input
    folds: np.ndarray  # rows of one were left out together; `HOLDOUT_FOLD` for the hold-out
    conditions: np.ndarray  # (n, n_conditions): see `gating_conditions`
    codes: np.ndarray  # column of the true class
    options: GatingOptions | None = None  # chosen on a part of the rows; None chooses on all
    patterns: tuple[Pattern, ...] | None = None  # that products may have; None takes every one

    @property
    def arrays(self) -> list[np.ndarray]:
        """Margins in the order of the experts."""
        return list(self.margins.values())

    def showing(self, names: Sequence[str]) -> list[np.ndarray]:
        """Return the margins of some experts, and NaN for what the others say."""
        hidden = np.full_like(self.arrays[0], np.nan)
        return [margin if name in names else hidden for name, margin in self.margins.items()]

    def take(self, rows: np.ndarray) -> OutOfFold:
        """Return the products at the positions, or where the mask, `rows`."""
        return dataclasses.replace(
            self,
            margins={name: margin[rows] for name, margin in self.margins.items()},
            folds=self.folds[rows],
            conditions=self.conditions[rows],
            codes=self.codes[rows],
        )

    def with_holdout(self, other: OutOfFold, holdout: np.ndarray) -> OutOfFold:
        """Return these rows and those of a hold-out, which becomes a fold of its own.

        `other` is what experts that were fitted on these rows say of the hold-out, whose rows stand
        among all where `holdout`, shape (n + n_holdout,), is True.
        """

        def merged(inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
            rows = np.empty((len(holdout), *inside.shape[1:]), dtype=inside.dtype)
            rows[~holdout], rows[holdout] = inside, outside
            return rows

        return OutOfFold(
            margins={
                name: merged(self.margins[name], other.margins[name]) for name in self.margins
            },
            folds=merged(self.folds, np.full(len(other.folds), HOLDOUT_FOLD)),
            conditions=merged(self.conditions, other.conditions),
            codes=merged(self.codes, other.codes),
            options=self.chosen_options,
            patterns=self.patterns,
        )

    @functools.cached_property
    def chosen_options(self) -> GatingOptions:
        """How each map is fitted."""
        return self.options or choose_options(self)

    def fit_gating(self) -> Gating:
        """Learn from all rows how margins become answers."""
        return fit_gating(self, self.chosen_options)

    @functools.cached_property
    def probabilities(self) -> np.ndarray:
        """Out-of-fold probabilities, shape (n, n_classes).

        The margins of a row come from experts that were fitted without it, and every map and weight
        that turns them into its probabilities is fitted on the rows of the other folds.
        """
        return self.answers(tuple(self.margins))

    def answers(self, names: Sequence[str]) -> np.ndarray:
        """Return the same where only some of the experts are shown the products."""
        shown = self.showing(names)
        probabilities = np.empty_like(self.arrays[0])
        for fold, gating in self._gatings.items():
            held = self.folds == fold
            rows = [margin[held] for margin in shown]
            probabilities[held] = gating.predict_proba(rows, self.conditions[held])
        return probabilities

    @functools.cached_property
    def _gatings(self) -> dict[int, Gating]:
        """By fold, what the rows of the others teach."""
        return {
            fold: fit_gating(self.take(self.folds != fold), self.chosen_options)
            for fold in np.unique(self.folds).tolist()
        }


@dataclasses.dataclass(frozen=True, eq=False)
class Combination:
    """How a pattern of k experts becomes one answer."""

    # (k, n_conditions + k): how an expert's weight depends on the conditions and on every
    # confidence.
    theta: np.ndarray
    calibrator: Calibrator


@dataclasses.dataclass(frozen=True, eq=False)
class Gating:
    """Fitted maps, as `GatingOptions` names them, and weights."""

    prior: np.ndarray  # share of each class: the answer where no expert has input
    alone: tuple[Calibrator, ...]
    votes: tuple[Calibrator, ...]
    fused: Mapping[Pattern, Combination]
    range: np.ndarray  # (2, n_conditions): least and largest learned from; others count as these

    def weights(self, margins: Margins, conditions: np.ndarray) -> np.ndarray:
        """Return the weight of each expert for n products, shape (n, n_experts).

        An expert without input has weight 0, one that answers alone has weight 1.
        """
        return self._weights(self._log_proba(margins), conditions)

    def scores(self, margins: Margins, conditions: np.ndarray) -> np.ndarray:
        """Return the fused margins, shape (n, n_classes): the weighted sum of log-probabilities.

        With one expert they are its raw margins.
        """
        prior = centred(np.log(self.prior)[None, :])
        if len(margins) == 1:
            return np.where(np.isnan(margins[0]), prior, margins[0])
        log_p = self._log_proba(margins)
        fused = _weighted_sum(log_p, self._weights(log_p, conditions))
        fused[~available(margins).any(axis=1)] = prior
        return fused

    def predict_proba(self, margins: Margins, conditions: np.ndarray) -> np.ndarray:
        """Return probabilities of n products, shape (n, n_classes), each row adding up to 1."""
        present = available(margins)
        n_present = present.sum(axis=1)
        probabilities = np.tile(self.prior, (len(present), 1))
        for number, calibrator in enumerate(self.alone):
            rows = (n_present == 1) & present[:, number]
            probabilities[rows] = calibrator.predict_proba(margins[number][rows])
        if (n_present > 1).any():
            scores = self.scores(margins, conditions)
            for pattern, rows in _patterns(present):
                probabilities[rows] = self.fused[pattern].calibrator.predict_proba(scores[rows])
        return probabilities

    def _log_proba(self, margins: Margins) -> list[np.ndarray]:
        return [_log_proba(step, margin) for step, margin in zip(self.votes, margins, strict=True)]

    def _weights(self, log_p: Sequence[np.ndarray], conditions: np.ndarray) -> np.ndarray:
        present = available(log_p)
        known = np.clip(conditions, *self.range)
        weights = present.astype(np.float64)
        for pattern, rows in _patterns(present):
            features = _features([log_p[expert][rows] for expert in pattern], known[rows])
            weights[rows[:, None], pattern] = _exp_linear(features, self.fused[pattern].theta)
        return weights


def available(margins: Margins) -> np.ndarray:
    """Return which expert has input of which product: bool, shape (n, n_experts)."""
    return np.column_stack([~np.isnan(margin[:, 0]) for margin in margins])


def _patterns(present: np.ndarray) -> Iterator[tuple[Pattern, np.ndarray]]:
    """Yield the patterns that products have, and the positions of those that have each."""
    for seen in np.unique(present, axis=0):
        if seen.sum() > 1:
            yield (
                tuple(np.flatnonzero(seen).tolist()),
                np.flatnonzero((present == seen).all(axis=1)),
            )


def centred(scores: np.ndarray) -> np.ndarray:
    """Return scores less the mean of their row: what is left tells classes apart."""
    return scores - scores.mean(axis=1, keepdims=True)


def gating_conditions(X: pd.DataFrame) -> np.ndarray:
    """Return what the weights may depend on, shape (n, 3): 1, has_description, title length.

    The length's logarithm is centred near the usual title; a column that is not there is as usual.
    """
    known = getattr(X, "columns", ())
    described, length = np.ones(len(X)), np.full(len(X), USUAL_TITLE_LENGTH)
    if "has_description" in known:
        described = X["has_description"].to_numpy(dtype=np.float64)
    if "title_length" in known:
        length = X["title_length"].to_numpy(dtype=np.float64)
    long = (np.log1p(length) - np.log1p(USUAL_TITLE_LENGTH)) / 2.0
    return np.column_stack([np.ones(len(X)), described, long])


def choose_options(oof: OutOfFold) -> GatingOptions:
    """Choose how each map is fitted by cross-validated log-loss."""
    alone, votes = [], []
    for margin in oof.arrays:
        rows = ~np.isnan(margin[:, 0])
        inputs = margin[rows], oof.codes[rows], oof.folds[rows]
        alone.append(choose_calibration(*inputs, flat=True))
        single = len(oof.margins) == 1  # its log-probabilities weigh 1, whatever they are
        votes.append(Calibration() if single else choose_calibration(*inputs, flat=False))
    options = GatingOptions(tuple(alone), tuple(votes), {})
    fused = {
        pattern: choose_calibration(scores, oof.codes[rows], oof.folds[rows], flat=True)
        for pattern, rows, _, scores in _weigh_patterns(oof, options)
    }
    return dataclasses.replace(options, fused=fused)


def fit_gating(oof: OutOfFold, options: GatingOptions) -> Gating:
    """Fit every map and weight on the rows given."""
    n_classes = oof.arrays[0].shape[1]
    counts = np.bincount(oof.codes, minlength=n_classes) + 1.0  # no class is impossible
    alone, votes = [], []
    for margin, of_alone, of_votes in zip(oof.arrays, options.alone, options.votes, strict=True):
        rows = ~np.isnan(margin[:, 0])
        alone.append(of_alone.fit(margin[rows], oof.codes[rows]))
        votes.append(of_votes.fit(margin[rows], oof.codes[rows]))
    fused = {
        pattern: Combination(
            _equal_weights(len(pattern), oof.conditions.shape[1]), Calibrator.identity(n_classes)
        )
        for pattern in _possible_patterns(oof)
    }
    for pattern, rows, theta, scores in _weigh_patterns(oof, options):
        if pattern in options.fused:
            calibrator = options.fused[pattern].fit(scores, oof.codes[rows])
            fused[pattern] = Combination(theta, calibrator)
    return Gating(
        prior=counts / counts.sum(),
        alone=tuple(alone),
        votes=tuple(votes),
        fused=fused,
        range=np.stack([oof.conditions.min(axis=0), oof.conditions.max(axis=0)]),
    )


def _possible_patterns(oof: OutOfFold) -> tuple[Pattern, ...]:
    if oof.patterns is not None:
        return oof.patterns
    n_experts = len(oof.margins)
    sizes = range(2, n_experts + 1)
    return tuple(p for size in sizes for p in itertools.combinations(range(n_experts), size))


def _weigh_patterns(
    oof: OutOfFold, options: GatingOptions
) -> Iterator[tuple[Pattern, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield every pattern that enough products show, with what they teach.

    That is the positions of the m products that all of its experts answer, whoever else does,
    theta, and the weighted sums, (m, n_classes), of out-of-fold log-probabilities. A multinomial is
    too sure of rows that it was fitted on, which made fused answers too sure by 2 points: a row's
    log-probabilities come from maps that were fitted on the other folds.
    """
    possible, present = _possible_patterns(oof), available(oof.arrays)
    rows_of = {pattern: np.flatnonzero(present[:, pattern].all(axis=1)) for pattern in possible}
    enough = [pattern for pattern in possible if len(rows_of[pattern]) >= LEAST_PAIRED_ROWS]
    log_p = {
        expert: _out_of_fold_log_proba(
            options.votes[expert], oof.arrays[expert], oof.codes, oof.folds
        )
        for expert in sorted(set().union(*enough))
    }
    for pattern in enough:
        rows = rows_of[pattern]
        votes = [log_p[expert][rows] for expert in pattern]
        theta = fit_theta(votes, oof.conditions[rows], oof.codes[rows])
        weights = _exp_linear(_features(votes, oof.conditions[rows]), theta)
        yield pattern, rows, theta, _weighted_sum(votes, weights)


def _out_of_fold_log_proba(
    calibration: Calibration, margin: np.ndarray, codes: np.ndarray, folds: np.ndarray
) -> np.ndarray:
    rows, log_p = ~np.isnan(margin[:, 0]), np.full_like(margin, np.nan)
    parts = folds if rows.sum() <= MANY_ROWS else np.zeros_like(folds)
    for part in np.unique(parts[rows]):
        held, others = rows & (parts == part), rows & (parts != part)
        learned = others if others.any() else held
        log_p[held] = _log_proba(calibration.fit(margin[learned], codes[learned]), margin[held])
    return log_p


def fit_theta(log_p: Sequence[np.ndarray], conditions: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Fit the weights by log-loss on out-of-fold log-probabilities that every expert gives."""
    n, n_experts = len(codes), len(log_p)
    features = _features(log_p, conditions)
    stacked = np.stack(log_p)
    rows = np.arange(n)
    start = _equal_weights(n_experts, conditions.shape[1]).ravel()

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = _exp_linear(features, flat.reshape(n_experts, -1))
        fused = log_softmax(np.einsum("ne,enc->nc", weights, stacked), axis=1)
        error = np.exp(fused)
        error[rows, codes] -= 1.0
        by_weight = np.einsum("nc,enc->ne", error, stacked) * weights
        change = flat - start
        value = -fused[rows, codes].sum() + PRIOR_ROWS / 2 * (change @ change)
        return value / n, ((by_weight.T @ features).ravel() + PRIOR_ROWS * change) / n

    with threadpool_limits(1, user_api="blas"):  # small products, as in calibration.py
        found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 200})
    return found.x.reshape(n_experts, -1)


def _equal_weights(n_experts: int, n_conditions: int) -> np.ndarray:
    theta = np.zeros((n_experts, n_conditions + n_experts))
    theta[:, 0] = np.log(1.0 / n_experts)
    return theta


def _log_proba(step: Calibrator, margin: np.ndarray) -> np.ndarray:
    return log_softmax(step.logits(margin), axis=1)


def _weighted_sum(log_p: Sequence[np.ndarray], weights: np.ndarray) -> np.ndarray:
    terms = (weights[:, [i]] * np.nan_to_num(centred(vote)) for i, vote in enumerate(log_p))
    return np.sum(list(terms), axis=0)


def _exp_linear(features: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Weights within what the fit may reach."""
    return np.exp(np.clip(features @ theta.T, -20.0, 5.0))


def _features(log_p: Sequence[np.ndarray], conditions: np.ndarray) -> np.ndarray:
    """Conditions, and each expert's confidence: its largest log-probability (0 without input)."""
    confidence = [np.nan_to_num(vote.max(axis=1)) for vote in log_p]
    return np.column_stack([conditions, *confidence])
