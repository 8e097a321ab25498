"""Every kind of the configuration builds, with the configured parameters."""

from __future__ import annotations

import dataclasses

import pytest
from sklearn.linear_model import LogisticRegression

from src.config import load_config
from src.config_model import LinearSvc, Logreg, Model
from src.models.boosted_trees import BoostedTrees
from src.models.classifiers import build_head
from src.models.linear_svm import ThreadedLinearSVC
from src.models.tree_libraries import LightGBM, TreeLibrary, XGBoost

MODEL = load_config().model


def test_linear_svc() -> None:
    options = LinearSvc(C=0.2, balanced=True, max_iter=9)
    cfg = MODEL.model_copy(update={"name": "linear_svc", "linear_svc": options})
    head = build_head(cfg, cfg.name, seed=7, n_jobs=2)
    assert isinstance(head, ThreadedLinearSVC)
    assert (head.C, head.class_weight) == (0.2, "balanced")
    assert (head.random_state, head.n_jobs, head.max_iter) == (7, 2, 9)


def test_logreg() -> None:
    options = Logreg(C=3.0, balanced=False, max_iter=5)
    cfg = MODEL.model_copy(update={"name": "logreg", "logreg": options})
    head = build_head(cfg, cfg.name, seed=7, n_jobs=2)
    assert isinstance(head, LogisticRegression)
    assert (head.C, head.class_weight, head.max_iter) == (3.0, None, 5)


@pytest.mark.parametrize(
    ("kind", "library"),
    [
        ("xgboost", XGBoost(9, 0.2, 3, 0.7, 0.6, 4, 16)),
        ("lightgbm", LightGBM(9, 0.2, 5, 0.7, 0.6, 4, 15)),
    ],
)
def test_trees(kind: str, library: TreeLibrary) -> None:
    cfg = Model.model_validate({kind: dataclasses.asdict(library)})
    head = build_head(cfg, kind, seed=7, n_jobs=2)
    assert isinstance(head, BoostedTrees)
    assert (head.library, head.random_state, head.n_jobs) == (library, 7, 2)


def test_the_libraries_start_from_the_configured_values() -> None:
    assert build_head(MODEL, "xgboost", seed=0, n_jobs=1).library == XGBoost()
    assert build_head(MODEL, "lightgbm", seed=0, n_jobs=1).library == LightGBM()
