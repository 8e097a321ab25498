"""Late fusion: one expert a modality, each calibrated, and a combiner of their votes.

`fit` cross-fits every expert, learns its calibration and the combiner from rows that it had not
seen, then refits the experts on all rows. With a single expert it is that model with honest
probabilities, which is how every other kind is served.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone

from src.data.splits import split_folds
from src.features.extracted import Extracted
from src.models.calibration import Calibrator, FitMap, choose_map, log_loss
from src.models.combiner import Combiner, describe, even_combiner, fit_combiner
from src.models.cross_fitting import aligned_margins, cross_fit

logger = logging.getLogger(__name__)

# Below this number of products that every expert saw, the weights stay at their start.
LEAST_PAIRED_ROWS = 50
TINY = 1e-9


class LateFusion(ClassifierMixin, BaseEstimator):
    """Experts that vote.

    Parameters
    ----------
    experts : list of (str, str, classifier)
        Name, mask (the key of ``Extracted.masks`` of the products that it can see, "" for all) and
        an unfitted classifier of `Extracted`.
    n_folds : int
        Folds of the cross-fitting.
    random_state : int
        Seed of the folds.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    experts_ : list of (str, str, classifier)
        Fitted on all rows that they can see; an expert that saw no row is left out.
    calibrators_ : list of Calibrator
        One an expert.
    combiner_ : Combiner
    oof_proba_ : ndarray, shape (n, n_classes)
        Probabilities of the training rows, each from experts, calibration and combiner that were
        fitted without it.
    oof_folds_ : ndarray of int, shape (n,)
        The folds behind them.
    """

    def __init__(
        self, experts: list[tuple[str, str, Any]], n_folds: int = 5, random_state: int = 0
    ) -> None:
        self.experts = experts
        self.n_folds = n_folds
        self.random_state = random_state

    def fit(self, X: Extracted, y: np.ndarray, groups: np.ndarray | None = None) -> LateFusion:
        """Fit on n products.

        Parameters
        ----------
        X : Extracted
            The products.
        y : ndarray, shape (n,)
            Their codes.
        groups : ndarray of int, shape (n,), or None
            Duplicates, kept in one fold; None takes every product as its own.
        """
        groups = np.arange(len(y)) if groups is None else groups
        self.classes_, codes = np.unique(y, return_inverse=True)
        folds = split_folds(y, groups, self.n_folds, self.random_state)
        self.experts_, margins = [], []
        for name, mask, expert in self.experts:
            present = _present(X, mask)
            if len(np.unique(y[present])) < 2:
                logger.warning("expert %s left out: it can see %d rows", name, present.sum())
                continue
            margins.append(cross_fit(expert, X, y, folds, present, self.classes_))
            fitted = clone(expert).fit(X.take(present), y[present])
            self.experts_.append((name, mask, fitted))
        conditions = _conditions(X)
        maps = [_choose(margin, codes, folds) for margin in margins]
        self.calibrators_, self.combiner_ = _learn(maps, margins, conditions, codes)
        self.oof_folds_ = folds
        self.oof_proba_ = _honest(maps, margins, conditions, codes, folds)
        logger.debug("late fusion: out-of-fold log-loss %.4f", log_loss(self.oof_proba_, codes))
        return self

    def decision_function(self, X: Extracted) -> np.ndarray:
        """Return log-probabilities of n products, shape (n, n_classes)."""
        votes = self.votes(X)
        return self.combiner_.scores(votes, _conditions(X))

    def predict_proba(self, X: Extracted) -> np.ndarray:
        """Return probabilities of n products, shape (n, n_classes)."""
        return np.exp(self.decision_function(X))

    def predict(self, X: Extracted) -> np.ndarray:
        """Return the likeliest code of each product, shape (n,)."""
        return self.classes_[self.decision_function(X).argmax(axis=1)]

    def votes(self, X: Extracted) -> list[np.ndarray]:
        """Return each expert's log-probabilities, shape (n, n_classes); NaN where it is blind."""
        votes = []
        for (_, mask, expert), calibrator in zip(self.experts_, self.calibrators_, strict=True):
            vote = np.full((len(X), len(self.classes_)), np.nan)
            present = _present(X, mask)
            if present.any():
                margins = aligned_margins(expert, X.take(present), self.classes_)
                vote[present] = _log(calibrator.predict_proba(margins))
            votes.append(vote)
        return votes


def _present(X: Extracted, mask: str) -> np.ndarray:
    return X.masks[mask] if mask else np.ones(len(X), dtype=bool)


def _conditions(X: Extracted) -> np.ndarray:
    length = X.table.get("title_length", np.full(len(X), 60.0))
    return describe(X.masks["description"], np.asarray(length, dtype=np.float64))


def _choose(margin: np.ndarray, codes: np.ndarray, folds: np.ndarray) -> FitMap:
    seen = ~np.isnan(margin[:, 0])
    return choose_map(margin[seen], codes[seen], folds[seen])


def _learn(
    maps: list[FitMap], margins: list[np.ndarray], conditions: np.ndarray, codes: np.ndarray
) -> tuple[list[Calibrator], Combiner]:
    """Fit calibrations, then the combiner on the products that every expert saw."""
    calibrators, votes = [], []
    for fit_map, margin in zip(maps, margins, strict=True):
        seen = ~np.isnan(margin[:, 0])
        calibrators.append(fit_map(margin[seen], codes[seen]))
        vote = np.full_like(margin, np.nan)
        vote[seen] = _log(calibrators[-1].predict_proba(margin[seen]))
        votes.append(vote)
    paired = ~np.isnan(np.column_stack([vote[:, 0] for vote in votes])).any(axis=1)
    if len(votes) == 1 or paired.sum() < LEAST_PAIRED_ROWS:
        return calibrators, even_combiner(len(votes), conditions.shape[1])
    chosen = [vote[paired] for vote in votes]
    return calibrators, fit_combiner(chosen, conditions[paired], codes[paired])


def _honest(
    maps: list[FitMap],
    margins: list[np.ndarray],
    conditions: np.ndarray,
    codes: np.ndarray,
    folds: np.ndarray,
) -> np.ndarray:
    """Return out-of-fold probabilities: nothing that a row's answer rests on was fitted on it."""
    probabilities = np.empty_like(margins[0])
    for fold in np.unique(folds):
        here = folds == fold
        calibrators, combiner = _learn(
            maps, [margin[~here] for margin in margins], conditions[~here], codes[~here]
        )
        votes = [
            _log(calibrator.predict_proba(margin[here]))
            for calibrator, margin in zip(calibrators, margins, strict=True)
        ]
        probabilities[here] = np.exp(combiner.scores(votes, conditions[here]))
    return probabilities


def _log(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.clip(probabilities, TINY, 1.0))
