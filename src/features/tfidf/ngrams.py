"""Word n-grams as integer codes, counted for a fit.

A word n-gram is the pair (number of its first n-1 words, number of its last word), packed in one
int64. Words are numbered in lexicographic order, so sorted codes are n-grams in the order in which
scikit-learn sorts their strings: a word character is greater than the joining space, hence
comparing "a b" with "ab" as strings or word by word gives the same answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from src.features.tfidf.gram_index import PADDING, WordGramIndex, extend_grams, find_places
from src.features.tfidf.token_codes import EmptyVocabularyError, EncodedTexts
from src.features.tfidf.weighting import document_bounds, select_features


@dataclass(frozen=True)
class GramLevel:
    """All n-grams of one length n that are frequent enough.

    ``paths`` has one row an n-gram (the numbers of its n words), rows ascending; ``counts`` is
    CSR (n-grams, texts) with the occurrences.
    """

    paths: NDArray[np.int64]
    counts: sp.csr_matrix


def are_separable(tokens: Sequence[str]) -> bool:
    """Say whether joining tokens with a space keeps them apart and in order."""
    return all(token and min(token) > " " for token in tokens)


def join_ngrams(tokens: list[str], min_n: int, max_n: int) -> list[str]:
    """Spell out all n-grams of a token list, as ``CountVectorizer`` does."""
    return [
        " ".join(tokens[start : start + n])
        for n in range(min_n, max_n + 1)
        for start in range(len(tokens) - n + 1)
    ]


def fit_word_grams(
    batch: EncodedTexts,
    ngram_range: tuple[int, int],
    *,
    min_df: float,
    max_df: float,
    max_features: int | None,
    binary: bool,
) -> tuple[list[str], sp.csr_matrix, WordGramIndex]:
    """Learn the word n-grams of a batch and count them.

    Parameters
    ----------
    ngram_range : tuple of int
        Shortest and longest n-gram, in words.
    min_df, max_df, max_features, binary
        As in ``TfidfVectorizer``.

    Returns
    -------
    names : list of str
        The n-grams kept, in lexicographic order.
    counts : csr_matrix of float32, shape (n_texts, len(names))
        Sorted indices.
    index : WordGramIndex
        Finds the same n-grams in other texts.

    Raises
    ------
    EmptyVocabularyError
        If the texts hold no such n-gram, or none within the bounds.
    """
    min_n, max_n = ngram_range
    if not batch.n_texts or batch.lengths.max() < min_n:
        raise EmptyVocabularyError(
            "empty vocabulary; perhaps the documents only contain stop words "
            f"(no text of {batch.n_texts} has {min_n} words)"
        )
    low, high = document_bounds(min_df, max_df, batch.n_texts)
    tokens, levels = _count_levels(batch, max_n, low)
    levels = levels[min_n - 1 :]
    if binary:
        for level in levels:
            level.counts.data.fill(1)
    return _merge_levels(tokens, levels, high, max_features)


def _count_levels(batch: EncodedTexts, max_n: int, low: float) -> tuple[list[str], list[GramLevel]]:
    """Count the n-grams of 1 to max_n words that stand in at least ``low`` texts."""
    text_of = batch.text_of_token()
    ones = np.ones(len(batch.ids), dtype=np.float32)
    shape = (len(batch.tokens), batch.n_texts)
    counts = sp.coo_matrix((ones, (batch.ids, text_of)), shape=shape).tocsr()
    # An n-gram is never in more texts than its rarest word: rare words go before any pairing.
    frequent = np.flatnonzero(np.diff(counts.indptr) >= low)
    order = np.array(sorted(frequent.tolist(), key=batch.tokens.__getitem__), dtype=np.int64)
    rank = np.full(len(batch.tokens), PADDING, dtype=np.int64)
    rank[order] = np.arange(len(order))
    tokens = [batch.tokens[i] for i in order]
    levels = [GramLevel(np.arange(len(order))[:, None], counts[order])]
    words = rank[batch.ids]
    prefixes = words
    for n in range(2, max_n + 1):
        codes, starts = extend_grams(prefixes, words, text_of, n, len(tokens))
        distinct, counts = _count_codes(codes, text_of[starts], batch.n_texts, low)
        parents = levels[-1].paths[distinct // max(len(tokens), 1)]
        last = distinct % max(len(tokens), 1)
        levels.append(GramLevel(np.column_stack([parents, last]), counts))
        if n < max_n:
            prefixes = np.full(len(words), PADDING, dtype=np.int64)
            prefixes[starts] = find_places(distinct, codes)
    return tokens, levels


def _count_codes(
    codes: NDArray[np.int64], text_of: NDArray[np.int32], n_texts: int, low: float
) -> tuple[NDArray[np.int64], sp.csr_matrix]:
    """Count (code, text) pairs with one sort; keep the codes that stand in ``low`` texts.

    Returns
    -------
    distinct : ndarray of int64, shape (n_codes,)
        Ascending.
    counts : csr_matrix of float32, shape (n_codes, n_texts)
    """
    if not len(codes):
        return codes, sp.csr_matrix((0, n_texts), dtype=np.float32)
    shift = int(n_texts).bit_length()
    names = None
    if int(codes.max()) >> (63 - shift):
        names, codes = np.unique(codes, return_inverse=True)
    pairs = np.sort(codes << shift | text_of)
    starts = np.flatnonzero(np.concatenate([[True], pairs[1:] != pairs[:-1]]))
    values = np.diff(np.append(starts, len(pairs)))
    pairs = pairs[starts]
    code_of, texts = pairs >> shift, pairs & ((1 << shift) - 1)
    first = np.flatnonzero(np.concatenate([[True], code_of[1:] != code_of[:-1]]))
    sizes = np.diff(np.append(first, len(code_of)))
    kept = sizes >= low
    entry_kept = np.repeat(kept, sizes)
    indptr = np.concatenate([[0], np.cumsum(sizes[kept])])
    content = (values[entry_kept].astype(np.float32), texts[entry_kept], indptr)
    distinct = code_of[first[kept]]
    counts = sp.csr_matrix(content, shape=(len(distinct), n_texts))
    return (distinct if names is None else names[distinct]), counts


def _merge_levels(
    tokens: list[str], levels: list[GramLevel], high: float, max_features: int | None
) -> tuple[list[str], sp.csr_matrix, WordGramIndex]:
    """Put n-grams of all lengths in lexicographic order, choose, name and transpose them."""
    longest = int(levels[-1].paths.shape[1])
    paths = np.concatenate(
        [
            np.pad(
                level.paths,
                ((0, 0), (0, longest - level.paths.shape[1])),
                constant_values=PADDING,
            )
            for level in levels
        ]
    )
    frequency = np.concatenate([np.diff(level.counts.indptr) for level in levels])
    total = np.concatenate([_row_sums(level.counts) for level in levels])
    order = _lexicographic_order(paths, len(tokens))
    chosen = order[select_features(frequency[order] <= high, total[order], max_features)]
    counts = sp.vstack([level.counts for level in levels], format="csr")[chosen]
    names = [" ".join([tokens[i] for i in path if i >= 0]) for path in paths[chosen].tolist()]
    return names, counts.T.tocsr(), WordGramIndex(paths[chosen], tokens)


def _row_sums(counts: sp.csr_matrix) -> NDArray[np.float64]:
    """Sum each row in double precision; no row is empty."""
    if not counts.shape[0]:
        return np.empty(0)
    return np.add.reduceat(counts.data.astype(np.float64), counts.indptr[:-1])


def _lexicographic_order(paths: NDArray[np.int64], n_words: int) -> NDArray[np.int64]:
    """Sort paths word by word, a shorter path before its extensions."""
    width = paths.shape[1]
    if (n_words + 1) ** width >= 2**63:
        return np.lexsort(paths.T[::-1])
    keys = np.zeros(len(paths), dtype=np.int64)
    for column in paths.T:
        keys = keys * (n_words + 1) + column + 1
    return np.argsort(keys, kind="stable")
