"""What the runner keeps of a run: models, scores, predictions, and records in the database."""

from __future__ import annotations

import itertools

import numpy as np

from src.artifacts import ArtifactStore, Run
from src.cache import ExtractionCache
from src.config import Config
from src.data import postgres
from src.labels import Labels
from src.monitoring.reference import (
    About,
    build_reference,
    choose_rows,
    judge_answers,
    to_json,
)
from src.monitoring.signals import SignalReader
from src.pipeline_steps.score_files import picture_files, shared_files, split_files
from src.pipeline_steps.types import Evaluated, Trained, Transformed
from src.pipelines.extraction import extract
from src.pipelines.product_keys import product_keys
from src.pipelines.product_model import FullPipeline
from src.pipelines.text_pipeline import LanguageExtractor


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
        items = transformed.train.items
        columns = ("designation", "description", "image_path")
        keys = product_keys(*(items[name].tolist() for name in columns))
        bundle = FullPipeline(
            extractors=transformed.extractors,
            model=trained.final_model,
            threshold=trained.threshold,
            labels=labels.names,
            themes=labels.themes,
            seen=np.unique(keys),
            kind=kind,
            run_id=run.run_id,
            data_hash=run.snapshot,
            synthetic=run.synthetic,
        )
        store.save(store.full_pipeline(kind), bundle, run=run, stage="train")


def save_reference(
    store: ArtifactStore,
    run: Run,
    cfg: Config,
    transformed: Transformed,
    trained: Trained,
    cache: ExtractionCache,
) -> None:
    """Save what lots are compared with: products as a model that had not seen them saw them."""
    outside, train = trained.outside, transformed.train
    rows = choose_rows(outside.folds, cfg.monitoring.reference_rows, cfg.compute.seed)
    reader = SignalReader.of(trained.final_model, seen=True)
    items = train.items.iloc[rows]
    languages = extract(items, [LanguageExtractor()], cache).table["language"]
    extracted = transformed.extracted.take(rows).with_column("language", languages)
    signals = reader.read(items, extracted, outside.proba[rows])
    answers = judge_answers(outside.proba, train.labels, outside.classes)
    about = About(run.run_id, cfg.model.name, run.snapshot, run.synthetic)
    reference = build_reference(signals, answers, about)
    store.save(store.reference_profile, to_json(reference), run=run, stage="train")


def save_scores(
    store: ArtifactStore, run: Run, cfg: Config, labels: Labels, evaluated: Evaluated
) -> None:
    """Save tables, reports and pictures of every split, and the submission."""
    writers = [split_files, picture_files] if cfg.outputs.figures else [split_files]
    for scored, files in itertools.product(evaluated.scored, writers):
        for path, value in files(store, run, cfg.model.name, labels, scored):
            store.save(path, value, run=run, stage="evaluate")
    for path, value in shared_files(store, evaluated):
        store.save(path, value, run=run, stage="evaluate")
    if cfg.outputs.submission:
        submission = evaluated.submission.reset_index(names="")
        store.save(store.submission, submission, run=run, stage="evaluate")


def register(cfg: Config, run: Run, transformed: Transformed, evaluated: Evaluated) -> None:
    """Write split and scores beside the data, where the data came from the database."""
    if cfg.data.source != "postgres":
        return
    url = postgres.database_url()
    names = ["holdout" if held else "train" for held in transformed.holdout.tolist()]
    postgres.write_splits(url, run.snapshot, transformed.train.items["productid"].tolist(), names)
    postgres.write_model(
        url,
        run_id=run.run_id,
        kind=cfg.model.name,
        phase="holdout",
        data_hash=run.snapshot,
        scores=evaluated.scored[0].scores,
        config_digest=run.config,
    )
