"""Stage 4, model training: the model that is scored, then the same on every labelled row.

What the experts say of rows that they had not seen, from the cross-fitting and from the hold-out,
is kept for every labelled row: calibration, the review threshold, the list of doubtful labels and
the tables of the report all come from it.
"""

from __future__ import annotations

import dataclasses
import logging

import numpy as np
from sklearn.base import clone

from src.features.matrix import FeatureMatrix
from src.models.late_fusion import LateFusion, OutsideMargins
from src.models.threshold import review_threshold
from src.pipeline_steps.types import OutsideScores, Trained, Transformed

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, eq=False)
class ModelTrainingPipeline:
    """Fit both phases from one transformed value.

    Attributes
    ----------
    transformed : Transformed
        Stage 3.
    target_accuracy : float
        ``[decision].target_accuracy``.
    cv_folds : int
        Folds of a cross-validation over all labelled rows; 0 for none.
    """

    transformed: Transformed
    target_accuracy: float
    cv_folds: int = 0

    def fit(self) -> Trained:
        """Fit the hold-out phase, then the final phase on all rows anew.

        The final experts are not cross-fitted again: their calibration is learned from what the
        hold-out phase said of all labelled rows, each unseen.
        """
        given = self.transformed
        _log_density(given.matrix)
        y, kept = given.train.labels, ~given.holdout
        inside = given.model.cross_fit(given.extracted.take(kept), y[kept], given.groups[kept])
        scored: LateFusion = clone(given.model)
        scored.fit(given.extracted.take(kept), y[kept], outside=inside)
        held = scored.look(given.extracted.take(given.holdout), y[given.holdout])
        threshold = review_threshold(inside.probabilities, inside.codes, self.target_accuracy)
        if self.cv_folds:
            model = clone(given.model).set_params(n_folds=self.cv_folds)
            everywhere = model.cross_fit(given.extracted, y, given.groups)
            outside = outside_scores(everywhere, scored.classes_)
        else:
            everywhere = inside.and_held(held, given.holdout)
            outside = _with_holdout(inside, held, everywhere, scored, given.holdout)
        final = clone(given.model).fit(given.extracted, y, outside=everywhere)
        return Trained(scored, final, outside, threshold)


def run(transformed: Transformed, target_accuracy: float, cv_folds: int = 0) -> Trained:
    """Train; see `ModelTrainingPipeline`."""
    return ModelTrainingPipeline(transformed, target_accuracy, cv_folds).fit()


def outside_scores(everywhere: OutsideMargins, classes: np.ndarray) -> OutsideScores:
    """Return the probabilities of cross-fitted rows: of all experts together, and of each."""
    alone = {name: _alone(everywhere, name) for name in everywhere.margins}
    return OutsideScores(classes, everywhere.folds, everywhere.probabilities, alone)


def _with_holdout(
    inside: OutsideMargins,
    held: OutsideMargins,
    everywhere: OutsideMargins,
    scored: LateFusion,
    holdout: np.ndarray,
) -> OutsideScores:
    """Return the same for rows in folds and a hold-out that nothing was learned from."""

    def both(part: OutsideMargins, there: OutsideMargins) -> np.ndarray:
        proba = np.empty((len(holdout), len(scored.classes_)))
        fusion = scored.fusion_ if part is inside else part.fit()
        proba[~holdout] = part.probabilities
        proba[holdout] = fusion.predict_proba(list(there.margins.values()), there.conditions)
        return proba

    alone = {}
    for name, margins in everywhere.margins.items():
        alone[name] = both(inside.only(name), held.only(name))
        alone[name][np.isnan(margins[:, 0])] = np.nan
    return OutsideScores(scored.classes_, everywhere.folds, both(inside, held), alone)


def _alone(everywhere: OutsideMargins, name: str) -> np.ndarray:
    proba = everywhere.only(name).probabilities.copy()
    proba[np.isnan(everywhere.margins[name][:, 0])] = np.nan
    return proba


def _log_density(matrix: FeatureMatrix) -> None:
    for block in matrix.blocks:
        logger.debug(
            "block %-16s columns %9s to %9s", block.branch, f"{block.start:,}", f"{block.stop:,}"
        )
    logger.debug("matrix %s, %.3f %% dense", matrix.shape, 100 * matrix.density)
