"""`build_model`, its experts, `feature_mapping` and `FullPipeline` on a few products."""

from __future__ import annotations

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.pipeline import Pipeline

from src.config import Config, load_config
from src.data.sampling import Sampling
from src.models.late_fusion import LateFusion
from src.models.model_trainer import ModelTrainer
from src.pipelines.branches import union_of
from src.pipelines.product_model import FullPipeline, build_expert, build_model, feature_mapping
from src.pipelines.registry import branch_weights, build_branches, extractors_of
from src.pipelines.table import extract_table
from src.pipelines.training_range import TrainingRange

TEXT_ONLY = ["features.image.stats.enabled=false", "features.image.cnn.enabled=false"]
CFG = load_config(overrides=["features.text.min_df=1", *TEXT_ONLY])
CFG_SVC = CFG.model_copy(update={"model": CFG.model.model_copy(update={"name": "linear_svc"})})
BRANCHES = build_branches(CFG)
EXTRACTORS = extractors_of(CFG, BRANCHES)
TITLES = ["lampe led", "lampe rouge", "livre ancien", "livre neuf", "jeu console", "jeu manette"]
CODES = np.array([10, 10, 20, 20, 30, 30])


def products(titles: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"designation": titles, "description": "", "image": ""})


def table(titles: list[str]) -> pd.DataFrame:
    return extract_table(products(titles), EXTRACTORS, cache=None)


def expert(kind: str = "linear_svc", cfg: Config = CFG) -> Pipeline:
    return build_expert(cfg, BRANCHES, kind)


def dense(matrix: object) -> np.ndarray:
    return matrix.toarray() if sparse.issparse(matrix) else np.asarray(matrix)


def test_learns_and_answers_with_codes() -> None:
    fitted = expert().fit(table(TITLES), CODES)
    new = table(["vieux livre", "une lampe", "jeu console"])
    assert fitted.predict(new).tolist() == [20, 10, 30]
    assert fitted.decision_function(table(TITLES)).shape == (6, 3)
    assert fitted.classes_.tolist() == [10, 20, 30]


@pytest.mark.parametrize("kind", ["linear_svc", "logreg"])
def test_two_classes_have_two_columns(kind: str) -> None:
    model = LateFusion([("all", expert(kind))], n_folds=2)
    fitted = model.fit(table(TITLES[:4]), CODES[:4])
    margins = fitted.decision_function(table(TITLES[:4]))
    np.testing.assert_array_equal(margins[:, 0], -margins[:, 1])
    alone = fitted.experts_["all"].decision_function(table(TITLES[:4]))
    np.testing.assert_allclose(margins[:, 1], alone)
    assert fitted.experts_["all"].predict(table(TITLES[:4])).tolist() == [10, 10, 20, 20]


def test_clone_forgets() -> None:
    fitted = expert().fit(table(TITLES), CODES)
    again = clone(fitted)
    assert not hasattr(again["classifier"], "classifier_")
    assert not hasattr(again["features"], "blocks_")
    assert not hasattr(fitted["classifier"].classifier, "coef_")


def test_names_of_the_columns() -> None:
    union = expert().fit(table(TITLES), CODES)["features"]
    names = union.get_feature_names_out()
    assert len(names) == union.blocks_[-1].stop
    for block in union.blocks_:
        assert all(n.startswith(f"{block.branch}__") for n in names[block.start : block.stop])
    assert {"tfidf_word__lampe", "has_description__has_description"} <= set(names)
    assert names[-1] == "title_length__title_length"


def test_full_pipeline_answers_from_raw_text_after_a_round_trip(tmp_path: object) -> None:
    titles, codes = [*TITLES] * 4, np.tile(CODES, 4)
    learned = table(titles)
    fitted = build_model(CFG_SVC, BRANCHES).fit(learned, codes)
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
        training_range=TrainingRange.of(learned, fitted),
    )
    joblib.dump(bundle, f"{tmp_path}/bundle.joblib")
    back = joblib.load(f"{tmp_path}/bundle.joblib")
    titles = ["<b>LAMPE</b> LED", "livre", ""]
    np.testing.assert_array_equal(back.predict(products(titles)), fitted.predict(table(titles)))
    assert back.predict(products(titles)).tolist()[:2] == [10, 20]
    expected = fitted.predict_proba(table(titles))
    np.testing.assert_array_equal(back.predict_proba(products(titles)), expected)
    assert back.readable(table(titles)).tolist() == [True, True, False]
    np.testing.assert_allclose(expected[2], 1 / 3)  # the shares of the classes
    found = back.review_reasons(table([*titles, "livre " * 40, "xqzt plok"]))
    assert found[:3] == [(), (), ("nothing_to_read",)]
    assert found[3:] == [("title_length",), ("unknown_words",)]
    assert back.review_reasons(table([])) == []


@pytest.mark.parametrize("kind", ["xgboost", "lightgbm"])
def test_trees_get_the_svd_of_sparse_branches_whatever_the_switch_says(kind: str) -> None:
    """The same columns as ``[features.text.svd].enabled`` gives, dense branches as they are."""
    small = ["features.text.svd.n_components=3", "features.text.min_df=1", *TEXT_ONLY]
    off = load_config(overrides=small)
    on = load_config(overrides=[*small, "features.text.svd.enabled=true"])
    X = table(TITLES)
    ours = build_expert(off, build_branches(off), kind)["features"]
    switched = union_of(build_branches(on), branch_weights(on))
    matrix = ours.fit_transform(X, CODES)
    np.testing.assert_array_equal(matrix, switched.fit_transform(X, CODES))
    assert ours.blocks_ == switched.blocks_
    assert [b.stop - b.start for b in ours.blocks_] == [3, 3, 3, 3, 1, 1]
    assert ours.get_feature_names_out()[-1] == "title_length__title_length"


