"""Known word n-grams, found again in new texts.

A word n-gram is the pair (number of its first n-1 words, number of its last word), packed in one
int64: the same code as in ``token_ngrams``, looked up by binary search, level by level.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from src.features.tfidf.token_codes import EncodedTexts

PADDING = -1  # stands after the last word of an n-gram that is shorter than the longest


class WordGramIndex:
    """From the words of a new text to the columns of known n-grams.

    Parameters
    ----------
    paths : ndarray of int64, shape (n_grams, longest)
        Word numbers of each n-gram in column order, PADDING after its last word.
    tokens : sequence of str
        The word of each number.
    """

    def __init__(self, paths: NDArray[np.int64], tokens: Sequence[str]) -> None:
        live, compact = np.unique(paths, return_inverse=True)
        n_padding = int(live[0] == PADDING)
        words = [tokens[i] for i in live[n_padding:].tolist()]
        self.words = {word: number for number, word in enumerate(words)}
        paths = compact.reshape(paths.shape) - n_padding
        sizes = (paths >= 0).sum(axis=1)
        # Level n: sorted codes of all n-grams that are kept or begin a kept one; column, or -1.
        self.levels: list[tuple[NDArray[np.int64], NDArray[np.int32]]] = []
        prefixes = np.zeros(len(paths), dtype=np.int64)
        for n in range(int(sizes.max())):
            rows = np.flatnonzero(sizes > n)
            codes = prefixes[rows] * len(words) + paths[rows, n]
            distinct, inverse = np.unique(codes, return_inverse=True)
            columns = np.full(len(distinct), -1, dtype=np.int32)
            ends = sizes[rows] == n + 1
            columns[inverse[ends]] = rows[ends]
            prefixes[rows] = inverse
            self.levels.append((distinct, columns))

    def count(self, batch: EncodedTexts, n_columns: int) -> sp.csr_matrix:
        """Count the known n-grams: CSR float32, shape (n_texts, n_columns), sorted indices."""
        find = self.words.get
        known = np.array([find(token, PADDING) for token in batch.tokens], dtype=np.int64)
        words = known[batch.ids] if len(known) else np.empty(0, dtype=np.int64)
        text_of = batch.text_of_token()
        rows, columns = [], []
        prefixes = words
        for n, (codes, column_of) in enumerate(self.levels, start=1):
            if n == 1:
                wanted, starts = words[words >= 0], np.flatnonzero(words >= 0)
            else:
                wanted, starts = extend_grams(prefixes, words, text_of, n, len(self.words))
            places = find_places(codes, wanted)
            prefixes = np.full(len(words), PADDING, dtype=np.int64)
            prefixes[starts] = places
            found = starts[places >= 0]
            column = column_of[places[places >= 0]]
            rows.append(text_of[found[column >= 0]])
            columns.append(column[column >= 0])
        return pair_counts(rows, columns, (batch.n_texts, n_columns))


def count_known(
    batch: EncodedTexts, column_of: Callable[[str, int], int], n_columns: int
) -> sp.csr_matrix:
    """Count tokens that are features themselves; ``column_of(token, -1)`` gives the column."""
    columns = np.array([column_of(token, -1) for token in batch.tokens], dtype=np.int32)
    wanted = columns[batch.ids] if len(columns) else np.empty(0, dtype=np.int32)
    found = wanted >= 0
    return pair_counts([batch.text_of_token()[found]], [wanted[found]], (batch.n_texts, n_columns))


def pair_counts(
    rows: Sequence[NDArray[np.int32]], columns: Sequence[NDArray[np.int32]], shape: tuple[int, int]
) -> sp.csr_matrix:
    """Count equal (row, column) pairs: CSR float32 with sorted indices."""
    row, column = np.concatenate(rows), np.concatenate(columns)
    ones = np.ones(len(row), dtype=np.float32)
    return sp.coo_matrix((ones, (row, column)), shape=shape).tocsr()


def find_places(codes: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Find each wanted code among sorted codes: its place, or PADDING when it is not there."""
    if not len(codes):
        return np.full(len(wanted), PADDING, dtype=np.int64)
    places = np.minimum(np.searchsorted(codes, wanted), len(codes) - 1)
    return np.where(codes[places] == wanted, places, PADDING)


def extend_grams(
    prefixes: NDArray[np.int64],
    words: NDArray[np.int64],
    text_of: NDArray[np.int32],
    n: int,
    n_words: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Code the n-grams whose first n-1 words and last word are known, and say where they start.

    ``prefixes[i]`` is the number of the (n-1)-gram that starts at place i, or PADDING.
    """
    if len(words) < n:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    first, last = prefixes[: len(words) - n + 1], words[n - 1 :]
    starts = np.flatnonzero((first >= 0) & (last >= 0))
    starts = starts[text_of[starts] == text_of[starts + n - 1]]
    return first[starts] * n_words + last[starts], starts
