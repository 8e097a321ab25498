"""Late fusion: one expert a modality, and an answer learned from what they say out of fold.

`fit` cross-fits every expert, learns from rows that they had not seen how far each can be trusted
(``fusion.py``), then fits them on all rows. With a single expert it is that model with calibrated
probabilities, which is how every other kind is served.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone

from src.data.splits import split_folds
from src.errors import ValidationError
from src.features.extracted import Extracted
from src.models.combiner import describe
from src.models.cross_validation import aligned_margins, can_cross_fit, cross_fit
from src.models.fusion import Fusion, FusionMaps, choose_maps, fit_fusion, honest_proba

logger = logging.getLogger(__name__)

HOLDOUT_FOLD = -1


@dataclasses.dataclass(frozen=True, eq=False)
class OutsideMargins:
    """What the experts say of n labelled products that they were not fitted on.

    Attributes
    ----------
    margins : mapping of str to ndarray, each of shape (n, n_classes)
        By name of the expert; rows of NaN where it is blind.
    folds : ndarray of int64, shape (n,)
        Fold of each row: rows of one fold were left out together.
    conditions : ndarray, shape (n, n_conditions)
        What the weights of the votes may depend on.
    codes : ndarray of int64, shape (n,)
        Column of the true class.
    chosen : FusionMaps or None
        How each step is to be fitted, where that was chosen on a part of these rows.
    """

    margins: dict[str, np.ndarray]
    folds: np.ndarray
    conditions: np.ndarray
    codes: np.ndarray
    chosen: FusionMaps | None = None

    @functools.cached_property
    def maps(self) -> FusionMaps:
        """How each step is fitted, chosen by out-of-fold log-loss."""
        return self.chosen or choose_maps(self._list, self.conditions, self.codes, self.folds)

    def only(self, name: str) -> OutsideMargins:
        """Return the margins of one expert."""
        if list(self.margins) == [name]:
            return self
        return dataclasses.replace(self, margins={name: self.margins[name]}, chosen=None)

    def fit(self) -> Fusion:
        """Learn from all rows how margins become answers."""
        return fit_fusion(self.maps, self._list, self.conditions, self.codes, self.folds)

    @functools.cached_property
    def probabilities(self) -> np.ndarray:
        """Out-of-fold probabilities, shape (n, n_classes); see `honest_proba`."""
        return honest_proba(self.maps, self._list, self.conditions, self.codes, self.folds)

    def and_held(self, held: OutsideMargins, holdout: np.ndarray) -> OutsideMargins:
        """Return these rows and those of a hold-out, which becomes a fold of its own.

        Parameters
        ----------
        held : OutsideMargins
            What experts that were fitted on these rows say of the hold-out.
        holdout : ndarray of bool, shape (n + n_held,)
            Where the rows of the hold-out stand among all.
        """

        def both(mine: np.ndarray, theirs: np.ndarray) -> np.ndarray:
            merged = np.empty((len(holdout), *mine.shape[1:]), dtype=mine.dtype)
            merged[~holdout], merged[holdout] = mine, theirs
            return merged

        return OutsideMargins(
            {name: both(self.margins[name], held.margins[name]) for name in self.margins},
            both(self.folds, np.full(len(held.folds), HOLDOUT_FOLD)),
            both(self.conditions, held.conditions),
            both(self.codes, held.codes),
            self.maps,
        )

    @property
    def _list(self) -> list[np.ndarray]:
        return list(self.margins.values())


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
    fusion_ : Fusion
        From their margins to the answer.
    """

    def __init__(
        self, experts: list[tuple[str, str, Any]], n_folds: int = 5, random_state: int = 0
    ) -> None:
        self.experts = experts
        self.n_folds = n_folds
        self.random_state = random_state

    def cross_fit(
        self, X: Extracted, y: np.ndarray, groups: np.ndarray | None = None
    ) -> OutsideMargins:
        """Return what each expert says of every product when it was fitted without it.

        Parameters
        ----------
        X : Extracted
            n products.
        y : ndarray, shape (n,)
            Their codes.
        groups : ndarray of int, shape (n,), or None
            Duplicates, kept in one fold; None takes every product as its own.

        Raises
        ------
        ValidationError
            No expert can see products of two classes beside every fold.
        """
        groups = np.arange(len(y)) if groups is None else groups
        classes, codes = np.unique(y, return_inverse=True)
        folds = split_folds(y, groups, self.n_folds, self.random_state)
        margins = {
            name: cross_fit(expert, X, y, folds, present_rows(X, mask), classes)
            for name, mask, expert in self._able(X, y, folds)
        }
        return OutsideMargins(margins, folds, conditions_of(X), codes)

    def fit(
        self,
        X: Extracted,
        y: np.ndarray,
        groups: np.ndarray | None = None,
        outside: OutsideMargins | None = None,
    ) -> LateFusion:
        """Fit on n products; arguments as for `cross_fit`.

        Parameters
        ----------
        outside : OutsideMargins or None
            What the experts say of these products from outside, where it is known already; None
            cross-fits.
        """
        outside = outside or self.cross_fit(X, y, groups)
        self.classes_ = np.unique(y)
        self.experts_ = []
        for name, mask, expert in self.experts:
            if name not in outside.margins:
                continue
            present = present_rows(X, mask)
            self.experts_.append((name, mask, clone(expert).fit(X.take(present), y[present])))
        self.fusion_ = outside.fit()
        return self

    def margins(self, X: Extracted) -> list[np.ndarray]:
        """Return each expert's raw margins, shape (n, n_classes); NaN where it is blind."""
        margins = []
        for _, mask, expert in self.experts_:
            margin = np.full((len(X), len(self.classes_)), np.nan)
            present = present_rows(X, mask)
            if present.any():
                margin[present] = aligned_margins(expert, X.take(present), self.classes_)
            margins.append(margin)
        return margins

    def look(self, X: Extracted, y: np.ndarray) -> OutsideMargins:
        """Return what the fitted experts say of labelled products that none of them saw."""
        names = [name for name, _, _ in self.experts_]
        margins = dict(zip(names, self.margins(X), strict=True))
        codes = np.searchsorted(self.classes_, y)
        return OutsideMargins(margins, np.zeros(len(y), dtype=np.int64), conditions_of(X), codes)

    def weights(self, X: Extracted) -> np.ndarray:
        """Return the weight of each expert's vote for n products, shape (n, n_experts)."""
        return self.fusion_.weights(self.margins(X), conditions_of(X))

    def decision_function(self, X: Extracted) -> np.ndarray:
        """Return fused margins of n products, shape (n, n_classes); larger is likelier."""
        return self.fusion_.scores(self.margins(X), conditions_of(X))

    def predict_proba(self, X: Extracted) -> np.ndarray:
        """Return probabilities of n products, shape (n, n_classes)."""
        if not len(X):
            return np.empty((0, len(self.classes_)))
        return self.fusion_.predict_proba(self.margins(X), conditions_of(X))

    def predict(self, X: Extracted) -> np.ndarray:
        """Return the likeliest code of each product, shape (n,)."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def _able(self, X: Extracted, y: np.ndarray, folds: np.ndarray) -> list[tuple[str, str, Any]]:
        """Return the experts that can see products of two classes beside every fold."""
        able = []
        for name, mask, expert in self.experts:
            rows = present_rows(X, mask)
            if can_cross_fit(y, folds, rows):
                able.append((name, mask, expert))
            else:
                logger.warning("expert %s left out: it can see %d rows", name, rows.sum())
        if not able:
            names = ", ".join(name for name, _, _ in self.experts)
            raise ValidationError(
                f"nothing to learn from for any expert ({names}): of {len(y)} products with "
                f"{len(np.unique(y))} classes, each expected products that it can see, of two "
                "classes at least, beside every fold",
                next_command="python scripts/train_pipeline.py --set fusion.weights.text=1.0",
            )
        return able


def present_rows(X: Extracted, mask: str) -> np.ndarray:
    """Return which of n products an expert can see: bool, shape (n,); mask "" is all."""
    return X.masks[mask] if mask else np.ones(len(X), dtype=bool)


def conditions_of(X: Extracted) -> np.ndarray:
    """Return what the weights of the votes may depend on, shape (n, n_conditions)."""
    length = X.table.get("title_length", np.full(len(X), 60.0))
    return describe(X.masks["description"], np.asarray(length, dtype=np.float64))
