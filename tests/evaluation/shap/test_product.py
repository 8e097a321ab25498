"""One product: words for and against, blocks, weights, and the coloured words of its text."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import src.evaluation.shap.product as product_module
from src.errors import UsageError
from src.evaluation.shap.product import Contributions, explain_product, highlight
from src.features.tfidf.hashing import HashedWords
from src.features.tfidf.vectorizers import TfidfWords
from src.models.gating import gating_conditions
from src.models.late_fusion import LateFusion
from src.pipelines.branches import BranchUnion, PresentRows, join_text, select_columns
from tests.evaluation.conftest import draw_products, expert_of

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
        experts = zip(("text", "image"), weights.tolist(), strict=True)
        assert found.weights == pytest.approx({name: w for name, w in experts if w})
        assert (
            ("picture" in found.blocks) == ("image" in found.weights) == bool(X["has_image"].all())
        )


def test_terms_are_words_with_their_pieces_and_sequences_of_words(toy_shop) -> None:  # noqa: ANN001
    """The whole list, added up over branches, beside a dense product with the coefficients."""
    X = product("lampe led, lampe", "la lampe LED")
    model, words = toy_shop.model, ("lampe", "led,", "lampe", "la", "lampe", "led")
    found = explain_product(model, X, 20, top=10_000)
    union, trainer = model.experts_["text"]
    slope = model.gating_.votes[0].slope
    mapped = ((slope - slope.mean(axis=1, keepdims=True)).T @ trainer.classifier_.coef_)[1]
    row = union.transform(X).toarray()[0]
    phi = (row - trainer.background_) * mapped
    expected: dict[str, float] = {}
    for column in np.flatnonzero(row):
        branch, gram = union.get_feature_names_out()[column].split("__")
        if branch not in N_GRAM_BLOCKS:
            continue
        holders = {gram: 1}
        if branch == "characters":
            times = {word: pieces(f" {word} ", gram) for word in set(words)}
            holders = {word: words.count(word) * n for word, n in times.items() if n}
        for word, n in holders.items():
            share = phi[column] * n / sum(holders.values())
            expected[word.strip(",")] = expected.get(word.strip(","), 0.0) + share
    terms = dict(found.terms_for + found.terms_against)
    expected = {term: given for term, given in expected.items() if given}
    assert terms == pytest.approx(expected, rel=1e-4, abs=1e-7)
    assert {"lampe", "led", "la lampe", "lampe la"} <= set(terms)
    assert len(terms) == len(found.terms_for) + len(found.terms_against)  # each once
    for side, sign in ((found.terms_for, 1), (found.terms_against, -1)):
        sizes = [sign * contribution for _, contribution in side]
        assert sizes == sorted(sizes, reverse=True)
        assert all(size > 0 for size in sizes)


def pieces(padded: str, gram: str) -> int:
    return sum(padded.startswith(gram, at) for at in range(len(padded)))


def test_a_word_is_cleaned_once_however_many_n_grams_it_has(
    toy_shop,  # noqa: ANN001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An address of 30,000 letters took 50 seconds."""
    edges, seen = product_module._EDGES, []

    class Counted:
        def sub(self, by: str, name: str) -> str:
            seen.append(name)
            return edges.sub(by, name)

    monkeypatch.setattr(product_module, "_EDGES", Counted())
    explain_product(toy_shop.model, product("lampe" * 50, ""), 10, 100)
    assert seen
    assert len(seen) == len(set(seen))


def test_terms_are_words_of_the_product_alone(toy_shop) -> None:  # noqa: ANN001
    """What the cleaner made of a sign, and markup, are no reason that a seller would know."""
    raw = {"designation": ["💡 <b>Bleu</b> chevet"], "description": ["<![CDATA[<p>led</p>]]>"]}
    X = product("lampe bleu chevet", "led").assign(**raw)
    found = explain_product(toy_shop.model, X, 20, top=10_000)
    terms = dict(found.terms_for + found.terms_against)
    assert set(terms) == {"bleu", "chevet", "led", "bleu chevet", "chevet led"}
    assert found.fields["clean_title"].placed.tolist() == [False, True, True]
    assert found.fields["clean_description"].placed.tolist() == [True]


