"""Texts as integers, and how often each n-gram of them stands in each text."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, count
from typing import TypeAlias

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

# Below this many characters Python cuts texts as fast as Arrow.
ARROW_CHARACTERS, KEPT_CHARACTERS = 200_000, 8_000_000
TEXTS_PER_BLOCK = 4096  # of one sparse product

Analyzer = Callable[[str], list[str]]

EncodedTexts: TypeAlias = tuple[list[str], sp.csr_matrix]
"""The distinct tokens, and texts as rows of their numbers: CSR float32, (n_texts, n_tokens).

A text's tokens stand in order in ``indices``, a repeated one several times, each with a 1.
"""


def check_texts(texts: Iterable[str]) -> list[str]:
    """Return the texts as a list; ValueError, in scikit-learn's words, if some are no strings."""
    if isinstance(texts, (str, bytes)):
        raise ValueError("Iterable over raw text documents expected, string object received.")
    rows = list(texts)
    for row, text in enumerate(rows):
        if not isinstance(text, str):
            raise ValueError(
                f"{text!r} is an invalid document (row {row}, {type(text).__name__}), "
                "expected a unicode string; fill missing texts with ''."
            )
    return rows


def encode_texts(texts: Iterable[str], analyze: Analyzer) -> EncodedTexts:
    """Cut every text into tokens and number the tokens in order of first appearance."""
    numbers: defaultdict[str, int] = defaultdict(count().__next__)
    indptr = [0]

    def cut(text: str) -> list[str]:
        tokens = analyze(text)
        indptr.append(indptr[-1] + len(tokens))
        return tokens

    # A C call a token: no Python frame in the hot loop.
    stream = map(numbers.__getitem__, chain.from_iterable(map(cut, texts)))
    ids = np.fromiter(stream, dtype=np.int32)
    content = (np.ones(len(ids), dtype=np.float32), ids, indptr)
    return list(numbers), sp.csr_matrix(content, (len(indptr) - 1, len(numbers)))


def encode_words(texts: Sequence[str], analyze: Analyzer = str.split) -> EncodedTexts:
    """Give what `encode_texts` gives, faster, where no token reaches over white space.

    Arrow splits at white space, the same as Python's, and each distinct chunk is analyzed once.
    """
    n_characters = sum(map(len, texts))
    if n_characters < ARROW_CHARACTERS:
        return encode_texts(texts, analyze)
    # Words, characters and unknown words of one batch are cut once; of a training set, or of long
    # texts, nothing is kept.
    kept = len(texts) <= TEXTS_PER_BLOCK and n_characters <= KEPT_CHARACTERS
    split = _split if kept else _split.__wrapped__
    chunks, found = split(tuple(texts))
    if analyze is str.split:
        return chunks, found
    tokens, parts = encode_texts(chunks, analyze)
    rows = parts[found.indices]
    content = (rows.data, rows.indices, rows.indptr[found.indptr])
    return tokens, sp.csr_matrix(content, shape=(len(texts), rows.shape[1]))


@functools.lru_cache(maxsize=2)
def _split(texts: tuple[str, ...]) -> EncodedTexts:
    """Cut texts at white space."""
    from pyarrow import array, compute, large_string

    try:
        split = compute.utf8_split_whitespace(array(texts, large_string()))
    except UnicodeEncodeError:  # a lone surrogate: Arrow holds none
        return encode_texts(texts, str.split)
    words = split.flatten().dictionary_encode()
    chunks, ids = words.dictionary.to_pylist(), words.indices.to_numpy()
    indptr = split.offsets.to_numpy()
    if "" in chunks:  # where a text is empty, or begins or ends with white space
        empty = chunks.index("")
        indptr = np.append(0, np.cumsum(ids != empty))[indptr]
        ids = ids[ids != empty]
        ids = ids - (ids > empty)
        del chunks[empty]
    content = (np.ones(len(ids), dtype=np.float32), ids.astype(np.int32, copy=False), indptr)
    return chunks, sp.csr_matrix(content, shape=(len(texts), len(chunks)))


