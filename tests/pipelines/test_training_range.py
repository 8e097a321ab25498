"""Which products are far outside of training; words are unknown that others do not have."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

from src.config import load_config
from src.features.tfidf.hashing import HashedWords
from src.features.tfidf.vectorizers import DEFAULT_TOKEN_PATTERN, TfidfWords
from src.models.late_fusion import LateFusion
from src.pipelines.branches import select_columns
from src.pipelines.extractor import Extractor
from src.pipelines.product_model import build_model
from src.pipelines.registry import build_branches, extractors_of
from src.pipelines.table import extract_table
from src.pipelines.training_range import (
    TrainingRange,
    find_vocabulary,
    find_word_counter,
    known_words,
    unknown_shares,
)
from tools.demo_shop.catalogue import draw_catalogue

TEXTS = ["jeu de cartes", "jeu de dames", "cartes de visite", "piscine bleue", "piscine de jeu"]


def test_words_of_others_are_those_left_when_one_product_is_left_out() -> None:
    counter = TfidfWords(ngram_range=(1, 2), min_df=2).fit(TEXTS)
    words = known_words(counter, of_others=True)
    shares = unknown_shares(TEXTS, words, counter.token_pattern)
    for row, text in enumerate(TEXTS):
        others = CountVectorizer(min_df=2).fit(TEXTS[:row] + TEXTS[row + 1 :])
        found = others.build_analyzer()(text)
        expected = np.mean([word not in others.vocabulary_ for word in found])
        assert shares[row] == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["linear_svc", "lightgbm"])
def test_the_words_of_title_and_description_are_found_behind_a_reduction(kind: str) -> None:
    cfg = load_config(overrides=[f"model.name={kind}", "features.text.svd.n_components=2"])
    branches = [b for b in build_branches(cfg) if b.name.startswith("tfidf_word")]
    X = pd.DataFrame({"clean_title": TEXTS, "clean_description": "visite"})
    model = build_model(cfg, branches)
    model.experts_ = {name: clone(expert) for name, expert in model.estimators}
    (expert,) = model.experts_.values()
    expert["features"].fit(X)
    counter = find_word_counter(model)
    assert counter is not None
    words = {"jeu", "de", "cartes", "piscine", "visite"}
    assert known_words(counter, of_others=False) == words


def test_all_single_words_are_known_to_a_new_product() -> None:
    counter = TfidfWords(ngram_range=(1, 2), min_df=2).fit(TEXTS)
    assert known_words(counter, of_others=False) == {"jeu", "de", "cartes", "piscine"}


def test_hashed_columns_name_no_words() -> None:
    options = ["model.name=sgd", "features.text.hashing.enabled=true"]
    cfg = load_config(overrides=options)
    model = build_model(cfg, [b for b in build_branches(cfg) if b.name == "tfidf_word"])
    model.experts_ = dict(model.estimators)
    assert isinstance(find_word_counter(model), HashedWords)
    assert find_vocabulary(model) is None


def test_shares_and_texts_without_words() -> None:
    shares = unknown_shares(["Jeu inconnu", "", "! 1"], frozenset({"jeu"}), DEFAULT_TOKEN_PATTERN)
    assert shares.tolist() == pytest.approx([0.5, np.nan, np.nan], nan_ok=True)


Learned = tuple[LateFusion, tuple[Extractor, ...], TrainingRange]


@pytest.fixture(scope="module")
def learned() -> Learned:
    """A shop of French and English texts."""
    text_only = [f"features.image.{name}.enabled=false" for name in ("cnn", "stats")]
    cfg = load_config(overrides=["model.name=linear_svc", "cv.n_folds=2", *text_only])
    branches = build_branches(cfg)
    extractors = extractors_of(cfg, branches)
    products = pd.DataFrame(draw_catalogue(700, 0).train).assign(image="")
    table = extract_table(products, extractors, cache=None)
    table = table[table["language"].isin(["fr", "en"])].reset_index(drop=True)
    model = build_model(cfg, branches).fit(table, table["label"].to_numpy())
    return model, extractors, TrainingRange.of(table, model)


def read(learned: Learned, titles: list[str], descriptions: list[str] | str = "") -> pd.DataFrame:
    columns = {"designation": titles, "description": descriptions, "image": ""}
    return extract_table(pd.DataFrame(columns), learned[1], cache=None)


CHAIR = "Chaise de jardin en résine tressée grise "
STRANGE = {
    "title_length": (CHAIR * 50, ""),
    "description_length": (CHAIR, CHAIR * 2000),
    "unknown_words": ("Krzesło ogrodowe z żywicy w kolorze szarym", ""),
    "language": ("Gartenstuhl aus Kunststoff, grau, mit Armlehnen für den Balkon", ""),
}


def test_products_far_outside_have_their_reason(learned: Learned) -> None:
    usual = "Lot de 2 chaises pour le jardin", "Livre de poche, édition de 1998", "!!!", ""
    titles = [*(title for title, _ in STRANGE.values()), *usual]
    bodies = [*(body for _, body in STRANGE.values()), *[""] * len(usual)]
    found = learned[2].reasons(read(learned, titles, bodies), learned[0])
    for row, name in enumerate(STRANGE):
        assert found[name][row], name
    assert not any(flags[len(STRANGE) :].any() for flags in found.values())
    unjudged = read(learned, titles, bodies).drop(columns="language")
    assert "language" not in learned[2].reasons(unjudged, learned[0])


def test_what_nobody_can_see_makes_no_description_long(learned: Learned) -> None:
    hidden = "Gris." + "\u200b" * 60_000 + "<br>" * 20_000
    table = read(learned, [CHAIR], [hidden])
    assert not learned[2].reasons(table, learned[0])["description_length"].any()


def test_a_title_too_short_to_tell_its_language_is_not_judged_by_it(learned: Learned) -> None:
    title = "Gartenstuhl aus Kunststoff"  # German to a reader, and to the detector
    table = read(learned, ["Piscine", title, f"{title}, grau, mit Armlehnen für den Balkon", title],
                 ["", "", "", "Grau, stapelbar, mit Armlehnen für den Balkon"])  # fmt: skip
    assert table["language"].tolist() == ["it", "de", "de", "de"]
    found = learned[2].reasons(table, learned[0])["language"]
    assert found.tolist() == [False, False, True, True]


def test_new_products_of_the_same_shop_are_hardly_ever_outside(learned: Learned) -> None:
    products = pd.DataFrame(draw_catalogue(700, 1).train)
    table = read(learned, products["designation"].tolist(), products["description"].tolist())
    table = table[table["language"].isin(["fr", "en"])]
    found = np.any(list(learned[2].reasons(table, learned[0]).values()), axis=0)
    assert found.mean() < 0.02


def test_a_title_said_many_times_is_answered_like_one_of_the_longest(learned: Learned) -> None:
    """The n-grams are those of the title; the length counts as the largest in training."""
    long, longer, longest = learned[0].predict_proba(
        read(learned, [CHAIR * times for times in (50, 500, 2500)])
    )
    np.testing.assert_allclose(longer, long, atol=0.02)
    np.testing.assert_allclose(longest, longer, atol=0.005)


def test_images_are_compared_by_their_statistics() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(500, 8)).astype(np.float32)
    values[:100] = np.nan
    table = pd.DataFrame(values).add_prefix("image_stats__")
    table = table.assign(has_text=False, has_image=~np.isnan(values[:, 0]), language="other")
    table = table.assign(clean_title="", clean_description="", description="", title_length=0.0)
    expert = make_pipeline(select_columns("image_stats"), LogisticRegression())
    model = LateFusion([("image", Pipeline(expert.steps))], {"image": ["has_image"]})
    model.fit(table, rng.integers(0, 3, 500))
    known = TrainingRange.of(table, model)
    assert known.languages == frozenset()
    table.iloc[200:202, :8] = 4.0, *[-4.0] * 7
    table.iloc[202, :8] = [6.0, *[0.0] * 7]  # one statistic alone is no strange image
    found = known.reasons(table, model)
    assert np.flatnonzero(found["image"]).tolist() == [200, 201]
    assert not any(flags.any() for name, flags in found.items() if name != "image")
