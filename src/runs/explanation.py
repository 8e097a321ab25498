"""The explaining half of stage 5: what each block, and which words, give to each class.

Hold-out products are explained, by the model that was fitted without them.
"""

import logging
from typing import Any

import numpy as np

from src.config import Config
from src.evaluation.shap.blocks import block_contributions, summarise, top_features
from src.evaluation.shap.experts import take_apart
from src.evaluation.shap.figure import draw_blocks
from src.labels import Labels
from src.runs.types import Trained, Transformed

logger = logging.getLogger(__name__)


def explain(
    transformed: Transformed, trained: Trained, labels: Labels, cfg: Config
) -> dict[str, Any]:
    """Explain ``[explainability].rows`` products of the hold-out.

    Returns what each file of ``results/shap/`` holds, by its name in the store. Beside
    `BlockContributions.arrays`, ``shap_values`` has row_index, prdtypecode (true) and predicted of
    each row.
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
    return {
        "shap_values": arrays,
        "shap_summary": summary,
        "top_features": top,
        "shap_blocks": figure,
    }


def _draw(rows: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Take `n` of the rows at random, in order; 0 takes all."""
    if n == 0 or n >= len(rows):
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, n, replace=False))
