"""`BoostedTrees`: XGBoost's or LightGBM's own classifier, stopped early by an inner split.

The split of the training rows gives the number of rounds; the classifier is then fitted on all rows
with that number, so that none is lost to early stopping.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from src.data.splits import split_holdout

if TYPE_CHECKING:
    from lightgbm import LGBMClassifier
    from xgboost import XGBClassifier

logger = logging.getLogger(__name__)

INNER_SHARE = 0.1


class BoostedTrees(ClassifierMixin, BaseEstimator):
    """Boosted trees on dense columns, stopped early on an inner grouped split.

    `estimator` is unfitted; its `n_estimators` is the most rounds, its `random_state` seeds the
    inner split too. The search ends after `early_stopping_rounds` without a lower log-loss there.
    `estimator_` is fitted on all rows for `n_rounds_`; its classes are positions in `classes_`.

    >>> from lightgbm import LGBMClassifier
    >>> X, y = np.repeat(np.eye(3), 40, axis=0), np.repeat([10, 20, 30], 40)
    >>> trees = BoostedTrees(LGBMClassifier(n_estimators=5, n_jobs=1, verbosity=-1)).fit(X, y)
    >>> trees.predict(np.eye(3)).tolist()
    [10, 20, 30]
    """

    def __init__(
        self, estimator: XGBClassifier | LGBMClassifier, early_stopping_rounds: int = 10
    ) -> None:
        self.estimator = estimator
        self.early_stopping_rounds = early_stopping_rounds

    def fit(self, X: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None) -> BoostedTrees:
        """Find the number of rounds on an inner split, then fit on all rows.

        Rows are dense: sparse features are reduced before. Those of one group stay on one side of
        the inner split; None takes each as its own.
        """
        X, y = validate_data(self, X, y, dtype=np.float32)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"boosting needs samples of at least 2 classes, found 1 class: {self.classes_}"
            )
        groups = np.arange(len(y)) if groups is None else np.asarray(groups)
        seed = self.estimator.get_params()["random_state"] or 0
        held = split_holdout(codes, groups, INNER_SHARE, seed)
        self.n_rounds_ = self.estimator.n_estimators  # kept where rows are too few to hold any out
        if held.any():
            self.n_rounds_ = self._find_rounds(X, codes, held)
        self.estimator_ = clone(self.estimator).set_params(n_estimators=self.n_rounds_)
        self.estimator_.fit(X, codes)
        logger.debug("%s: %d rounds", type(self.estimator).__name__, self.n_rounds_)
        return self

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        """Return raw margins of n rows, shape (n, n_classes), float64; two columns for two."""
        return self._predict(X, contributions=False).astype(np.float64, copy=False)

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return the softmax of the margins, shape (n, n_classes): not calibrated."""
        return softmax(self.decision_function(X), axis=1)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the class of each row, shape (n,)."""
        best = self.decision_function(X).argmax(axis=1)
        return self.classes_[best]

    def contributions(self, X: np.ndarray) -> np.ndarray:
        """Return what each column adds to each margin: the library's own exact SHAP values.

        Shape (n, n_classes, n_features + 1), float32; the last column is the expected margin, a
        row's sum its margin (Lundberg et al., "From local explanations to global understanding",
        Nature Machine Intelligence 2020).
        """
        values = self._predict(X, contributions=True).astype(np.float32, copy=False)
        return values.reshape(len(values), len(self.classes_), self.n_features_in_ + 1)

    def _find_rounds(self, X: np.ndarray, codes: np.ndarray, held: np.ndarray) -> int:
        """Return the rounds with the lowest log-loss on `held`; every class has other rows."""
        search = clone(self.estimator)
        search.set_params(early_stopping_rounds=self.early_stopping_rounds)
        if _is_xgboost(search):
            search.fit(X[~held], codes[~held], eval_set=[(X[held], codes[held])], verbose=False)
            return int(search.best_iteration) + 1
        search.fit(X[~held], codes[~held], eval_X=X[held], eval_y=codes[held])
        return max(search.best_iteration_, 1)

    def _predict(self, X: np.ndarray, *, contributions: bool) -> np.ndarray:
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float32, reset=False)
        if _is_xgboost(self.estimator_):
            from xgboost import DMatrix

            values = self.estimator_.get_booster().predict(
                DMatrix(X, nthread=self.estimator_.n_jobs),
                output_margin=not contributions,
                pred_contribs=contributions,
            )
        else:
            values = self.estimator_.predict(
                X, raw_score=not contributions, pred_contrib=contributions
            )
        if len(self.classes_) == 2:  # one log-odds: halved, their softmax is its sigmoid
            values = np.stack([-values / 2, values / 2], axis=1)
        return values


def _is_xgboost(estimator: XGBClassifier | LGBMClassifier) -> bool:
    """Tell the two apart without importing both libraries."""
    return hasattr(estimator, "get_booster")
