"""Late fusion on toy products whose text and image each tell a part of the class."""

from __future__ import annotations

import dataclasses
import logging
import operator
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, PredefinedSplit, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils import estimator_html_repr
from sklearn.utils.validation import check_is_fitted

from src.config import load_config
from src.errors import ValidationError
from src.features.tfidf.vectorizers import TfidfWords
from src.models.calibration import log_loss
from src.models.gating import OutOfFold, gating_conditions
from src.models.late_fusion import LateFusion
from src.models.linear_svm import ThreadedLinearSVC
from src.models.model_trainer import ModelTrainer
from src.pipeline_steps.stage04_model_training import out_of_fold_scores
from src.pipelines.branches import select_columns
from src.pipelines.product_model import build_expert
from src.pipelines.registry import build_branches, extractors_of
from src.pipelines.table import extract_table
from tools.demo_shop.catalogue import draw_catalogue

N_CLASSES = 4
REQUIRES = {"text": ["has_text"], "image": ["has_image"]}


def on_block(name: str) -> Pipeline:
    """Logistic regression on one block of the table."""
    return Pipeline([("block", select_columns(name)), ("logreg", LogisticRegression(max_iter=500))])


def shop(n: int, seed: int, with_image: float = 0.7) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, N_CLASSES, n)
    high, low = np.divmod(codes, 2)
    has_image = rng.random(n) < with_image
    text = np.column_stack([high * 2.0, low * 0.5]) + rng.normal(size=(n, 2))
    image = np.column_stack([high * 0.5, low * 2.0]) + rng.normal(size=(n, 2))
    image[~has_image] = np.nan
    table = pd.DataFrame({"title_length": np.full(n, 60.0), "has_image": has_image})
    table["has_text"] = True
    blocks = {"text": text, "image": image}
    columns = {f"{k}__{i}": block[:, i] for k, block in blocks.items() for i in (0, 1)}
    return table.assign(has_description=rng.random(n) < 0.5, **columns), codes * 10 + 7


def fusion(**options: object) -> LateFusion:
    experts = [("text", on_block("text")), ("image", on_block("image"))]
    return LateFusion(experts, requires=REQUIRES, **options)  # type: ignore[arg-type]


def alone(name: str = "text") -> LateFusion:
    return LateFusion([(name, on_block(name))])


def test_fusion_beats_each_expert() -> None:
    X, y = shop(3000, 0, with_image=1.0)
    new, truth = shop(3000, 1, with_image=1.0)
    found = fusion().fit(X, y).score(new, truth)
    for name in ("text", "image"):
        assert found > alone(name).fit(X, y).score(new, truth) + 0.05


def test_a_product_without_image_gets_the_text_experts_answer() -> None:
    X, y = shop(1500, 0)
    both, text = fusion().fit(X, y), alone().fit(X, y)
    new, _ = shop(500, 2, with_image=0.0)
    np.testing.assert_allclose(both.predict_proba(new), text.predict_proba(new), rtol=1e-9)


def test_out_of_fold_probabilities_are_as_good_as_on_new_rows() -> None:
    X, y = shop(3000, 0)
    oof = fusion().cross_fit(X, y)
    model = fusion().fit(X, y, oof=oof)
    new, truth = shop(6000, 3)
    fresh = log_loss(model.predict_proba(new), np.searchsorted(model.classes_, truth))
    assert log_loss(oof.probabilities, oof.codes) == pytest.approx(fresh, abs=0.04)


def test_permuted_labels_score_at_chance() -> None:
    X, y = shop(2000, 0)
    oof = fusion().cross_fit(X, np.random.default_rng(1).permutation(y))
    accuracy = (oof.probabilities.argmax(axis=1) == oof.codes).mean()
    # Four standard errors of a coin with 1/4.
    assert abs(accuracy - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 2000)


def test_no_image_at_all_is_said(caplog: pytest.LogCaptureFixture) -> None:
    X, y = shop(300, 0, with_image=0.0)
    with caplog.at_level(logging.WARNING, logger="src"):
        model = fusion().fit(X, y)
    assert caplog.messages == ["expert image left out: 0 rows have its input"]
    assert list(model.experts_) == ["text"]


