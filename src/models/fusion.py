"""From the experts' margins to one answer: what is learned from out-of-fold margins, and applied.

Every expert's margins pass through a linear map (a temperature, or a multinomial shrunk toward it)
and become votes; the combiner weighs them product by product; a last map makes the weighted sum a
probability. A product that one expert alone can see is answered by that expert's own calibrated
probabilities: nothing is lost by what is missing.

The weighted sum is linear in the experts' margins once the weights of a product are known, so that
an explanation of linear experts stays exact (``src/evaluation/shap/blocks.py``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy.special import log_softmax

from src.models.calibration import Calibrator, FitMap, choose_map, fit_temperature, identity_map
from src.models.combiner import Combiner, even_combiner, fit_combiner

# Below this number of products that every expert saw, the weights stay at their start.
LEAST_PAIRED_ROWS = 50
# Above this number a linear map is fitted once for the votes that weights are learned from.
MANY_ROWS = 20_000

Margins = Sequence[np.ndarray]
"""Raw margins, one array of shape (n, n_classes) an expert; rows of NaN where it is blind."""


@dataclasses.dataclass(frozen=True, eq=False)
class FusionMaps:
    """How each step is fitted, as out-of-fold log-loss chose.

    Attributes
    ----------
    alone : tuple of FitMap
        One an expert: to the probabilities of a product that it alone sees.
    linear : tuple of FitMap
        One an expert: to its votes.
    fused : FitMap or None
        From the weighted sum to probabilities; None where too few products have two votes.
    """

    alone: tuple[FitMap, ...]
    linear: tuple[FitMap, ...]
    fused: FitMap | None


@dataclasses.dataclass(frozen=True, eq=False)
class Fusion:
    """Fitted steps.

    Attributes
    ----------
    prior : ndarray, shape (n_classes,)
        Share of each class: the answer where no expert sees anything.
    alone, linear : tuple of Calibrator
        One an expert, see `FusionMaps`; the latter a temperature or a multinomial.
    combiner : Combiner
        Weights of the votes.
    calibrator : Calibrator
        From fused margins to probabilities, for products with two votes or more.
    """

    prior: np.ndarray
    alone: tuple[Calibrator, ...]
    linear: tuple[Calibrator, ...]
    combiner: Combiner
    calibrator: Calibrator

    def votes(self, margins: Margins) -> list[np.ndarray]:
        """Return each expert's log-probabilities, shape (n, n_classes); NaN where it is blind."""
        return [
            log_softmax(step.logits(margin), axis=1)
            for step, margin in zip(self.linear, margins, strict=True)
        ]

    def weights(self, margins: Margins, conditions: np.ndarray) -> np.ndarray:
        """Return the weight of each expert for n products, shape (n, n_experts).

        Parameters
        ----------
        margins : sequence of ndarray, each of shape (n, n_classes)
        conditions : ndarray, shape (n, n_conditions)
            As `src.models.combiner.describe` gives them.
        """
        return self.combiner.weights(self.votes(margins), conditions)

    def scores(self, margins: Margins, conditions: np.ndarray) -> np.ndarray:
        """Return the fused margins, shape (n, n_classes): the weighted sum of centred votes.

        With one expert they are its raw margins.
        """
        if len(margins) == 1:
            prior = centre(np.log(self.prior)[None, :])
            return np.where(np.isnan(margins[0]), prior, margins[0])
        votes = self.votes(margins)
        weights = self.combiner.weights(votes, conditions)
        total = np.zeros_like(votes[0])
        for number, vote in enumerate(votes):
            total += weights[:, [number]] * np.nan_to_num(centre(vote))
        blind = ~seen(margins).any(axis=1)
        total[blind] = centre(np.log(self.prior)[None, :])
        return total

    def predict_proba(self, margins: Margins, conditions: np.ndarray) -> np.ndarray:
        """Return probabilities of n products, shape (n, n_classes), each row adding up to 1."""
        present = seen(margins)
        n_votes = present.sum(axis=1)
        probabilities = np.tile(self.prior, (len(present), 1))
        for number, step in enumerate(self.alone):
            rows = (n_votes == 1) & present[:, number]
            probabilities[rows] = step.predict_proba(margins[number][rows])
        rows = n_votes > 1
        if rows.any():
            some = [margin[rows] for margin in margins]
            fused = self.scores(some, conditions[rows])
            probabilities[rows] = self.calibrator.predict_proba(fused)
        return probabilities


def seen(margins: Margins) -> np.ndarray:
    """Return which expert saw which product: bool, shape (n, n_experts)."""
    return np.column_stack([~np.isnan(margin[:, 0]) for margin in margins])


def centre(scores: np.ndarray) -> np.ndarray:
    """Return scores less the mean of their row: what is left tells classes apart."""
    return scores - scores.mean(axis=1, keepdims=True)


