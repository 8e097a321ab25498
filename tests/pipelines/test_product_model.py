"""`ProductModel` and `FullPipeline` on a few products."""

from __future__ import annotations

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from src.config import load_config
from src.features.extracted import Extracted
from src.models.kinds import build_head
from src.models.late_fusion import LateFusion
from src.pipelines.extraction import Extractor, extract
from src.pipelines.fusion import WeightedFeatureUnion
from src.pipelines.product_model import FullPipeline, ProductModel
from src.pipelines.registry import branch_weights, build_branches

TEXT_ONLY = ["features.image.stats.enabled=false", "features.image.cnn.enabled=false"]
CFG = load_config(overrides=["features.text.min_df=1", *TEXT_ONLY])
BRANCHES = build_branches(CFG)
EXTRACTORS: tuple[Extractor, ...] = BRANCHES[0].extractors
TITLES = ["lampe led", "lampe rouge", "livre ancien", "livre neuf", "jeu console", "jeu manette"]
CODES = np.array([10, 10, 20, 20, 30, 30])


def items(titles: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"designation": titles, "description": "", "image_path": ""})


def model() -> ProductModel:
    union = WeightedFeatureUnion([(b.name, b.estimator) for b in BRANCHES], branch_weights(CFG))
    return ProductModel(union, build_head(CFG.model, "linear_svc", seed=0, n_jobs=1))


def extracted(titles: list[str]) -> Extracted:
    return extract(items(titles), EXTRACTORS, cache=None)


def test_learns_and_answers_with_codes() -> None:
    fitted = model().fit(extracted(TITLES), CODES)
    assert fitted.predict(extracted(["vieux livre", "une lampe", "jeu console"])).tolist() == [
        20,
        10,
        30,
    ]
    assert fitted.decision_function(extracted(TITLES)).shape == (6, 3)
    assert fitted.classes_.tolist() == [10, 20, 30]


@pytest.mark.parametrize("kind", ["linear_svc", "logreg"])
def test_two_classes_have_two_columns(kind: str) -> None:
    cfg = load_config(overrides=[f"model.name={kind}"])
    pair = ProductModel(model().features, build_head(cfg.model, kind, seed=0, n_jobs=1))
    fitted = pair.fit(extracted(TITLES[:4]), CODES[:4])
    margins = fitted.decision_function(extracted(TITLES[:4]))
    np.testing.assert_array_equal(margins[:, 0], -margins[:, 1])
    assert fitted.predict(extracted(TITLES[:4])).tolist() == [10, 10, 20, 20]


def test_clone_forgets() -> None:
    fitted = model().fit(extracted(TITLES), CODES)
    assert not hasattr(clone(fitted), "head_")
    assert not hasattr(fitted.head, "coef_")


def test_full_pipeline_answers_from_raw_text_after_a_round_trip(tmp_path: object) -> None:
    titles, codes = [*TITLES] * 4, np.tile(CODES, 4)
    fitted = LateFusion([("all", "", model())], n_folds=2).fit(extracted(titles), codes)
    bundle = FullPipeline(
        extractors=EXTRACTORS,
        model=fitted,
        threshold=0.5,
        labels={10: {"en": "lamp"}},
        themes={},
        seen=np.empty(0, dtype=np.uint64),
        kind="linear_svc",
        run_id="run-1",
        data_hash="0" * 64,
        synthetic=True,
    )
    joblib.dump(bundle, f"{tmp_path}/bundle.joblib")
    back = joblib.load(f"{tmp_path}/bundle.joblib")
    titles = ["<b>LAMPE</b> LED", "livre", ""]
    np.testing.assert_array_equal(back.predict(items(titles)), fitted.predict(extracted(titles)))
    assert back.predict(items(titles)).tolist()[:2] == [10, 20]
    expected = fitted.predict_proba(extracted(titles))
    np.testing.assert_array_equal(back.predict_proba(items(titles)), expected)
