"""Word n-grams as codes, against CountVectorizer and counting by hand."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer

from src.features.tfidf.ngrams import (
    _count_codes,
    are_separable,
    fit_word_grams,
    join_ngrams,
)
from src.features.tfidf.token_codes import EmptyVocabularyError, encode_texts

TEXTS = ["a b a b c", "b a", "", "c", "c b a b", "d a b a"]


@pytest.mark.parametrize("low", [1, 2])
def test_codes_near_the_end_of_int64_are_counted_all_the_same(low: int) -> None:
    # Times the number of texts they would not fit in 63 bits.
    codes = np.array([2**62, 5, 2**62, 5, 5, 2**61], dtype=np.int64)
    texts = np.array([0, 0, 1, 1, 1, 3], dtype=np.int32)
    distinct, counts = _count_codes(codes, texts, 4, low)
    pairs = Counter(zip(codes.tolist(), texts.tolist(), strict=True))
    kept = [code for code in (5, 2**61, 2**62) if sum(c == code for c, _ in pairs) >= low]
    assert distinct.tolist() == kept
    assert counts.toarray().tolist() == [[pairs[code, text] for text in range(4)] for code in kept]


@pytest.mark.parametrize("ngram_range", [(1, 1), (1, 2), (1, 5), (3, 4)])
def test_names_counts_and_lookup_are_countvectorizers(ngram_range: tuple[int, int]) -> None:
    batch = encode_texts(TEXTS, str.split)
    names, counts, index = fit_word_grams(
        batch, ngram_range, min_df=1, max_df=1.0, max_features=None, binary=False
    )
    counter = CountVectorizer(token_pattern=r"\S+", ngram_range=ngram_range)  # noqa: S106
    assert (counts != counter.fit_transform(TEXTS)).nnz == 0
    assert names == counter.get_feature_names_out().tolist()
    unseen = ["a b c", "z a z b", "", "b a b c b a"]
    found = index.count(encode_texts(unseen, str.split), len(names))
    assert (found != counter.transform(unseen)).nnz == 0


def test_an_ngram_is_known_though_its_beginning_is_not() -> None:
    # Under max_features "a b" may stay where "a" goes: the index keeps the way to it.
    texts = ["x y", "x y", "x y", "x z"]
    options = {"min_df": 1, "max_df": 0.8, "max_features": None, "binary": False}
    names, _, index = fit_word_grams(encode_texts(texts, str.split), (1, 2), **options)
    assert names == ["x y", "x z", "y", "z"]  # "x" is in every text
    found = index.count(encode_texts(["x y x z x"], str.split), len(names))
    assert found.toarray().tolist() == [[1, 1, 1, 1]]


def test_no_text_long_enough_is_an_empty_vocabulary() -> None:
    batch = encode_texts(["a", "b c"], str.split)
    with pytest.raises(EmptyVocabularyError, match=r"no text of 2 has 3 words"):
        fit_word_grams(batch, (3, 3), min_df=1, max_df=1.0, max_features=None, binary=False)


def test_joined_ngrams_are_those_of_sklearn() -> None:
    for min_n, max_n in [(1, 1), (1, 3), (2, 4)]:
        counter = CountVectorizer(token_pattern=r"\S+", ngram_range=(min_n, max_n))  # noqa: S106
        for text in TEXTS:
            expected = counter.build_analyzer()(text)
            assert sorted(join_ngrams(text.split(), min_n, max_n)) == sorted(expected)


@pytest.mark.parametrize(
    ("tokens", "safe"),
    [(["a", "été"], True), (["a b"], False), ([""], False), (["a\x00"], False), ([], True)],
)
def test_tokens_with_spaces_or_less_are_told_apart(tokens: list[str], safe: bool) -> None:
    assert are_separable(tokens) is safe
