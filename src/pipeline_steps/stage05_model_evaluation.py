"""Stage 5, model evaluation: scores on rows the model never saw, and the submission."""

from __future__ import annotations

import numpy as np
import pandas as pd

from src.evaluation.confusion import confusion_counts
from src.evaluation.metrics import score, score_by_class
from src.labels import Labels
from src.pipeline_steps.types import Evaluated, Scored, Trained, Transformed


def run(transformed: Transformed, trained: Trained, labels: Labels, *, on_train: bool) -> Evaluated:
    """Score the hold-out and answer for the test products.

    Parameters
    ----------
    transformed : Transformed
        Stage 3.
    trained : Trained
        Stage 4.
    labels : Labels
        Names for the tables.
    on_train : bool
        True scores the training rows too; such a score says how well a model remembers.
    """
    scored = [_score(transformed, trained, transformed.holdout, "holdout", labels)]
    if on_train:
        scored.append(_score(transformed, trained, ~transformed.holdout, "train", labels))
    answers = trained.final_model.predict(transformed.extracted_test)
    index = pd.Index(transformed.test.items["row_index"], name="")
    submission = pd.DataFrame({"prdtypecode": answers}, index=index)
    return Evaluated(tuple(scored), submission)


def _score(
    transformed: Transformed, trained: Trained, rows: np.ndarray, split: str, labels: Labels
) -> Scored:
    part = transformed.train.take(rows)
    predicted = trained.holdout_model.predict(transformed.extracted.take(rows))
    codes = np.unique(transformed.train.labels)
    predictions = part.items[["row_index", "productid"]].assign(
        prdtypecode=part.labels, predicted=predicted
    )
    by_class = score_by_class(part.labels, predicted, codes)
    by_class.insert(1, "label", [labels.label(code) for code in codes])
    return Scored(
        split,
        predictions,
        score(part.labels, predicted),
        by_class,
        confusion_counts(part.labels, predicted, codes),
    )
