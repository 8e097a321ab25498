"""One product: words for and against, blocks, weights, and the coloured words of its text."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from src.errors import UsageError
from src.evaluation.shap.product import Contributions, explain_product, highlight
from src.models.gating import gating_conditions

N_GRAM_BLOCKS = ("words", "characters", "title_words")


def explain(toy_shop, row: int, code: int, top: int = 10) -> Contributions:  # noqa: ANN001
    return explain_product(toy_shop.model, toy_shop.X.iloc[[row]], code, top)


def product(title: str, description: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "clean_title": [title],
            "clean_description": [description],
            "title_length": np.array([len(title)], dtype=np.float32),
            "has_description": [bool(description)],
            "has_text": [bool(title or description)],
            "has_image": [False],
            **{f"picture__{number}": np.float32([np.nan]) for number in range(6)},
        }
    )


@pytest.mark.parametrize("row", range(8))
def test_blocks_add_up_and_weights_are_the_models(toy_shop, row: int) -> None:  # noqa: ANN001
    model, X = toy_shop.model, toy_shop.X.iloc[[row]]
    for column, code in enumerate(model.classes_.tolist()):
        found = explain(toy_shop, row, code)
        margin = model.decision_function(X)[0, column]
        assert found.margin == pytest.approx(margin, rel=1e-12)
        assert found.base + sum(found.blocks.values()) == pytest.approx(margin, rel=1e-4, abs=1e-4)
        margins = list(model.margins(X).values())
        weights = model.gating_.weights(margins, gating_conditions(X))[0]
        assert list(found.weights.values()) == pytest.approx(weights.tolist())


def test_terms_are_what_the_columns_contribute(toy_shop) -> None:  # noqa: ANN001
    """The whole list, merged over branches, beside a dense product with the coefficients."""
    X = product("lampe led lampe", "la lampe led")
    model = toy_shop.model
    found = explain_product(model, X, 20, top=10_000)
    union, trainer = model.experts_["text"]
    slope = model.gating_.votes[0].slope
    mapped = ((slope - slope.mean(axis=1, keepdims=True)).T @ trainer.classifier_.coef_)[1]
    row = union.transform(X).toarray()[0]
    phi = (row - trainer.background_) * mapped
    expected: dict[tuple[str, str], float] = {}
    for column in np.flatnonzero(row):
        branch, gram = union.get_feature_names_out()[column].split("__")
        if branch in N_GRAM_BLOCKS:
            kind = "characters" if branch == "characters" else "words"
            before = "…" if kind == "characters" and gram[0] != " " else ""
            after = "…" if kind == "characters" and gram[-1] != " " else ""
            key = (kind, before + gram.strip() + after)
            expected[key] = expected.get(key, 0.0) + phi[column]
    terms = {(t.kind, t.text): t.contribution for t in found.terms_for + found.terms_against}
    expected = {key: given for key, given in expected.items() if given}
    assert terms == pytest.approx(expected, rel=1e-4, abs=1e-7)
    lamp = next(term for term in found.terms_for if term.text == "lampe" and term.kind == "words")
    assert lamp.branches == ("words", "title_words")
    sizes = [term.contribution for term in found.terms_for]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] > 0 > found.terms_against[-1].contribution
    assert found.terms_against[0].contribution < found.terms_against[-1].contribution


def test_words_hold_all_that_the_n_grams_contribute(toy_shop) -> None:  # noqa: ANN001
    X = product("Lampe de bureau", "la lampe led, neuf lampe")
    found = explain_product(toy_shop.model, X, 20, top=10_000)
    total = sum(term.contribution for term in found.terms_for + found.terms_against)
    fields = found.fields
    assert fields["clean_title"].words == ("Lampe", "de", "bureau")
    assert fields["clean_description"].words == ("la", "lampe", "led,", "neuf", "lampe")
    scores = np.concatenate([field.scores for field in fields.values()])
    assert scores.sum() == pytest.approx(total)
    assert sum(found.words().values()) == pytest.approx(total)
    assert next(iter(found.words())) in {"Lampe", "lampe"}


def test_highlight_colours_the_raw_text(toy_shop) -> None:  # noqa: ANN001
    found = explain_product(toy_shop.model, product("lampe de chevet", "led bleu"), 20)
    raw = "<h1>LAMPE de chevet</h1>"
    spans = highlight(raw, found)
    assert [raw[span.start : span.stop] for span in spans] == ["LAMPE", "de", "chevet"]
    assert [span.score for span in spans] == found.fields["clean_title"].scores.tolist()
    assert min(spans, key=lambda span: span.score).start == 10
    assert len(highlight("LED bleu", found, "clean_description")) == 2
    assert highlight("whatever", found, "no such text") == []


def test_a_product_without_any_text(toy_shop) -> None:  # noqa: ANN001
    """Nothing is said of words that are not there, nor of anything where there is no image."""
    image = {f"picture__{number}": np.float32([number]) for number in range(6)}
    for X in (product("", ""), product("", "").assign(has_image=True, **image)):
        found = explain_product(toy_shop.model, X, 10)
        assert found.terms_for == found.terms_against == ()
        assert found.fields == {}
        assert found.base + sum(found.blocks.values()) == pytest.approx(found.margin, rel=1e-4)
        named = {name for name, value in found.blocks.items() if value}
        assert named == ({"picture"} if X["has_image"].item() else set())
        assert found.weights == {"text": 0.0, "image": float(X["has_image"].item())}


def test_refusals(toy_shop) -> None:  # noqa: ANN001
    with pytest.raises(UsageError, match=r"class 99: the model does not know it; .* 10, 20, 30"):
        explain(toy_shop, 0, 99)
    with pytest.raises(ValueError, match="one product is explained at a time, found 60 rows"):
        explain_product(toy_shop.model, toy_shop.X, 10)
