"""Blocks of a late fusion on texts and pictures: they add up, and are ranked as sizes say."""

from __future__ import annotations

import numpy as np
import pandas as pd

from src.evaluation.shap.blocks import block_contributions, summarise, top_features
from src.evaluation.shap.experts import take_apart
from src.models.gating import gating_conditions


def test_every_row_adds_up_to_the_models_margins(toy_shop) -> None:  # noqa: ANN001
    model, X = toy_shop.model, toy_shop.X
    assert len(model.experts_["image"].classes_) == 3  # the picture expert never saw class 40
    found = block_contributions(model, take_apart(model, X))
    margins = model.decision_function(X)
    np.testing.assert_allclose(found.margins, margins, rtol=1e-12)
    margins_of = list(model.margins(X).values())
    weights = model.gating_.weights(margins_of, gating_conditions(X))
    np.testing.assert_allclose(found.weights, weights, rtol=1e-12)
    total = found.base + found.values.sum(axis=1)
    np.testing.assert_allclose(total, margins, rtol=1e-4, atol=1e-4 * np.abs(margins).max())
    assert found.blocks == ("words", "characters", "title_words", "length", "picture")
    assert found.block_experts == ("text", "text", "text", "text", "image")
    assert not found.values[~X["has_image"], 4].any()


def test_arrays_are_plain_and_small(toy_shop) -> None:  # noqa: ANN001
    found = block_contributions(toy_shop.model, take_apart(toy_shop.model, toy_shop.X))
    arrays = found.arrays()
    kinds = {name: (array.dtype.kind, array.shape) for name, array in arrays.items()}
    assert kinds == {
        "shap_values": ("f", (60, 5, 4)),
        "base_values": ("f", (60, 4)),
        "margins": ("f", (60, 4)),
        "weights": ("f", (60, 2)),
        "blocks": ("U", (5,)),
        "experts": ("U", (2,)),
        "block_experts": ("U", (5,)),
        "classes": ("i", (4,)),
    }
    assert arrays["classes"].tolist() == [10, 20, 30, 40]


def test_summary_by_hand() -> None:
    values = np.array([[[1.0, -2.0], [3.0, 0.0]], [[-1.0, 4.0], [-5.0, 0.0]]])
    expected = pd.DataFrame(
        [
            ("a", "all", 2.0, 0.5),
            ("b", "all", 2.0, 0.5),
            ("a", 10, 1.0, 0.2),
            ("b", 10, 4.0, 0.8),
            ("a", 20, 3.0, 1.0),
            ("b", 20, 0.0, 0.0),
        ],
        columns=["block", "class", "mean_abs", "share"],
    )
    found = summarise(values, ["a", "b"], [10, 20])
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)


def test_summary_of_nothing_has_shares_of_zero() -> None:
    assert summarise(np.zeros((3, 2, 1)), ["a", "b"], [10])["share"].tolist() == [0.0] * 4


def test_top_words_are_those_of_a_dense_count(toy_shop) -> None:  # noqa: ANN001
    """On the rows that the text expert alone sees, its weight is 1: the formula is short."""
    model = toy_shop.model
    X = toy_shop.X.assign(has_image=False)
    top = top_features(model, take_apart(model, X), 4)
    union, trainer = model.experts_["text"]
    slope = model.gating_.votes[0].slope
    mapped = (slope - slope.mean(axis=1, keepdims=True)).T @ trainer.classifier_.coef_
    away = union.transform(X).toarray() - trainer.background_
    names = union.get_feature_names_out()
    words = np.array([name.startswith("words__") for name in names])
    answers = model.decision_function(X).argmax(axis=1)
    for column, code in enumerate(model.classes_.tolist()):
        phi = away * mapped[column]
        own = phi[answers == column].mean(axis=0)
        for direction, sign in (("for", 1), ("against", -1)):
            best = np.flatnonzero(words)[np.argsort(-sign * own[words], kind="stable")][:4]
            rows = top.query(
                f"prdtypecode == {code} and direction == '{direction}' and branch == 'words'"
            )
            assert rows["rank"].tolist() == [1, 2, 3, 4]
            np.testing.assert_allclose(rows["contribution"], own[best], rtol=1e-3, atol=1e-6)
            at = [list(names).index(f"words__{feature}") for feature in rows["feature"]]
            np.testing.assert_allclose(rows["contribution"], own[at], rtol=1e-3, atol=1e-6)
            size = np.abs(phi).mean(axis=0)[at]
            np.testing.assert_allclose(rows["mean_abs"], size, rtol=1e-4)
    assert set(top["branch"]) == {"words", "characters", "title_words", "length"}


def test_a_class_that_no_row_gets_has_no_words(toy_shop) -> None:  # noqa: ANN001
    model = toy_shop.model
    X = toy_shop.X[model.predict(toy_shop.X) == 10]
    fused = take_apart(model, X)
    answered = set(model.classes_[fused.margins.argmax(axis=1)].tolist())
    assert answered < {10, 20, 30, 40}
    assert set(top_features(model, fused, 3)["prdtypecode"]) == answered


def test_a_tree_and_a_linear_expert_add_up_together(tree_shop) -> None:  # noqa: ANN001
    fused = take_apart(tree_shop.model, tree_shop.X)
    found = block_contributions(tree_shop.model, fused)
    total = found.base + found.values.sum(axis=1)
    margins = tree_shop.model.decision_function(tree_shop.X)
    np.testing.assert_allclose(total, margins, rtol=1e-4, atol=1e-4 * np.abs(margins).max())
    assert np.abs(found.values[tree_shop.X["has_image"], 4]).max() > 0.01
    assert "0" in set(
        top_features(tree_shop.model, fused, 3).query("branch == 'picture'")["feature"]
    )
