"""`build_model`: the unfitted model of a configuration; `FullPipeline`: what serving loads."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline, make_pipeline

from src.config import Config
from src.data.sampling import Sampling
from src.errors import ConfigError
from src.features.networks.fine_tuning import FineTuned
from src.features.networks.runtime import NetworkFeaturizer
from src.features.tfidf.svd import CappedSVD
from src.models.classifiers import PARTITIONED, TREES, build_classifier
from src.models.late_fusion import LateFusion
from src.models.model_trainer import ModelTrainer
from src.models.partitioned import Partitioned
from src.pipelines.branches import Branch, BranchUnion, union_of
from src.pipelines.extractor import Extractor
from src.pipelines.registry import branch_weights
from src.pipelines.table import extract_table
from src.pipelines.training_range import TrainingRange

REVIEW_REASONS = (
    "nothing_to_read", "title_length", "description_length", "unknown_words", "language", "image",
)  # fmt: skip
TEXT, IMAGE, ALL = "text", "image", "all"
"""Experts: one a modality, and those of ``[model.late_fusion]`` beside; "all" for other kinds."""


def build_model(cfg: Config, branches: Sequence[Branch]) -> LateFusion:
    """Return the unfitted model that ``[model].name`` asks for, on these branches.

    Late fusion has the experts of ``[model.late_fusion]`` that there are branches of; any other
    kind is one expert, "all", on all branches side by side.
    """
    name = cfg.model.name
    kinds = cfg.model.late_fusion.model_dump() if name == "late_fusion" else {ALL: name}
    experts = [
        (expert, build_expert(cfg, own, kind))
        for expert, kind in kinds.items()
        if (own := branches_of(branches, expert))
    ]
    return LateFusion(
        experts,
        requires={expert: required_columns(branches_of(branches, expert)) for expert, _ in experts},
        single_fold=_single_fold(branches, [expert for expert, _ in experts]),
        n_folds=cfg.cv.n_folds,
        random_state=cfg.compute.seed,
    )


def _single_fold(branches: Sequence[Branch], experts: Sequence[str]) -> tuple[str, ...]:
    """Return the experts that are fitted beside one fold; not all of them can be."""
    found = tuple(
        expert
        for expert in experts
        if not all(branch.cross_fit for branch in branches_of(branches, expert))
    )
    if found and len(found) == len(experts):
        raise ConfigError(
            f"cross_fit = false for every expert ({', '.join(found)}): most products would have no "
            "answer out of fold; expected one expert at least that is cross-fitted",
            next_command="--set features.text.encoder.fine_tune.cross_fit=true "
            "--set features.image.cnn.fine_tune.cross_fit=true",
        )
    return found


def branches_of(branches: Sequence[Branch], expert: str) -> list[Branch]:
    """Return the branches that an expert reads."""
    return [branch for branch in branches if expert in {ALL, branch.expert}]


def required_columns(branches: Sequence[Branch]) -> tuple[str, ...]:
    """Return the columns of which one is true for a product that the branches have input of."""
    return tuple(sorted({f"has_{branch.modality}" for branch in branches}))


def build_expert(cfg: Config, branches: Sequence[Branch], kind: str) -> Pipeline:
    """Return the unfitted expert of one kind of classifier on these branches side by side.

    Trees get every sparse branch reduced, whatever ``[features.text.svd].enabled`` says.
    """
    if kind in TREES:
        dense = CappedSVD(cfg.features.text.svd.n_components)
        branches = [
            dataclasses.replace(branch, transformer=make_pipeline(branch.transformer, dense))
            for branch in branches
        ]
    classifier = build_classifier(cfg.model, kind, seed=cfg.compute.seed, n_jobs=cfg.compute.n_jobs)
    options = cfg.sampling
    sampling = Sampling(options.cap, options.floor, cfg.compute.seed) if options.enabled else None
    union = union_of(branches, branch_weights(cfg))
    steps = [("features", union), ("classifier", ModelTrainer(classifier, sampling))]
    if kind == PARTITIONED:
        rows, passes = cfg.model.sgd.partition_rows, cfg.model.sgd.passes
        return Partitioned(steps, rows=rows, passes=passes, random_state=cfg.compute.seed)
    return Pipeline(steps)


def feature_mapping(model: LateFusion, extractors: Sequence[Extractor]) -> dict[str, object]:
    """Return the JSON values of ``artifacts/feature_mapping.json``: the columns of each expert.

    "blocks" lists branch, start and stop of every expert's matrix, one after the other; "experts"
    says where the columns of each begin; "fine_tuning" has the epochs of each tuned network, and
    "networks" which files each network was made from.
    """
    blocks: list[dict[str, object]] = []
    experts, start = {}, 0
    steps = {branch: step for _, branch, step in model.fitted_steps(FineTuned)}
    tuned = {branch: step.history_ for branch, step in steps.items()}
    parts = {e.name: getattr(e, "featurizer", None) for e in extractors}
    parts |= {branch: step.featurizer_ for branch, step in steps.items()}
    networks = {n: p.origin() for n, p in parts.items() if isinstance(p, NetworkFeaturizer)}
    for name, expert in model.experts_.items():
        experts[name] = start
        union: BranchUnion = expert["features"]
        blocks += [
            {"branch": b.branch, "expert": name, "start": start + b.start, "stop": start + b.stop}
            for b in union.blocks_
        ]
        start += union.blocks_[-1].stop
    return {
        "columns": start,
        "experts": experts,
        "blocks": blocks,
        "fine_tuning": tuned,
        "networks": networks,
    }


@dataclasses.dataclass(frozen=True, eq=False)
class FullPipeline:
    """Everything that serving needs, in one file, so that files of two runs can't mix."""

    extractors: tuple[Extractor, ...]
    model: LateFusion
    threshold: float  # an answer less probable than this needs review
    labels: Mapping[int, Mapping[str, str]]  # by code and language
    themes: Mapping[int, str]
    training_keys: np.ndarray  # `product_keys` of the training products, ascending
    kind: str
    run_id: str
    data_hash: str
    synthetic: bool  # True when it learned from the demo shop
    training_range: TrainingRange

    def table(self, products: pd.DataFrame) -> pd.DataFrame:
        """Return the product table of n products (designation, description, image)."""
        return extract_table(products, self.extractors, cache=None)

    def readable(self, table: pd.DataFrame) -> np.ndarray:
        """Return of which of n products the model has something to read: bool, shape (n,).

        The others get the shares of the classes, which is no answer.
        """
        return np.any([self.model.present(table, name) for name in self.model.experts_], axis=0)

    def review_reasons(self, table: pd.DataFrame) -> list[tuple[str, ...]]:
        """Return, for each of n products, why its answer needs review whatever its probability.

        `REVIEW_REASONS` in their order, for products that are far outside of what training saw; the
        words for people stand under ``review`` in ``src/i18n``.
        """
        found = self.training_range.reasons(table, self.model)
        found[REVIEW_REASONS[0]] = ~self.readable(table)
        names = [name for name in REVIEW_REASONS if name in found]
        rows = np.column_stack([found[name] for name in names]).tolist()
        return [tuple(itertools.compress(names, row)) for row in rows]

    def predict_proba(self, products: pd.DataFrame) -> np.ndarray:
        """Return probabilities, shape (n, n_classes), columns as `model.classes_`."""
        return self.model.predict_proba(self.table(products))

    def predict(self, products: pd.DataFrame) -> np.ndarray:
        """Return the likeliest prdtypecode of n products, shape (n,)."""
        return self.model.predict(self.table(products))
