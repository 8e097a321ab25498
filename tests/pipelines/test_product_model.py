"""`ProductModel` and `FullPipeline` on a few products."""

from __future__ import annotations

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from src.features.extracted import Extracted
from src.features.matrix import FeatureMatrix
from src.pipelines.extraction import Extractor, extract
from src.pipelines.fusion import WeightedFeatureUnion

from src.config import load_config
from src.data.sampling import Sampling
from src.models.classifiers import build_classifier
from src.models.late_fusion import LateFusion
from src.pipelines.product_model import FullPipeline, ProductModel, model_on, union_of
from src.pipelines.registry import branch_weights, build_branches

TEXT_ONLY = ["features.image.stats.enabled=false", "features.image.cnn.enabled=false"]
CFG = load_config(overrides=["features.text.min_df=1", *TEXT_ONLY])
BRANCHES = build_branches(CFG)
EXTRACTORS: tuple[Extractor, ...] = BRANCHES[0].extractors
TITLES = ["lampe led", "lampe rouge", "livre ancien", "livre neuf", "jeu console", "jeu manette"]
CODES = np.array([10, 10, 20, 20, 30, 30])


def items(titles: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"designation": titles, "description": "", "image": ""})


def model() -> ProductModel:
    union = WeightedFeatureUnion([(b.name, b.estimator) for b in BRANCHES], branch_weights(CFG))
    return ProductModel(union, build_classifier(CFG.model, "linear_svc", seed=0, n_jobs=1))


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
    pair = ProductModel(model().features, build_classifier(cfg.model, kind, seed=0, n_jobs=1))
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
        training_keys=np.empty(0, dtype=np.uint64),
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


@pytest.mark.parametrize("kind", ["xgboost", "lightgbm"])
def test_trees_get_the_svd_of_sparse_branches_whatever_the_switch_says(kind: str) -> None:
    """The same columns as ``[features.text.svd].enabled`` gives, dense branches as they are."""
    small = ["features.text.svd.n_components=3", "features.text.min_df=1", *TEXT_ONLY]
    off = load_config(overrides=[*small, f"model.name={kind}"])
    on = load_config(overrides=[*small, "features.text.svd.enabled=true"])
    X = extracted(TITLES)
    matrix = union_of(off, build_branches(off)).fit_transform(X, CODES)
    switched = union_of(on, build_branches(on), "logreg").fit_transform(X, CODES)
    assert matrix.blocks == switched.blocks
    assert [part.shape[1] for part in matrix.parts] == [3, 3, 3, 3, 1, 1]
    np.testing.assert_array_equal(matrix.stack(), switched.stack())
    as_expert = union_of(CFG, BRANCHES, kind).fit(X, CODES)
    assert as_expert.get_feature_names_out()[-1] == "title_length__title_length"


@pytest.mark.parametrize("kind", ["xgboost", "lightgbm"])
def test_trees_answer_from_a_file(kind: str, tmp_path: object) -> None:
    rounds = [f"model.{kind}.n_estimators=10", f"model.{kind}.colsample=1.0"]
    cfg = load_config(overrides=["features.text.min_df=1", *TEXT_ONLY, *rounds])
    head = build_classifier(cfg.model, kind, seed=0, n_jobs=1)
    titles, codes = TITLES * 8, np.tile(CODES, 8)
    fitted = ProductModel(union_of(cfg, BRANCHES, kind), head).fit(extracted(titles), codes)
    joblib.dump(fitted, f"{tmp_path}/model.joblib")
    back = joblib.load(f"{tmp_path}/model.joblib")
    assert back.predict(extracted(TITLES)).tolist() == CODES.tolist()


class Rows(ClassifierMixin, BaseEstimator):
    """A head that keeps what it is shown."""

    def fit(self, X: object, y: np.ndarray, groups: np.ndarray | None = None) -> Rows:
        self.classes_, self.seen_ = np.unique(y), (X, y, groups)
        return self


@pytest.mark.parametrize("with_groups", [True, False])
def test_sampling_chooses_the_heads_rows_and_leaves_the_branches_all(with_groups: bool) -> None:
    codes = np.array([10, 10, 10, 10, 20, 30])
    X = extracted(TITLES)
    groups = np.array([0, 1, 2, 3, 4, 4])
    X = X.with_column("group", groups) if with_groups else X
    sampling = Sampling(cap=1.0, floor=1.0, seed=3)
    fitted = ProductModel(model().features, Rows(), sampling).fit(X, codes)
    rows = sampling.rows(codes)
    everything: FeatureMatrix = clone(model().features).fit_transform(X, codes)
    seen, seen_codes, seen_groups = fitted.head_.seen_
    np.testing.assert_array_equal(seen.toarray(), everything.stack().toarray()[rows])
    np.testing.assert_array_equal(seen_codes, codes[rows])
    np.testing.assert_array_equal(seen_groups, groups[rows] if with_groups else rows)


def test_sampling_is_read_from_the_configuration() -> None:
    on = ["sampling.enabled=true", "sampling.cap=1.5", "sampling.floor=0.25", "compute.seed=9"]
    built = model_on(load_config(overrides=on), BRANCHES, "logreg")
    assert built.sampling == Sampling(1.5, 0.25, seed=9)
    assert model_on(CFG, BRANCHES, "logreg").sampling is None
