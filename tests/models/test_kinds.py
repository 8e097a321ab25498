"""Every kind of the configuration builds, with the configured parameters."""

from __future__ import annotations

import dataclasses

from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from src.config import LinearSvc, Logreg, load_config
from src.models.kinds import build_head

MODEL = load_config().model


def test_linear_svc() -> None:
    cfg = dataclasses.replace(MODEL, name="linear_svc", linear_svc=LinearSvc(C=0.2, balanced=True))
    head = build_head(cfg, seed=7)
    assert isinstance(head, LinearSVC)
    assert (head.C, head.class_weight, head.random_state) == (0.2, "balanced", 7)


def test_logreg() -> None:
    cfg = dataclasses.replace(MODEL, name="logreg", logreg=Logreg(3.0, balanced=False, max_iter=5))
    head = build_head(cfg, seed=7)
    assert isinstance(head, LogisticRegression)
    assert (head.C, head.class_weight, head.max_iter) == (3.0, None, 5)
