"""Every kind of the configuration builds, with the configured parameters."""

from __future__ import annotations

import dataclasses

from sklearn.linear_model import LogisticRegression

from src.config import LinearSvc, Logreg, load_config
from src.models.kinds import build_head
from src.models.linear_ovr import ThreadedLinearSVC

MODEL = load_config().model


def test_linear_svc() -> None:
    cfg = dataclasses.replace(
        MODEL, name="linear_svc", linear_svc=LinearSvc(0.2, balanced=True, max_iter=9)
    )
    head = build_head(cfg, cfg.name, seed=7, n_jobs=2)
    assert isinstance(head, ThreadedLinearSVC)
    assert (head.C, head.class_weight) == (0.2, "balanced")
    assert (head.random_state, head.n_jobs, head.max_iter) == (7, 2, 9)


def test_logreg() -> None:
    cfg = dataclasses.replace(MODEL, name="logreg", logreg=Logreg(3.0, balanced=False, max_iter=5))
    head = build_head(cfg, cfg.name, seed=7, n_jobs=2)
    assert isinstance(head, LogisticRegression)
    assert (head.C, head.class_weight, head.max_iter) == (3.0, None, 5)
