"""The files of stage 5: every number of a metrics file, recomputed from its predictions alone."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

from src.artifacts.store import ArtifactStore, Run
from src.config import REPOSITORY, Config, load_config
from src.data.csv_files import X_TRAIN
from src.evaluation.figures import (
    Caption,
    class_figure,
    confusion_figure,
    reliability_figure,
    selective_figure,
)
from src.labels import Labels, load_labels
from src.pipeline_steps.runner import Options, run_pipeline
from src.runs.saving import save_scores
from src.runs.types import Evaluated

KIND = "late_fusion"
SPLITS = ("holdout", "oof", "train")
PICTURES = ("confusion", "per_class", "reliability", "selective")


@dataclasses.dataclass(frozen=True)
class Finished:
    """A run that has been saved."""

    cfg: Config
    store: ArtifactStore
    labels: Labels
    run: Run
    evaluated: Evaluated

    def predictions(self, split: str) -> pd.DataFrame:
        path = self.store.predictions(KIND, split)
        return pd.read_csv(self.store.out_of_fold(KIND) if split == "oof" else path)

    def metrics(self, split: str, suffix: str = ".json") -> dict | pd.DataFrame:
        return self.store.load(self.store.metrics(KIND, split, suffix))


@pytest.fixture(scope="module")
def finished(demo_shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    workspace = tmp_path_factory.mktemp("scored")
    settings = [f"paths.workspace={workspace}", f"paths.import_dir={demo_shop}"]
    settings += [f"model.name={KIND}", "debug.sample_rows=0"]
    cfg = load_config(REPOSITORY / "config" / "smoke.toml", settings)
    labels = load_labels(cfg.paths.labels_map, cfg.paths.theme_map)
    done = run_pipeline(cfg, labels, Options(skip_validation=True, evaluate_on_train=True))
    return Finished(cfg, ArtifactStore(cfg.paths), labels, *done)


def bins_of(table: pd.DataFrame) -> pd.DataFrame:
    """Accuracy and confidence by tenths of the probability."""
    tenth = pd.cut(table["probability"], np.linspace(0, 1, 11), labels=False)
    right = table["prdtypecode"] == table["predicted"]
    grouped = table.assign(right=right).groupby(tenth)
    return grouped.agg(
        rows=("right", "size"), confidence=("probability", "mean"), accuracy=("right", "mean")
    )


def scores_of(table: pd.DataFrame, labels: Labels, codes: np.ndarray | None) -> dict[str, float]:
    true, predicted = table["prdtypecode"], table["predicted"]
    bins = bins_of(table)
    scores = {
        "accuracy": accuracy_score(true, predicted),
        "top3": (table["true_rank"] <= 3).mean(),
        "log_loss": -np.log(table["true_probability"].clip(lower=np.finfo(float).eps)).mean(),
        "ece": (bins["rows"] * (bins["accuracy"] - bins["confidence"]).abs()).sum() / len(table),
        "theme_accuracy": (true.map(labels.themes) == predicted.map(labels.themes)).mean(),
    }
    for average in ("weighted", "macro"):
        values = precision_recall_fscore_support(
            true, predicted, labels=codes, average=average, zero_division=0.0
        )
        names = [f"{name}_{average}" for name in ("precision", "recall", "f1")]
        scores |= dict(zip(names, values[:3], strict=True))
    return scores


@pytest.mark.parametrize("split", SPLITS)
def test_overall_scores_and_confidence(finished: Finished, split: str) -> None:
    table, told = finished.predictions(split), finished.metrics(split)
    expected = scores_of(table, finished.labels, None)
    assert {name: told[name] for name in expected} == pytest.approx(expected)
    assert (told["kind"], told["split"], told["rows"]) == (KIND, split, len(table))
    bins = pd.DataFrame(told["reliability"])[["rows", "confidence", "accuracy"]]
    np.testing.assert_allclose(bins, bins_of(table))
    right = table["prdtypecode"] == table["predicted"]
    for point in told["selective"]:
        accepted = table["probability"] >= point["threshold"]
        figures = [point["coverage"], point["accuracy"]]
        assert figures == pytest.approx([accepted.mean(), right[accepted].mean()])
    accepted = ~table["needs_review"]
    assert told["decision"] == pytest.approx(
        {
            "threshold": told["decision"]["threshold"],
            "target_accuracy": finished.cfg.decision.target_accuracy,
            "coverage": accepted.mean(),
            "accuracy": right[accepted].mean(),
        }
    )
    assert (accepted == (table["probability"] >= told["decision"]["threshold"])).all()


@pytest.mark.parametrize("split", SPLITS)
def test_slices_and_intervals(finished: Finished, split: str) -> None:
    table, told = finished.predictions(split), finished.metrics(split)
    table["theme"] = table["prdtypecode"].map(finished.labels.themes)
    assert set(told["slices"]) == {"language", "has_image", "has_description", "theme"}
    for column, values in told["slices"].items():
        text = table[column].astype(str)
        by_value = table.groupby(text.str.lower() if table[column].dtype == bool else text)
        assert values.keys() == by_value.groups.keys()
        for value, rows in by_value:
            expected = scores_of(rows, finished.labels, np.unique(rows["prdtypecode"]))
            found = values[value]
            assert {name: found[name] for name in expected} == pytest.approx(expected)
            assert found["rows"] == len(rows)
    low, high = told["intervals"]["accuracy"]
    textbook = 1.96 * np.sqrt(told["accuracy"] * (1 - told["accuracy"]) / len(table))
    assert low <= told["accuracy"] <= high
    assert 0.9 * textbook <= (high - low) / 2 <= 1.4 * textbook  # copies count together


@pytest.mark.parametrize("split", SPLITS)
def test_tables_of_a_split(finished: Finished, split: str) -> None:
    table = finished.predictions(split)
    counts = finished.metrics(split, "_confusion_counts.csv").set_index("true")
    codes = counts.index.to_numpy()
    expected = confusion_matrix(table["prdtypecode"], table["predicted"], labels=codes)
    np.testing.assert_array_equal(counts.to_numpy(), expected)
    percent = finished.metrics(split, "_confusion_percent.csv").set_index("true").to_numpy()
    support = expected.sum(axis=1)
    np.testing.assert_allclose(percent, 100 * expected / np.maximum(support, 1)[:, None])
    classes = finished.metrics(split, "_per_class.csv")
    scores = precision_recall_fscore_support(
        table["prdtypecode"], table["predicted"], labels=codes, zero_division=0.0
    )
    names = ["precision", "recall", "f1", "support"]
    np.testing.assert_allclose(classes[names], np.transpose(scores))
    assert (classes["f1_low"] <= classes["f1_high"]).all()
    first = finished.metrics(split, "_top_errors.csv").iloc[0] if split != "train" else None
    if first is not None:
        wrong = expected * (1 - np.eye(len(codes), dtype=int))
        assert first["count"] == wrong.max()
        row, column = (np.flatnonzero(codes == first[name])[0] for name in ("true", "predicted"))
        assert first["rate"] == pytest.approx(wrong[row, column] / support[row])
    text = finished.metrics(split, "_report.txt")
    assert ("TRAIN" in text) == (split == "train")
    assert max(map(len, text.splitlines())) <= 80


def test_out_of_fold_rows_are_every_labelled_row_once(finished: Finished) -> None:
    oof, holdout = finished.predictions("oof"), finished.predictions("holdout")
    shop = pd.read_csv(finished.cfg.paths.import_dir / X_TRAIN, index_col=0, keep_default_na=False)
    assert sorted(oof["row_index"]) == sorted(shop.index)
    assert set(oof.loc[oof["fold"] == -1, "row_index"]) == set(holdout["row_index"])
    assert set(oof["fold"]) == {-1, 0, 1, 2}
    described = shop["description"].str.strip() != ""
    assert (oof.set_index("row_index")["has_description"] == described).all()
    assert len(set(oof["language"])) > 2


def test_label_issues_and_diagnostics(finished: Finished) -> None:
    oof = finished.predictions("oof").set_index("row_index")
    issues = finished.store.load(finished.store.label_issues)
    assert len(issues) > 0
    assert issues["rank"].tolist() == list(range(1, len(issues) + 1))
    own = oof.loc[issues["row_index"]]
    assert issues["given"].tolist() == own["prdtypecode"].tolist()
    assert issues["given_probability"].tolist() == own["true_probability"].tolist()
    assert (issues["given"] != issues["suggested"]).all()
    assert issues["wrong_probability"].is_monotonic_decreasing
    assert issues["expected_precision"].min() >= finished.cfg.decision.label_precision
    classes = finished.metrics("oof", "_per_class.csv")
    told = finished.store.load(finished.store.rapport("b4_diagnostics.csv"))
    shared = ["prdtypecode", "label", "precision", "recall", "f1", "support"]
    pd.testing.assert_frame_equal(told[shared], classes[shared])
    top = finished.store.load(finished.store.rapport("b4_top_confusions.csv"))
    errors = finished.metrics("oof", "_top_errors.csv")
    pd.testing.assert_frame_equal(top, errors.drop(columns="same_theme"))


@pytest.mark.slow
def test_pictures_in_both_languages_where_they_are_asked_for(finished: Finished) -> None:
    folder = finished.store.figure(KIND, "holdout", "confusion_en").parent
    assert not folder.exists()
    outputs = finished.cfg.outputs.model_copy(update={"figures": True})
    asked = finished.cfg.model_copy(update={"outputs": outputs})
    first = dataclasses.replace(finished.evaluated, scored=finished.evaluated.scored[:1])
    save_scores(finished.store, finished.run, asked, finished.labels, first)
    expected = {f"{KIND}_holdout_{name}_{lang}.png" for name in PICTURES for lang in ("fr", "en")}
    assert {path.name for path in folder.iterdir()} == expected
    for path in folder.iterdir():
        assert finished.store.load(path).startswith(b"\x89PNG")
    for name, picture in redrawn(finished).items():
        saved = finished.store.load(finished.store.figure(KIND, "holdout", f"{name}_fr"))
        assert saved == picture, name


def redrawn(finished: Finished) -> dict[str, bytes]:
    """The pictures of the hold-out in French, from nothing but the predictions file.

    What `test_figures` finds on a picture is what its table says; these are the tables. The
    intervals of the bars are read: the bootstrap is not repeated here.
    """
    table, told = finished.predictions("holdout"), finished.metrics("holdout")
    classes = finished.metrics("holdout", "_per_class.csv")
    codes = classes["prdtypecode"].to_numpy()
    counts = confusion_matrix(table["prdtypecode"], table["predicted"], labels=codes)
    shares = pd.DataFrame(100 * counts / np.maximum(counts.sum(axis=1), 1)[:, None], codes, codes)
    scores = precision_recall_fscore_support(
        table["prdtypecode"], table["predicted"], labels=codes, zero_division=0.0
    )
    names = ["precision", "recall", "f1", "support"]
    bars = classes.assign(**dict(zip(names, scores, strict=True)))
    edges = np.linspace(0, 1, 11)
    bins = bins_of(table).reindex(range(10)).assign(low=edges[:-1], high=edges[1:])
    right = table["prdtypecode"] == table["predicted"]
    thresholds = [point["threshold"] for point in told["selective"]]
    accepted = [table["probability"] >= threshold for threshold in thresholds]
    curve = pd.DataFrame(
        {
            "threshold": thresholds,
            "coverage": [rows.mean() for rows in accepted],
            "accuracy": [right[rows].mean() for rows in accepted],
        }
    )
    answered = ~table["needs_review"]
    decision = {**told["decision"], "coverage": answered.mean(), "accuracy": right[answered].mean()}
    caption = Caption(KIND, "holdout", len(table), finished.run.synthetic, "fr")
    return {
        "confusion": confusion_figure(shares, finished.labels, caption),
        "per_class": class_figure(bars, finished.labels, caption),
        "reliability": reliability_figure(bins.dropna(), caption),
        "selective": selective_figure(curve, decision, caption),
    }
