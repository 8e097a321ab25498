"""The two boosting libraries behind one face: rounds found, trees grown, margins and their shares.

Both are driven through their native interfaces: classes are codes 0 to n_classes - 1 that the
caller keeps, two classes have two columns as any other number has, and a class without rows in the
inner split is no error.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol, TypeAlias

import numpy as np

Rows: TypeAlias = tuple[np.ndarray, np.ndarray]
"""Features, shape (n, n_features), float32, and class codes, shape (n,)."""


@dataclasses.dataclass(frozen=True)
class Task:
    """What training needs to know beside rows and hyper-parameters."""

    n_classes: int
    seed: int
    n_threads: int


class TreeLibrary(Protocol):
    """What `BoostedTrees` asks of a library."""

    @property
    def n_estimators(self) -> int:
        """Rounds at the most; each grows one tree a class."""

    def find_rounds(self, train: Rows, held: Rows, task: Task) -> int:
        """Return the number of rounds, at least 1, with the lowest log-loss on `held`."""

    def grow(self, rows: Rows, rounds: int, task: Task) -> Any:  # noqa: ANN401
        """Return the library's booster after that many rounds."""

    def margins(self, booster: Any, X: np.ndarray, n_threads: int) -> np.ndarray:  # noqa: ANN401
        """Return raw scores, shape (n, n_classes)."""

    def contributions(self, booster: Any, X: np.ndarray) -> np.ndarray:  # noqa: ANN401
        """Return SHAP values, shape (n, n_classes, n_features + 1), the last the expected score."""


@dataclasses.dataclass(frozen=True)
class XGBoost:
    """Depth-limited trees on histograms (Chen and Guestrin, KDD 2016).

    Attributes
    ----------
    n_estimators : int
        Rounds at the most.
    learning_rate : float
        Share of each tree that counts.
    max_depth : int
        Levels of a tree.
    subsample, colsample : float
        Share of rows a round, and of columns a tree, that are drawn.
    early_stopping_rounds : int
        Rounds without a lower log-loss on the inner split before the search ends.
    max_bin : int
        Steps that a column is cut into.
    """

    n_estimators: int = 150
    learning_rate: float = 0.3
    max_depth: int = 5
    subsample: float = 0.8
    colsample: float = 0.2
    early_stopping_rounds: int = 10
    max_bin: int = 64

    def find_rounds(self, train: Rows, held: Rows, task: Task) -> int:
        """Return the number of rounds, at least 1, with the lowest log-loss on `held`."""
        import xgboost

        cut = xgboost.QuantileDMatrix(*train, max_bin=self.max_bin, nthread=task.n_threads)
        watched = xgboost.DMatrix(*held, nthread=task.n_threads)
        booster = xgboost.train(
            self._parameters(task),
            cut,
            self.n_estimators,
            evals=[(watched, "held")],
            early_stopping_rounds=self.early_stopping_rounds,
            verbose_eval=False,
        )
        return int(booster.best_iteration) + 1

    def grow(self, rows: Rows, rounds: int, task: Task) -> Any:  # noqa: ANN401
        """Return the ``xgboost.Booster`` after that many rounds."""
        import xgboost

        cut = xgboost.QuantileDMatrix(*rows, max_bin=self.max_bin, nthread=task.n_threads)
        return xgboost.train(self._parameters(task), cut, rounds, verbose_eval=False)

    def margins(self, booster: Any, X: np.ndarray, n_threads: int) -> np.ndarray:  # noqa: ANN401
        """Return raw scores, shape (n, n_classes), float32."""
        import xgboost

        return booster.predict(xgboost.DMatrix(X, nthread=n_threads), output_margin=True)

    def contributions(self, booster: Any, X: np.ndarray) -> np.ndarray:  # noqa: ANN401
        """Return SHAP values, shape (n, n_classes, n_features + 1), float32."""
        import xgboost

        return booster.predict(xgboost.DMatrix(X), pred_contribs=True)

    def _parameters(self, task: Task) -> dict[str, Any]:
        return {
            "objective": "multi:softprob",
            "eval_metric": "mlogloss",
            "num_class": task.n_classes,
            "tree_method": "hist",
            "learning_rate": self.learning_rate,
            "max_depth": self.max_depth,
            "subsample": self.subsample,
            "colsample_bytree": self.colsample,
            "max_bin": self.max_bin,
            "seed": task.seed,
            "nthread": task.n_threads,
            "verbosity": 0,
        }


@dataclasses.dataclass(frozen=True)
class LightGBM:
    """Leaf-wise trees on histograms (Ke et al., NeurIPS 2017).

    Attributes
    ----------
    num_leaves : int
        Leaves of a tree at the most.
    n_estimators, learning_rate, subsample, colsample, early_stopping_rounds, max_bin
        As in `XGBoost`.
    """

    n_estimators: int = 150
    learning_rate: float = 0.1
    num_leaves: int = 15
    subsample: float = 0.8
    colsample: float = 0.2
    early_stopping_rounds: int = 10
    max_bin: int = 63

    def find_rounds(self, train: Rows, held: Rows, task: Task) -> int:
        """Return the number of rounds, at least 1, with the lowest log-loss on `held`."""
        import lightgbm

        parameters = self._parameters(task)
        cut = lightgbm.Dataset(*train, params=parameters)
        booster = lightgbm.train(
            parameters,
            cut,
            self.n_estimators,
            valid_sets=[lightgbm.Dataset(*held, reference=cut, params=parameters)],
            callbacks=[lightgbm.early_stopping(self.early_stopping_rounds, verbose=False)],
        )
        return max(int(booster.best_iteration), 1)

    def grow(self, rows: Rows, rounds: int, task: Task) -> Any:  # noqa: ANN401
        """Return the ``lightgbm.Booster`` after that many rounds."""
        import lightgbm

        parameters = self._parameters(task)
        return lightgbm.train(parameters, lightgbm.Dataset(*rows, params=parameters), rounds)

    def margins(self, booster: Any, X: np.ndarray, n_threads: int) -> np.ndarray:  # noqa: ANN401
        """Return raw scores, shape (n, n_classes), float64."""
        return booster.predict(X, raw_score=True, num_threads=n_threads)

    def contributions(self, booster: Any, X: np.ndarray) -> np.ndarray:  # noqa: ANN401
        """Return SHAP values, shape (n, n_classes, n_features + 1), float64."""
        values = booster.predict(X, pred_contrib=True)
        return values.reshape(len(X), -1, X.shape[1] + 1)

    def _parameters(self, task: Task) -> dict[str, Any]:
        return {
            "objective": "multiclass",
            "metric": "multi_logloss",
            "num_class": task.n_classes,
            "learning_rate": self.learning_rate,
            "num_leaves": self.num_leaves,
            "bagging_fraction": self.subsample,
            "bagging_freq": 1,
            "feature_fraction": self.colsample,
            "max_bin": self.max_bin,
            # The library's 20 would leave a class of a few products without a leaf of its own, and
            # its 0 lets a pure leaf say 1 / (2 p) of a class of share p: the search then ended
            # after one round, at accuracy .31 where 1, XGBoost's own, gives .76.
            "min_data_in_leaf": 3,
            "lambda_l2": 1.0,
            "seed": task.seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": task.n_threads,
            "verbosity": -1,
        }
