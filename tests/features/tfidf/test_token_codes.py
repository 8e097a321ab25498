"""Tokens as numbers, against plain Python and CountVectorizer."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer

from src.features.tfidf import token_codes
from src.features.tfidf.token_codes import (
    TEXTS_PER_CHUNK,
    check_texts,
    code_points,
    dense_ranks,
    encode_texts,
    encode_words,
    refine_tokens,
)


@given(st.lists(st.text("ab \n"), max_size=12))
def test_codes_spell_the_texts_again(texts: list[str]) -> None:
    batch = encode_texts(texts, str.split)
    expected = [text.split() for text in texts]
    seen = list(dict.fromkeys(token for tokens in expected for token in tokens))
    assert batch.tokens == seen
    stops = np.cumsum(batch.lengths)
    spelled = [
        [batch.tokens[i] for i in batch.ids[stop - size : stop]]
        for stop, size in zip(stops, batch.lengths, strict=True)
    ]
    assert spelled == expected
    assert batch.n_texts == len(texts)
    of_text = [row for row, tokens in enumerate(expected) for _ in tokens]
    assert batch.text_of_token().tolist() == of_text


def test_numbers_go_on_over_chunks() -> None:
    texts = [f"same t{i % 7}" for i in range(TEXTS_PER_CHUNK + 3)]
    batch = encode_texts(texts, str.split)
    counter = CountVectorizer(vocabulary=batch.tokens, lowercase=False)
    assert (batch.counts() != counter.transform(texts)).nnz == 0
    assert batch.counts().dtype == np.float32


@pytest.mark.parametrize("size", [3, 200_000])  # sorted, and through a table
def test_ranks_are_those_of_the_sorted_distinct_values(size: int) -> None:
    values = np.random.default_rng(0).integers(0, 0x110000, size)
    ranks, n_distinct = dense_ranks(values)
    distinct = np.unique(values)
    assert n_distinct == len(distinct)
    assert np.array_equal(distinct[ranks - 1], values)


@given(st.text(st.characters(codec=None)))
def test_code_points_are_ord_also_of_lone_surrogates(text: str) -> None:
    text += "\ud83c\x00"
    assert code_points(text).tolist() == [ord(sign) for sign in text]


def test_what_is_no_text_is_refused_with_its_row() -> None:
    assert check_texts(iter(["a", ""])) == ["a", ""]
    with pytest.raises(ValueError, match="string object received"):
        check_texts("a text")
    with pytest.raises(ValueError, match=r"None is an invalid document \(row 2, NoneType\)"):
        check_texts(["a", "b", None])  # type: ignore[list-item]


@given(st.lists(st.text("ab-. \n"), max_size=12))
def test_refining_cuts_each_token_where_it_stands(texts: list[str]) -> None:
    def letters(text: str) -> list[str]:
        return re.findall("[ab]{2,}|-", text)

    refined = refine_tokens(encode_texts(texts, str.split), letters)
    expected = encode_texts([" ".join(letters(text)) for text in texts], str.split)
    assert refined.lengths.tolist() == expected.lengths.tolist()
    spelled = [refined.tokens[i] for i in refined.ids]
    assert spelled == [expected.tokens[i] for i in expected.ids]
    assert sorted(refined.tokens) == sorted(expected.tokens)


def same(found: token_codes.EncodedTexts, expected: token_codes.EncodedTexts) -> None:
    assert found.tokens == expected.tokens
    assert found.ids.tolist() == expected.ids.tolist()
    assert found.lengths.tolist() == expected.lengths.tolist()
    assert (found.ids.dtype, found.lengths.dtype) == (expected.ids.dtype, expected.lengths.dtype)


def many_characters() -> list[str]:
    """Every code point between two words, so that what counts as white space is seen."""
    signs = (chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)
    return [f"a{sign}b" for sign in signs]


def test_arrow_splits_at_the_same_white_space() -> None:
    texts = ["", " ", "  lead", "trail \n", *many_characters()]
    assert sum(map(len, texts)) > token_codes.ARROW_CHARACTERS
    same(encode_words(texts), encode_texts(texts, str.split))


@pytest.mark.parametrize("last", ["end", "lone \ud800 surrogate"])
def test_much_text_is_numbered_alike(last: str) -> None:
    rng = np.random.default_rng(0)
    words = [f"w{i}" for i in range(5000)]
    texts = [" ".join(rng.choice(words, 40)) for _ in range(6000)] + [last]
    assert sum(map(len, texts)) > token_codes.ARROW_CHARACTERS
    same(encode_words(texts), encode_texts(texts, str.split))


def test_little_text_goes_the_short_way() -> None:
    same(encode_words([" a b", "b"]), encode_texts(["a b", "b"], str.split))
