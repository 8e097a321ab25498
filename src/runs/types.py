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
from src.pipelines.extractor import Extractor

Check = dict[str, str]
"""One check of stage 2: name, status, expected, observed."""


def from_people(train: pd.DataFrame) -> np.ndarray:
    """Return which training products are none of the catalogue: bool, shape (n_train,)."""
    return np.asarray(train.get("from_people", np.zeros(len(train))), dtype=bool)


@dataclasses.dataclass(frozen=True, eq=False)
class Ingested:
    """Stage 1: the products, ordered by row_index; missing text, path or hash is "".

    Columns row_index, productid, imageid, designation, description, image, image_sha256, image_hash
    (a value that equal images share), image_damaged.
    """

    # prdtypecode (int64), too; official_code where corrections are used, and from_people (bool)
    # where they are of products outside the catalogue: these come last.
    train: pd.DataFrame
    test: pd.DataFrame
    snapshot: Snapshot
    rejected_rows: int
    corrected: Corrected | None = None  # what people's corrections did to `train`, where used
    sample: bool = False  # [debug].sample_rows left labelled rows out of `train`

    @property
    def catalogue(self) -> pd.DataFrame:
        """The training products without those of people."""
        return self.train[~from_people(self.train)]


@dataclasses.dataclass(frozen=True, eq=False)
class Validated:
    """Stage 2: the same products, checked.

    `checks` is empty when validation was skipped; `groups` are the duplicates of `train`, without
    the products of people.
    """

    train: pd.DataFrame
    test: pd.DataFrame
    snapshot: Snapshot
    groups: Groups
    checks: tuple[Check, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Transformed:
    """Stage 3: the product table, and the model that is to be fitted on it."""

    # The columns prdtypecode and group (of duplicates), too; times, how often a row counts in
    # training, and from_people, which are trained on and not scored, where there are such.
    train: pd.DataFrame
    test: pd.DataFrame
    snapshot: Snapshot
    branches: tuple[Branch, ...]
    extractors: tuple[Extractor, ...]
    holdout: np.ndarray  # bool, (n_train,): rows kept for the score
    model: LateFusion  # unfitted

    @property
    def y(self) -> np.ndarray:
        """Classes of the training rows, int64, shape (n_train,)."""
        return self.train["prdtypecode"].to_numpy(dtype=np.int64)

    @property
    def groups(self) -> np.ndarray:
        """Group of duplicates of each training row, int64, shape (n_train,)."""
        return self.train["group"].to_numpy(dtype=np.int64)

    @property
    def scored(self) -> np.ndarray:
        """Training rows that the combination is learned from and scores say something of: bool."""
        return ~from_people(self.train)

    def of_catalogue(self) -> Transformed:
        """Return the same with these rows alone."""
        train = self.train[self.scored].reset_index(drop=True)
        return dataclasses.replace(self, train=train, holdout=self.holdout[self.scored])


@dataclasses.dataclass(frozen=True, eq=False)
class OutOfFoldScores:
    """Out-of-fold probabilities of every labelled row."""

    classes: np.ndarray  # prdtypecode of each column
    folds: np.ndarray  # in which each row was left out; -1 for the hold-out
    proba: np.ndarray  # (n_train, n_classes), of the whole model
    expert_proba: Mapping[str, np.ndarray]  # of each expert alone, calibrated; NaN without input
    # Where products are hidden from some of several experts: from each in turn, and from those that
    # need more than the text, or the image. NaN where none of the others has input.
    without: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    modality_proba: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, eq=False)
class Trained:
    """Stage 4: the model that is scored, the one that serves, and their out-of-fold answers."""

    holdout_model: LateFusion  # fitted without the hold-out
    final_model: LateFusion  # the same, refitted on all labelled rows
    oof: OutOfFoldScores
    threshold: float  # an answer below needs review; learned without the hold-out
    # By expert of the final model: fit_s; mb, with its networks; ms a product, extraction too.
    costs: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, eq=False)
class Scored:
    """Predictions of one split and what they are worth.

    The split is "holdout", "oof" (every labelled row, out of fold) or "train"; a score on training
    rows carries the word in every file name.
    """

    split: str
    predictions: pd.DataFrame  # as `prediction_table` makes it
    scores: dict[str, float]
    details: dict[str, Any]  # as `summarise` returns them
    by_class: pd.DataFrame  # one row a class, with the interval of its F1
    confusion: pd.DataFrame  # counts, true by predicted
    errors: pd.DataFrame  # confusions, the most frequent first


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluated:
    """Stage 5: scores, what they show, and the answers for the unlabelled products.

    `diagnosed` has, of "b2", the text alone, and "b4", everything together, on every labelled row
    out of fold: scores of each class, and one row a confusion, the most frequent first.
    """

    scored: tuple[Scored, ...]  # hold-out, every row out of fold, and perhaps the training rows
    submission: pd.DataFrame  # the challenge's format: index = row index, column prdtypecode
    label_issues: pd.DataFrame  # doubtful labels, the likeliest wrong first
    diagnosed: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]]
