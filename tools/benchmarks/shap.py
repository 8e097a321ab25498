"""Exact SHAP values of a linear model by block, at the size of the catalogue's text."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
from scipy import sparse

from tools.benchmarks.figure import Figure, timed

N_ROWS, N_COLUMNS, N_CLASSES = 500, 300_000, 27
WORDS_A_ROW = 1_500
LIMIT_S, LIMIT_GB = 5.0, 1.0


def measure(work: Path, rows: int) -> list[Figure]:  # noqa: ARG001  the size is fixed
    """Explain `N_ROWS` drawn rows by block, and rank their columns for every class."""
    from src.evaluation.shap.classifiers import LinearExplainer
    from src.pipelines.branches import Block

    rng = np.random.default_rng(0)
    half = N_COLUMNS // 2
    density = WORDS_A_ROW / N_COLUMNS
    parts = [
        sparse.random(N_ROWS, half, density, "csr", np.float32, random_state=rng) for _ in range(2)
    ]
    blocks = (Block("words", 0, half), Block("characters", half, N_COLUMNS))
    coef = rng.normal(size=(N_CLASSES, N_COLUMNS)).astype(np.float32)
    means = np.concatenate([np.asarray(part.mean(axis=0)).ravel() for part in parts])
    members = np.eye(N_CLASSES)[rng.integers(0, N_CLASSES, N_ROWS)]

    def explain() -> None:
        explainer = LinearExplainer(coef, np.zeros(N_CLASSES), means, blocks)
        explainer.by_block(parts)
        for _, _, own in explainer.importance(parts, np.ones(N_ROWS), np.eye(N_CLASSES), members):
            np.argpartition(own, 20, axis=1)

    ours_s = timed(explain)[0]
    tracemalloc.start()
    explain()
    peak_gb = (
        tracemalloc.get_traced_memory()[1]
        + coef.nbytes
        + sum(part.data.nbytes * 2 for part in parts)
    ) / 1e9
    tracemalloc.stop()
    what = f"SHAP, {N_ROWS} x {N_COLUMNS:,} x {N_CLASSES}"
    target = f"under {LIMIT_S:g} s, {LIMIT_GB:g} GB ({peak_gb:.2f} GB)"
    return [Figure(what, ours_s, None, target, ours_s < LIMIT_S and peak_gb < LIMIT_GB)]
