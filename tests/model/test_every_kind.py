"""Every kind of model, from the products to an answer of the service and its reasons."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from src.artifacts.store import ArtifactStore
from src.config import REPOSITORY, load_config
from src.labels import load_labels
from src.pipeline_steps.runner import Options, run_pipeline
from src.serving.predictor import Product, load_predictor


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["logreg", "sgd", "xgboost", "lightgbm"])
def test_it_trains_answers_and_explains(demo_shop: Path, tmp_path: Path, kind: str) -> None:
    """The smoke configuration's own kind, and late fusion, have their tests elsewhere."""
    places = [f"paths.workspace={tmp_path}", f"paths.import_dir={demo_shop}"]
    options = ["debug.sample_rows=0", "outputs.figures=false", f"model.name={kind}"]
    if kind == "sgd":  # out of core: hashed columns, parts of the rows
        options += ["features.text.hashing.enabled=true", "model.sgd.partition_rows=300"]
    cfg = load_config(REPOSITORY / "config" / "smoke.toml", [*places, *options])
    labels = load_labels(cfg.paths.labels_map, cfg.paths.theme_map)
    _, evaluated = run_pipeline(cfg, labels, Options())
    assert evaluated.scored[0].scores["f1_weighted"] > 0.3

    rows = pd.read_csv(demo_shop / "X_train_update.csv", keep_default_na=False, nrows=20)
    predictor = load_predictor(cfg.paths)
    texts = rows[["designation", "description"]].to_numpy()
    codes = [found.code for found in predictor.predict([Product(*pair) for pair in texts])]
    store = ArtifactStore(cfg.paths)
    served = store.load(store.full_pipeline(kind))
    np.testing.assert_array_equal(codes, served.predict(rows.assign(image="")))
    assert predictor.explain(Product(*texts[0]))[0].code == codes[0]