def test_words_hold_all_that_the_n_grams_contribute(toy_shop) -> None:  # noqa: ANN001
    X = product("Lampe de bureau", "la lampe led, neuf lampe")
    found = explain_product(toy_shop.model, X, 20, top=10_000)
    total = sum(contribution for _, contribution in found.terms_for + found.terms_against)
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


def test_a_product_that_nothing_can_be_read_of(toy_shop) -> None:  # noqa: ANN001
    found = explain_product(toy_shop.model, product("", ""), 10)
    assert found.terms_for == found.terms_against == ()
    assert (found.blocks, found.weights, found.fields) == ({}, {}, {})
    assert found.base == pytest.approx(found.margin, rel=1e-6)
    assert found.words() == {}


def test_an_image_alone_is_explained_by_the_image_alone(toy_shop) -> None:  # noqa: ANN001
    pixels = {f"picture__{number}": np.float32([number]) for number in range(6)}
    X = product("", "").assign(has_image=True, **pixels)
    found = explain_product(toy_shop.model, X, 10)
    assert (set(found.blocks), found.weights) == ({"picture"}, {"image": 1.0})
    assert found.base + found.blocks["picture"] == pytest.approx(found.margin, rel=1e-4, abs=1e-4)
    assert found.terms_for == found.terms_against == ()


def test_one_expert_of_all_branches_names_what_it_read() -> None:
    """Its columns of an image that is not there count to the base."""
    X, y = draw_products(300, 0)
    images = (
        X.filter(like="picture__")
        .add_prefix("image_")
        .rename(columns=lambda name: name.replace("image_picture", "image_stats"))
    )
    X = X.join(images)
    both = [("tfidf_word", make_pipeline(join_text("clean_title"), TfidfWords()))]
    both += [("image_stats", make_pipeline(select_columns("image_stats"), PresentRows()))]
    expert = expert_of(BranchUnion(both), LogisticRegression(max_iter=500))
    model = LateFusion([("all", expert)], n_folds=3).fit(X, y)
    for row in range(12):
        found = explain_product(model, X.iloc[[row]], 10)
        assert ("image_stats" in found.blocks) == X["has_image"].iloc[row]
        total = found.base + sum(found.blocks.values())
        assert total == pytest.approx(found.margin, rel=1e-4, abs=1e-4)
    assert not X["has_image"].iloc[:12].all()


def test_hashed_n_grams_that_share_a_column_share_its_contribution() -> None:
    """The words are found by hashing those of the text; together they hold all that it got."""
    X, y = draw_products(300, 0)
    hashed = HashedWords(ngram_range=(1, 2), n_features=8)
    steps = make_pipeline(join_text("clean_title"), hashed)
    expert = expert_of(BranchUnion([("tfidf_word", steps)]), LogisticRegression(max_iter=500))
    model = LateFusion([("all", expert)], n_folds=3).fit(X, y)
    found = explain_product(model, product("lampe de bureau", ""), 20, top=100)
    scores = found.fields["clean_title"].scores
    fitted = model.experts_["all"]
    row = fitted["features"].transform(product("lampe de bureau", "")).toarray()[0]
    away = (row - fitted["classifier"].background_) * (row != 0)
    column = model.classes_.tolist().index(20)
    expected = away @ fitted["classifier"].classifier_.coef_[column]
    assert scores.sum() == pytest.approx(expected, rel=1e-4)
    assert np.count_nonzero(scores) == 3


def test_refusals(toy_shop) -> None:  # noqa: ANN001
    with pytest.raises(UsageError, match=r"class 99: the model does not know it; .* 10, 20, 30"):
        explain(toy_shop, 0, 99)
    with pytest.raises(ValueError, match="one product is explained at a time, found 60 rows"):
        explain_product(toy_shop.model, toy_shop.X, 10)
