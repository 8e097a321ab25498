"""The text encoder as an expert: from the products to answers without torch, and their reasons."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient

from src.artifacts.store import ArtifactStore
from src.cache import ExtractionCache
from src.config import REPOSITORY, Config, load_config
from src.features.text.encoder import TextEncoder
from src.files import sha256
from src.labels import load_labels
from src.models.late_fusion import LateFusion
from src.pipeline_steps import stage01_data_ingestion as stage01
from src.pipeline_steps import stage02_data_validation as stage02
from src.pipeline_steps import stage03_data_transformation as stage03
from src.pipeline_steps.runner import Options, run_pipeline
from src.pipelines.product_model import FullPipeline, build_model
from src.pipelines.registry import build_branches, extractors_of
from src.pipelines.table import block_values, extract_table
from src.serving.api import Services, create_app
from src.serving.feedback import FeedbackStore
from src.serving.prediction_log import PredictionLog
from src.serving.request_guard import RequestLimits
from src.serving.served_model import ServedModel
from tools.check_pipeline_branches import main as check_branches
from tools.drift_report import main as drift_report

SMOKE = REPOSITORY / "config" / "smoke.toml"
WITHOUT = """
import runpy, sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "transformers", "onnx", "safetensors", "numba"):
            raise ImportError(name + " is blocked")
