"""The comparison: what it plans, what it gives, and that a killed one goes on where it stopped."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import f1_score, log_loss
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline, make_union
from sklearn.svm import LinearSVC

from src.artifacts.store import ArtifactStore, Run
from src.cache import ExtractionCache
from src.config import REPOSITORY, Config, load_config
from src.config_model import Validation
from src.data.splits import split_folds
from src.errors import ValidationError
from src.labels import load_labels
from src.pipeline_steps import stage01_data_ingestion as stage01
from src.pipeline_steps import stage02_data_validation as stage02
from src.pipeline_steps import stage03_data_transformation as stage03
from src.pipelines.registry import build_branches
from src.runs.comparison import (
    Bench,
    Part,
    _plan,
    compare,
    plan_systems,
)
from src.runs.types import Transformed

SMOKE = REPOSITORY / "config" / "smoke.toml"
TRAIN = REPOSITORY / "scripts" / "train.py"
FUSED = "B5 late_fusion"
FEW = ("cv.n_folds=2", "debug.sample_rows=200", "model.name=late_fusion")


def configure(workspace: Path, shop: Path, *overrides: str) -> Config:
    places = [f"paths.workspace={workspace}", f"paths.import_dir={shop}"]
    return load_config(SMOKE, [*places, *overrides])


DEFAULTS = {"text": "linear_svc", "text_encoder": "logreg", "image": "logreg"}


def test_late_fusion_is_made_of_a_part_of_every_expert() -> None:
    systems = plan_systems(["logreg"], DEFAULTS)
    assert [system.name for system in systems] == [
        "B0",
        "B1",
        "B2 logreg",
        "B2 linear_svc",
        "B3 logreg",
        "B4 logreg",
        "B5 logreg",
        "B5 late_fusion",
    ]
    assert systems[-1].parts == tuple(Part(*pair) for pair in DEFAULTS.items())
    assert systems[-2].parts == tuple(Part(expert, "logreg") for expert in DEFAULTS)


@pytest.mark.parametrize(
    ("experts", "names"),
    [
        (["text"], ["B2 linear_svc"]),
        (["image"], ["B3 linear_svc", "B3 logreg"]),
        (["text_encoder"], ["B2 linear_svc", "B2 logreg"]),
        (["text", "text_encoder"], ["B2 linear_svc", "B4 linear_svc", "B5 linear_svc", FUSED]),
    ],
)
def test_nothing_is_compared_with_itself(experts: list[str], names: list[str]) -> None:
    systems = plan_systems(["linear_svc"], {expert: DEFAULTS[expert] for expert in experts})
    assert [system.name for system in systems] == ["B0", "B1", *names]


def rows_of(texts: list[str], pictures: list[bool], y: list[int]) -> pd.DataFrame:
    table = pd.DataFrame({"clean_title": texts, "has_image": pictures, "prdtypecode": y})
    each = np.arange(len(y))
    stats = {"image_stats__0": 1.0, "image_stats__1": 1.0}
    return table.assign(has_text=True, **stats, group=each, fold=each % 2)


@pytest.mark.parametrize(
    ("text", "pictures", "codes"),
    [
        (1.0, [True] * 4, ["B0", "B1", "B2", "B3", "B4", "B5", "B5"]),
        (0.0, [True] * 4, ["B0", "B1", "B3"]),
        # Beside the fold of each picture there is one class with a picture: nothing to fit.
        (1.0, [True, True, False, False], ["B0", "B1", "B2"]),
    ],
)
def test_planned_is_what_can_be_fitted(
    tmp_path: Path, text: float, pictures: list[bool], codes: list[str]
) -> None:
    own = ["model.late_fusion.image=linear_svc", f"fusion.weights.text={text}"]
    cfg = configure(tmp_path, tmp_path / "shop", *own)
    rows = rows_of(["a", "b", "c", "d"], pictures, [1, 2, 2, 1])
    systems = _plan(["linear_svc"], cfg, build_branches(cfg), rows)
    assert [system.code for system in systems] == codes


def test_a_part_is_known_by_everything_it_was_fitted_on(tmp_path: Path) -> None:
    """Corrected labels and other pictures leave the snapshot, the hash of three files, as it is."""
    cfg = configure(tmp_path, tmp_path / "shop")
    store, run = ArtifactStore(cfg.paths), Run("r", "snapshot", synthetic=True, config="c")
    given = (["a", "bc"], [True, False], [1, 2])
    changed = [(["ab", "c"], *given[1:]), (given[0], [True, True], given[2]), (*given[:2], [2, 1])]
    first = rows_of(*given)
    others = [*(rows_of(*rows) for rows in changed), first.assign(image_stats__1=[1.0, np.nan])]
    names = [Bench(cfg, store, run, rows, [])._work for rows in (first, *others)]
    assert len(set(names)) == 5
    assert Bench(cfg, store, run, rows_of(*given), [])._work == names[0]


def transform(cfg: Config) -> Transformed:
    """Stages 1 to 3, as ``scripts/train.py`` runs them."""
    labels = load_labels(cfg.paths.labels_map, cfg.paths.theme_map)
    ingested = stage01.run(cfg, labels.codes)
    validated = stage02.run(
        ingested, labels.codes, Validation(min_class_rows=1, max_missing_description=1.0), skip=True
    )
    return stage03.run(validated, cfg, ExtractionCache(cfg.paths.cache_dir), fresh=False)


def test_table_and_files(tmp_path: Path, demo_shop: Path) -> None:
    cfg = configure(tmp_path, demo_shop)
    compared = compare(cfg, transform(cfg), ["linear_svc"], fresh=False)
    store = ArtifactStore(cfg.paths)
    table = store.load(store.comparison)
    assert table["system"].tolist() == ["B0", "B1", "B2"]
    assert table["rows"].unique().tolist() == [600]
    assert table["synthetic"].all()
    # B0 against the library on the whole: the majority is the same in every fold.
    y = pd.read_csv(demo_shop / "Y_train_CVw08PX.csv", index_col=0)["prdtypecode"]
    majority = DummyClassifier(strategy="most_frequent").fit(np.zeros((len(y), 1)), y)
    answer = majority.predict(np.zeros((len(y), 1)))
    assert table.loc[0, "f1_weighted"] == pytest.approx(
        f1_score(y, answer, average="weighted"), abs=0.01
    )
    text = table.set_index("system").loc["B2"]
    assert text["f1_weighted"] > 0.4
    assert text["fit_s"] > 0
    pairs = store.load(store.comparison_pairs)
    pd.testing.assert_frame_equal(pairs, compared.pairs)
    assert pairs.set_index(["system", "versus"]).loc[("B2 linear_svc", "B0"), "difference_low"] > 0


def test_the_kind_plain_is_scikit_learn_alone(tmp_path: Path, demo_shop: Path) -> None:
    """Against `cross_val_predict`, and nothing of ours calibrates it."""
    cfg = configure(tmp_path, demo_shop, "cv.n_folds=2")
    transformed = transform(cfg)
    scarce = "class 1180 has 5 rows: CalibratedClassifierCV wants 5 .* expects 10"
    with pytest.raises(ValidationError, match=scarce):
        compare(cfg, transformed, ["plain"], fresh=False)
    counts = transformed.train["prdtypecode"].value_counts()
    often = transformed.train["prdtypecode"].isin(counts.index[counts >= 16]).to_numpy()
    transformed = dataclasses.replace(
        transformed,
        train=transformed.train[often].reset_index(drop=True),
        holdout=transformed.holdout[often],
    )
    table = compare(cfg, transformed, ["plain"], fresh=False).systems.set_index("kind")
    assert table["system"].tolist() == ["B0", "B1", "B2", "B2"]
    assert table.loc["linear_svc", "versus"] == "B2 plain"
    rows = transformed.train
    folds = split_folds(transformed.y, transformed.groups, 2, cfg.compute.seed)
    options = {"min_df": 2, "sublinear_tf": True}
    model = make_pipeline(
        make_union(
            TfidfVectorizer(ngram_range=(1, 2), **options),
            TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), **options),
        ),
        CalibratedClassifierCV(LinearSVC(C=0.5, random_state=0), cv=5),
    )
    text = rows["designation"] + " " + rows["description"]
    split = PredefinedSplit(folds)
    proba = cross_val_predict(model, text, transformed.y, cv=split, method="predict_proba")
    assert table.loc["plain", "log_loss"] == pytest.approx(log_loss(transformed.y, proba))
    answers = np.unique(transformed.y)[proba.argmax(axis=1)]
    f1 = f1_score(transformed.y, answers, average="weighted")
    assert table.loc["plain", "f1_weighted"] == pytest.approx(f1)


def test_what_is_done_is_not_done_again(tmp_path: Path, demo_shop: Path) -> None:
    cfg = configure(tmp_path, demo_shop)
    transformed = transform(cfg)
    first = compare(cfg, transformed, ["linear_svc"], fresh=False)
    (part,) = (tmp_path / "models" / "parts").glob("*.npz")
    written = part.stat().st_mtime_ns
    again = compare(cfg, transform(cfg), ["linear_svc"], fresh=False)
    assert part.stat().st_mtime_ns == written
    same = first.systems.drop(columns="run_id"), again.systems.drop(columns="run_id")
    pd.testing.assert_frame_equal(*same)
    other = configure(tmp_path, demo_shop, "model.linear_svc.C=0.1")
    compare(other, transformed, ["linear_svc"], fresh=False)
    assert len(list(part.parent.glob("*.npz"))) == 2
    part.write_bytes(b"broken")
    mended = compare(cfg, transformed, ["linear_svc"], fresh=False)
    scores = ["f1_weighted", "log_loss"]
    pd.testing.assert_frame_equal(mended.systems[scores], first.systems[scores])


@pytest.mark.slow
def test_a_killed_comparison_goes_on_where_it_stopped(tmp_path: Path, demo_shop: Path) -> None:
    words = [sys.executable, str(TRAIN), "--config", str(SMOKE), "--kinds", "linear_svc", "logreg"]
    for place in (f"paths.workspace={tmp_path}", f"paths.import_dir={demo_shop}"):
        words += ["--set", place]
    parts = tmp_path / "models" / "parts"
    with subprocess.Popen(words, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and not list(parts.glob("[!.]*.npz")):
            time.sleep(0.05)
        process.kill()
    (kept, *_) = sorted(parts.glob("[!.]*.npz"))
    before = kept.stat().st_mtime_ns
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert kept.stat().st_mtime_ns == before
    assert "B2 text alone        logreg" in done.stdout
    assert "SYNTHETIC" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_an_encoder_is_one_of_the_fused(
    tmp_path: Path, demo_shop: Path, encoder_folder: Path
) -> None:
    """Without images, too: late fusion is that of the two experts of the text."""
    settings = ("enabled=true", f"model={encoder_folder}", "max_tokens=32", "precision=fp32")
    encoder = (f"features.text.encoder.{each}" for each in settings)
    cfg = configure(tmp_path, demo_shop, *FEW, *encoder)
    compared = compare(cfg, transform(cfg), ["linear_svc"], fresh=False)
    assert compared.systems["system"].tolist() == ["B0", "B1", "B2", "B4", "B5", "B5"]
    parts = {path.stem.partition("_")[2] for path in (tmp_path / "models" / "parts").iterdir()}
    assert parts >= {"text_encoder_linear_svc", "text_encoder_logreg", "text_linear_svc"}
    loss = compared.systems.set_index(compared.systems["system"] + compared.systems["kind"])
    assert loss.loc["B5late_fusion", "log_loss"] < loss.loc["B0", "log_loss"]


@pytest.mark.slow
def test_what_is_tuned_beside_one_fold_in_a_run_is_tuned_beside_every_fold_here(
    tmp_path: Path, demo_shop: Path, encoder_folder: Path
) -> None:
    tuned = ("enabled=true", "epochs=1", "cross_fit=false")
    encoder = ["enabled=true", f"model={encoder_folder}", "max_tokens=32", "device=cpu"]
    settings = [f"features.text.encoder.{each}" for each in encoder]
    settings += [f"features.text.encoder.fine_tune.{each}" for each in tuned]
    settings += [f"paths.workspace={tmp_path}", f"paths.import_dir={demo_shop}", *FEW]
    words = [sys.executable, str(TRAIN), "--config", str(SMOKE), "--kinds", "logreg"]
    words += [word for each in settings for word in ("--set", each)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "text_encoder: tuned beside every fold; cross_fit = false is for runs" in done.stdout
    assert f"weighted F1 of {FUSED} less that of" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert len(list((tmp_path / "data" / "networks" / "fine_tuning").glob("*.pt"))) == 2
