"""Closed form and native contributions beside the shap library and dense formulas."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from lightgbm import LGBMClassifier
from scipy import sparse
from sklearn.base import ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from src.evaluation.shap.classifiers import LinearExplainer, Parts, explainer_of
from src.models.boosted_trees import BoostedTrees
from src.models.cross_validation import both_columns
from src.models.linear_svm import ThreadedLinearSVC
from src.models.model_trainer import ModelTrainer
from src.pipelines.branches import Block, BranchUnion, stack

WIDTHS = {"words": 7, "picture": 3}
BLOCKS = (Block("words", 0, 7), Block("picture", 7, 10))


def drawn_parts(n: int, seed: int) -> Parts:
    rng = np.random.default_rng(seed)
    words = sparse.random(n, WIDTHS["words"], 0.4, "csr", np.float32, random_state=rng)
    return [words, rng.normal(size=(n, 3)).astype("f4")]


def dense(parts: Parts) -> np.ndarray:
    return stack(parts).toarray().astype(np.float64)


def fitted(classifier: ClassifierMixin, n_classes: int) -> tuple[Pipeline, Parts]:
    parts = drawn_parts(90, 0)
    return expert_on(classifier, parts, np.arange(90) % n_classes), parts


def expert_on(classifier: ClassifierMixin, parts: Parts, y: np.ndarray) -> Pipeline:
    """An expert that learned from what its union would have made."""
    union = BranchUnion([])
    union.blocks_ = BLOCKS
    trainer = ModelTrainer(classifier).fit(stack(parts), y)
    return Pipeline([("features", union), ("classifier", trainer)])


CLASSIFIERS = {"logreg": LogisticRegression(), "svc": ThreadedLinearSVC(n_jobs=1, random_state=0)}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_equals_the_shap_library(name: str) -> None:
    shap = pytest.importorskip("shap")
    expert, parts = fitted(CLASSIFIERS[name], 3)
    new = drawn_parts(20, 1)
    classifier = expert["classifier"].classifier_
    masker = shap.maskers.Independent(dense(parts), max_samples=1000)
    theirs = shap.LinearExplainer((classifier.coef_.astype(float), classifier.intercept_), masker)
    values = theirs.shap_values(dense(new))  # (n, columns, classes)
    expected = np.stack([values[:, :7].sum(axis=1), values[:, 7:].sum(axis=1)], axis=1)
    ours = explainer_of(expert)
    np.testing.assert_allclose(ours.by_block(new), expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(ours.base(1)[0], theirs.expected_value, rtol=0, atol=1e-6)
    for row in range(3):
        one = [part[[row]] for part in new]
        for number, start in ((0, 0), (1, 7)):
            columns, phi = ours.of_columns(one, number)
            np.testing.assert_allclose(phi, values[row, start + columns], rtol=0, atol=1e-6)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_adds_up_to_the_margins(n_classes: int) -> None:
    expert, _ = fitted(CLASSIFIERS["svc"], n_classes)
    new, explainer = drawn_parts(25, 2), explainer_of(expert)
    found = explainer.base(25) + explainer.by_block(new).sum(axis=1)
    np.testing.assert_allclose(found, margins_of(expert, new), rtol=1e-4, atol=1e-5)


def margins_of(expert: Pipeline, parts: Parts) -> np.ndarray:
    return both_columns(expert["classifier"].classifier_.decision_function(stack(parts)))


def test_importance_is_the_weighted_sum_of_sizes_and_of_own_rows() -> None:
    expert, _ = fitted(CLASSIFIERS["logreg"], 3)
    new, rng = drawn_parts(30, 3), np.random.default_rng(4)
    weights, mapped = rng.random(30), rng.normal(size=(3, 4))
    members = np.eye(4)[rng.integers(0, 4, 30)]
    slope = mapped.T @ expert["classifier"].classifier_.coef_
    away = dense(new) - expert["classifier"].background_
    phi = away[:, None, :] * slope * weights[:, None, None]
    found = list(explainer_of(expert).importance(new, weights, mapped, members))
    assert [block.branch for block, _, _ in found] == ["words", "picture"]
    size = np.hstack([size for _, size, _ in found])
    own = np.hstack([own for _, _, own in found])
    np.testing.assert_allclose(size, np.abs(phi).sum(axis=0), rtol=1e-4)
    expected = (phi * members[:, :, None]).sum(axis=0)
    np.testing.assert_allclose(own, expected, rtol=1e-3, atol=1e-5)


BOOSTERS = {
    "xgboost": XGBClassifier(n_estimators=6, max_depth=3, n_jobs=1),
    "lightgbm": LGBMClassifier(n_estimators=6, num_leaves=5, n_jobs=1, verbosity=-1),
}


def boosted(estimator: ClassifierMixin) -> Pipeline:
    rng = np.random.default_rng(0)
    parts = drawn_dense(90, rng)
    y = (parts[0][:, 0] + 0.3 * rng.normal(size=90) > 0) + 2 * (parts[0][:, 4] > 0)
    return expert_on(BoostedTrees(estimator), parts, y)


def drawn_dense(n: int, rng: np.random.Generator) -> Parts:
    return [rng.normal(size=(n, width)).astype("f4") for width in WIDTHS.values()]


@pytest.mark.parametrize("name", BOOSTERS)
def test_trees_equal_the_shap_librarys(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shap = pytest.importorskip("shap")
    expert = boosted(BOOSTERS[name])
    new = drawn_dense(17, np.random.default_rng(1))
    theirs = shap.TreeExplainer(expert["classifier"].classifier_.estimator_)
    values = theirs.shap_values(stack(new))  # (n, columns, classes)
    expected = np.stack([values[:, :7].sum(axis=1), values[:, 7:].sum(axis=1)], axis=1)
    monkeypatch.setattr("src.evaluation.shap.classifiers.CHUNK_VALUES", 200)  # four rows at a time
    ours = explainer_of(expert)
    np.testing.assert_allclose(ours.by_block(new), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(ours.base(1)[0], theirs.expected_value, rtol=1e-4, atol=1e-5)
    total = ours.base(17) + ours.by_block(new).sum(axis=1)
    np.testing.assert_allclose(total, margins_of(expert, new), rtol=1e-4, atol=1e-4)
    weights, members = np.linspace(0, 1, 17), np.eye(4)[np.arange(17) % 4]
    found = list(ours.importance(new, weights, np.eye(4), members))
    phi = values.transpose(0, 2, 1) * weights[:, None, None]
    size = np.hstack([size for _, size, _ in found])
    own = np.hstack([own for _, _, own in found])
    np.testing.assert_allclose(size, np.abs(phi).sum(axis=0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(own, (phi * members[:, :, None]).sum(axis=0), rtol=1e-3, atol=1e-4)


def test_another_classifier_is_refused() -> None:
    expert, _ = fitted(LogisticRegression(), 3)
    expert["classifier"].classifier_ = DecisionTreeClassifier()
    with pytest.raises(TypeError, match=r"DecisionTreeClassifier can't be explained: expected"):
        explainer_of(expert)


def test_a_catalogues_size_takes_little_memory() -> None:
    rng = np.random.default_rng(0)
    words = sparse.random(500, 300_000, 0.004, "csr", np.float32, random_state=rng)
    coef = rng.normal(size=(27, 300_000)).astype(np.float32)
    mean = np.asarray(words.mean(axis=0), dtype=np.float32).ravel()
    explainer = LinearExplainer(coef, np.zeros(27), mean, (Block("words", 0, 300_000),))
    tracemalloc.start()
    values = explainer.by_block([words])
    members = np.eye(27)[np.arange(500) % 27]
    [(_, importance, _)] = explainer.importance([words], np.ones(500), np.eye(27), members)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert values.shape == (500, 1, 27)
    assert importance.shape == (27, 300_000)
    assert peak + coef.nbytes + words.data.nbytes + words.indices.nbytes < 1e9
    margins = words @ coef.T
    np.testing.assert_allclose(explainer.base(500) + values[:, 0], margins, rtol=1e-3, atol=1e-3)
