"""Unknown words of a training product are those that it would not find without itself."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer

from src.features.tfidf import DEFAULT_TOKEN_PATTERN, TfidfWords
from src.monitoring.vocabulary import known_words, unknown_shares

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


def test_all_single_words_are_known_to_a_new_product() -> None:
    counter = TfidfWords(ngram_range=(1, 2), min_df=2).fit(TEXTS)
    assert known_words(counter, of_others=False) == {"jeu", "de", "cartes", "piscine"}


def test_shares_and_texts_without_words() -> None:
    shares = unknown_shares(["Jeu inconnu", "", "! 1"], frozenset({"jeu"}), DEFAULT_TOKEN_PATTERN)
    assert shares.tolist() == pytest.approx([0.5, np.nan, np.nan], nan_ok=True)
