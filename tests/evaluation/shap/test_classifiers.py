"""Closed form and native contributions beside the shap library and dense formulas."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from lightgbm import LGBMClassifier
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier
from src.features.matrix import FeatureMatrix
from src.pipelines.fusion import WeightedFeatureUnion
from xgboost import XGBClassifier

from src.evaluation.shap.classifiers import LinearHead, head_of
from src.models.boosted_trees import BoostedTrees
from src.models.linear_svm import ThreadedLinearSVC
from src.pipelines.product_model import ProductModel

WIDTHS = {"words": 7, "picture": 3}


def drawn_matrix(n: int, seed: int) -> FeatureMatrix:
    rng = np.random.default_rng(seed)
    words = sparse.random(n, WIDTHS["words"], 0.4, "csr", np.float32, random_state=rng)
    return FeatureMatrix.of({"words": words, "picture": rng.normal(size=(n, 3)).astype("f4")})


def dense(matrix: FeatureMatrix) -> np.ndarray:
    return matrix.stack().toarray().astype(np.float64)


def fitted(head: object, n_classes: int) -> tuple[ProductModel, FeatureMatrix]:
    matrix = drawn_matrix(90, 0)
    y = np.arange(90) % n_classes
    return ProductModel(WeightedFeatureUnion([], {}), head).fit_head(None, matrix, y), matrix


HEADS = {"logreg": LogisticRegression(), "svc": ThreadedLinearSVC(n_jobs=1, random_state=0)}


@pytest.mark.parametrize("name", HEADS)
def test_equals_the_shap_library(name: str) -> None:
    shap = pytest.importorskip("shap")
    expert, matrix = fitted(HEADS[name], 3)
    new = drawn_matrix(20, 1)
    head = expert.head_
    masker = shap.maskers.Independent(dense(matrix), max_samples=1000)
    theirs = shap.LinearExplainer((head.coef_.astype(float), head.intercept_), masker)
    values = theirs.shap_values(dense(new))  # (n, columns, classes)
    expected = np.stack([values[:, :7].sum(axis=1), values[:, 7:].sum(axis=1)], axis=1)
    ours = head_of(expert)
    np.testing.assert_allclose(ours.by_block(new), expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(ours.base(1)[0], theirs.expected_value, rtol=0, atol=1e-6)
    for row in range(3):
        one = FeatureMatrix(tuple(part[[row]] for part in new.parts), new.blocks)
        for number, start in ((0, 0), (1, 7)):
            columns, phi = ours.of_columns(one, number)
            np.testing.assert_allclose(phi, values[row, start + columns], rtol=0, atol=1e-6)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_adds_up_to_the_margins(n_classes: int) -> None:
    expert, _ = fitted(HEADS["svc"], n_classes)
    new, head = drawn_matrix(25, 2), head_of(expert)
    found = head.base(25) + head.by_block(new).sum(axis=1)
    np.testing.assert_allclose(found, expert.margins_of(new), rtol=1e-4, atol=1e-5)


def test_importance_is_the_weighted_sum_of_sizes_and_of_own_rows() -> None:
    expert, _ = fitted(HEADS["logreg"], 3)
    new, rng = drawn_matrix(30, 3), np.random.default_rng(4)
    weights, mapped = rng.random(30), rng.normal(size=(3, 4))
    members = np.eye(4)[rng.integers(0, 4, 30)]
    slope = mapped.T @ expert.head_.coef_
    away = dense(new) - expert.background_
    phi = away[:, None, :] * slope * weights[:, None, None]
    found = list(head_of(expert).importance(new, weights, mapped, members))
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


def boosted(estimator: object) -> tuple[ProductModel, FeatureMatrix]:
    rng = np.random.default_rng(0)
    matrix = drawn_dense(90, rng)
    y = (matrix.stack()[:, 0] + 0.3 * rng.normal(size=90) > 0) + 2 * (matrix.stack()[:, 4] > 0)
    trees = BoostedTrees(estimator)
    return ProductModel(WeightedFeatureUnion([], {}), trees).fit_head(None, matrix, y), matrix


def drawn_dense(n: int, rng: np.random.Generator) -> FeatureMatrix:
    parts = {name: rng.normal(size=(n, width)).astype("f4") for name, width in WIDTHS.items()}
    return FeatureMatrix.of(parts)


@pytest.mark.parametrize("name", BOOSTERS)
def test_trees_equal_the_shap_librarys(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shap = pytest.importorskip("shap")
    expert, _ = boosted(BOOSTERS[name])
    new = drawn_dense(17, np.random.default_rng(1))
    theirs = shap.TreeExplainer(expert.head_.estimator_)
    values = theirs.shap_values(new.stack())  # (n, columns, classes)
    expected = np.stack([values[:, :7].sum(axis=1), values[:, 7:].sum(axis=1)], axis=1)
    monkeypatch.setattr("src.evaluation.shap.classifiers.CHUNK_VALUES", 200)  # four rows at a time
    ours = head_of(expert)
    np.testing.assert_allclose(ours.by_block(new), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(ours.base(1)[0], theirs.expected_value, rtol=1e-4, atol=1e-5)
    total = ours.base(17) + ours.by_block(new).sum(axis=1)
    np.testing.assert_allclose(total, expert.margins_of(new), rtol=1e-4, atol=1e-4)
    weights, members = np.linspace(0, 1, 17), np.eye(4)[np.arange(17) % 4]
    found = list(ours.importance(new, weights, np.eye(4), members))
    phi = values.transpose(0, 2, 1) * weights[:, None, None]
    size = np.hstack([size for _, size, _ in found])
    own = np.hstack([own for _, _, own in found])
    np.testing.assert_allclose(size, np.abs(phi).sum(axis=0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(own, (phi * members[:, :, None]).sum(axis=0), rtol=1e-3, atol=1e-4)


def test_another_classifier_is_refused() -> None:
    expert, _ = fitted(LogisticRegression(), 3)
    expert.head_ = DecisionTreeClassifier()
    with pytest.raises(TypeError, match=r"DecisionTreeClassifier can't be explained: expected"):
        head_of(expert)


def test_a_catalogues_size_takes_little_memory() -> None:
    rng = np.random.default_rng(0)
    words = sparse.random(500, 300_000, 0.004, "csr", np.float32, random_state=rng)
    matrix = FeatureMatrix.of({"words": words})
    coef = rng.normal(size=(27, 300_000)).astype(np.float32)
    head = LinearHead(coef, np.zeros(27), matrix.column_means(), matrix.blocks)
    tracemalloc.start()
    values = head.by_block(matrix)
    members = np.eye(27)[np.arange(500) % 27]
    [(_, importance, _)] = head.importance(matrix, np.ones(500), np.eye(27), members)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert values.shape == (500, 1, 27)
    assert importance.shape == (27, 300_000)
    assert peak + coef.nbytes + matrix.nbytes < 1e9
    margins = words @ coef.T
    np.testing.assert_allclose(head.base(500) + values[:, 0], margins, rtol=1e-3, atol=1e-3)
