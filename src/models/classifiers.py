"""The kinds of model that ``[model].name`` may name, each an unfitted scikit-learn classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from src.config_model import Model

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin

TREES = ("xgboost", "lightgbm")
"""Kinds that are fed dense columns: sparse branches are reduced for them."""


def build_head(cfg: Model, name: str, *, seed: int, n_jobs: int) -> ClassifierMixin:
    """Return the unfitted classifier of a kind.

    Parameters
    ----------
    cfg : Model
        The ``[model]`` section.
    name : str
        "linear_svc", "logreg", "xgboost" or "lightgbm".
    seed : int
        Seed of solvers that draw.
    n_jobs : int
        Threads of solvers that use them; 0 takes every core.
    """
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
    from src.models.boosted_trees import BoostedTrees
    from src.models.tree_libraries import XGBoost

    library = XGBoost(**cfg.xgboost.model_dump())
    return BoostedTrees(library, n_jobs=n_jobs, random_state=seed)


def _lightgbm(cfg: Model, seed: int, n_jobs: int) -> ClassifierMixin:
    from src.models.boosted_trees import BoostedTrees
    from src.models.tree_libraries import LightGBM

    library = LightGBM(**cfg.lightgbm.model_dump())
    return BoostedTrees(library, n_jobs=n_jobs, random_state=seed)


def _class_weight(balanced: bool) -> str | None:  # noqa: FBT001
    return "balanced" if balanced else None


_BUILDERS: dict[str, Any] = {
    "linear_svc": _linear_svc,
    "logreg": _logreg,
    "xgboost": _xgboost,
    "lightgbm": _lightgbm,
}
