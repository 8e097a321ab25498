"""N-grams back to words and places: scikit-learn's own analyzers and hand-made texts as oracles."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer

from src.evaluation.shap.words import Span, occurrences, place_scores, share_out
from src.features.text.cleaner import TextCleaner
from src.features.tfidf.vectorizers import TfidfChars, TfidfWords

TEXTS = st.lists(st.text("abé1-' ", max_size=8), max_size=8).map(" ".join)


@given(TEXTS, st.sampled_from([(1, 1), (1, 2), (2, 3)]))
def test_words_are_scikit_learns(text: str, ngram_range: tuple[int, int]) -> None:
    analyze = CountVectorizer(ngram_range=ngram_range, lowercase=False).build_analyzer()
    found = [gram for gram, _ in occurrences(TfidfWords(ngram_range=ngram_range), text.split())]
    assert Counter(found) == Counter(analyze(text))


@given(TEXTS, st.sampled_from([(2, 5), (3, 3), (6, 7)]))
def test_characters_are_scikit_learns(text: str, ngram_range: tuple[int, int]) -> None:
    options = {"analyzer": "char_wb", "ngram_range": ngram_range, "lowercase": False}
    analyze = CountVectorizer(**options).build_analyzer()
    words = text.split()
    found = list(occurrences(TfidfChars(ngram_range=ngram_range), words))
    assert Counter(gram for gram, _ in found) == Counter(analyze(text))
    for gram, (place,) in found:
        assert gram in f" {words[place]} "


def test_a_bigram_is_halved_and_a_repeated_word_shares() -> None:
    found = list(occurrences(TfidfWords(ngram_range=(1, 2)), ["lampe", "led", "lampe"]))
    given_each = {"lampe": 4.0, "lampe led": 1.0, "unseen": 9.0}
    np.testing.assert_allclose(share_out(found, given_each, 3), [2.5, 0.5, 2.0])


CLEANED = [
    ("Lampe LED", ["Lampe", "LED"]),
    ("<b>Lampe</b><br/>d&eacute;co &amp;amp; l'été", ["Lampe", "d&eacute;co", "l", "été"]),
    ("Câble 25mm, 1,5L", ["Câble", "25", "mm", "1,5", "L"]),
    ("e\u0301te\u0301 🎮 ﬁn", ["e\u0301te\u0301", "ﬁn"]),
    ("STRASSE straße x×y", ["STRASSE", "straße", "x", "×", "y"]),
    ("a < b > c", ["a", "b", "c"]),
    ("", []),
]


@pytest.mark.parametrize(("raw", "expected"), CLEANED)
def test_words_are_found_where_the_seller_wrote_them(raw: str, expected: list[str]) -> None:
    words = TextCleaner().clean([raw])[0].split()
    spans = place_scores(raw, words, [1.0] * len(words))
    assert [raw[span.start : span.stop] for span in spans] == expected


def test_invisible_characters_are_inside_the_word_that_they_cut() -> None:
    raw = "une pis\u00adcine gon\u200bflable"
    spans = place_scores(raw, ["une", "piscine", "gonflable"], [0.0, 1.0, 2.0])
    assert [raw[span.start : span.stop] for span in spans] == raw.split()


def test_words_are_found_inside_cdata() -> None:
    raw = "<![CDATA[<p>Lampe</p> LED]]>"
    spans = place_scores(raw, ["lampe", "led"], [1.0, 2.0])
    assert [raw[span.start : span.stop] for span in spans] == ["Lampe", "LED"]


def test_words_of_one_character_share_a_span() -> None:
    assert place_scores("n ½", ["n", "1", "2"], [1.0, 2.0, 4.0]) == [
        Span(0, 1, 1.0),
        Span(2, 3, 6.0),
    ]


def test_a_word_that_was_made_up_has_no_place_and_loses_none_of_the_others() -> None:
    words = ["jeu", "vidéo", "switch", "neuf"]
    spans = place_scores("🎮 Switch neuf", words, [1.0, 1.0, 2.0, 3.0])
    assert spans == [Span(2, 8, 2.0), Span(9, 13, 3.0)]


def test_dropped_and_stemmed_words_do_not_stop_it() -> None:
    cleaner = TextCleaner(stop_words=True, stemming=True)
    raw = "Les chaussures de la montagne"
    words = cleaner.clean([raw], ["fr"])[0].split()
    assert [raw[s.start : s.stop] for s in place_scores(raw, words, [1.0] * len(words))] == [
        "chaussur",
        "montagn",
    ]


@given(st.text(max_size=60))
def test_spans_are_ordered_and_inside_whatever_the_text(raw: str) -> None:
    words = TextCleaner().clean([raw])[0].split()
    spans = place_scores(raw, words, [1.0] * len(words))
    edges = [edge for span in spans for edge in (span.start, span.stop)]
    assert edges == sorted(edges)
    assert all(0 <= span.start < span.stop <= len(raw) for span in spans)
