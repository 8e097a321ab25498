"""Every classifier of the configuration is built with the configured parameters."""

from __future__ import annotations

import pytest
from sklearn.linear_model import LogisticRegression, SGDClassifier

from src import config_model
from src.config import load_config
from src.config_model import LinearSvc, Logreg, Sgd
from src.models.boosted_trees import BoostedTrees
from src.models.classifiers import build_classifier
from src.models.linear_svm import ThreadedLinearSVC

MODEL = load_config().model


def test_linear_svc() -> None:
    cfg = MODEL.model_copy(update={"linear_svc": LinearSvc(C=0.2, balanced=True, max_iter=9)})
    classifier = build_classifier(cfg, "linear_svc", seed=7, n_jobs=2)
    assert isinstance(classifier, ThreadedLinearSVC)
    assert (classifier.C, classifier.class_weight) == (0.2, "balanced")
    assert (classifier.random_state, classifier.n_jobs, classifier.max_iter) == (7, 2, 9)


def test_logreg() -> None:
    cfg = MODEL.model_copy(update={"logreg": Logreg(C=3.0, balanced=False, max_iter=5)})
    classifier = build_classifier(cfg, "logreg", seed=7, n_jobs=2)
    assert isinstance(classifier, LogisticRegression)
    assert (classifier.C, classifier.class_weight, classifier.max_iter) == (3.0, None, 5)


def test_sgd() -> None:
    cfg = MODEL.model_copy(update={"sgd": Sgd(alpha=1e-3, learning_rate=0.1, balanced=True)})
    classifier = build_classifier(cfg, "sgd", seed=7, n_jobs=2)
    assert isinstance(classifier, SGDClassifier)
    assert (classifier.alpha, classifier.eta0, classifier.class_weight) == (1e-3, 0.1, "balanced")
    assert (classifier.random_state, classifier.n_jobs, classifier.average) == (7, 2, True)


XGB = config_model.XGBoost(
    n_estimators=9,
    learning_rate=0.2,
    max_depth=3,
    subsample=0.7,
    colsample=0.6,
    early_stopping_rounds=4,
    max_bin=16,
)
LGB = config_model.LightGBM(
    n_estimators=9,
    learning_rate=0.2,
    num_leaves=5,
    subsample=0.7,
    colsample=0.6,
    early_stopping_rounds=4,
    max_bin=15,
)
COMMON = {
    "n_estimators": 9,
    "learning_rate": 0.2,
    "subsample": 0.7,
    "colsample_bytree": 0.6,
    "random_state": 7,
    "n_jobs": 2,
}
LGB_ONLY = {
    "num_leaves": 5,
    "max_bin": 15,
    "subsample_freq": 1,
    "min_child_samples": 3,
    "reg_lambda": 1.0,
    "deterministic": True,
}


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("xgboost", XGB, {**COMMON, "max_depth": 3, "max_bin": 16, "tree_method": "hist"}),
        ("lightgbm", LGB, {**COMMON, **LGB_ONLY}),
    ],
)
def test_trees(name: str, options: object, expected: dict[str, object]) -> None:
    cfg = MODEL.model_copy(update={name: options})
    classifier = build_classifier(cfg, name, seed=7, n_jobs=2)
    assert isinstance(classifier, BoostedTrees)
    assert classifier.early_stopping_rounds == 4
    assert classifier.estimator.get_params().items() >= expected.items()
