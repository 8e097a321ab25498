"""Stage 4, model training: the model that is scored, then the same on every labelled row."""

from __future__ import annotations

import dataclasses
import logging

from src.features.matrix import FeatureMatrix
from src.models.late_fusion import LateFusion
from src.pipeline_steps.types import Trained, Transformed

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, eq=False)
class ModelTrainingPipeline:
    """Fit both phases from one transformed value.

    Attributes
    ----------
    transformed : Transformed
        Stage 3.
    """

    transformed: Transformed

    def fit(self) -> Trained:
        """Fit the hold-out phase, then the final phase on all rows anew.

        A kind with one head takes the matrix of stage 3 for the first; late fusion fits branches in
        every fold of its own, and keeps duplicates in one fold.
        """
        from sklearn.base import clone

        given = self.transformed
        _log_density(given.matrix)
        y, kept = given.train.labels, ~given.holdout
        model = clone(given.model)
        if isinstance(model, LateFusion):
            holdout_model = model.fit(given.extracted.take(kept), y[kept], given.groups[kept])
            return Trained(holdout_model, clone(model).fit(given.extracted, y, given.groups))
        holdout_model = model.fit_head(given.features, given.matrix, y[kept])
        return Trained(holdout_model, clone(model).fit(given.extracted, y))


def run(transformed: Transformed) -> Trained:
    """Train; see `ModelTrainingPipeline.fit`."""
    return ModelTrainingPipeline(transformed).fit()


def _log_density(matrix: FeatureMatrix) -> None:
    for block in matrix.blocks:
        logger.debug(
            "block %-16s columns %9s to %9s", block.branch, f"{block.start:,}", f"{block.stop:,}"
        )
    logger.debug("matrix %s, %.3f %% dense", matrix.shape, 100 * matrix.density)