def choose_maps(
    margins: Margins, conditions: np.ndarray, codes: np.ndarray, folds: np.ndarray
) -> FusionMaps:
    """Choose how each step is fitted by cross-validated log-loss.

    Parameters
    ----------
    margins : sequence of ndarray, each of shape (n, n_classes)
        Out-of-fold margins.
    conditions : ndarray, shape (n, n_conditions)
    codes : ndarray of int, shape (n,)
        Column of the true class.
    folds : ndarray of int, shape (n,)
        Fold of each row; groups of duplicates do not straddle.
    """
    alone: list[FitMap] = []
    linear: list[FitMap] = []
    for margin in margins:
        rows = ~np.isnan(margin[:, 0])
        some = margin[rows], codes[rows], folds[rows]
        alone.append(choose_map(*some))
        single = len(margins) == 1  # its votes weigh 1, whatever they are
        linear.append(fit_temperature if single else choose_map(*some, linear_only=True))
    maps = FusionMaps(tuple(alone), tuple(linear), None)
    paired = seen(margins).sum(axis=1) > 1
    if paired.sum() < LEAST_PAIRED_ROWS:
        return maps
    votes = _votes_from_outside(maps, margins, codes, folds)
    combiner = _fit_weights(votes, conditions, codes)
    fused = centre(combiner.scores([vote[paired] for vote in votes], conditions[paired]))
    return dataclasses.replace(maps, fused=choose_map(fused, codes[paired], folds[paired]))


def fit_fusion(
    maps: FusionMaps,
    margins: Margins,
    conditions: np.ndarray,
    codes: np.ndarray,
    folds: np.ndarray,
) -> Fusion:
    """Fit every step on the rows given; arguments as for `choose_maps`.

    Weights and last map see votes that were made without the row's own fold: a multinomial's votes
    are too sure on rows that it was fitted on, which made fused answers too sure by 2 points.
    """
    n_classes = margins[0].shape[1]
    counts = np.bincount(codes, minlength=n_classes) + 1.0  # no class is impossible
    alone, linear = [], []
    for margin, fit_alone, fit_linear in zip(margins, maps.alone, maps.linear, strict=True):
        rows = ~np.isnan(margin[:, 0])
        alone.append(fit_alone(margin[rows], codes[rows]))
        linear.append(fit_linear(margin[rows], codes[rows]))
    even = even_combiner(len(margins), conditions.shape[1])
    fusion = Fusion(
        counts / counts.sum(), tuple(alone), tuple(linear), even, identity_map(n_classes)
    )
    paired = seen(margins).all(axis=1)
    if len(margins) == 1 or paired.sum() < LEAST_PAIRED_ROWS:
        return fusion
    votes = _votes_from_outside(maps, margins, codes, folds)
    fusion = dataclasses.replace(fusion, combiner=_fit_weights(votes, conditions, codes))
    if maps.fused is None:
        return fusion
    some = [vote[paired] for vote in votes]
    fused = centre(fusion.combiner.scores(some, conditions[paired]))
    return dataclasses.replace(fusion, calibrator=maps.fused(fused, codes[paired]))


def _votes_from_outside(
    maps: FusionMaps, margins: Margins, codes: np.ndarray, folds: np.ndarray
) -> list[np.ndarray]:
    """Return votes, shape (n, n_classes), of linear maps that were fitted on the other folds.

    Beyond `MANY_ROWS` a map's few hundred numbers don't remember its rows: it is fitted once.
    """
    votes = []
    for margin, fit_linear in zip(margins, maps.linear, strict=True):
        rows, vote = ~np.isnan(margin[:, 0]), np.full_like(margin, np.nan)
        parts = folds if rows.sum() <= MANY_ROWS else np.zeros_like(folds)
        for part in np.unique(parts):
            held = rows & (parts == part)
            others = rows & (parts != part)
            learned = others if others.any() else held
            if held.any():
                step = fit_linear(margin[learned], codes[learned])
                vote[held] = log_softmax(step.logits(margin[held]), axis=1)
        votes.append(vote)
    return votes


def _fit_weights(
    votes: Sequence[np.ndarray], conditions: np.ndarray, codes: np.ndarray
) -> Combiner:
    """Fit the combiner on the products that every expert saw."""
    paired = seen(votes).all(axis=1)
    return fit_combiner([vote[paired] for vote in votes], conditions[paired], codes[paired])


def honest_proba(
    maps: FusionMaps,
    margins: Margins,
    conditions: np.ndarray,
    codes: np.ndarray,
    folds: np.ndarray,
) -> np.ndarray:
    """Return out-of-fold probabilities, shape (n, n_classes).

    The margins of a row come from experts that had not seen it, and every map and weight that turns
    them into its probabilities is fitted on the rows of the other folds.
    """
    probabilities = np.empty_like(margins[0])
    for fold in np.unique(folds):
        here = folds == fold
        others = [margin[~here] for margin in margins]
        fusion = fit_fusion(maps, others, conditions[~here], codes[~here], folds[~here])
        own = [margin[here] for margin in margins]
        probabilities[here] = fusion.predict_proba(own, conditions[here])
    return probabilities
