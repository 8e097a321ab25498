"""Late fusion: several experts, and an answer learned from what they say out of fold.

`fit` cross-fits every expert, learns from their out-of-fold margins how far each can be trusted
(``gating.py``), then fits them on all rows. With a single expert it is that classifier with
calibrated probabilities, which is how every other kind of model is served.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from sklearn.base import ClassifierMixin
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.utils.metaestimators import _BaseComposition

from src.cluster import run_tasks
from src.data.splits import split_folds
from src.errors import ValidationError
from src.models.cross_validation import (
    aligned_margins,
    can_cross_fit,
    cross_fit,
    fit_classifier,
    take,
)
from src.models.gating import OutOfFold, Pattern, gating_conditions

logger = logging.getLogger(__name__)

T = TypeVar("T")


class LateFusion(ClassifierMixin, _BaseComposition):
    """A meta-estimator over experts, each a classifier of the product table.

    `estimators` are unfitted, by name; "drop" in the place of one leaves it out. `requires` names
    the bool columns of the table of which one is true for a product that an expert has input of; an
    expert that is not named answers for all. The cross-fitting has `n_folds`; the experts of
    `single_fold`, too slow to be fitted so often, are fitted beside the first alone and answer its
    rows alone, so that what is learned of them is learned there. `experts_` are fitted on all rows
    that they have input of, in `fit_times_` seconds; one that had too few is left out.
    """

    def __init__(
        self,
        estimators: list[tuple[str, Any]],
        requires: Mapping[str, Sequence[str]] | None = None,
        n_folds: int = 5,
        random_state: int = 0,
        single_fold: Sequence[str] = (),
    ) -> None:
        self.estimators = estimators
        self.requires = requires
        self.n_folds = n_folds
        self.random_state = random_state
        self.single_fold = single_fold

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: FBT001, FBT002
        """Return the parameters, those of the experts too where `deep`."""
        return self._get_params("estimators", deep=deep)

    def set_params(self, **params: Any) -> LateFusion:  # noqa: ANN401
        """Set parameters; ``image="drop"`` or another classifier replaces a whole expert."""
        return self._set_params("estimators", **params)

    def _sk_visual_block_(self) -> Any:  # noqa: ANN401
        """Draw the experts side by side in notebooks."""
        return FeatureUnion(self.estimators)._sk_visual_block_()

    def cross_fit(
        self, X: pd.DataFrame, y: np.ndarray, groups: np.ndarray | None = None
    ) -> OutOfFold:
        """Return what each expert says of every product when it was fitted without it.

        `groups` are duplicates, kept in one fold; None takes every product as its own. That no
        expert has input of two classes beside every fold is a ValidationError.
        """
        groups = np.arange(len(y)) if groups is None else groups
        folds = split_folds(y, groups, self.n_folds, self.random_state)
        margins, first = {}, folds == 0
        for name, expert in self._usable_experts(X, y, folds):
            only = 0 if name in self.single_fold else None
            present = self.present(X, name)
            margins[name] = cross_fit(expert, X, y, groups, folds, present, only=only)
        if self.single_fold:
            # No expert was fitted on any of its rows: maps may be on some, and read on others.
            inner = split_folds(y[first], groups[first], self.n_folds, self.random_state)
            folds[first] = self.n_folds + inner
        codes = np.unique(y, return_inverse=True)[1]
        patterns = self._patterns(tuple(margins))
        return OutOfFold(margins, folds, gating_conditions(X), codes, patterns=patterns)

    def fit(
        self,
        X: pd.DataFrame,
        y: np.ndarray,
        groups: np.ndarray | None = None,
        oof: OutOfFold | None = None,
    ) -> LateFusion:
        """Fit on n products, cross-fitted first where no `oof` says what `cross_fit` gave."""
        y = np.asarray(y)
        groups = np.arange(len(y)) if groups is None else groups
        oof = oof or self.cross_fit(X, y, groups)
        self.classes_ = np.unique(y)
        experts = [
            (expert, self.present(X, n)) for n, expert in self.estimators if n in oof.margins
        ]
        names = [name for name, _ in self.estimators if name in oof.margins]
        fitted = dict(zip(names, run_tasks(_fit_expert, experts, (X, y, groups)), strict=True))
        self.experts_ = {name: expert for name, (expert, _) in fitted.items()}
        self.fit_times_ = {name: elapsed_s for name, (_, elapsed_s) in fitted.items()}
        self.gating_ = oof.fit_gating()
        return self

    def present(self, X: pd.DataFrame, name: str) -> np.ndarray:
        """Return which of n products an expert has input of: bool, shape (n,)."""
        columns = (self.requires or {}).get(name)
        if columns is None:
            return np.ones(len(X), dtype=bool)
        return np.logical_or.reduce([X[column].to_numpy(dtype=bool) for column in columns])

    def readers(self) -> dict[str, tuple[str, ...]]:
        """Return, by column of `requires`, the experts that have input where it alone is true."""
        found: dict[str, tuple[str, ...]] = {}
        for name in self.experts_:
            for column in self._columns(name):
                found[column] = (*found.get(column, ()), name)
        return found

    def margins(self, X: pd.DataFrame) -> dict[str, np.ndarray]:
        """Return each expert's raw margins, shape (n, n_classes); NaN where it has no input."""
        margins = {}
        for name, expert in self.experts_.items():
            rows = self.present(X, name)
            margins[name] = np.full((len(X), len(self.classes_)), np.nan)
            if rows.any():
                inputs = X if rows.all() else take(X, rows)
                margins[name][rows] = aligned_margins(expert, inputs, self.classes_)
        return margins

    def score_unseen(self, X: pd.DataFrame, y: np.ndarray) -> OutOfFold:
        """Return what the fitted experts say of labelled products that none of them saw."""
        codes = np.searchsorted(self.classes_, y)
        folds = np.zeros(len(y), dtype=np.int64)
        return OutOfFold(self.margins(X), folds, gating_conditions(X), codes)

    def decision_function(self, X: pd.DataFrame) -> np.ndarray:
        """Return fused margins of n products, shape (n, n_classes); two columns for two classes."""
        return self.gating_.scores(list(self.margins(X).values()), gating_conditions(X))

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        """Return probabilities of n products, shape (n, n_classes)."""
        if not len(X):
            return np.empty((0, len(self.classes_)))
        return self.gating_.predict_proba(list(self.margins(X).values()), gating_conditions(X))

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """Return the likeliest class of each product, shape (n,)."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def fitted_steps(self, kind: type[T]) -> Iterator[tuple[str, str, T]]:
        """Yield (expert, branch, step) of every fitted step of the experts that is a `kind`.

        Explanations and monitoring ask here what the experts are made of.
        """
        for name, expert in self.experts_.items():
            yield from (
                (name, branch, step)
                for branch, step in _steps(expert, "")
                if isinstance(step, kind)
            )

    def _patterns(self, names: Sequence[str]) -> tuple[Pattern, ...]:
        """Return the patterns that products may have, and those of all experts but one.

        The latter say what that one adds.
        """
        columns = sorted({column for name in names for column in self._columns(name)} - {""})
        sizes = range(len(columns) + 1)
        shown = [{"", *some} for k in sizes for some in itertools.combinations(columns, k)]
        found = {
            tuple(e for e, name in enumerate(names) if some & set(self._columns(name)))
            for some in shown
        }
        found |= set(itertools.combinations(range(len(names)), len(names) - 1))
        often = {e for e, name in enumerate(names) if name not in self.single_fold}
        found |= {tuple(e for e in pattern if e in often) for pattern in found}
        return tuple(sorted(pattern for pattern in found if len(pattern) > 1))

    def _columns(self, name: str) -> Sequence[str]:
        """Return the columns that `requires` names; "" stands for one that is always true."""
        return (self.requires or {}).get(name, ("",))

    def _usable_experts(
        self, X: pd.DataFrame, y: np.ndarray, folds: np.ndarray
    ) -> list[tuple[str, Any]]:
        """Return the experts that have input of two classes beside every fold."""
        usable = []
        for name, expert in self.estimators:
            if isinstance(expert, str) and expert == "drop":
                continue
            rows = self.present(X, name)
            if can_cross_fit(y, folds, rows):
                usable.append((name, expert))
            else:
                logger.warning("expert %s left out: %d rows have its input", name, rows.sum())
        if not usable:
            names = ", ".join(name for name, _ in self.estimators)
            raise ValidationError(
                f"nothing to learn from for any expert ({names}): of {len(y)} products with "
                f"{len(np.unique(y))} classes, each expected products that it has input of, of two "
                "classes at least, beside every fold",
                next_command="python scripts/train_pipeline.py --set fusion.weights.text=1.0",
            )
        return usable


def _fit_expert(
    X: pd.DataFrame, y: np.ndarray, groups: np.ndarray, expert: ClassifierMixin, rows: np.ndarray
) -> tuple[ClassifierMixin, float]:
    """Return an expert that is fitted on some rows, and the seconds that took."""
    started = time.perf_counter()
    fitted = fit_classifier(expert, take(X, rows), y[rows], groups[rows])
    return fitted, time.perf_counter() - started


def _steps(estimator: Any, branch: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    """Yield (branch, step) of all that pipelines and unions hold, in order."""
    if isinstance(estimator, Pipeline):
        for _, step in estimator.steps:
            yield from _steps(step, branch)
    elif isinstance(estimator, FeatureUnion):
        for name, transformer in estimator.transformer_list:
            yield from _steps(transformer, name)
    else:
        yield branch, estimator
