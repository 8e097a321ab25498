"""The explaining half of stage 5: what each block, and which words, give to each class.

Hold-out products are explained, by the model that was fitted without them.
"""

from __future__ import annotations

import dataclasses
import logging

import numpy as np
import pandas as pd

from src.artifacts.store import ArtifactStore, Run
from src.config import Config
from src.evaluation.shap.blocks import block_contributions, summarise, top_features
from src.evaluation.shap.experts import take_apart
from src.evaluation.shap.figure import draw_blocks
from src.labels import Labels
from src.runs.types import Trained, Transformed

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, eq=False)
class Explained:
    """SHAP values of some hold-out products.

    Attributes
    ----------
    arrays : dict of str to ndarray
        ``shap_values.npz``: see `BlockContributions.arrays`, and of each of the n rows its
        row_index, prdtypecode (true) and predicted code.
    summary : DataFrame
        ``shap_summary.csv``: see `summarise`.
    top_features : DataFrame
        ``top_features.csv``: see `src.evaluation.shap.blocks.top_features`, and the label.
    figure : bytes
        ``shap_blocks.png``.
    """

    arrays: dict[str, np.ndarray]
    summary: pd.DataFrame
    top_features: pd.DataFrame
    figure: bytes


def explain(transformed: Transformed, trained: Trained, labels: Labels, cfg: Config) -> Explained:
    """Explain ``[explainability].rows`` products of the hold-out.

    Parameters
    ----------
    transformed : Transformed
        Stage 3.
    trained : Trained
        Stage 4; the hold-out model is explained.
    labels : Labels
        Names for the figure and the table.
    cfg : Config
        The explainability and compute sections are read.
    """
    model = trained.holdout_model
    rows = _draw(np.flatnonzero(transformed.holdout), cfg.explainability.rows, cfg.compute.seed)
    X = transformed.train.iloc[rows]
    fused = take_apart(model, X)
    contributions = block_contributions(model, fused)
    off = np.abs(
        contributions.base + contributions.values.sum(axis=1) - contributions.margins
    ).max()
    logger.debug("shap: %d rows add up to their margins to %.1e", len(rows), off)
    summary = summarise(contributions.values, contributions.blocks, contributions.classes.tolist())
    top = top_features(model, fused, cfg.explainability.top_features)
    top.insert(1, "label", [labels.label(code) for code in top["prdtypecode"]])
    about = {
        "row_index": X["row_index"].to_numpy(np.int64),
        "prdtypecode": transformed.y[rows],
        "predicted": model.predict(X),
    }
    names = {str(code): labels.label(code) for code in contributions.classes.tolist()}
    synthetic = transformed.snapshot.synthetic
    figure = draw_blocks(summary, names, synthetic=synthetic)
    arrays = {**contributions.arrays(), **about, "synthetic": np.array(synthetic)}
    return Explained(arrays, summary, top, figure)


def save(store: ArtifactStore, run: Run, explained: Explained) -> None:
    """Save the four files of ``results/shap/``."""
    files = {
        store.shap_values: explained.arrays,
        store.shap_summary: explained.summary,
        store.top_features: explained.top_features,
        store.shap_blocks: explained.figure,
    }
    for path, value in files.items():
        store.save(path, value, run=run, stage="evaluate")


def _draw(rows: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Take `n` of the rows at random, in order; 0 takes all."""
    if n == 0 or n >= len(rows):
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, n, replace=False))
