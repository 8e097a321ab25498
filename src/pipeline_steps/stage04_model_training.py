"""Stage 4, model training: the model that is scored, then the same on every labelled row."""

from __future__ import annotations

import dataclasses
import logging

from src.features.matrix import FeatureMatrix
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
        """Fit the hold-out phase on the matrix of stage 3, the final phase on all rows anew."""
        from sklearn.base import clone

        given = self.transformed
        _log_density(given.matrix)
        y = given.train.labels
        holdout_model = clone(given.model).fit_head(given.features, given.matrix, y[~given.holdout])
        final_model = clone(given.model).fit(given.extracted, y)
        return Trained(holdout_model, final_model)


def run(transformed: Transformed) -> Trained:
    """Train; see `ModelTrainingPipeline.fit`."""
    return ModelTrainingPipeline(transformed).fit()


def _log_density(matrix: FeatureMatrix) -> None:
    for block in matrix.blocks:
        logger.debug(
            "block %-16s columns %9s to %9s", block.branch, f"{block.start:,}", f"{block.stop:,}"
        )
    logger.debug("matrix %s, %.3f %% dense", matrix.shape, 100 * matrix.density)