def text_blocks(rows: sp.csr_matrix) -> list[sp.csr_matrix]:
    """Count each token in each text, in blocks of texts; one block at the least."""
    starts = range(0, max(rows.shape[0], 1), TEXTS_PER_BLOCK)
    return [sum_repeated(rows[start : start + TEXTS_PER_BLOCK]) for start in starts]


def sum_repeated(rows: sp.csr_matrix) -> sp.csr_matrix:
    """Count each token in each text, from the rows of `EncodedTexts`."""
    table = rows.copy()
    table.sum_duplicates()
    return table


def count_ngrams(
    symbols: NDArray[np.int32],
    lengths: NDArray[np.integer],
    ngram_range: tuple[int, int],
    min_df: float = 1,
) -> tuple[NDArray[np.int32], sp.csr_matrix]:
    """Count the n-grams of sequences of symbols.

    `symbols` are numbers >= 0, the sequences one after the other, each of its length. An n-gram
    must stand in `min_df` sequences. It never stands in more than its rarest part, so rare ones
    are dropped before they are paired any further.

    Returns the symbols of each distinct n-gram, then -1, shape (n_grams, longest), and float32
    counts, shape (n_grams, n_sequences).
    """
    sequence_of = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    starts, codes = np.arange(len(symbols)), symbols.astype(np.int64)
    left = (np.repeat(np.cumsum(lengths), lengths) - starts).astype(np.int32)
    paths, counts = [], []
    for n in range(1, ngram_range[1] + 1):
        order, sizes, found = _count_codes(codes, sequence_of.take(starts), len(lengths))
        kept = np.diff(found.indptr) >= min_df
        if n >= ngram_range[0]:
            first = starts[order[(np.cumsum(sizes) - sizes)[kept]]]
            path = np.full((len(first), ngram_range[1]), -1, dtype=np.int32)
            path[:, :n] = symbols[first[:, None] + np.arange(n)]
            paths.append(path)
            counts.append(found[kept])
        if n < ngram_range[1]:  # the number of the n-gram kept and its next symbol: a longer one
            codes[order] = np.repeat(np.where(kept, np.cumsum(kept) - 1, -1), sizes)
            if n == 1:
                ranks, n_ranks = codes.astype(np.int32), np.count_nonzero(kept)
            # Past the end there is none left: what is taken there is dropped with the rest.
            following = ranks.take(starts + n, mode="clip")
            longer = np.flatnonzero((codes >= 0) & (following >= 0) & (left.take(starts) > n))
            starts, codes = starts[longer], codes[longer] * n_ranks + following[longer]
    return np.concatenate(paths), sp.vstack(counts, format="csr")


def _count_codes(
    codes: NDArray[np.int64], sequences: NDArray[np.int32], n_sequences: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], sp.csr_matrix]:
    """Count equal (code, sequence) pairs; the sequences ascend where the codes are equal.

    Gives the order that sorts the codes, stably, how often each distinct code occurs, and the
    counts: CSR float32, shape (n_distinct, n_sequences).
    """
    # Code and place in one integer: NumPy sorts integers far faster than it sorts places.
    shift = len(codes).bit_length()
    if int(codes.max(initial=0)) >> (63 - shift):
        codes = np.unique(codes, return_inverse=True)[1]
    codes = codes << shift
    codes |= np.arange(len(codes))
    codes.sort()
    order = codes & ((1 << shift) - 1)
    codes >>= shift
    new_code = np.concatenate([[True], codes[1:] != codes[:-1], [True]])
    indptr = np.flatnonzero(new_code[: len(codes) + 1])
    sizes = np.diff(indptr)
    content = (np.ones(len(codes), dtype=np.float32), sequences.take(order), indptr)
    counts = sp.csr_matrix(content, shape=(len(sizes), n_sequences))
    counts.sum_duplicates()
    return order, sizes, counts


def code_points(texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Give the characters of texts as numbers, one text after the other, and their lengths."""
    raw = "".join(texts).encode("utf-32-le", "surrogatepass")
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    return np.frombuffer(raw, np.int32), lengths
