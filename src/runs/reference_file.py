"""What a run leaves for monitoring: how its products looked to models that had not seen them."""

from __future__ import annotations

from src.artifacts.store import ArtifactStore, Run
from src.cache import ExtractionCache
from src.config import Config
from src.monitoring.reference import About, build_reference, choose_rows, judge_answers, to_json
from src.monitoring.signals import SignalReader
from src.pipeline_steps.types import Trained, Transformed
from src.pipelines.extraction import extract
from src.pipelines.text_pipeline import LanguageExtractor


def save_reference(
    store: ArtifactStore,
    run: Run,
    cfg: Config,
    transformed: Transformed,
    trained: Trained,
    cache: ExtractionCache,
) -> None:
    """Save the reference profile: a sample of labelled products, hold-out first."""
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