@pytest.mark.parametrize("kind", ["xgboost", "lightgbm"])
def test_trees_answer_from_a_file(kind: str, tmp_path: object) -> None:
    rounds = [f"model.{kind}.n_estimators=10", f"model.{kind}.colsample=1.0"]
    cfg = load_config(overrides=["features.text.min_df=1", *TEXT_ONLY, *rounds, "compute.n_jobs=1"])
    titles, codes = TITLES * 8, np.tile(CODES, 8)
    fitted = expert(kind, cfg).fit(table(titles), codes)
    joblib.dump(fitted, f"{tmp_path}/model.joblib")
    back = joblib.load(f"{tmp_path}/model.joblib")
    assert back.predict(table(TITLES)).tolist() == CODES.tolist()


class Rows(ClassifierMixin, BaseEstimator):
    """A classifier that keeps what it is shown."""

    def fit(self, X: object, y: np.ndarray, groups: np.ndarray | None = None) -> Rows:
        self.classes_, self.seen_ = np.unique(y), (X, y, groups)
        return self


@pytest.mark.parametrize("with_groups", [True, False])
def test_sampling_chooses_the_classifiers_rows_and_leaves_the_branches_all(
    with_groups: bool,
) -> None:
    codes, groups = np.array([10, 10, 10, 10, 20, 30]), np.array([0, 1, 2, 3, 4, 4])
    X, sampling = table(TITLES), Sampling(cap=1.0, floor=1.0, seed=3)
    model = expert().set_params(classifier=ModelTrainer(Rows(), sampling))
    given = {"classifier__groups": groups} if with_groups else {}
    fitted = model.fit(X, codes, **given)
    rows = sampling.rows(codes)
    everything = clone(expert()["features"]).fit_transform(X, codes)
    seen, seen_codes, seen_groups = fitted["classifier"].classifier_.seen_
    np.testing.assert_array_equal(dense(seen), dense(everything)[rows])
    np.testing.assert_array_equal(seen_codes, codes[rows])
    np.testing.assert_array_equal(seen_groups, groups[rows] if with_groups else rows)


def test_sampling_is_read_from_the_configuration() -> None:
    on = ["sampling.enabled=true", "sampling.cap=1.5", "sampling.floor=0.25", "compute.seed=9"]
    built = build_expert(load_config(overrides=on), BRANCHES, "logreg")
    assert built["classifier"].sampling == Sampling(1.5, 0.25, seed=9)
    assert expert("logreg")["classifier"].sampling is None


IMAGES = ["features.text.min_df=1", "features.image.stats.enabled=true", TEXT_ONLY[1]]


def pictured() -> tuple[pd.DataFrame, np.ndarray]:
    """A table of 36 products; two thirds have an image, whose block is drawn, not measured."""
    titles = [f"{title} {i}" for i in range(6) for title in TITLES]
    found = table(titles)
    rng = np.random.default_rng(0)
    has_image = np.arange(36) % 3 > 0
    block = np.where(has_image[:, None], rng.normal(size=(36, 5)), np.nan).astype(np.float32)
    columns = pd.DataFrame(block, columns=[f"image_stats__{i}" for i in range(5)])
    return pd.concat([found.assign(has_image=has_image), columns], axis=1), np.tile(CODES, 6)


@pytest.mark.parametrize(
    ("name", "experts"),
    [("late_fusion", ["text", "image"]), ("linear_svc", ["all"])],
)
def test_feature_mapping_covers_the_columns_of_the_fitted_experts(
    name: str, experts: list[str]
) -> None:
    cfg = load_config(overrides=[*IMAGES, f"model.name={name}", "cv.n_folds=3"])
    X, y = pictured()
    model = build_model(cfg, build_branches(cfg)).fit(X, y)
    mapping = feature_mapping(model, [])
    assert list(mapping["experts"]) == list(model.experts_) == experts
    widths = {e: fitted["features"].transform(X).shape[1] for e, fitted in model.experts_.items()}
    assert mapping["columns"] == sum(widths.values())
    assert list(mapping["experts"].values()) == np.cumsum([0, *widths.values()])[:-1].tolist()
    edges = [(block["start"], block["stop"]) for block in mapping["blocks"]]
    assert [start for start, _ in edges] == [0, *(stop for _, stop in edges[:-1])]
    assert edges[-1][1] == mapping["columns"]
    assert [block["branch"] for block in mapping["blocks"]] == [b.name for b in build_branches(cfg)]
    for block in mapping["blocks"]:
        begin = mapping["experts"][block["expert"]]
        names = model.experts_[block["expert"]]["features"].get_feature_names_out()
        own = names[block["start"] - begin : block["stop"] - begin]
        assert len(own) == block["stop"] - block["start"]
        assert all(one.startswith(f"{block['branch']}__") for one in own)


def test_an_expert_that_was_left_out_is_not_in_the_mapping() -> None:
    cfg = load_config(overrides=[*IMAGES, "model.name=late_fusion", "cv.n_folds=3"])
    X, y = pictured()
    model = build_model(cfg, build_branches(cfg)).fit(X.assign(has_image=False), y)
    mapping = feature_mapping(model, [])
    assert mapping["experts"] == {"text": 0}
    assert {block["expert"] for block in mapping["blocks"]} == {"text"}