@pytest.mark.parametrize("images", [1, 20])
def test_images_of_one_class_but_for_one_leave_the_text(images: int) -> None:
    """A fold without that one image has a single class left, which nothing can be fitted on."""
    X, y = shop(300, 0)
    has_image = np.zeros(300, dtype=bool)
    has_image[np.flatnonzero(y == 17)[:images]] = True
    has_image[np.flatnonzero(y == 7)[0]] = True
    X = X.assign(has_image=has_image)
    model = fusion().fit(X, y)
    assert list(model.experts_) == ["text"]
    assert np.isfinite(model.predict_proba(X)).all()


def test_nothing_to_learn_from_is_said() -> None:
    X, y = shop(300, 0, with_image=0.0)
    images = LateFusion([("image", on_block("image"))], requires=REQUIRES)
    with pytest.raises(
        ValidationError, match=r"any expert \(image\): of 300 products with 4 class"
    ):
        images.fit(X, y)


def test_few_paired_rows_weigh_the_same() -> None:
    X, y = shop(300, 0, with_image=0.12)
    theta = fusion().fit(X, y).gating_.fused[0, 1].theta
    np.testing.assert_allclose(theta[:, 0], np.log(0.5))
    assert not theta[:, 1:].any()


def test_same_seed_same_digits() -> None:
    X, y = shop(400, 0)
    first, second = fusion().fit(X, y), clone(fusion()).fit(X, y)
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))


def test_a_class_of_three_rows_trains() -> None:
    X, y = shop(400, 0)
    y[:3] = 999
    oof = fusion().cross_fit(X, y)
    model = fusion().fit(X, y, oof=oof)
    assert 999 in model.classes_
    assert np.isfinite(model.predict_proba(X)).all()
    np.testing.assert_allclose(oof.probabilities.sum(axis=1), 1.0)


def test_cross_fit_is_the_librarys_cross_val_predict() -> None:
    X, y = shop(600, 0)
    oof = fusion().cross_fit(X, y)
    for name, rows in {"text": np.ones(600, bool), "image": X["has_image"].to_numpy()}.items():
        folds = oof.folds[rows]
        assert all(len(np.unique(y[rows][folds == fold])) == N_CLASSES for fold in range(5))
        expected = cross_val_predict(
            on_block(name), X[rows], y[rows], cv=PredefinedSplit(folds), method="decision_function"
        )
        np.testing.assert_array_equal(oof.margins[name][rows], expected)
        assert np.isnan(oof.margins[name][~rows]).all()


def test_groups_stay_in_one_fold() -> None:
    X, y = shop(300, 0)
    groups = np.arange(300) // 3
    folds = fusion().cross_fit(X, y, groups).folds
    assert all(len(set(folds[groups == group])) == 1 for group in range(100))
    assert set(folds) == set(range(5))


def test_one_expert_keeps_its_margins_and_gets_probabilities() -> None:
    X, y = shop(600, 0)
    model, plain = alone().fit(X, y), on_block("text").fit(X, y)
    np.testing.assert_array_equal(model.decision_function(X), plain.decision_function(X))
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1.0)
    assert model.predict_proba(X.iloc[:0]).shape == (0, N_CLASSES)


def test_what_is_known_out_of_fold_is_not_made_again() -> None:
    X, y = shop(400, 0)
    oof = fusion().cross_fit(X, y)
    given, own = fusion().fit(X, y, oof=oof), fusion().fit(X, y)
    np.testing.assert_array_equal(given.predict_proba(X), own.predict_proba(X))


def test_a_holdout_becomes_a_fold_of_its_own() -> None:
    X, y = shop(400, 0)
    held = np.arange(400) % 5 == 2
    inside = fusion().cross_fit(X[~held], y[~held])
    model = fusion().fit(X[~held], y[~held], oof=inside)
    unseen = model.score_unseen(X[held], y[held])
    np.testing.assert_allclose(unseen.margins["text"], model.margins(X[held])["text"])
    assert (np.isnan(unseen.margins["image"][:, 0]) == ~X["has_image"][held]).all()
    merged = inside.with_holdout(unseen, held)
    np.testing.assert_array_equal(merged.codes, np.searchsorted(model.classes_, y))
    np.testing.assert_array_equal(merged.folds == -1, held)
    np.testing.assert_array_equal(merged.margins["text"][held], unseen.margins["text"])
    np.testing.assert_array_equal(merged.margins["image"][~held], inside.margins["image"])


