"""The sections of the settings that say what is trained: ``[model]`` and ``[sampling]``.

Part of the tree of ``config.py``, which reads the file.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal

from src.typed_toml import Positive, Range, Share

Strength = Annotated[float, Range(1e-6, 1e6)]
Rate = Annotated[float, Range(0.001, 1.0)]
Bins = Annotated[int, Range(8, 255)]
Folds = Annotated[int, Range(2, 20)]


@dataclasses.dataclass(frozen=True)
class LinearSvc:
    """``[model.linear_svc]``."""

    C: Strength
    balanced: bool
    max_iter: Positive


@dataclasses.dataclass(frozen=True)
class Logreg:
    """``[model.logreg]``."""

    C: Strength
    balanced: bool
    max_iter: Positive


@dataclasses.dataclass(frozen=True)
class XGBoost:
    """``[model.xgboost]``."""

    n_estimators: Positive
    learning_rate: Rate
    max_depth: Annotated[int, Range(1, 20)]
    subsample: Rate
    colsample: Rate
    early_stopping_rounds: Positive
    max_bin: Bins


@dataclasses.dataclass(frozen=True)
class LightGBM:
    """``[model.lightgbm]``."""

    n_estimators: Positive
    learning_rate: Rate
    num_leaves: Annotated[int, Range(2, 1024)]
    subsample: Rate
    colsample: Rate
    early_stopping_rounds: Positive
    max_bin: Bins


HeadName = Literal["linear_svc", "logreg", "xgboost", "lightgbm"]


@dataclasses.dataclass(frozen=True)
class LateFusionOptions:
    """``[model.late_fusion]``: the kind of each expert."""

    text: HeadName
    image: HeadName


@dataclasses.dataclass(frozen=True)
class Model:
    """``[model]``: the one switch and the hyper-parameters of each kind."""

    name: Literal["linear_svc", "logreg", "xgboost", "lightgbm", "late_fusion"]
    n_folds: Folds
    late_fusion: LateFusionOptions
    linear_svc: LinearSvc
    logreg: Logreg
    xgboost: XGBoost
    lightgbm: LightGBM


@dataclasses.dataclass(frozen=True)
class Sampling:
    """``[sampling]``: bounds on the size of a class in training rows."""

    enabled: bool
    cap: Annotated[float, Range(1.0, 1000.0)]
    floor: Share
