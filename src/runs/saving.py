"""What the runner keeps of a run: models, scores, predictions, and records in the database."""

from __future__ import annotations

import itertools

import numpy as np

from src.artifacts.store import ArtifactStore, Run
from src.config import Config
from src.data import postgres
from src.data.database_url import database_url
from src.evaluation.model_card import About, model_card
from src.labels import Labels
from src.pipelines.product_keys import product_keys
from src.pipelines.product_model import FullPipeline
from src.pipelines.training_range import TrainingRange
from src.runs.score_files import figure_files, shared_files, split_files
from src.runs.types import Evaluated, Ingested, Trained, Transformed


def save_models(
    store: ArtifactStore,
    run: Run,
    cfg: Config,
    labels: Labels,
    transformed: Transformed,
    trained: Trained,
) -> None:
    """Save both phases, and the one file that serving loads."""
    kind = cfg.model.name
    phases = {"holdout": trained.holdout_model, "final": trained.final_model}
    for phase, model in phases.items():
        store.save(store.model(kind, phase), model, run=run, stage="train")
    if cfg.outputs.full_pipeline:
        keys = product_keys(transformed.train)
        bundle = FullPipeline(
            extractors=transformed.extractors,
            model=trained.final_model,
            threshold=trained.threshold,
            labels=labels.names,
            themes=labels.themes,
            training_keys=np.unique(keys),
            kind=kind,
            run_id=run.run_id,
            data_hash=run.snapshot,
            synthetic=run.synthetic,
            training_range=TrainingRange.of(transformed.train, trained.final_model),
        )
        store.save(store.full_pipeline(kind), bundle, run=run, stage="train")


def save_scores(
    store: ArtifactStore, run: Run, cfg: Config, labels: Labels, evaluated: Evaluated
) -> None:
    """Save tables, reports and figures of every split, and the submission."""
    writers = [split_files, figure_files] if cfg.outputs.figures else [split_files]
    for scored, files in itertools.product(evaluated.scored, writers):
        for path, value in files(store, run, cfg.model.name, labels, scored):
            store.save(path, value, run=run, stage="evaluate")
    for path, value in shared_files(store, evaluated):
        store.save(path, value, run=run, stage="evaluate")
    if cfg.outputs.submission:
        submission = evaluated.submission.reset_index(names="")
        store.save(store.submission, submission, run=run, stage="evaluate")


def save_model_card(store: ArtifactStore, run: Run, kind: str, ingested: Ingested) -> None:
    """Write the card from the hold-out's files as they were saved."""
    metrics = store.load(store.metrics(kind, "holdout", ".json"))
    by_class = store.load(store.metrics(kind, "holdout", "_per_class.csv"))
    items = ingested.train
    corrections = str(ingested.corrected) if ingested.corrected else ""
    about = About(run.config, len(items), int((items["image"] != "").sum()), corrections)
    card = model_card(metrics, by_class, about)
    store.save(store.model_card, card, run=run, stage="evaluate")


def register(cfg: Config, run: Run, transformed: Transformed, evaluated: Evaluated) -> None:
    """Write split and scores beside the data, where the data came from the database."""
    if cfg.data.source != "postgres":
        return
    url = database_url()
    names = ["holdout" if held else "train" for held in transformed.holdout.tolist()]
    postgres.write_splits(url, run.snapshot, transformed.train["productid"].tolist(), names)
    postgres.write_model(
        url,
        run_id=run.run_id,
        kind=cfg.model.name,
        phase="holdout",
        data_hash=run.snapshot,
        scores=evaluated.scored[0].scores,
        config_digest=run.config,
    )
