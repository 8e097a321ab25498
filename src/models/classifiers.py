"""The classifiers that ``[model].name`` may name, each an unfitted scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from src.config_model import Model

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin

TREES = ("xgboost", "lightgbm")
"""Classifiers that are fed dense columns: sparse branches are reduced for them."""


def build_classifier(cfg: Model, name: str, *, seed: int, n_jobs: int) -> ClassifierMixin:
    """Return the unfitted classifier of a name; `n_jobs` threads, 0 takes every core."""
    return _BUILDERS[name](cfg, seed, n_jobs)


def _linear_svc(cfg: Model, seed: int, n_jobs: int) -> ClassifierMixin:
    from src.models.linear_svm import ThreadedLinearSVC

    options = cfg.linear_svc
    return ThreadedLinearSVC(
        C=options.C,
        class_weight=_class_weight(options.balanced),
        max_iter=options.max_iter,
        n_jobs=n_jobs,
        random_state=seed,
    )


def _logreg(cfg: Model, seed: int, n_jobs: int) -> ClassifierMixin:
    from sklearn.linear_model import LogisticRegression

    options = cfg.logreg
    return LogisticRegression(
        C=options.C,
        class_weight=_class_weight(options.balanced),
        max_iter=options.max_iter,
        random_state=seed,
    )


def _xgboost(cfg: Model, seed: int, n_jobs: int) -> ClassifierMixin:
    from xgboost import XGBClassifier

    from src.models.boosted_trees import BoostedTrees

    options = cfg.xgboost
    trees = XGBClassifier(
        n_estimators=options.n_estimators,
        learning_rate=options.learning_rate,
        max_depth=options.max_depth,
        subsample=options.subsample,
        colsample_bytree=options.colsample,
        max_bin=options.max_bin,
        tree_method="hist",
        random_state=seed,
        n_jobs=n_jobs,
        verbosity=0,
    )
    return BoostedTrees(trees, options.early_stopping_rounds)


def _lightgbm(cfg: Model, seed: int, n_jobs: int) -> ClassifierMixin:
    from lightgbm import LGBMClassifier

    from src.models.boosted_trees import BoostedTrees

    options = cfg.lightgbm
    trees = LGBMClassifier(
        n_estimators=options.n_estimators,
        learning_rate=options.learning_rate,
        num_leaves=options.num_leaves,
        subsample=options.subsample,
        subsample_freq=1,  # without it `subsample` is ignored
        colsample_bytree=options.colsample,
        max_bin=options.max_bin,
        # The default of 20 leaves a class of a few products without a leaf of its own.
        min_child_samples=3,
        # Without it a pure leaf gives a rare class a margin so large that the search ends after
        # one round (docs/experiments.md).
        reg_lambda=1.0,
        deterministic=True,
        force_row_wise=True,
        random_state=seed,
        n_jobs=n_jobs,
        verbosity=-1,
    )
    return BoostedTrees(trees, options.early_stopping_rounds)


def _class_weight(balanced: bool) -> str | None:  # noqa: FBT001
    return "balanced" if balanced else None


_Builder: TypeAlias = "Callable[[Model, int, int], ClassifierMixin]"
_BUILDERS: dict[str, _Builder] = {
    "linear_svc": _linear_svc,
    "logreg": _logreg,
    "xgboost": _xgboost,
    "lightgbm": _lightgbm,
}
