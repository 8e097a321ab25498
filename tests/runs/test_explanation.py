"""What a run writes to results/shap/: it adds up, names rows of the hold-out, feeds the tool."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from src.artifacts.store import ArtifactStore
from src.config import Config
from src.evaluation.shap.blocks import summarise
from src.labels import load_labels
from src.pipeline_steps.runner import Options, run_pipeline
from src.runs import explanation
from tools.shap_block_aggregation import main

Configure = Callable[..., Config]


@pytest.mark.slow
def test_files_of_a_run(configure: Configure) -> None:
    kind = "late_fusion"
    cfg = configure(f"model.name={kind}", "explainability.enabled=true", "explainability.rows=0")
    labels = load_labels(cfg.paths.labels_map, cfg.paths.theme_map)
    run_pipeline(cfg, labels, Options(register=False))
    store = ArtifactStore(cfg.paths)
    arrays = store.load(store.shap_values)
    margins = arrays["margins"]
    scored = store.load(store.predictions(kind, "holdout")).set_index("row_index")
    assert sorted(arrays["row_index"]) == sorted(scored.index)  # every row of the hold-out
    assert margins.shape == (len(scored), len(arrays["classes"]))
    total = arrays["base_values"] + arrays["shap_values"].sum(axis=1)
    np.testing.assert_allclose(total, margins, rtol=1e-4, atol=1e-4 * np.abs(margins).max())

    rows = scored.loc[arrays["row_index"]]
    assert rows["predicted"].tolist() == arrays["predicted"].tolist()
    assert rows["prdtypecode"].tolist() == arrays["prdtypecode"].tolist()

    summary = store.load(store.shap_summary)
    expected = summarise(arrays["shap_values"], arrays["blocks"], arrays["classes"].tolist())
    pd.testing.assert_frame_equal(
        summary, expected.astype({"class": str}), check_dtype=False, rtol=1e-4
    )
    top = store.load(store.top_features)
    assert top["rank"].max() == 10
    assert (top["label"] == [labels.label(code) for code in top["prdtypecode"]]).all()
    assert set(top["branch"]) <= set(arrays["blocks"].tolist())
    assert store.load(store.shap_blocks).startswith(b"\x89PNG")
    files = ["--shap_values", store.shap_values, "--mapping", store.feature_mapping]
    assert main([str(word) for word in files]) == 0


@pytest.mark.parametrize(("n", "size"), [(0, 7), (7, 7), (9, 7), (3, 3)])
def test_rows_are_drawn_in_order_without_repeats(n: int, size: int) -> None:
    rows = np.array([2, 3, 5, 8, 13, 21, 34])
    drawn = explanation._draw(rows, n, seed=1)
    assert len(drawn) == size
    assert set(drawn) <= set(rows.tolist())
    assert (np.diff(drawn) > 0).all()
