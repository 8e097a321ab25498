"""One product, and batches, through the `Predictor`: warm, on a model of full vocabulary."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from src.config import REPOSITORY, Paths, load_config
from tools.benchmarks.figure import Figure, timed

if TYPE_CHECKING:
    from src.serving.predictor import Product

# The vocabulary is full (300,000 n-grams a branch) from here on; more rows only take longer.
MOST_ROWS = 20_000
N_PICTURES = 300
BATCH_ROWS = 10_000
TEXT_LIMIT_S, PICTURE_LIMIT_S, LEAST_RATE = 0.005, 0.050, 5_000.0


def measure(work: Path, rows: int) -> list[Figure]:
    """Train on a shop of at most `MOST_ROWS` products and time the answers."""
    from src.serving.predictor import load_predictor

    paths = trained(work, min(rows, MOST_ROWS))
    predictor = load_predictor(paths)
    texts, pictured = products_of(paths)
    text_s = median_s(lambda i: predictor.predict([texts[i % len(texts)]]), 300)
    picture_s = median_s(lambda i: predictor.predict([pictured[i % len(pictured)]]), 150)
    batch = (texts * (BATCH_ROWS // len(texts) + 1))[:BATCH_ROWS]
    batch_s = timed(lambda: predictor.predict(batch))[0]
    rate = len(batch) / batch_s
    return [
        _under("predict one text (median)", text_s, TEXT_LIMIT_S),
        _under("predict text + picture (median)", picture_s, PICTURE_LIMIT_S),
        Figure(
            f"predict {len(batch):,} texts",
            batch_s,
            None,
            f"{LEAST_RATE:,.0f} rows/s ({rate:,.0f}/s)",
            rate >= LEAST_RATE,
        ),
    ]


def trained(work: Path, rows: int) -> Paths:
    """Train once in ``work/served`` and return its folders.

    Few passes of the solver and two folds: coefficients don't change how long an answer takes.
    """
    workspace = work / "served"
    quick = ["cv.n_folds=2", "model.linear_svc.max_iter=3", "model.logreg.max_iter=20"]
    place = [f"paths.workspace={workspace}", "data.source=csv", "model.name=late_fusion"]
    cfg = load_config(overrides=[*place, *quick, "outputs.submission=false"])
    if not cfg.paths.artifacts_dir.is_dir():
        from src.labels import load_labels
        from src.pipeline_steps.runner import Options, run_pipeline

        tool = REPOSITORY / "tools" / "make_demo_data.py"
        sizes = ["--rows", str(rows), "--images", str(N_PICTURES), "--seed", "1"]
        command = [sys.executable, str(tool), *sizes, "--out", str(cfg.paths.import_dir)]
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603
        labels = load_labels(cfg.paths.labels_map, cfg.paths.theme_map)
        run_pipeline(cfg, labels, Options(skip_validation=True, register=False))
    return cfg.paths


def products_of(paths: Paths) -> tuple[list[Product], list[Product]]:
    """Return products the model has not seen: with their text, and with a picture beside it."""
    from src.serving.predictor import Product

    x = pd.read_csv(paths.import_dir / "X_test_update.csv", keep_default_na=False)
    texts = [Product(t, d) for t, d in zip(x["designation"], x["description"], strict=True)]
    folder = paths.workspace / "data" / "images" / "images" / "image_train"
    pictures = [path.read_bytes() for path in sorted(folder.glob("*.jpg"))[:100]]
    pictured = [
        Product(text.designation, text.description, picture)
        for text, picture in zip(texts, pictures, strict=False)
    ]
    return texts, pictured


def median_s(ask: Callable[[int], object], times: int) -> float:
    """Return the median seconds of one call, after a few that warm up."""
    for number in range(10):
        ask(number)
    seconds = []
    for number in range(times):
        started = time.perf_counter()
        ask(number)
        seconds.append(time.perf_counter() - started)
    return sorted(seconds)[times // 2]


def _under(what: str, ours_s: float, limit_s: float) -> Figure:
    target = f"under {limit_s * 1e3:.0f} ms ({ours_s * 1e3:.1f} ms)"
    return Figure(what, ours_s, None, target, ours_s < limit_s)
