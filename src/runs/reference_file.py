"""What a run leaves for monitoring: the signals of its labelled products, out of fold."""

from __future__ import annotations

from src.artifacts.store import ArtifactStore, Run
from src.config import Config
from src.monitoring.reference import About, build_reference, choose_rows, judge_answers, to_json
from src.monitoring.signals import SignalReader
from src.runs.types import Trained, Transformed


def save_reference(
    store: ArtifactStore, run: Run, cfg: Config, transformed: Transformed, trained: Trained
) -> None:
    """Save the reference profile: a sample of labelled products, hold-out first."""
    oof = trained.oof
    rows = choose_rows(oof.folds, cfg.monitoring.reference_rows, cfg.compute.seed)
    reader = SignalReader.of(trained.final_model, in_training=True)
    signals = reader.read(transformed.train.iloc[rows], oof.proba[rows])
    answers = judge_answers(oof.proba, transformed.y, oof.classes)
    about = About(run.run_id, cfg.model.name, run.snapshot, run.synthetic)
    reference = build_reference(signals, answers, about)
    store.save(store.reference_profile, to_json(reference), run=run, stage="train")