PATTERNS = {"text": (True, False), "image": (False, True), "neither": (False, False)}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_what_is_hidden_has_no_say(pattern: str) -> None:
    """One side alone is answered as that expert alone would, to the digit; neither is the prior."""
    X, y = shop(600, 0, with_image=1.0)
    new, _ = shop(50, 1, with_image=1.0)
    model = fusion().fit(X, y)
    new["has_text"], new["has_image"] = PATTERNS[pattern]
    found, weights = model.predict_proba(new), model.gating_.weights(*inputs(model, new))
    if pattern == "neither":
        np.testing.assert_allclose(found, np.tile(model.gating_.prior, (50, 1)))
        assert not weights.any()
        return
    expected = LateFusion([(pattern, on_block(pattern))]).fit(X, y).predict_proba(new)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert (weights == [name == pattern for name in model.experts_]).all()


def inputs(model: LateFusion, X: pd.DataFrame) -> tuple[list[np.ndarray], np.ndarray]:
    return list(model.margins(X).values()), gating_conditions(X)


@pytest.mark.parametrize(
    ("n", "seed"), [(200, 3), (200, 4), (400, 1), (400, 2), (700, 3), (1000, 0)]
)
def test_no_class_is_silenced_on_its_own_rows(n: int, seed: int) -> None:
    """A class that raw margins find in all of its training rows is not taken for others in all.

    Maps whose sigmoids could fall did that to seven classes of these shops.
    """
    X = pd.DataFrame(draw_catalogue(n, seed).train)
    words = FunctionTransformer(operator.itemgetter("designation"))
    text = make_pipeline(words, TfidfWords(), ThreadedLinearSVC(C=0.5, n_jobs=1))
    model = LateFusion([("text", text)]).fit(X, X["label"].to_numpy())
    codes = np.searchsorted(model.classes_, X["label"])
    raw = pd.Series(model.margins(X)["text"].argmax(axis=1) == codes).groupby(codes).all()
    answered = pd.Series(model.predict(X) == X["label"]).groupby(codes).any()
    assert answered[raw].all()


def test_rows_that_nobody_can_read_teach_nothing() -> None:
    X, y = shop(400, 0)
    blank = X.iloc[:40].assign(has_text=False, has_image=False)
    both = fusion().fit(pd.concat([X, blank], ignore_index=True), np.append(y, y[:40]))
    new, _ = shop(50, 1)
    for name, margins in fusion().fit(X, y).margins(new).items():
        np.testing.assert_allclose(both.margins(new)[name], margins, rtol=1e-6)


def test_fitted_steps_are_named_by_expert_and_branch() -> None:
    X, y = shop(200, 0)
    model = fusion().fit(X, y)
    steps = list(model.fitted_steps(LogisticRegression))
    assert [name for name, _, _ in steps] == ["text", "image"]
    assert [step.classes_.tolist() for _, _, step in steps] == [[7, 17, 27, 37]] * 2


def trained_on_branches(**options: float) -> LateFusion:
    """What a run fits: text branches under a linear SVM."""
    cfg = load_config(
        overrides=[*SMALL, *(f"model.linear_svc.{k}={v}" for k, v in options.items())]
    )
    text = build_expert(cfg, build_branches(cfg), "linear_svc")
    return LateFusion([("text", text)], n_folds=2)


SMALL = [
    "features.text.min_df=1",
    "features.text.char.min_df=1",
    "features.text.char.max_features=200",
    "features.image.stats.enabled=false",
    "features.image.cnn.enabled=false",
    "compute.n_jobs=1",
]


