"""Every kind of model and the baselines B0 to B5 on the same folds: ``scripts/train.py``.

What is fitted is a *part*: one kind on the branches of one expert or on all of them, cross-fitted
over all labelled rows. The systems are made of parts: B5 of one for each expert. Each part is kept
as soon as it is done, so that a comparison that was killed goes on where it stopped. The kind
"plain" is scikit-learn alone on the texts, as anybody would write it: a B2 beside the text expert.
"""

import dataclasses
import functools
import hashlib
import logging
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline, make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import LinearSVC

from src.artifacts.store import ArtifactStore, Run
from src.config import Config
from src.data.splits import split_folds
from src.errors import ArtifactError, ValidationError
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
LATE_FUSION, PLAIN = "late_fusion", "plain"
PLAIN_ROWS = 10  # of each class: CalibratedClassifierCV wants 5 beside every fold
Fitted: TypeAlias = Mapping[str, np.ndarray]


class Part(NamedTuple):
    """One kind of model on the branches of one expert, or on "all"."""

    expert: str
    kind: str


class System(NamedTuple):
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
    if PLAIN in kinds and TEXT in experts:
        systems.append(System("B2", PLAIN, (Part(TEXT, PLAIN),)))
    kinds = [kind for kind in kinds if kind != PLAIN]
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
    transformed = transformed.of_catalogue()
    store, snapshot = ArtifactStore(cfg.paths), transformed.snapshot
    with store.writing():
        run = Run.start(snapshot.data_hash, synthetic=snapshot.synthetic, config=cfg.digest())
        folds = split_folds(transformed.y, transformed.groups, cfg.cv.n_folds, cfg.compute.seed)
        rows = transformed.train.assign(fold=folds)
        systems = _plan(kinds, cfg, transformed.branches, rows)
        bench = Bench(cfg, store, run, rows, transformed.branches)
        parts = sorted({part for system in systems for part in system.parts})
        done = {part: bench.fit(part, fresh=fresh) for part in progress(parts, "models")}
        compared = _score(systems, done, rows, run, cfg.compute.seed)
        store.save(store.comparison, compared.systems, run=run, stage="compare")
        store.save(store.comparison_pairs, compared.pairs, run=run, stage="compare")
    return compared


@dataclasses.dataclass(frozen=True, eq=False)
class Bench:
    """Fits parts, or finds what an earlier run of the same work left.

    A fitted part is its out-of-fold margins, shape (n, n_classes), and what they took.
    """

    cfg: Config
    store: ArtifactStore
    run: Run
    rows: pd.DataFrame  # the n labelled products, and in which fold each is left out
    branches: Sequence[Branch]

    def fit(self, part: Part, *, fresh: bool) -> Fitted:
        """Return a part: from its file where there is one, and not `fresh`."""
        path = self.store.comparison_part(self._work, "_".join(part))
        if path.exists() and not fresh:
            try:
                return dict(self.store.load(path))
            except ArtifactError as e:
                logger.warning("fitted anew: %s", e.message)
        fitted = self._cross_fit(part)
        self.store.save(path, fitted, run=self.run, stage="compare")
        return fitted

    def _cross_fit(self, part: Part) -> Fitted:
        branches, cost = branches_of(self.branches, part.expert), Cost()
        if part.kind == PLAIN:
            expert, present = plain_model(), np.ones(len(self.rows), dtype=bool)
        else:
            expert = build_expert(self.cfg, branches, part.kind)
            present = _present(self.rows, branches)
        y, groups, folds = (self.rows[name].to_numpy() for name in ("prdtypecode", "group", "fold"))
        with PeakMemory() as peak:
            margins = cross_fit(expert, self.rows, y, groups, folds, present, cost)
        logger.info("  %-12s %-12s %8.1f s", *part, cost.fit_s)
        rate = cost.predicted / max(cost.predict_s, 1e-9)
        costs = {"fit_s": cost.fit_s, "predict_rows_s": rate, "peak_mb": peak.megabytes}
        return {"margins": margins, **{name: np.array(value) for name, value in costs.items()}}

    @functools.cached_property
    def _work(self) -> str:
        """Name data, settings and folds: a part of other work is never taken for this one's.

        The snapshot is of the three files alone: images, corrected labels and the maps of labels
        and translations show in what was extracted.
        """
        digest = hashlib.sha256(f"{self.run.snapshot} {self.run.config}".encode())
        digest.update(pd.util.hash_pandas_object(self.rows, index=False).to_numpy().data)
        return digest.hexdigest()[:16]


