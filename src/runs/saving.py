"""What the runner keeps of a run: models, scores, predictions, and records in the database."""

import itertools
from typing import Any

import numpy as np

from src.artifacts.store import ArtifactStore, Run
from src.config import Config
from src.data import postgres
from src.data.database_url import database_url
from src.evaluation.model_card import model_card
from src.labels import Labels
from src.monitoring.reference import About, build_reference, choose_rows, judge_answers, to_json
from src.monitoring.signals import SignalReader
from src.pipelines.neighbours import Neighbours
from src.pipelines.product_keys import product_keys
from src.pipelines.product_model import TEXT, FullPipeline, feature_mapping
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
    """Save both phases, the one file that serving loads, and what answers are compared with.

    Beside them which columns belong to which branch.
    """
    kind = cfg.model.name
    mapping = feature_mapping(trained.holdout_model, transformed.extractors)
    store.save(store.feature_mapping, mapping, run=run, stage="train")
    phases = {"holdout": trained.holdout_model, "final": trained.final_model}
    for phase, model in phases.items():
        store.save(store.model(kind, phase), model, run=run, stage="train")
    if cfg.outputs.full_pipeline:
        table, model = transformed.train, trained.final_model
        keys = product_keys(table)
        bundle = FullPipeline(
            extractors=transformed.extractors,
            model=model,
            threshold=trained.threshold,
            labels=labels.names,
            themes=labels.themes,
            training_keys=np.unique(keys),
            kind=kind,
            run_id=run.run_id,
            data_hash=run.snapshot,
            synthetic=run.synthetic,
            training_range=TrainingRange.of(table, model),
        )
        store.save(store.full_pipeline(kind), bundle, run=run, stage="train")
        if cfg.outputs.neighbours:
            neighbours = Neighbours.of(table, model, keys)
            store.save(store.neighbours, neighbours, run=run, stage="train")


def save_reference(
    store: ArtifactStore, run: Run, cfg: Config, transformed: Transformed, trained: Trained
) -> None:
    """Save the reference profile: a sample of labelled products, hold-out first.

    Beside it, where some experts need the text alone, the same of their answers: a batch that comes
    without its images is compared with them.
    """
    oof, about = trained.oof, About(run.run_id, cfg.model.name, run.snapshot, run.synthetic)
    reader = SignalReader.of(trained.final_model, in_training=True)

    def profile(proba: np.ndarray) -> dict[str, Any]:
        """Return the reference of the rows that have an answer."""
        answered = np.flatnonzero(~np.isnan(proba[:, 0]))
        most, seed = cfg.monitoring.reference_rows, cfg.compute.seed
        rows = answered[choose_rows(oof.folds[answered], most, seed)]
        table = transformed.train.iloc[rows]
        signals = reader.read(table, proba[rows])
        answers = judge_answers(proba[answered], transformed.y[answered], oof.classes)
        ids = table["productid"].to_numpy(dtype=np.int64)
        return to_json(build_reference(signals, answers, about, ids))

    content = profile(oof.proba)
    if TEXT in oof.modality_proba and len(oof.modality_proba) > 1:
        content["text_alone"] = profile(oof.modality_proba[TEXT])
    store.save(store.reference_profile, content, run=run, stage="train")


def save_scores(
    store: ArtifactStore, run: Run, cfg: Config, labels: Labels, evaluated: Evaluated
) -> None:
    """Save tables, reports and figures of every split, the answers to test products, submission."""
    writers = [split_files, figure_files] if cfg.outputs.figures else [split_files]
    for scored, files in itertools.product(evaluated.scored, writers):
        for path, value in files(store, run, cfg.model.name, labels, scored):
            store.save(path, value, run=run, stage="evaluate")
    for path, value in shared_files(store, evaluated):
        store.save(path, value, run=run, stage="evaluate")
    answers = store.predictions(cfg.model.name, "test")
    store.save(answers, evaluated.answers, run=run, stage="evaluate")
    if cfg.outputs.submission:
        submission = evaluated.submission.reset_index(names="")
        store.save(store.submission, submission, run=run, stage="evaluate")


def save_model_card(store: ArtifactStore, run: Run, kind: str, ingested: Ingested) -> None:
    """Write the card from the hold-out's files as they were saved."""
    metrics = store.load(store.metrics(kind, "holdout", ".json"))
    by_class = store.load(store.metrics(kind, "holdout", "_per_class.csv"))
    card = model_card(
        metrics,
        by_class,
        config=run.config,
        train_rows=len(ingested.train),
        rows_with_image=int((ingested.train["image"] != "").sum()),
        corrections=str(ingested.corrected or ""),
    )
    store.save(store.model_card, card, run=run, stage="evaluate")


def register(
    cfg: Config,
    store: ArtifactStore,
    run: Run,
    transformed: Transformed,
    evaluated: Evaluated,
    *,
    served: bool,
) -> None:
    """Tell of the run: the tracking server, and the database where the data came from it."""
    if cfg.tracking.uri:
        from src.runs import tracking

        tracking.log_run(cfg, store, run)
    if cfg.data.source != "postgres":
        return
    url = database_url(cfg.paths.workspace)
    names = ["holdout" if held else "train" for held in transformed.holdout.tolist()]
    postgres.write_splits(url, run.snapshot, transformed.train["productid"].tolist(), names)
    for phase in ("holdout", "final"):
        path = store.model(cfg.model.name, phase)
        postgres.write_model(
            url,
            run_id=run.run_id,
            kind=cfg.model.name,
            phase=phase,
            data_hash=run.snapshot,
            scores=evaluated.scored[0].scores,
            config_digest=run.config,
            artifact=path.name,
            artifact_sha256=store.describe(path)["sha256"],
        )
    if served:
        postgres.mark_served(url, run.run_id)
