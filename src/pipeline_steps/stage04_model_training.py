"""Stage 4, model training: the scored model, then the same on all labelled rows."""

from __future__ import annotations

import dataclasses

import numpy as np
from sklearn.base import clone

from src.models.calibration import review_threshold
from src.models.gating import OutOfFold
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
        oof = train_oof.with_holdout(holdout_scores, holdout)
        if self.cv:
            oof = model.cross_fit(table, y, groups)

        def answers(inside: OutOfFold, outside: OutOfFold, every: OutOfFold) -> np.ndarray:
            """Return out-of-fold probabilities of all rows; of the hold-out by what saw none."""
            if self.cv:
                return every.probabilities
            gating = scored.gating_ if inside is train_oof else inside.fit_gating()
            proba = np.empty((len(table), len(scored.classes_)))
            proba[~holdout] = inside.probabilities
            proba[holdout] = gating.predict_proba(outside.arrays, outside.conditions)
            return proba

        parts = (train_oof, holdout_scores, oof)
        alone = {
            name: np.where(
                np.isnan(margins[:, :1]), np.nan, answers(*(part.only(name) for part in parts))
            )
            for name, margins in oof.margins.items()
        }
        scores = OutOfFoldScores(scored.classes_, oof.folds, answers(*parts), alone)
        threshold = review_threshold(train_oof.probabilities, train_oof.codes, self.target_accuracy)
        final = clone(model).fit(table, y, groups, oof=oof)
        return Trained(scored, final, scores, threshold)