class _LogProbabilities(CalibratedClassifierCV):
    """Its decisions are the logs of its probabilities, which nothing calibrates once more."""

    def decision_function(self, X: pd.DataFrame) -> np.ndarray:
        return np.log(np.maximum(self.predict_proba(X), np.finfo(np.float64).tiny))


def plain_model(**vocabulary: int) -> Pipeline:
    """Return the kind "plain", not fitted; `vocabulary` is more for both `TfidfVectorizer`."""
    options = {"min_df": 2, "sublinear_tf": True, **vocabulary}
    words = TfidfVectorizer(ngram_range=(1, 2), **options)
    chars = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), **options)
    classifier = _LogProbabilities(LinearSVC(C=0.5, random_state=0), cv=5)
    return make_pipeline(FunctionTransformer(_texts), make_union(words, chars), classifier)


def _texts(table: pd.DataFrame) -> pd.Series:
    return table["designation"] + " " + table["description"]


def _present(rows: pd.DataFrame, branches: Sequence[Branch]) -> np.ndarray:
    """Return of which products some branches have input: bool, shape (n,)."""
    return rows[list(required_columns(branches))].any(axis=1).to_numpy()


def _plan(
    kinds: Sequence[str], cfg: Config, branches: Sequence[Branch], rows: pd.DataFrame
) -> list[System]:
    """Plan for the experts that are switched on and that enough products have input of."""
    experts, counts = {}, rows["prdtypecode"].value_counts()
    if PLAIN in kinds and counts.min() < PLAIN_ROWS:
        raise ValidationError(
            f"class {counts.idxmin()} has {counts.min()} rows: CalibratedClassifierCV wants 5 in "
            f"every training fold, so the kind {PLAIN} expects {PLAIN_ROWS}",
            next_command="python scripts/train.py --help",
        )
    for expert, kind in cfg.model.late_fusion.model_dump().items():
        if own := branches_of(branches, expert):
            present = _present(rows, own)
            if can_cross_fit(rows["prdtypecode"].to_numpy(), rows["fold"].to_numpy(), present):
                experts[expert] = kind
            else:
                logger.warning("%s left out: %d products have its input", expert, present.sum())
    return plan_systems(kinds, experts)


def _score(
    systems: list[System], parts: dict[Part, Fitted], rows: pd.DataFrame, run: Run, seed: int
) -> Compared:
    probabilities = {s.name: _probabilities(s, parts, rows, seed) for s in systems}
    y, groups = rows["prdtypecode"].to_numpy(), rows["group"].to_numpy()
    answers = y, probabilities, np.unique(y)
    scores = score_systems(*answers, groups=groups, seed=seed).drop(columns="system")
    pairs = score_pairs(*answers, groups=groups, seed=seed)
    named = [(system.code, NAMES[system.code], system.kind) for system in systems]
    about = pd.DataFrame(named, columns=["system", "name", "kind"]).assign(rows=len(y))
    text = next((s.name for s in systems if s.code == "B2"), "")
    beside = pairs[pairs["versus"] == text].set_index("system").reindex(list(probabilities))
    beside = beside.fillna({"versus": ""}).reset_index(drop=True)
    costs = pd.DataFrame([_cost(system, parts) for system in systems])
    table = pd.concat([about, scores, beside, costs], axis=1)
    return Compared(table.assign(synthetic=run.synthetic, run_id=run.run_id), pairs)


def _probabilities(
    system: System, parts: dict[Part, Fitted], rows: pd.DataFrame, seed: int
) -> np.ndarray:
    codes = np.unique(rows["prdtypecode"], return_inverse=True)[1]
    folds = rows["fold"].to_numpy()
    if system.kind == PLAIN:
        return np.exp(parts[system.parts[0]]["margins"])
    if system.parts:
        margins = {part.expert: parts[part]["margins"] for part in system.parts}
        return OutOfFold(margins, folds, gating_conditions(rows), codes).probabilities
    return by_share(SHARE_STRATEGIES[system.code], codes, folds, seed)


def _cost(system: System, parts: dict[Part, Fitted]) -> dict[str, float]:
    """Sum what the parts took; a system answers as slowly as its parts one after the other."""
    fitted = [parts[part] for part in system.parts]
    if not fitted:
        return {"fit_s": 0.0, "predict_rows_s": np.nan, "peak_mb": 0.0}
    return {
        "fit_s": float(sum(part["fit_s"] for part in fitted)),
        "predict_rows_s": float(1 / sum(1 / part["predict_rows_s"] for part in fitted)),
        "peak_mb": float(max(part["peak_mb"] for part in fitted)),
    }
