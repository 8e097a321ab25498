"""The classifiers that ``[model].name`` may name, each an unfitted scikit-learn estimator."""

from typing import Any

from sklearn.base import ClassifierMixin
from sklearn.linear_model import LogisticRegression, SGDClassifier

from src.config_model import Model
from src.models.boosted_trees import BoostedTrees
from src.models.linear_svm import ThreadedLinearSVC

TREES = ("xgboost", "lightgbm")
"""Classifiers that are fed dense columns: sparse branches are reduced for them."""
PARTITIONED = "sgd"
"""The one that learns from a partition of the products at a time, see `Partitioned`."""


def build_classifier(cfg: Model, name: str, *, seed: int, n_jobs: int) -> ClassifierMixin:
    """Return the unfitted classifier of a name; `n_jobs` threads, 0 takes every core."""
    options = getattr(cfg, name).model_dump()
    if name in TREES:
        rounds = options.pop("early_stopping_rounds")
        options["colsample_bytree"] = options.pop("colsample")
        options |= {"random_state": seed, "n_jobs": n_jobs}
        trees = _xgboost(options) if name == "xgboost" else _lightgbm(options)
        return BoostedTrees(trees, rounds)
    options["class_weight"] = "balanced" if options.pop("balanced") else None
    if name == "logreg":
        return LogisticRegression(**options, random_state=seed)
    if name == PARTITIONED:
        return _averaged_sgd(options, n_jobs or -1, seed)

    return ThreadedLinearSVC(**options, n_jobs=n_jobs, random_state=seed)


def _averaged_sgd(options: dict[str, Any], n_jobs: int, seed: int) -> ClassifierMixin:
    """Return the one-vs-rest problems of the linear SVM, its loss without the squared tail.

    A steady rate and the mean of all steps lost least (docs/experiments.md); under the squared
    hinge itself an outlier, or a class of great weight, would take ever larger steps.
    """
    return SGDClassifier(
        loss="modified_huber",
        alpha=options["alpha"],
        learning_rate="constant",
        eta0=options["learning_rate"],
        average=True,
        class_weight=options["class_weight"],
        n_jobs=n_jobs,
        random_state=seed,
    )


def _xgboost(options: dict[str, Any]) -> ClassifierMixin:
    from xgboost import XGBClassifier

    return XGBClassifier(**options, tree_method="hist", verbosity=0)


def _lightgbm(options: dict[str, Any]) -> ClassifierMixin:
    from lightgbm import LGBMClassifier

    return LGBMClassifier(
        **options,
        subsample_freq=1,  # without it `subsample` is ignored
        # The default of 20 leaves a class of a few products without a leaf of its own.
        min_child_samples=3,
        # Without it a pure leaf gives a rare class a margin so large that the search ends after
        # one round (docs/experiments.md).
        reg_lambda=1.0,
        deterministic=True,
        force_row_wise=True,
        verbosity=-1,
    )
