"""The one table of file names: what a workspace holds, folder by folder."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

from src.config import Paths

Folder = Literal["run", "artifacts", "models", "results", "reports", "rapport", "demo"]
SERVING = "serving.json"  # the last file that a training writes: without it a run is not complete


@dataclasses.dataclass(frozen=True)
class File:
    """An attribute of `Names` that reads as the file's path."""

    folder: Folder
    name: str

    def __get__(self, names: Names, owner: type[Names]) -> Path:
        return names.folder(self.folder) / self.name


class Names:
    """Paths of every file that the platform writes.

    Parameters
    ----------
    paths : Paths
        Folders of the configuration.
    run_id : str or None
        The run whose files the folder "run" holds: ``artifacts/runs/<run_id>``. None is the served
        run, whichever it is when a file is opened: ``artifacts`` itself, where links lead to it.
    """

    manifest = File("artifacts", "manifest.json")
    lock = File("artifacts", ".lock")

    serving = File("run", SERVING)
    holdout = File("run", "holdout.csv")
    feature_mapping = File("run", "feature_mapping.json")
    catalogue = File("run", "catalogue.parquet")
    reference_profile = File("run", "reference_profile.json")
    model_card = File("run", "MODEL_CARD.md")

    promotion = File("results", "promotion.json")
    feedback = File("results", "feedback.jsonl")
    rejects = File("results", "rejects.csv")
    label_issues = File("results", "label_issues.csv")
    validation_report = File("results", "validation/report.json")
    submission = File("results", "predictions/test_predictions.csv")
    shap_values = File("results", "shap/shap_values.npz")
    shap_blocks = File("results", "shap/shap_blocks.png")
    shap_summary = File("results", "shap/shap_summary.csv")
    top_features = File("results", "shap/top_features.csv")

    comparison = File("models", "compare_cv_results.csv")
    comparison_pairs = File("models", "compare_cv_differences.csv")

    demo_image_features = File("demo", "demo_image_features.npz")
    demo_image_index = File("demo", "demo_image_index.json")

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