def product_table() -> tuple[pd.DataFrame, np.ndarray]:
    """Sixty products, a few of whose labels are wrong: some C is better than others."""
    words = {10: ["lampe", "ampoule"], 20: ["livre", "roman"], 30: ["jeu", "console"]}
    rng = np.random.default_rng(0)
    codes = np.repeat(list(words), 20)
    shared = ["rouge", "neuf", "grand", "lot"]
    titles = [f"{rng.choice(words[c])} {rng.choice(shared)} {i}" for i, c in enumerate(codes)]
    codes[::9] = rng.choice(codes, len(codes[::9]))
    cfg = load_config(overrides=SMALL)
    products = pd.DataFrame({"designation": titles, "description": "", "image": ""})
    return extract_table(products, extractors_of(cfg, build_branches(cfg)), None), codes


def test_parameters_are_read_and_set_by_the_librarys_names() -> None:
    model = trained_on_branches()
    name = "text__classifier__classifier__C"
    assert model.get_params()[name] == model.estimators[0][1]["classifier"].classifier.C
    assert set(model.get_params(deep=False)) == {
        "estimators", "requires", "n_folds", "random_state", "single_fold",
    }  # fmt: skip
    assert "text__features__tfidf_word__tfidfwords__min_df" in model.get_params()
    assert model.set_params(**{name: 0.25}, n_folds=3) is model
    assert model.estimators[0][1]["classifier"].classifier.C == 0.25
    assert model.n_folds == 3
    with pytest.raises(ValueError, match="Invalid parameter"):
        model.set_params(text__classifier__classifier__D=1)
    other = LogisticRegression()
    assert dict(model.set_params(text=other).estimators)["text"] is other


def test_clone_is_unfitted_with_the_same_parameters() -> None:
    X, y = shop(200, 0)
    fitted = fusion(n_folds=3, random_state=4).fit(X, y)
    again = clone(fitted)
    assert repr(again.get_params()) == repr(fitted.get_params())
    assert is_classifier(again)
    check_is_fitted(fitted)
    assert not any(name.endswith("_") for name in vars(again))
    assert not hasattr(fitted.estimators[0][1]["logreg"], "coef_")
    with pytest.raises(NotFittedError):
        check_is_fitted(again)


def test_a_dropped_expert_is_as_if_it_were_not_there() -> None:
    X, y = shop(400, 0)
    without = fusion().set_params(image="drop").fit(X, y)
    assert list(without.experts_) == ["text"]
    np.testing.assert_array_equal(without.predict_proba(X), alone().fit(X, y).predict_proba(X))
    found = GridSearchCV(fusion(n_folds=2), {"image": [on_block("image"), "drop"]}, cv=2)
    X, y = shop(400, 0, with_image=1.0)
    assert found.fit(X, y).best_params_["image"] != "drop"


def test_grid_search_over_a_nested_parameter() -> None:
    """End to end on a product table: each candidate's score is what a plain loop gives."""
    X, y = product_table()
    grid = [1e-6, 0.5, 1000.0]
    folds = PredefinedSplit(np.arange(60) % 2)
    name = "text__classifier__classifier__C"
    search = GridSearchCV(trained_on_branches(), {name: grid}, cv=folds, error_score="raise")
    search.fit(X, y)
    expected = [
        np.mean(
            [
                (trained_on_branches(C=C).fit(X.iloc[a], y[a]).predict(X.iloc[b]) == y[b]).mean()
                for a, b in folds.split()
            ]
        )
        for C in grid
    ]
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], expected)
    assert search.best_params_ == {name: grid[int(np.argmax(expected))]}
    best = search.best_estimator_.experts_["text"]["classifier"]
    assert isinstance(best, ModelTrainer)
    assert isinstance(best.classifier_, ThreadedLinearSVC)
    assert search.best_params_[name] == best.classifier_.C
    refitted = clone(search.best_estimator_).fit(X, y)
    np.testing.assert_array_equal(search.predict(X), refitted.predict(X))


def test_a_branch_can_be_dropped_in_a_search() -> None:
    X, y = product_table()
    name = "text__features__tfidf_char"
    dropped = trained_on_branches().set_params(**{name: "drop"}).fit(X, y)
    branches = [block.branch for block in dropped.experts_["text"]["features"].blocks_]
    assert branches == ["tfidf_word", "tfidf_word_title", "tfidf_char_title", "has_description",
                        "title_length"]  # fmt: skip


