"""What each stage of a run hands to the next."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from src.data.corrections import Corrected
from src.data.csv_files import Snapshot
from src.data.duplicates import Groups
from src.models.late_fusion import LateFusion
from src.pipelines.branches import Branch
from src.pipelines.table import Extractor

Check = dict[str, str]
"""One check of stage 2: name, status, expected, observed."""


@dataclasses.dataclass(frozen=True, eq=False)
class Ingested:
    """Stage 1: the products.

    Attributes
    ----------
    train, test : DataFrame
        Ordered by row_index; columns row_index, productid, imageid, designation, description,
        image, image_sha256, image_hash (a value that equal images share), image_damaged; missing
        text, path or hash is "". Those of `train` have prdtypecode (int64) too.
    corrected : Corrected or None
        What people's corrections did to the labels of `train`; None where they are not used.
    """

    train: pd.DataFrame
    test: pd.DataFrame
    snapshot: Snapshot
    rejected_rows: int
    corrected: Corrected | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Validated:
    """Stage 2: the same products, checked.

    `checks` is empty when validation was skipped; `groups` are the duplicates of `train`.
    """

    train: pd.DataFrame
    test: pd.DataFrame
    snapshot: Snapshot
    groups: Groups
    checks: tuple[Check, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Transformed:
    """Stage 3: the product table, and the model that is to be fitted on it.

    Attributes
    ----------
    train, test : DataFrame
        The product table; `train` has the columns prdtypecode and group (of duplicates) too.
    holdout : ndarray of bool, shape (n_train,)
        Rows kept for the score.
    model : LateFusion
        Unfitted.
    """

    train: pd.DataFrame
    test: pd.DataFrame
    snapshot: Snapshot
    branches: tuple[Branch, ...]
    extractors: tuple[Extractor, ...]
    holdout: np.ndarray
    model: LateFusion

    @property
    def y(self) -> np.ndarray:
        """Classes of the training rows, int64, shape (n_train,)."""
        return self.train["prdtypecode"].to_numpy(dtype=np.int64)

    @property
    def groups(self) -> np.ndarray:
        """Group of duplicates of each training row, int64, shape (n_train,)."""
        return self.train["group"].to_numpy(dtype=np.int64)


@dataclasses.dataclass(frozen=True, eq=False)
class OutOfFoldScores:
    """Out-of-fold probabilities of every labelled row.

    Attributes
    ----------
    classes : ndarray of int64, shape (n_classes,)
        prdtypecode of each column.
    folds : ndarray of int64, shape (n_train,)
        Fold in which the row was left out; -1 for the hold-out.
    proba : ndarray, shape (n_train, n_classes)
        Of the whole model.
    expert_proba : mapping of str to ndarray, shape (n_train, n_classes)
        Of each expert alone, calibrated; NaN where it has no input.
    """

    classes: np.ndarray
    folds: np.ndarray
    proba: np.ndarray
    expert_proba: Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True, eq=False)
class Trained:
    """Stage 4: the model that is scored, the one that serves, and their out-of-fold answers.

    Attributes
    ----------
    holdout_model : LateFusion
        Fitted without the hold-out.
    final_model : LateFusion
        The same, refitted on all labelled rows.
    threshold : float
        Probability below which an answer needs review; learned without the hold-out.
    """

    holdout_model: LateFusion
    final_model: LateFusion
    oof: OutOfFoldScores
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
    diagnosed : mapping of str to (DataFrame, DataFrame)
        Of "b2", the text alone, and "b4", everything together, on every labelled row out of fold:
        scores of each class, and one row a confusion, the most frequent first.
    """

    scored: tuple[Scored, ...]
    submission: pd.DataFrame
    label_issues: pd.DataFrame
    diagnosed: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]]
