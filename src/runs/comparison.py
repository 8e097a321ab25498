"""Every kind of model and the baselines B0 to B5 on the same folds: ``scripts/train.py``.

What is fitted is a *part*: one kind on the branches of one expert or on all of them, cross-fitted
over all labelled rows. The systems are made of parts: B5 of one for each expert. Each part is kept
as soon as it is done, so that a comparison that was killed goes on where it stopped.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import logging
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from src.artifacts.store import ArtifactStore, Run
from src.config import Config
from src.data.splits import split_folds
from src.errors import ArtifactError
from src.evaluation.systems import score_pairs, score_systems
from src.models.cross_validation import Cost, by_share, can_cross_fit, cross_fit
from src.models.gating import OutOfFold, gating_conditions
from src.pipelines.branches import Branch
from src.pipelines.product_model import (
    ALL,
    IMAGE,
    TEXT,
    branches_of,
    build_expert,
    required_columns,
)
from src.pipelines.text_pipeline import ENCODER
from src.runs.types import Transformed
from src.utils.profiling import PeakMemory, progress

logger = logging.getLogger(__name__)

NAMES = {
    "B0": "majority class",
    "B1": "random, by share",
    "B2": "text alone",
    "B3": "image alone",
    "B4": "all side by side",
    "B5": "late fusion",
}
SHARE_STRATEGIES = {"B0": "prior", "B1": "stratified"}
LATE_FUSION = "late_fusion"


@dataclasses.dataclass(frozen=True, order=True)
class Part:
    """One kind of model on the branches of one expert, or on "all"."""

    expert: str
    kind: str


@dataclasses.dataclass(frozen=True)
class System:
    """One row of the comparison: "B0" to "B5", of experts of a kind.

    The kind "late_fusion" has the experts of ``[model.late_fusion]``; two systems have no parts,
    they read no product.
    """

    code: str
    kind: str
    parts: tuple[Part, ...] = ()

    @property
    def name(self) -> str:
        """Name that is unique in a comparison."""
        return f"{self.code} {self.kind}".strip()


class Compared(NamedTuple):
    """One row a system, as in ``models/compare_cv_results.csv``; one row a pair of systems."""

    systems: pd.DataFrame
    pairs: pd.DataFrame


def plan_systems(kinds: Sequence[str], experts: Mapping[str, str]) -> list[System]:
    """Return the systems of a comparison of these kinds.

    `experts` are those that can be fitted, with their kinds in ``[model.late_fusion]``. B2 is the
    text's n-grams, or its encoder where there are none; B4 and B5 take two experts or more.
    """
    systems = [System("B0", ""), System("B1", "")]
    text = next((expert for expert in (TEXT, ENCODER) if expert in experts), "")
    for code, expert in (("B2", text), ("B3", IMAGE)):
        if expert in experts:
            own = dict.fromkeys([*kinds, experts[expert]])
            systems += [System(code, kind, (Part(expert, kind),)) for kind in own]
    if len(experts) < 2:
        return systems
    systems += [System("B4", kind, (Part(ALL, kind),)) for kind in kinds]
    fused = {kind: dict.fromkeys(experts, kind) for kind in kinds} | {LATE_FUSION: experts}
    return systems + [
        System("B5", kind, tuple(Part(*pair) for pair in of.items())) for kind, of in fused.items()
    ]


def compare(
    cfg: Config, transformed: Transformed, kinds: Sequence[str], *, fresh: bool
) -> Compared:
    """Cross-validate, score, save; `fresh` fits anew what an earlier comparison left."""
    store, snapshot = ArtifactStore(cfg.paths), transformed.snapshot
    with store.writing():
        run = Run.start(snapshot.data_hash, synthetic=snapshot.synthetic, config=cfg.digest())
        y, groups = transformed.y, transformed.groups
        folds = split_folds(y, groups, cfg.cv.n_folds, cfg.compute.seed)
        rows = LabelledRows(transformed.train, y, groups, folds)
        systems = _plan(kinds, cfg, transformed.branches, rows)
        bench = Bench(cfg, store, run, rows, transformed.branches)
        parts = sorted({part for system in systems for part in system.parts})
        done = {part: bench.fit(part, fresh=fresh) for part in progress(parts, "models")}
        compared = _score(systems, done, rows, run, cfg.compute.seed)
        store.save(store.comparison, compared.systems, run=run, stage="compare")
        store.save(store.comparison_pairs, compared.pairs, run=run, stage="compare")
    return compared


@dataclasses.dataclass(frozen=True, eq=False)
class LabelledRows:
    """The n labelled products, and the folds that every part is fitted on."""

    X: pd.DataFrame
    y: np.ndarray
    groups: np.ndarray
    folds: np.ndarray

    def present(self, branches: Sequence[Branch]) -> np.ndarray:
        """Return of which products some branches have input: bool, shape (n,)."""
        return self.X[list(required_columns(branches))].any(axis=1).to_numpy()


@dataclasses.dataclass(frozen=True, eq=False)
class FittedPart:
    """Out-of-fold margins, shape (n, n_classes), and what they took."""

    margins: np.ndarray
    fit_s: float
    predict_rows_s: float
    peak_mb: float


@dataclasses.dataclass(frozen=True, eq=False)
class Bench:
    """Fits parts, or finds what an earlier run of the same work left."""

    cfg: Config
    store: ArtifactStore
    run: Run
    rows: LabelledRows
    branches: Sequence[Branch]

    def fit(self, part: Part, *, fresh: bool) -> FittedPart:
        """Return a part: from its file where there is one, and not `fresh`."""
        path = self.store.comparison_part(self._work, f"{part.expert}_{part.kind}")
        if path.exists() and not fresh:
            try:
                kept = self.store.load(path)
                return FittedPart(kept["margins"], *map(float, kept["figures"]))
            except ArtifactError as e:
                logger.warning("fitted anew: %s", e.message)
        fitted = self._cross_fit(part)
        costs = np.array([fitted.fit_s, fitted.predict_rows_s, fitted.peak_mb])
        value = {"margins": fitted.margins, "figures": costs}
        self.store.save(path, value, run=self.run, stage="compare")
        return fitted

    def _cross_fit(self, part: Part) -> FittedPart:
        rows, cost = self.rows, Cost()
        branches = branches_of(self.branches, part.expert)
        present = rows.present(branches)
        expert = build_expert(self.cfg, branches, part.kind)
        with PeakMemory() as peak:
            margins = cross_fit(expert, rows.X, rows.y, rows.groups, rows.folds, present, cost)
        rate = cost.predicted / max(cost.predict_s, 1e-9)
        logger.info("  %-12s %-12s %8.1f s", part.expert, part.kind, cost.fit_s)
        return FittedPart(margins, cost.fit_s, rate, peak.megabytes)

    @functools.cached_property
    def _work(self) -> str:
        """Name data, settings and folds: a part of other work is never taken for this one's.

        The snapshot is of the three files alone: images, corrected labels and the maps of labels
        and translations show in what was extracted.
        """
        digest = hashlib.sha256(f"{self.run.snapshot} {self.run.config}".encode())
        digest.update(np.ascontiguousarray(self.rows.folds).data)
        digest.update(pd.util.hash_pandas_object(self.rows.X, index=False).to_numpy().data)
        return digest.hexdigest()[:16]


def _plan(
    kinds: Sequence[str], cfg: Config, branches: Sequence[Branch], rows: LabelledRows
) -> list[System]:
    """Plan for the experts that are switched on and that enough products have input of."""
    experts = {}
    for expert, kind in cfg.model.late_fusion.model_dump().items():
        if own := branches_of(branches, expert):
            present = rows.present(own)
            if can_cross_fit(rows.y, rows.folds, present):
                experts[expert] = kind
            else:
                logger.warning("%s left out: %d products have its input", expert, present.sum())
    return plan_systems(kinds, experts)


def _score(
    systems: list[System],
    parts: dict[Part, FittedPart],
    rows: LabelledRows,
    run: Run,
    seed: int,
) -> Compared:
    probabilities = {s.name: _probabilities(s, parts, rows, seed) for s in systems}
    classes = np.unique(rows.y)
    answers = rows.y, probabilities, classes
    scores = score_systems(*answers, groups=rows.groups, seed=seed).drop(columns="system")
    pairs = score_pairs(*answers, groups=rows.groups, seed=seed)
    about = pd.DataFrame([dataclasses.asdict(s) for s in systems]).drop(columns="parts")
    about = about.rename(columns={"code": "system"}).assign(rows=len(rows.y))
    about.insert(1, "name", about["system"].map(NAMES))
    against = pairs.set_index(["system", "versus"])
    text = next((s.name for s in systems if s.code == "B2"), "")
    beside = [_beside(against, system.name, text) for system in systems]
    costs = pd.DataFrame([_cost(system, parts) for system in systems])
    table = pd.concat([about, scores, pd.DataFrame(beside), costs], axis=1)
    return Compared(table.assign(synthetic=run.synthetic, run_id=run.run_id), pairs)


def _probabilities(
    system: System, parts: dict[Part, FittedPart], rows: LabelledRows, seed: int
) -> np.ndarray:
    codes = np.unique(rows.y, return_inverse=True)[1]
    if system.parts:
        margins = {part.expert: parts[part].margins for part in system.parts}
        oof = OutOfFold(margins, rows.folds, gating_conditions(rows.X), codes)
        return oof.probabilities
    return by_share(SHARE_STRATEGIES[system.code], codes, rows.folds, seed)


def _beside(against: pd.DataFrame, system: str, text: str) -> dict[str, object]:
    if (system, text) not in against.index:
        return {"versus": "", "difference": np.nan}
    pair = against.loc[[(system, text)]].iloc[0]
    return {"versus": text, **{str(name): float(value) for name, value in pair.items()}}


def _cost(system: System, parts: dict[Part, FittedPart]) -> dict[str, float]:
    """Sum what the parts took; a system answers as slowly as its parts one after the other."""
    fitted = [parts[part] for part in system.parts]
    if not fitted:
        return {"fit_s": 0.0, "predict_rows_s": np.nan, "peak_mb": 0.0}
    rate = 1 / sum(1 / part.predict_rows_s for part in fitted)
    fit_s, peak_mb = sum(p.fit_s for p in fitted), max(p.peak_mb for p in fitted)
    return {"fit_s": fit_s, "predict_rows_s": rate, "peak_mb": peak_mb}
