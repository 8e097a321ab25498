"""The one table of file names: what a workspace holds, folder by folder.

What describes a run lies under it, in ``artifacts/runs/<run_id>``, its results and figures too. The
names that people know (``artifacts/model_...``, ``results/...``, ``reports/...``) are links to the
served run's files: see `src.artifacts.runs`.
"""

import json
from functools import cached_property
from pathlib import Path
from typing import Literal

from src.artifacts.manifest import MANIFEST
from src.config import Paths

Folder = Literal["run", "artifacts", "models", "results", "rapport"]
Alias = Literal["served", "previous", "candidate"]
SERVING = "serving.json"  # the last file that a training writes: without it a run is not complete


def public_folders(paths: Paths) -> dict[str, Path]:
    """Return where the files of each folder of the served run are linked."""
    return {
        "": paths.artifacts_dir,
        "results": paths.results_dir,
        "reports": paths.reports_dir,
        "rapport": paths.rapport_dir,
        "demo": paths.demo_dir,
        "demo_images": paths.demo_images_dir,
    }


def find_run(paths: Paths, alias: str) -> Path | None:
    """Return the folder of the run that an alias leads to; None where there is none.

    Where a copy made a folder or a file of the link, that still tells which run it was.
    """
    root = paths.artifacts_dir
    link = root / alias
    folder = link.resolve()
    if not link.is_symlink():
        run_id = _copied_run_id(link) or (_copied_run_id(root) if alias == "served" else "")
        folder = root.resolve() / "runs" / run_id if run_id else link
    return folder if folder.is_dir() and folder != link else None


def _copied_run_id(copy: Path) -> str:
    try:
        if copy.is_file():  # an archive's way to keep a link
            return Path(copy.read_text(encoding="utf-8").strip()).name
        return Path(json.loads((copy / SERVING).read_text(encoding="utf-8"))["run_id"]).name
    except (OSError, ValueError, LookupError, TypeError):
        return ""


def _file(folder: Folder, name: str) -> cached_property[Path]:
    """Return an attribute of `Names` that reads as the file's path."""
    return cached_property(lambda names: names.folder(folder) / name)


class Names:
    """Paths of every file that the platform writes.

    `run_id` is the run whose files the folder "run" holds; None is the served run, whichever it is
    when a file is opened.
    """

    manifest = _file("artifacts", MANIFEST)
    lock = _file("artifacts", ".lock")

    serving = _file("run", SERVING)
    unseen = _file("run", "unseen.parquet")
    feature_mapping = _file("run", "feature_mapping.json")
    catalogue = _file("run", "catalogue.parquet")
    reference_profile = _file("run", "reference_profile.json")
    neighbours = _file("run", "neighbours.joblib")
    model_card = _file("run", "MODEL_CARD.md")

    promotion = _file("run", "results/promotion.json")
    label_issues = _file("run", "results/label_issues.csv")
    validation_report = _file("run", "results/validation/report.json")
    submission = _file("run", "results/predictions/test_predictions.csv")
    shap_values = _file("run", "results/shap/shap_values.npz")
    shap_blocks = _file("run", "results/shap/shap_blocks.png")
    shap_summary = _file("run", "results/shap/shap_summary.csv")
    top_features = _file("run", "results/shap/top_features.csv")

    demo_images = _file("run", "demo_images")
    demo_image_features = _file("run", "demo/demo_image_features.npz")
    demo_image_index = _file("run", "demo/demo_image_index.json")

    feedback = _file("results", "feedback.jsonl")
    history = _file("results", "runs.jsonl")
    rejects = _file("results", "rejects.csv")

    comparison = _file("models", "compare_cv_results.csv")
    comparison_pairs = _file("models", "compare_cv_differences.csv")

    def __init__(self, paths: Paths, run_id: str | None = None) -> None:
        self.paths = paths
        self.run_id = run_id

    def folder(self, name: Folder) -> Path:
        """Return one of the folders that the table above names."""
        root = self.paths.artifacts_dir
        if name != "run":
            return Path(getattr(self.paths, f"{name}_dir"))
        if self.run_id is not None:
            return root / "runs" / self.run_id
        served = root / "served"
        return served if served.is_symlink() else find_run(self.paths, "served") or served

    def model(self, kind: str, phase: str) -> Path:
        """Return the model of a phase: "holdout" (the scored one) or "final" (all rows)."""
        return self.folder("run") / f"model_{kind}_{phase}.joblib"

    def full_pipeline(self, kind: str) -> Path:
        """Return the one file that serving loads."""
        return self.folder("run") / f"{kind}_full_pipeline.joblib"

    def metrics(self, kind: str, split: str, suffix: str) -> Path:
        """Return a metrics file; `suffix` is what follows, as ".json" or "_per_class.csv"."""
        return self.folder("run") / "results" / "metrics" / f"{kind}_{split}{suffix}"

    def predictions(self, kind: str, split: str) -> Path:
        """Return the predictions of a split, one row a product."""
        return self.folder("run") / "results" / "predictions" / f"{split}_{kind}.csv"

    def out_of_fold(self, kind: str) -> Path:
        """Return the out-of-fold predictions, one row a labelled product."""
        return self.folder("run") / "results" / f"preds_oof_{kind}.csv"

    def figure(self, kind: str, split: str, name: str) -> Path:
        """Return a figure of the report, as "confusion_fr" or "reliability_en"."""
        return self.folder("run") / "reports" / "figures" / f"{kind}_{split}_{name}.png"

    def baseline(self, name: str) -> Path:
        """Return a table of a baseline on the run's rows, as "b2_diagnostics.csv"."""
        return self.folder("run") / "rapport" / name

    def rapport(self, name: str) -> Path:
        """Return a file of a drift report, as "2026-01-31_shop.json"."""
        return self.folder("rapport") / name

    def comparison_part(self, work: str, name: str) -> Path:
        """Return one cross-fitted model of a comparison of that data, settings and folds."""
        return self.folder("models") / "parts" / f"{work}_{name}.npz"
