"""Every kind of model and the baselines B0 to B5 on the same folds: ``scripts/train.py``.

What is fitted is a *part*: one kind on the text branches, on the image branches or on all of them,
cross-fitted over all labelled rows. The systems are made of parts: B5 of a text and an image part
that are there already. Each part is kept as soon as it is done, so that a comparison that was
killed goes on where it stopped.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import logging
from collections.abc import Sequence
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
from src.pipelines.extractor import HAS_IMAGE
from src.pipelines.product_model import branches_of, build_expert, required_columns
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
    """One kind of model on the branches of one modality: "text", "image" or "all"."""

    modality: str
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


def plan_systems(
    kinds: Sequence[str], cfg: Config, *, with_images: bool, with_text: bool = True
) -> list[System]:
    """Return the systems of a comparison of these kinds.

    Without images there is no B3, nor B4 and B5, which would be B2 again; without text likewise.
    """
    systems = [System("B0", ""), System("B1", "")]
    experts = cfg.model.late_fusion
    if with_text:
        text_kinds = dict.fromkeys([*kinds, experts.text])
        systems += [System("B2", kind, (Part("text", kind),)) for kind in text_kinds]
    if with_images:
        image_kinds = dict.fromkeys([*kinds, experts.image])
        systems += [System("B3", kind, (Part("image", kind),)) for kind in image_kinds]
    if not (with_text and with_images):
        return systems
    systems += [System("B4", kind, (Part("all", kind),)) for kind in kinds]
    pairs = {kind: (Part("text", kind), Part("image", kind)) for kind in kinds}
    pairs[LATE_FUSION] = (Part("text", experts.text), Part("image", experts.image))
    return systems + [System("B5", kind, parts) for kind, parts in pairs.items()]


def compare(
    cfg: Config, transformed: Transformed, kinds: Sequence[str], *, fresh: bool
) -> Compared:
    """Cross-validate, score, save; `fresh` fits anew what an earlier comparison left."""
    transformed = transformed.of_catalogue()
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
        path = self.store.comparison_part(self._work, f"{part.modality}_{part.kind}")
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
        branches = branches_of(self.branches, part.modality)
        present = rows.X[list(required_columns(branches))].any(axis=1).to_numpy()
        expert = build_expert(self.cfg, branches, part.kind)
        with PeakMemory() as peak:
            margins = cross_fit(expert, rows.X, rows.y, rows.groups, rows.folds, present, cost)
        rate = cost.predicted / max(cost.predict_s, 1e-9)
        logger.info("  %-5s %-12s %8.1f s", part.modality, part.kind, cost.fit_s)
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
    """Plan for the modalities that are switched on and that enough products have."""
    on = {branch.modality == "text" for branch in branches}
    has_image = rows.X[HAS_IMAGE].to_numpy(dtype=bool)
    enough = can_cross_fit(rows.y, rows.folds, has_image)
    if False in on and not enough:
        logger.warning("images left out: %d products have one", has_image.sum())
    return plan_systems(kinds, cfg, with_images=False in on and enough, with_text=True in on)


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
        margins = {part.modality: parts[part].margins for part in system.parts}
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
