"""What a run leaves for monitoring: the signals of its labelled products, out of fold."""

from __future__ import annotations

from typing import Any

import numpy as np

from src.artifacts.store import ArtifactStore, Run
from src.config import Config
from src.monitoring.reference import About, build_reference, choose_rows, judge_answers, to_json
from src.monitoring.signals import SignalReader
from src.pipelines.product_model import TEXT
from src.runs.types import Trained, Transformed


def save_reference(
    store: ArtifactStore, run: Run, cfg: Config, transformed: Transformed, trained: Trained
) -> None:
    """Save the reference profile: a sample of labelled products, hold-out first.

    Beside it, where a text expert answers alone, the same of its answers: a batch that comes
    without its images is compared with them.
    """
    about = About(run.run_id, cfg.model.name, run.snapshot, run.synthetic)
    reader = SignalReader.of(trained.final_model, in_training=True)

    def profile(proba: np.ndarray) -> dict[str, Any]:
        """Return the reference of the rows that have an answer."""
        answered = np.flatnonzero(~np.isnan(proba[:, 0]))
        chosen = choose_rows(
            trained.oof.folds[answered], cfg.monitoring.reference_rows, cfg.compute.seed
        )
        rows = answered[chosen]
        signals = reader.read(transformed.train.iloc[rows], proba[rows])
        answers = judge_answers(proba[answered], transformed.y[answered], trained.oof.classes)
        return to_json(build_reference(signals, answers, about))

    content, experts = profile(trained.oof.proba), trained.oof.expert_proba
    if TEXT in experts and len(experts) > 1:
        content["text_alone"] = profile(experts[TEXT])
    store.save(store.reference_profile, content, run=run, stage="train")
