"""Runs of the default kind: what is missing is ordinary, confidence means what it says."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from src.artifacts.store import ArtifactStore
from src.config import REPOSITORY, Config, load_config
from src.labels import load_labels
from src.pipeline_steps.runner import Options, run_pipeline

SMOKE = REPOSITORY / "config" / "smoke.toml"
ROWS = 800


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop with a picture for every product."""
    folder = tmp_path_factory.mktemp("shop")
    tool = REPOSITORY / "tools" / "make_demo_data.py"
    words = ["--rows", ROWS, "--images", 9999, "--seed", 3, "--out", folder / "import"]
    command = [sys.executable, tool, *words]
    subprocess.run([str(word) for word in command], check=True, capture_output=True)
    return folder


Prepare = Callable[..., Config]


@pytest.fixture
def prepare(drawn: Path, tmp_path: Path) -> Prepare:
    """A workspace with a copy of the CSVs that may be changed, and the pictures of the shop."""

    def configure(change: Callable[[pd.DataFrame], pd.DataFrame] | None = None) -> Config:
        shutil.copytree(drawn / "import", tmp_path / "import")
        shutil.copytree(drawn / "data", tmp_path / "data")
        for name in ("X_train_update.csv", "X_test_update.csv"):
            path = tmp_path / "import" / name
            table = pd.read_csv(path, index_col=0, keep_default_na=False)
            (table if change is None else change(table)).to_csv(path, index_label="")
        # Each picture of the shop is read once for all of these runs.
        places = [f"paths.workspace={tmp_path}", f"paths.cache_dir={drawn / 'cache'}"]
        whole = ["debug.sample_rows=0", "data.source=csv"]
        return load_config(SMOKE, [*places, *whole, "model.name=late_fusion"])

    return configure


def train(cfg: Config) -> tuple[ArtifactStore, dict]:
    run_pipeline(cfg, load_labels(cfg.paths.labels_map, cfg.paths.theme_map), Options())
    store = ArtifactStore(cfg.paths)
    return store, store.load(store.metrics("late_fusion", "oof", ".json"))


def delete_pictures(cfg: Config, share: float) -> None:
    pictures = sorted(cfg.images.train_dir.iterdir())
    for path in pictures[: int(share * len(pictures))]:
        path.unlink()


@pytest.mark.slow
def test_half_of_the_pictures_missing(prepare: Prepare) -> None:
    cfg = prepare()
    delete_pictures(cfg, 0.5)
    _, metrics = train(cfg)
    rows = {name: part["rows"] for name, part in metrics["slices"]["has_image"].items()}
    assert rows == pytest.approx({"true": ROWS / 2, "false": ROWS / 2}, rel=0.1)
    assert metrics["f1_weighted"] > 0.4


@pytest.mark.slow
def test_no_picture_at_all(prepare: Prepare, caplog: pytest.LogCaptureFixture) -> None:
    cfg = prepare()
    delete_pictures(cfg, 1.0)
    with caplog.at_level("INFO", logger="src"):
        _, metrics = train(cfg)
    assert "no product has an image: trained on text alone" in caplog.messages
    assert metrics["f1_weighted"] > 0.4


@pytest.mark.slow
def test_no_description_at_all_and_a_class_of_three(prepare: Prepare) -> None:
    cfg = prepare(lambda table: table.assign(description=""))
    path = cfg.paths.import_dir / "Y_train_CVw08PX.csv"
    y = pd.read_csv(path, index_col=0)
    rare = y["prdtypecode"].value_counts().index[-1]
    surplus = y.index[y["prdtypecode"] == rare][3:]
    other = y["prdtypecode"].value_counts().index[0]
    y.loc[surplus, "prdtypecode"] = other
    y.to_csv(path, index_label="")
    store, metrics = train(cfg)
    assert list(metrics["slices"]["has_description"]) == ["false"]
    oof = store.load(store.out_of_fold("late_fusion"))
    assert (oof["prdtypecode"] == rare).sum() == 3
    report = store.load(store.validation_report)
    looked = {check["name"]: check["status"] for check in report["checks"]}
    assert looked["class size"] == "warn"


@pytest.mark.slow
def test_confidence_is_no_further_off_than_chance_makes_it(prepare: Prepare) -> None:
    """ECE of the out-of-fold rows beside that of answers which are right just as often as they say.

    On so few rows an honest model shows an ECE too: it is drawn 2,000 times.
    """
    store, metrics = train(prepare())
    oof = store.load(store.out_of_fold("late_fusion"))
    confidence = oof["probability"].to_numpy()
    rng = np.random.default_rng(0)
    drawn = [ece(confidence, rng.random(len(oof)) < confidence) for _ in range(2000)]
    right = (oof["predicted"] == oof["prdtypecode"]).to_numpy()
    assert metrics["ece"] == pytest.approx(ece(confidence, right))
    assert metrics["ece"] <= np.quantile(drawn, 0.999) + 0.01
    holdout = store.load(store.metrics("late_fusion", "holdout", ".json"))["decision"]
    accepted = holdout["coverage"] * 0.15 * ROWS
    target = holdout["target_accuracy"]
    assert holdout["accuracy"] >= target - 3 * np.sqrt(target * (1 - target) / accepted)


def ece(confidence: np.ndarray, right: np.ndarray) -> float:
    bins = np.minimum((confidence * 10).astype(int), 9)
    parts = [(bins == b) for b in range(10) if (bins == b).any()]
    return float(sum(abs(right[p].mean() - confidence[p].mean()) * p.mean() for p in parts))
