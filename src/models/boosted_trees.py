"""`BoostedTrees`: gradient boosted trees that find their own number of rounds.

An inner split of the training rows stops the search; the model is then grown on all of them with
the number of rounds that it found, so no row is lost to early stopping.
"""

from __future__ import annotations

import logging
import os

import numpy as np
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from src.data.splits import split_holdout
from src.models.tree_libraries import Task, TreeLibrary

logger = logging.getLogger(__name__)

INNER_SHARE = 0.1
CONTRIBUTION_ROWS = 128


class BoostedTrees(ClassifierMixin, BaseEstimator):
    """Boosted trees on dense columns, one tree a class and round.

    Parameters
    ----------
    library : XGBoost or LightGBM
        Which library, with its hyper-parameters.
    n_jobs : int
        Threads; 0 takes every core this process may use.
    random_state : int or None
        Seed of the inner split and of the draws of rows and columns; None is 0.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    booster_ : xgboost.Booster or lightgbm.Booster
        Grown on all rows; knows classes by their position in `classes_`.
    rounds_ : int
        Rounds that it was grown for.
    n_features_in_ : int

    Examples
    --------
    >>> import numpy as np
    >>> from src.models.tree_libraries import XGBoost
    >>> X = np.repeat(np.eye(3), 40, axis=0)
    >>> trees = BoostedTrees(XGBoost(n_estimators=5), n_jobs=1).fit(X, np.repeat([10, 20, 30], 40))
    >>> trees.predict(np.eye(3)).tolist()
    [10, 20, 30]
    """

    def __init__(
        self, library: TreeLibrary, n_jobs: int = 0, random_state: int | None = None
    ) -> None:
        self.library = library
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None) -> BoostedTrees:
        """Find the number of rounds on an inner split, then grow on all rows.

        Parameters
        ----------
        X : ndarray, shape (n, n_features)
            Dense; sparse branches are reduced before.
        y : ndarray, shape (n,)
            Class of each row.
        groups : ndarray of int, shape (n,), or None
            Rows of one group stay on one side of the inner split; None takes each as its own.

        Raises
        ------
        ValueError
            There is only one class.
        """
        X, y = validate_data(self, X, y, dtype=np.float32)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"boosting needs samples of at least 2 classes, found 1 class: {self.classes_}"
            )
        seed = self.random_state or 0
        task = Task(len(self.classes_), seed, self._n_threads())
        groups = np.arange(len(y)) if groups is None else np.asarray(groups)
        held = split_holdout(codes, groups, INNER_SHARE, seed)
        self.rounds_ = self.library.n_estimators  # too few rows to hold any out
        if held.any() and not held.all():
            inside, outside = (X[~held], codes[~held]), (X[held], codes[held])
            self.rounds_ = self.library.find_rounds(inside, outside, task)
            del inside, outside  # a copy of the matrix that the growing below has no use for
        self.booster_ = self.library.grow((X, codes), self.rounds_, task)
        logger.debug("%s: %d rounds", type(self.library).__name__, self.rounds_)
        return self

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        """Return raw margins of n rows, shape (n, n_classes), float64; two columns for two."""
        X = self._checked(X)
        margins = self.library.margins(self.booster_, X, self._n_threads())
        return margins.astype(np.float64, copy=False)

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return the softmax of the margins, shape (n, n_classes): not calibrated."""
        return softmax(self.decision_function(X), axis=1)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the class of each row, shape (n,)."""
        chosen = self.decision_function(X).argmax(axis=1)
        return self.classes_[chosen]

    def contributions(self, X: np.ndarray) -> np.ndarray:
        """Return what each column adds to each margin: the library's own exact SHAP values.

        Returns
        -------
        ndarray of float32, shape (n, n_classes, n_features + 1)
            The last column is the expected margin; a row's sum is its margin (Lundberg et al.,
            "From local explanations to global understanding", Nature Machine Intelligence 2020).
        """
        X = self._checked(X)
        values = np.empty((len(X), len(self.classes_), X.shape[1] + 1), dtype=np.float32)
        for start in range(0, len(X), CONTRIBUTION_ROWS):
            some = slice(start, start + CONTRIBUTION_ROWS)
            values[some] = self.library.contributions(self.booster_, X[some])
        return values

    def _checked(self, X: np.ndarray) -> np.ndarray:
        check_is_fitted(self)
        return validate_data(self, X, dtype=np.float32, reset=False)

    def _n_threads(self) -> int:
        return self.n_jobs or len(os.sched_getaffinity(0))
