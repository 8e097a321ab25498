"""The one table of file names: what a workspace holds, folder by folder."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Literal

from src.artifacts.manifest import MANIFEST
from src.config import Paths

Folder = Literal["run", "artifacts", "models", "results", "reports", "rapport", "demo"]
SERVING = "serving.json"  # the last file that a training writes: without it a run is not complete


def _file(folder: Folder, name: str) -> cached_property[Path]:
    """Return an attribute of `Names` that reads as the file's path."""
    return cached_property(lambda names: names.folder(folder) / name)


class Names:
    """Paths of every file that the platform writes.

    `run_id` is the run whose files the folder "run" holds: ``artifacts/runs/<run_id>``. None is the
    served run, whichever it is when a file is opened: ``artifacts`` itself, where links lead to it.
    """

    manifest = _file("artifacts", MANIFEST)
    lock = _file("artifacts", ".lock")

    serving = _file("run", SERVING)
    holdout = _file("run", "holdout.csv")
    feature_mapping = _file("run", "feature_mapping.json")
    catalogue = _file("run", "catalogue.parquet")
    reference_profile = _file("run", "reference_profile.json")
    model_card = _file("run", "MODEL_CARD.md")

    promotion = _file("results", "promotion.json")
    feedback = _file("results", "feedback.jsonl")
    rejects = _file("results", "rejects.csv")
    label_issues = _file("results", "label_issues.csv")
    validation_report = _file("results", "validation/report.json")
    submission = _file("results", "predictions/test_predictions.csv")
    shap_values = _file("results", "shap/shap_values.npz")
    shap_blocks = _file("results", "shap/shap_blocks.png")
    shap_summary = _file("results", "shap/shap_summary.csv")
    top_features = _file("results", "shap/top_features.csv")

    comparison = _file("models", "compare_cv_results.csv")
    comparison_pairs = _file("models", "compare_cv_differences.csv")

    demo_image_features = _file("demo", "demo_image_features.npz")
    demo_image_index = _file("demo", "demo_image_index.json")

    def __init__(self, paths: Paths, run_id: str | None = None) -> None:
        self.paths = paths
        self.run_id = run_id

    def folder(self, name: Folder) -> Path:
        """Return one of the folders that the table above names."""
        if name != "run":
            return Path(getattr(self.paths, f"{name}_dir"))
        artifacts = self.paths.artifacts_dir
        return artifacts if self.run_id is None else artifacts / "runs" / self.run_id

    def model(self, kind: str, phase: str) -> Path:
        """Return the model of a phase: "holdout" (the scored one) or "final" (all rows)."""
        return self.folder("run") / f"model_{kind}_{phase}.joblib"

    def full_pipeline(self, kind: str) -> Path:
        """Return the one file that serving loads."""
        return self.folder("run") / f"{kind}_full_pipeline.joblib"

    def metrics(self, kind: str, split: str, suffix: str) -> Path:
        """Return a metrics file; `suffix` is what follows, as ".json" or "_per_class.csv"."""
        return self.folder("results") / "metrics" / f"{kind}_{split}{suffix}"

    def predictions(self, kind: str, split: str) -> Path:
        """Return the predictions of a split, one row a product."""
        return self.folder("results") / "predictions" / f"{split}_{kind}.csv"

    def out_of_fold(self, kind: str) -> Path:
        """Return the out-of-fold predictions, one row a labelled product."""
        return self.folder("results") / f"preds_oof_{kind}.csv"

    def comparison_part(self, work: str, name: str) -> Path:
        """Return one cross-fitted model of a comparison of that data, settings and folds."""
        return self.folder("models") / "parts" / f"{work}_{name}.npz"

    def figure(self, kind: str, split: str, name: str) -> Path:
        """Return a figure of the report, as "confusion_fr" or "reliability_en"."""
        return self.folder("reports") / "figures" / f"{kind}_{split}_{name}.png"

    def rapport(self, name: str) -> Path:
        """Return a file that the app's monitoring pages read, as "b2_diagnostics.csv"."""
        return self.folder("rapport") / name
