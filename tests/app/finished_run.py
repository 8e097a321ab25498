"""A finished run on a small drawn shop: what the app finds after ``train_pipeline.py``.

The shop is drawn and the model trained by the real tools. The result files are written here, in
their documented formats, from made-up out-of-fold predictions: a test then knows what is in them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from src.artifacts.store import ArtifactStore, Run
from src.config import REPOSITORY, Config
from src.labels import Labels
from src.monitoring.report.build import report_table
from src.monitoring.report.page import report_html
from src.pipeline_steps.runner import Options, run_pipeline
from src.runs.promotion import finalize, promote
from src.runs.types import Scored
from tests.conftest import logging_kept
from tools import drift_report

KIND = "late_fusion"
RUN = Run("20260102T030405.678-abcdef", "5eed" * 16, True, "abcdef0123456789")
CANDIDATE = Run("20260103T030405.678-abcdef", "5eed" * 16, True, "abcdef0123456789")


def write_config(folder: Path, workspace: Path) -> Path:
    """Write the smoke settings with another workspace; return the file."""
    text = (REPOSITORY / "config" / "smoke.toml").read_text(encoding="utf-8")
    text = text.replace('name = "linear_svc"', f'name = "{KIND}"', 1)
    text += f'\n[paths]\nworkspace = "{workspace}"\n'
    path = folder / "app.toml"
    path.write_text(text, encoding="utf-8")
    return path


def draw_predictions(catalogue: pd.DataFrame, labels: Labels, seed: int = 0) -> pd.DataFrame:
    """Make up out-of-fold predictions: mistakes fall into the class's own theme for the most part.

    Columns as in ``results/preds_oof_{kind}.csv``.
    """
    rng = np.random.default_rng(seed)
    train = catalogue[catalogue["split"] == "train"]
    codes = np.asarray(labels.codes)
    place = {code: i for i, code in enumerate(labels.codes)}
    kin = np.asarray([[labels.theme(a) == labels.theme(b) for b in codes] for a in codes])
    true = train["prdtypecode"].map(place).to_numpy()
    logits = rng.gumbel(size=(len(train), len(codes))) + 1.6 * kin[true]
    logits[np.arange(len(train)), true] += rng.normal(6.0, 2.2, len(train))
    proba = np.exp(logits - logits.max(axis=1, keepdims=True))
    proba /= proba.sum(axis=1, keepdims=True)
    order = np.argsort(-proba, axis=1)
    ranked = np.take_along_axis(proba, order, axis=1)
    return pd.DataFrame(
        {
            "row_index": train["row_index"].to_numpy(),
            "productid": train["productid"].to_numpy(),
            "fold": rng.integers(0, 5, len(train)),
            "prdtypecode": codes[true],
            "predicted": codes[order[:, 0]],
            "probability": ranked[:, 0],
            "true_probability": proba[np.arange(len(train)), true],
            "true_rank": 1 + np.argmax(order == true[:, None], axis=1),
            "second": codes[order[:, 1]],
            "second_probability": ranked[:, 1],
            "third": codes[order[:, 2]],
            "third_probability": ranked[:, 2],
            "needs_review": ranked[:, 0] < 0.6,
        }
    )


def scores_of(predictions: pd.DataFrame) -> dict[str, float]:
    """Return scores of predictions by scikit-learn."""
    from sklearn.metrics import accuracy_score, f1_score

    true, said = predictions["prdtypecode"], predictions["predicted"]
    return {
        "accuracy": float(accuracy_score(true, said)),
        "f1_weighted": float(f1_score(true, said, average="weighted")),
        "f1_macro": float(f1_score(true, said, average="macro")),
        "top3": float((predictions["true_rank"] <= 3).mean()),
        "log_loss": float(-np.log(predictions["true_probability"].clip(1e-9)).mean()),
        "ece": 0.013,
    }


def metrics_of(
    predictions: pd.DataFrame, catalogue: pd.DataFrame, labels: Labels
) -> dict[str, Any]:
    """Return the values of ``results/metrics/{kind}_{split}.json``."""
    scores = scores_of(predictions)
    about = predictions.merge(catalogue, on=["row_index", "productid", "prdtypecode"])
    slices: dict[str, dict[str, Any]] = {}
    ways = {
        "language": about["language"],
        "has_image": about["has_image"].map({True: "true", False: "false"}),
        "has_description": about["has_description"].map({True: "true", False: "false"}),
        "theme": about["prdtypecode"].map(dict(labels.themes)),
    }
    for name, keys in ways.items():
        slices[name] = {
            str(key): {**scores_of(rows), "rows": len(rows)} for key, rows in about.groupby(keys)
        }
    hit = (predictions["prdtypecode"] == predictions["predicted"]).to_numpy()
    confidence = predictions["probability"].to_numpy()
    theme_hit = predictions["prdtypecode"].map(labels.themes) == predictions["predicted"].map(
        labels.themes
    )
    thresholds = np.round(np.linspace(0, 0.99, 34), 4)
    return {
        **scores,
        "kind": KIND,
        "split": "oof",
        "rows": len(predictions),
        "run_id": RUN.run_id,
        "snapshot": RUN.snapshot,
        "synthetic": True,
        "intervals": {
            name: [value - 0.012, min(value + 0.012, 1)]
            for name, value in scores.items()
            if name in {"accuracy", "f1_weighted", "f1_macro", "top3"}
        },
        "slices": slices,
        "theme_accuracy": float(theme_hit.mean()),
        "reliability": [
            {
                "low": low / 10,
                "high": (low + 1) / 10,
                "rows": int(inside.sum()),
                "confidence": float(confidence[inside].mean()),
                "accuracy": float(hit[inside].mean()),
            }
            for low in range(10)
            if (inside := (confidence >= low / 10) & (confidence < (low + 1) / 10)).any()
        ],
        "selective": [
            {
                "threshold": float(t),
                "coverage": float((confidence >= t).mean()),
                "accuracy": float(hit[confidence >= t].mean()),
            }
            for t in thresholds
            if (confidence >= t).any()
        ],
        "experts": [
            {
                "expert": name,
                "rows": 400,
                "log_loss": 0.7,
                "accuracy": 0.8,
                "adds_log_loss": [0.12, 0.1, 0.14],
                "adds_accuracy": [0.031, 0.02, 0.04],
                "fit_s": 12.25,
                "mb": 31.5,
                "ms": 8.4,
            }
            for name in ("text", "image")
        ],
        "decision": {
            "threshold": 0.6,
            "target_accuracy": 0.95,
            "coverage": float((confidence >= 0.6).mean()),
            "accuracy": float(hit[confidence >= 0.6].mean()),
        },
    }


def class_table(predictions: pd.DataFrame, labels: Labels) -> pd.DataFrame:
    """Return the rows of ``_per_class.csv``."""
    from sklearn.metrics import precision_recall_fscore_support

    codes = list(labels.codes)
    true, said = predictions["prdtypecode"], predictions["predicted"]
    parts = precision_recall_fscore_support(true, said, labels=codes, zero_division=0)
    table = pd.DataFrame(dict(zip(("precision", "recall", "f1", "support"), parts, strict=True)))
    table.insert(0, "prdtypecode", codes)
    table.insert(1, "label", [labels.label(code) for code in codes])
    table["predicted"] = [int((said == code).sum()) for code in codes]
    table["f1_low"], table["f1_high"] = table["f1"] - 0.04, (table["f1"] + 0.03).clip(upper=1)
    return table


def top_confusions(predictions: pd.DataFrame, labels: Labels) -> pd.DataFrame:
    """Return the rows of ``b2_top_confusions.csv``."""
    wrong = predictions[predictions["prdtypecode"] != predictions["predicted"]]
    pairs = wrong.groupby(["prdtypecode", "predicted"]).size().nlargest(20).reset_index()
    pairs.columns = pd.Index(["true", "predicted", "count"])
    pairs["rate"] = pairs["count"] / pairs["true"].map(predictions["prdtypecode"].value_counts())
    pairs.insert(1, "true_label", pairs["true"].map(labels.label))
    pairs.insert(3, "predicted_label", pairs["predicted"].map(labels.label))
    return pairs


def comparison() -> pd.DataFrame:
    """Return the rows of ``models/compare_cv_results.csv``, shaped like the published figures."""
    rows = [
        ("B0", "majority class", "", 0.026, 0.005, 0.1, 0.0),
        ("B1", "stratified random", "", 0.052, 0.037, 0.1, 0.0),
        ("B2", "text", "linear_svc", 0.836, 0.812, 61.0, 5200.0),
        ("B2", "text", "logreg", 0.824, 0.801, 118.0, 5100.0),
        ("B3", "image", "logreg", 0.552, 0.497, 45.0, 160.0),
        ("B4", "fused concat", "linear_svc", 0.851, 0.83, 88.0, 150.0),
        ("B5", "late fusion", "late_fusion", 0.872, 0.853, 107.0, 148.0),
    ]
    names = ("system", "name", "kind", "f1_weighted", "f1_macro", "fit_s", "predict_rows_s")
    table = pd.DataFrame(rows, columns=list(names))
    table["rows"], table["accuracy"] = 2000, table["f1_weighted"] + 0.002
    table["log_loss"], table["ece"] = 3.2 - 3 * table["f1_weighted"], 0.015
    table["top3"] = (table["f1_weighted"] + 0.1).clip(upper=0.97)
    table["f1_weighted_low"] = table["f1_weighted"] - 0.011
    table["f1_weighted_high"] = table["f1_weighted"] + 0.011
    table["versus"] = [""] * 4 + ["B2 linear_svc"] * 3
    table["difference"] = [np.nan] * 4 + [-0.284, 0.015, 0.036]
    table["difference_low"] = table["difference"] - 0.009
    table["difference_high"] = table["difference"] + 0.009
    table["peak_mb"], table["synthetic"], table["run_id"] = 900.0, True, RUN.run_id
    return table


def label_issues(predictions: pd.DataFrame, labels: Labels) -> pd.DataFrame:
    """Return the rows of ``results/label_issues.csv``."""
    wrong = predictions[predictions["prdtypecode"] != predictions["predicted"]]
    worst = wrong.sort_values("probability", ascending=False).head(40)
    return pd.DataFrame(
        {
            "rank": range(1, len(worst) + 1),
            "row_index": worst["row_index"],
            "productid": worst["productid"],
            "given": worst["prdtypecode"],
            "given_label": worst["prdtypecode"].map(labels.label),
            "given_probability": worst["true_probability"],
            "suggested": worst["predicted"],
            "suggested_label": worst["predicted"].map(labels.label),
            "suggested_probability": worst["probability"],
            "wrong_probability": worst["probability"],
            "expected_precision": worst["probability"].expanding().mean(),
        }
    )


def write_drift_reports(cfg: Config) -> None:
    """Write what the command says of three lots: food on the second day, which is no such shop."""
    place = cfg.paths.workspace / "lots"
    place.mkdir()
    food = place / "food.csv"
    goods = ["<b>baguette</b> tradition", "beurre doux 250 g", "comté affiné 18 mois"]
    pd.DataFrame({"designation": goods * 30, "productid": range(90)}).to_csv(food, index=False)
    known, settings = place / "known.csv", cfg.paths.workspace
    unlabelled = pd.read_csv(cfg.paths.import_dir / "X_test_update.csv", index_col=0)
    unlabelled.head(5).to_csv(known)  # so few say nothing of a model of so few products
    store = ArtifactStore(cfg.paths)
    for table, name, at in (
        (known, "shop", "2026-01-01T06:00:00+00:00"),
        (known, "night", "2026-01-02T06:29:00+00:00"),
        (food, "shop", "2026-01-02T06:30:00+00:00"),
    ):
        words = [str(table), "--lot", name, "--config", str(settings / "app.toml")]
        with logging_kept():
            drift_report.main([*words, "--set", "data.source=csv", "--out", str(place)])
        (written,) = place.glob("*.json")
        report = json.loads(written.read_text(encoding="utf-8"))
        report.update(date=at[:10], created_at=at)
        files = {".json": report, ".html": report_html(report), ".csv": report_table(report)}
        for suffix, value in files.items():
            target = store.rapport(f"{at[:10]}_{name}{suffix}")
            store.save(target, value, run=RUN, stage="monitor")
        written.unlink()


def write_results(cfg: Config, catalogue: pd.DataFrame, labels: Labels) -> pd.DataFrame:
    """Write every result file that the pages read; return the predictions behind them."""
    store = ArtifactStore(cfg.paths)
    predictions = draw_predictions(catalogue, labels)
    text_only = draw_predictions(catalogue, labels, seed=1)
    metrics = metrics_of(predictions, catalogue, labels)
    values: Mapping[Path, object] = {
        store.out_of_fold(KIND): predictions,
        store.metrics(KIND, "oof", ".json"): metrics,
        store.metrics(KIND, "holdout", ".json"): {**metrics, "split": "holdout"},
        store.metrics(KIND, "oof", "_per_class.csv"): class_table(predictions, labels),
        store.comparison: comparison(),
        store.label_issues: label_issues(predictions, labels),
        store.baseline("b2_diagnostics.csv"): class_table(text_only, labels).iloc[:, :6],
        store.baseline("b4_diagnostics.csv"): class_table(predictions, labels).iloc[:, :6],
        store.baseline("b2_top_confusions.csv"): top_confusions(text_only, labels),
        store.baseline("b4_top_confusions.csv"): top_confusions(predictions, labels),
    }
    for path, value in values.items():
        store.save(path, value, run=RUN, stage="evaluate")
    write_drift_reports(cfg)
    return predictions


def train(cfg: Config, labels: Labels) -> pd.DataFrame:
    """Run the five stages, as ``scripts/train_pipeline.py`` does; return the catalogue."""
    run_pipeline(cfg, labels, Options(register=False, force=True))
    store = ArtifactStore(cfg.paths)
    catalogue: pd.DataFrame = store.load(store.catalogue)
    return catalogue


def add_candidate(cfg: Config) -> None:
    """Add a run that is not promoted: 30 right answers are wrong now, and 4 wrong ones right."""
    served = ArtifactStore(cfg.paths).pinned()
    answers = served.load(served.unseen)
    right = answers["prdtypecode"] == answers["predicted"]
    answers.loc[answers[~right].index[:4], "predicted"] = answers["prdtypecode"]
    lost = answers[right & (answers["prdtypecode"] != 2220)].index[:30]
    answers.loc[lost, "predicted"] = 2220
    kept = [served.catalogue, served.full_pipeline(KIND)]
    values = {path.name: served.load(path) for path in kept}
    store = ArtifactStore(cfg.paths).begin(CANDIDATE)
    for name, value in values.items():
        store.save(store.folder("run") / name, value, run=CANDIDATE, stage="train")
    from sklearn.metrics import f1_score

    f1 = float(f1_score(answers["prdtypecode"], answers["predicted"], average="weighted"))
    details = {"intervals": {"f1_weighted": [f1 - 0.04, f1 + 0.04]}}
    none = pd.DataFrame()
    scored = Scored("holdout", answers, {"f1_weighted": f1}, details, none, none, none)
    facts = {"sample": False, "settings": {"model.linear_svc.C": 0.01}, "corrections": 3}
    finalize(store, CANDIDATE, KIND, (scored, scored), answers["group"].to_numpy(), **facts)
    promote(store, 0.01, force=False, by="Ada")
