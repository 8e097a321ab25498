"""Character n-grams of distinct words, against scikit-learn's own analyzer."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer

from src.features.tfidf.char_runs import find_grams
from src.features.tfidf.chargrams import fit_char_grams, lookup_char_grams, multiply, word_table
from src.features.tfidf.token_codes import encode_texts

WORD = st.text(st.sampled_from("abcé日🎮.\ud800\x00"), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(
    words=st.lists(WORD, min_size=1, max_size=10, unique=True),
    min_n=st.integers(1, 6),
    more=st.integers(0, 5),
)
def test_every_ngram_of_every_word_in_lexicographic_order(
    words: list[str], min_n: int, more: int
) -> None:
    ngram_range = (min_n, min_n + more)
    analyze = CountVectorizer(
        analyzer="char_wb", ngram_range=ngram_range, lowercase=False
    ).build_analyzer()
    runs, text = find_grams(words, *ngram_range)
    names = [text[a : a + run.size] for run in runs for a in run.first.tolist()]
    order = np.argsort(np.concatenate([run.order for run in runs]))
    expected = sorted({gram for word in words for gram in analyze(word)})
    assert [names[i] for i in order] == expected
    table = word_table(runs, np.arange(len(names), dtype=np.int32), (len(words), len(names)))
    for word, row in zip(words, table.toarray(), strict=True):
        counted = {name: int(n) for name, n in zip(names, row, strict=True) if n}
        assert counted == Counter(analyze(word))


@pytest.mark.parametrize("bounds", [(1, 1.0), (2, 1.0), (3, 0.6), (1, 0.2), (4, 9)])
@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("max_features", [None, 15])
def test_bounds_hold_for_texts_not_for_words(
    bounds: tuple[float, float], binary: bool, max_features: int | None
) -> None:
    # The same n-gram comes from several words of one text: its texts are fewer than its words.
    texts = ["anas banana", "ana ananas", "ban banan nana", "tea", "banana nab", "ana"] * 3
    options = {"min_df": bounds[0], "max_df": bounds[1], "max_features": max_features}
    counter = CountVectorizer(
        analyzer="char_wb", ngram_range=(2, 3), binary=binary, dtype=np.float64, **options
    )
    expected = counter.fit_transform(texts)
    batch = encode_texts(texts, str.split)
    names, blocks = fit_char_grams(batch, (2, 3), binary=binary, n_jobs=1, **options)
    assert names == counter.get_feature_names_out().tolist()
    assert len(blocks) == 1 and (blocks[0] != expected).nnz == 0


def test_unknown_ngrams_are_left_out_and_no_word_gives_no_row_entries() -> None:
    vocabulary = {" a": 0, "zz": 1, "ba": 2}
    batch = encode_texts(["aba ba", "", "zzz"], str.split)
    by_text, by_word = lookup_char_grams(batch, vocabulary, (2, 2))
    (counts,) = multiply(by_text, by_word, n_jobs=1, binary=False)
    assert counts.toarray().tolist() == [[1, 0, 2], [0, 0, 0], [0, 2, 0]]
    empty = lookup_char_grams(encode_texts(["", " "], str.split), vocabulary, (2, 2))
    (nothing,) = multiply(*empty, n_jobs=1, binary=False)
    assert nothing.shape == (2, 3) and nothing.nnz == 0
