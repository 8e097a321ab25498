"""What each stage hands to the next."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from src.data.checks import Check
from src.data.corrections import Corrected
from src.data.dataset import Dataset
from src.data.duplicates import Groups
from src.features.extracted import Extracted
from src.features.matrix import FeatureMatrix
from src.models.late_fusion import LateFusion
from src.pipelines.extraction import Extractor
from src.pipelines.fusion import WeightedFeatureUnion


@dataclasses.dataclass(frozen=True, eq=False)
class Ingested:
    """Stage 1: the products, aligned with their labels.

    Attributes
    ----------
    train, test : Dataset
        Labelled and unlabelled products, ordered by row_index.
    rejected_rows : int
        Training rows that the load refused.
    corrected : Corrected or None
        What people's corrections did to the labels of `train`; None where they are not used.
    """

    train: Dataset
    test: Dataset
    rejected_rows: int
    corrected: Corrected | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Validated:
    """Stage 2: the same products, looked at.

    Attributes
    ----------
    train, test : Dataset
        As ingested.
    groups : Groups
        Duplicates of `train`.
    checks : tuple of Check
        Empty when validation was skipped.
    """

    train: Dataset
    test: Dataset
    groups: Groups
    checks: tuple[Check, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Transformed:
    """Stage 3: every product extracted once, and the branches fitted on the training side.

    Attributes
    ----------
    train, test : Dataset
        The products.
    extracted, extracted_test : Extracted
        What the extractors gave for each of them.
    extractors : tuple of Extractor
        Who gave it; serving needs them again.
    groups : ndarray of int64, shape (n_train,)
        Group of duplicates of each training row.
    holdout : ndarray of bool, shape (n_train,)
        Rows kept for the score; no estimator has seen them.
    features : WeightedFeatureUnion
        Fitted on the rows that are not held out.
    matrix : FeatureMatrix
        What `features` made of those rows.
    model : LateFusion
        Unfitted; the same branches, seen by one expert or several.
    """

    train: Dataset
    test: Dataset
    extracted: Extracted
    extracted_test: Extracted
    extractors: tuple[Extractor, ...]
    groups: np.ndarray
    holdout: np.ndarray
    features: WeightedFeatureUnion
    matrix: FeatureMatrix
    model: LateFusion


@dataclasses.dataclass(frozen=True, eq=False)
class OutsideScores:
    """Probabilities of every labelled row from a model that had not seen it.

    Attributes
    ----------
    classes : ndarray of int64, shape (n_classes,)
        prdtypecode of each column.
    folds : ndarray of int64, shape (n_train,)
        Fold of the cross-fitting in which the row was left out; -1 for the hold-out.
    proba : ndarray, shape (n_train, n_classes)
        Of the whole model.
    expert_proba : mapping of str to ndarray, shape (n_train, n_classes)
        Of each expert alone, calibrated; NaN where it is blind.
    """

    classes: np.ndarray
    folds: np.ndarray
    proba: np.ndarray
    expert_proba: Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True, eq=False)
class Trained:
    """Stage 4: the model that is scored, the one that serves, and what was said from outside.

    Attributes
    ----------
    holdout_model : LateFusion
        Fitted without the hold-out.
    final_model : LateFusion
        The same, refitted on all labelled rows.
    outside : OutsideScores
        One row a training product.
    threshold : float
        Probability below which an answer needs review; learned without the hold-out.
    """

    holdout_model: LateFusion
    final_model: LateFusion
    outside: OutsideScores
    threshold: float


@dataclasses.dataclass(frozen=True, eq=False)
class Scored:
    """Predictions of one split and what they are worth.

    Attributes
    ----------
    split : str
        "holdout", "oof" (every labelled row, out of fold) or "train"; a score on training rows
        carries the word in every file name.
    predictions : DataFrame
        As `prediction_table` makes it.
    scores : dict of str to float
        Overall scores.
    details : dict
        intervals, slices, reliability, selective and decision, as `summarise` returns them.
    by_class : DataFrame
        One row a class, with the interval of its F1.
    confusion : DataFrame
        Counts, true by predicted.
    errors : DataFrame
        Confusions, the most frequent first.
    """

    split: str
    predictions: pd.DataFrame
    scores: dict[str, float]
    details: dict[str, Any]
    by_class: pd.DataFrame
    confusion: pd.DataFrame
    errors: pd.DataFrame


@dataclasses.dataclass(frozen=True, eq=False)
class Diagnosed:
    """One of the baselines on every labelled row, out of fold.

    Attributes
    ----------
    by_class : DataFrame
        Scores of each class, and what it is taken for.
    confusions : DataFrame
        The same, one row a confusion, the most frequent first.
    """

    by_class: pd.DataFrame
    confusions: pd.DataFrame


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluated:
    """Stage 5: scores, what they show, and the answers for the unlabelled products.

    Attributes
    ----------
    scored : tuple of Scored
        The hold-out first.
    submission : DataFrame
        The challenge's format: index = row index, column prdtypecode; one row a test product.
    label_issues : DataFrame
        Products whose label is probably wrong, the surest first.
    diagnosed : mapping of str to Diagnosed
        "b2", the text alone, and "b4", everything together.
    """

    scored: tuple[Scored, ...]
    submission: pd.DataFrame
    label_issues: pd.DataFrame
    diagnosed: Mapping[str, Diagnosed]