sys.meta_path.insert(0, Blocked())
sys.argv.pop(0)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def options(encoder_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    encoder = ["enabled=true", f"model={encoder_folder}", "max_tokens=48", "precision=fp32"]
    return [
        f"paths.workspace={tmp_path_factory.mktemp('encoded')}",
        "model.name=late_fusion",
        "debug.sample_rows=0",
        "explainability.enabled=true",
        *(f"features.text.encoder.{option}" for option in encoder),
    ]


@pytest.fixture(scope="module")
def cfg(demo_shop: Path, options: list[str]) -> Config:
    """A workspace in which the pipeline ran."""
    cfg = load_config(SMOKE, [*options, f"paths.import_dir={demo_shop}"])
    run_pipeline(cfg, load_labels(cfg.paths.labels_map, cfg.paths.theme_map), Options())
    return cfg


@pytest.fixture(scope="module")
def served(cfg: Config) -> FullPipeline:
    store = ArtifactStore(cfg.paths)
    pipeline: FullPipeline = store.load(store.full_pipeline("late_fusion"))
    return pipeline


@pytest.fixture(scope="module")
def rows(demo_shop: Path) -> pd.DataFrame:
    table = pd.read_csv(demo_shop / "X_train_update.csv", keep_default_na=False, nrows=30)
    return table[["designation", "description"]]


@pytest.mark.slow
def test_a_process_without_torch_answers_and_explains(
    cfg: Config, served: FullPipeline, rows: pd.DataFrame, tmp_path: Path
) -> None:
    assert list(served.model.experts_) == ["text", "text_encoder"]
    rows.to_csv(tmp_path / "given.csv", index=False)
    command = [sys.executable, "-c", WITHOUT, str(REPOSITORY / "scripts" / "predict.py")]
    places = ["--set", f"paths.workspace={cfg.paths.workspace}"]
    words = ["given.csv", "--out", "out.csv", "--explain", "why"]
    done = subprocess.run(
        [*command, *words, *places], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    proba = served.predict_proba(rows.assign(image=""))
    told = pd.read_csv(tmp_path / "out.csv")
    code = next(name for name in told.columns if name.startswith(("code", "prdtypecode")))
    np.testing.assert_array_equal(told[code], served.model.classes_[proba.argmax(axis=1)])
    reasons = "".join(file.read_text() for file in (tmp_path / "why").rglob("*.json"))
    assert "text_encoder" in reasons


@pytest.mark.slow
def test_the_run_and_the_service_tell_what_the_encoder_adds(
    cfg: Config, served: FullPipeline, rows: pd.DataFrame, tmp_path: Path
) -> None:
    store = ArtifactStore(cfg.paths)
    mapping = store.load(store.feature_mapping)
    (block,) = (b for b in mapping["blocks"] if b["branch"] == "text_encoder")
    assert (block["expert"], block["stop"] - block["start"]) == ("text_encoder", 24)
    told = mapping["networks"]["text_encoder"]
    assert told["model"] == str(cfg.features.text.encoder.model)
    weights = Path(told["model"]) / "model.safetensors"
    assert told["files"][weights.name] == sha256(weights)
    (cost,) = (e for e in store.load(store.metrics("late_fusion", "oof", ".json"))["experts"]
               if e["expert"] == "text_encoder")  # fmt: skip
    (extractor,) = (e for e in served.extractors if e.name == "text_encoder")
    size = len(pickle.dumps((served.model.experts_["text_encoder"], [extractor])))
    assert cost["mb"] == pytest.approx(size / 1e6, rel=0.01)
    summary = pd.read_csv(cfg.paths.results_dir / "shap" / "shap_summary.csv")
    assert "text_encoder" in set(summary["block"])

    model = ServedModel(cfg.paths)
    model.refresh()
    log = PredictionLog(lambda _: None, model.observe)
    limits = RequestLimits(body_bytes=400_000, batch_bytes=300_000, image_pixels=1_000_000)
    codes = served.model.classes_.tolist()
    nowhere = "postgresql://nobody@127.0.0.1:1/nowhere"
    feedback = FeedbackStore(tmp_path / "feedback.jsonl", tmp_path, lambda: nowhere, codes)
    services = Services(model, log, feedback, limits)
    asked = {"designation": rows["designation"][0], "description": rows["description"][0]}
    told = TestClient(create_app(services)).post("/explain", json=asked).json()
    log.close()
    assert {"text", "text_encoder"} <= set(told["weights"])
    assert "text_encoder" in told["branches"]


@pytest.mark.slow
def test_the_tools_know_it(
    cfg: Config,
    options: list[str],
    rows: pd.DataFrame,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sets = [word for option in options for word in ("--set", option)]
    assert check_branches(["--config", str(SMOKE), "--columns", *sets]) == 0
    (line,) = (x for x in capsys.readouterr().out.splitlines() if x.startswith("text_encoder"))
    assert line.split() == ["text_encoder", "text", "0.5", "text_encoder", "24"]
    rows.to_csv(tmp_path / "lot.csv", index=False)
    out = ["--out", str(tmp_path / "out"), "--set", "data.source=csv"]
    assert drift_report([str(tmp_path / "lot.csv"), "--config", str(SMOKE), *sets, *out]) in {0, 1}


def test_products_without_text_have_no_embedding_and_do_no_harm(
    options: list[str], rows: pd.DataFrame
) -> None:
    """Side by side with other branches, too, where the classifier sees every product."""
    cfg = load_config(SMOKE, [*options, "model.name=logreg", "fusion.weights.image_stats=0"])
    products = pd.concat([rows, rows, rows.assign(designation="!", description="")])
    branches = build_branches(cfg)
    table = extract_table(products.assign(image=""), extractors_of(cfg, branches), None)
    values = block_values(table, "text_encoder")
    np.testing.assert_array_equal(np.isnan(values).all(axis=1), ~table["has_text"])
    np.testing.assert_allclose(np.linalg.norm(values[:60], axis=1), 1, atol=1e-5)
    y = np.arange(len(table)) % 3
    model: LateFusion = build_model(cfg, branches).fit(table, y)
    assert list(model.experts_) == ["all"]
    assert np.isfinite(model.predict_proba(table)).all()


def test_stage_3_tells_how_close_an_encoder_below_fp32_is(
    options: list[str], demo_shop: Path
) -> None:
    reduced = ("precision=bf16", "runtime=torch", "device=cpu")
    settings = [*options, *(f"features.text.encoder.{each}" for each in reduced)]
    cfg = load_config(SMOKE, [*settings, f"paths.import_dir={demo_shop}"])
    codes = load_labels(cfg.paths.labels_map, cfg.paths.theme_map).codes
    validated = stage02.run(stage01.run(cfg, codes), codes, cfg.validation, skip=True)
    transformed = stage03.run(validated, cfg, ExtractionCache(cfg.paths.cache_dir), fresh=False)
    shown = transformed.train.iloc[:: len(transformed.train) // 16][:16]
    texts = shown["designation"].tolist(), shown["description"].tolist()
    (found,) = (e.featurizer for e in transformed.extractors if e.name == "text_encoder")
    exact = TextEncoder(found.model, found.networks_dir, max_tokens=48, precision="fp32")
    values, others = found.extract(*texts), exact.extract(*texts)
    assert 0 < abs(values - others).max() < 0.1
    cosine = (values * others).sum(axis=1).mean()
    assert stage03.agreements(transformed) == [f"text_encoder in bf16: cosine {cosine:.4f}"]