@pytest.mark.parametrize("fitted", [False, True])
def test_the_display_shows_every_expert_and_branch(fitted: bool) -> None:
    model = trained_on_branches()
    if fitted:
        model.fit(*product_table())
    page = estimator_html_repr(model)
    assert page.startswith("<style>")
    assert "sk-container-id" in model._repr_html_()
    labels = re.findall(r"<label[^>]*>(.*?)</label>", page, flags=re.DOTALL)
    shown = " ".join(re.sub(r"<[^>]+>", " ", label) for label in labels)
    names = "LateFusion text BranchUnion tfidf_word tfidf_char has_description TfidfWords"
    for name in [*names.split(), "StandardScaler", "ModelTrainer", "ThreadedLinearSVC"]:
        assert name in shown
    assert ("Not fitted" in page) != fitted


def test_names_of_a_fitted_union_are_the_librarys() -> None:
    X, y = product_table()
    union = trained_on_branches().fit(X, y).experts_["text"]["features"]
    names = union.get_feature_names_out().tolist()
    parts = [
        f"{name}__{column}"
        for name, branch in union.transformer_list
        for column in branch.get_feature_names_out()
    ]
    assert names == parts
    assert len(names) == union.transform(X).shape[1]
    assert "tfidf_word__lampe" in names


def test_a_table_of_dense_branches_is_scaled_in_the_fold_alone() -> None:
    """A scaler inside an expert learns from the other folds: cross-fitting clones the whole."""
    X, y = shop(200, 0, with_image=1.0)
    scaled = Pipeline([("block", select_columns("text")), ("scale", StandardScaler()),
                       ("logreg", LogisticRegression())])  # fmt: skip
    model = LateFusion([("text", scaled)], n_folds=2)
    oof = model.cross_fit(X, y)
    held = oof.folds == 0
    expected = clone(scaled).fit(X[~held], y[~held]).decision_function(X[held])
    np.testing.assert_array_equal(oof.margins["text"][held], expected)


def test_an_expert_of_a_single_fold_is_fitted_once_and_answers_that_fold() -> None:
    X, y = shop(600, 0)
    groups = np.arange(600) // 2
    plain, once = fusion(n_folds=3), fusion(n_folds=3, single_fold=["image"])
    every, oof = (model.cross_fit(X, y, groups) for model in (plain, once))
    first = every.folds == 0
    np.testing.assert_array_equal(oof.margins["text"], every.margins["text"])
    np.testing.assert_array_equal(oof.margins["image"][first], every.margins["image"][first])
    assert np.isnan(oof.margins["image"][~first]).all()
    # The rows of that fold are dealt once more, for what is learned from margins alone.
    np.testing.assert_array_equal(oof.folds[~first], every.folds[~first])
    assert set(oof.folds[first]) == {3, 4, 5}
    assert all(len(set(oof.folds[groups == group])) == 1 for group in groups)
    fitted = once.fit(X, y, groups, oof=oof)
    assert np.isfinite(oof.probabilities).all()
    truth = oof.codes[first]
    of_fold = oof.take(first)
    text = {"text": every.margins["text"]}
    of_text = OutOfFold(text, every.folds, every.conditions, every.codes)
    gained = log_loss(of_text.probabilities[first], truth)
    assert log_loss(oof.probabilities[first], truth) < gained
    assert (fitted.gating_.weights(of_fold.arrays, of_fold.conditions)[:, 1] > 0).any()
    assert list(fitted.experts_) == ["text", "image"]
    # Scores are told of the folds that were left out.
    scores = out_of_fold_scores(fitted, oof, oof.answers)
    np.testing.assert_array_equal(scores.folds, every.folds)


def test_its_probabilities_of_a_row_do_not_depend_on_the_rows_label() -> None:
    X, y = shop(600, 0)
    model = fusion(n_folds=3, single_fold=["image"])
    oof = model.cross_fit(X, y)
    fold = oof.folds == oof.folds.max()
    codes = np.where(fold, (oof.codes + 1) % N_CLASSES, oof.codes)
    other = dataclasses.replace(oof, codes=codes, options=oof.chosen_options)
    np.testing.assert_array_equal(other.probabilities[fold], oof.probabilities[fold])
