"""Stage 4, model training: the scored model, then the same on all labelled rows."""

from __future__ import annotations

import dataclasses

import numpy as np
from sklearn.base import clone

from src.models.calibration import review_threshold
from src.models.gating import OutOfFold
from src.models.late_fusion import LateFusion
from src.runs.types import OutOfFoldScores, Trained, Transformed


@dataclasses.dataclass(frozen=True, eq=False)
class ModelTrainingPipeline:
    """Fit both phases from one transformed value; `cv` cross-validates over all rows, too."""

    transformed: Transformed
    target_accuracy: float
    cv: bool = False

    def run(self) -> Trained:
        """Fit the hold-out phase, then the final phase on all rows anew.

        The final experts are not cross-fitted again: their gating is learned from what the hold-out
        phase said of all labelled rows, each unseen.
        """
        table, y, groups = self.transformed.train, self.transformed.y, self.transformed.groups
        model, holdout = self.transformed.model, self.transformed.holdout
        train_rows, holdout_rows = table.iloc[~holdout], table.iloc[holdout]
        train_oof = model.cross_fit(train_rows, y[~holdout], groups[~holdout])
        scored = clone(model).fit(train_rows, y[~holdout], groups[~holdout], oof=train_oof)
        holdout_scores = scored.score_unseen(holdout_rows, y[holdout])
        if self.cv:
            oof = model.cross_fit(table, y, groups)
            scores = out_of_fold_scores(oof, scored.classes_)
        else:
            oof = train_oof.with_holdout(holdout_scores, holdout)
            scores = _with_holdout(train_oof, holdout_scores, oof, scored, holdout)
        threshold = review_threshold(train_oof.probabilities, train_oof.codes, self.target_accuracy)
        final = clone(model).fit(table, y, groups, oof=oof)
        return Trained(scored, final, scores, threshold)


def out_of_fold_scores(oof: OutOfFold, classes: np.ndarray) -> OutOfFoldScores:
    """Return the probabilities of cross-fitted rows: of all experts together, and of each."""
    alone = {}
    for name, margins in oof.margins.items():
        alone[name] = oof.only(name).probabilities.copy()
        alone[name][np.isnan(margins[:, 0])] = np.nan
    return OutOfFoldScores(classes, oof.folds, oof.probabilities, alone)


def _with_holdout(
    train_oof: OutOfFold,
    holdout_scores: OutOfFold,
    oof: OutOfFold,
    scored: LateFusion,
    holdout: np.ndarray,
) -> OutOfFoldScores:
    """Return the same for rows in folds and a hold-out that nothing was learned from.

    `oof` holds the margins of both, in the order of the table.
    """

    def merged(inside: OutOfFold, outside: OutOfFold) -> np.ndarray:
        gating = scored.gating_ if inside is train_oof else inside.fit_gating()
        proba = np.empty((len(holdout), len(scored.classes_)))
        proba[~holdout] = inside.probabilities
        proba[holdout] = gating.predict_proba(outside.arrays, outside.conditions)
        return proba

    alone = {}
    for name, margins in oof.margins.items():
        alone[name] = merged(train_oof.only(name), holdout_scores.only(name))
        alone[name][np.isnan(margins[:, 0])] = np.nan
    proba = merged(train_oof, holdout_scores)
    return OutOfFoldScores(scored.classes_, oof.folds, proba, alone)
