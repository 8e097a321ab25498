"""Unknown words of a training product are those that it would not find without itself."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.feature_extraction.text import CountVectorizer

from src.config import load_config
from src.features.tfidf.vectorizers import DEFAULT_TOKEN_PATTERN, TfidfWords
from src.pipelines.product_model import build_model
from src.pipelines.registry import build_branches
from src.pipelines.training_range import find_word_counter, known_words, unknown_shares

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


def test_shares_and_texts_without_words() -> None:
    shares = unknown_shares(["Jeu inconnu", "", "! 1"], frozenset({"jeu"}), DEFAULT_TOKEN_PATTERN)
    assert shares.tolist() == pytest.approx([0.5, np.nan, np.nan], nan_ok=True)
