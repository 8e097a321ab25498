"""All character n-grams of distinct words, from one sort.

Every place in every word is coded by the ``max_n`` characters that start there. After sorting the
codes, the n-grams of every length are runs of equal beginnings, in lexicographic order: four
lengths cost one sort of as many codes as there are characters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from src.features.tfidf.token_codes import code_points, dense_ranks


@dataclass(frozen=True)
class GramRuns:
    """The distinct n-grams of one length and where they occur.

    Parameters
    ----------
    starts : ndarray of int64, shape (n_grams,)
        Where each n-gram's occurrences begin in ``words``.
    words : ndarray of int32, shape (n_occurrences,)
        Number of the word of each occurrence.
    first : ndarray of int64, shape (n_grams,)
        Place of the first occurrence in the text of all words.
    order : ndarray of int64, shape (n_grams,)
        Sorting n-grams of all lengths by this number sorts them lexicographically.
    size : int
        Characters in each n-gram.
    """

    starts: NDArray[np.int64]
    words: NDArray[np.int32]
    first: NDArray[np.int64]
    order: NDArray[np.int64]
    size: int

    def run_lengths(self) -> NDArray[np.int64]:
        """Occurrences of each n-gram in the distinct words."""
        return np.diff(np.append(self.starts, len(self.words)))


def find_grams(words: Sequence[str], min_n: int, max_n: int) -> tuple[list[GramRuns], str]:
    """List the character n-grams of distinct words, each padded with one space on both sides.

    A word shorter than ``min_n`` (padding included) counts once as a whole, as in scikit-learn.

    Parameters
    ----------
    words : sequence of str
        At least one.

    Returns
    -------
    runs : list of GramRuns
        One a length that occurs.
    text : str
        All padded words, one after the other: n-grams are slices of it.
    """
    text = " " + "  ".join(words) + " "
    sizes = np.fromiter(map(len, words), dtype=np.int64, count=len(words)) + 2
    word_of = np.repeat(np.arange(len(words), dtype=np.int32), sizes)
    ends = np.cumsum(sizes)
    left = ends[word_of] - np.arange(len(word_of))
    usable = left >= min_n
    if int(sizes.min()) < min_n:
        usable[(ends - sizes)[sizes < min_n]] = True
    keys, base, width = _place_keys(text, left, max_n)
    places = np.flatnonzero(usable)
    keys = [key[places] for key in keys]
    by_key = np.argsort(keys[0]) if len(keys) == 1 else np.lexsort(keys[::-1])
    places, keys = places[by_key], [key[by_key] for key in keys]
    left = left[places]
    runs = []
    for n in range(1, max_n + 1):
        chosen = np.flatnonzero(left >= n if n >= min_n else left == n)
        if len(chosen):
            beginnings = _cut_keys([key[chosen] for key in keys], n, base, width)
            changed = np.zeros(len(chosen), dtype=bool)
            changed[0] = True
            for key in beginnings:
                changed[1:] |= key[1:] != key[:-1]
            starts = np.flatnonzero(changed)
            order = chosen[starts] * (max_n + 1) + n
            at = places[chosen]
            runs.append(GramRuns(starts, word_of[at], at[starts], order, n))
    return runs, text


def _place_keys(
    text: str, left: NDArray[np.int64], max_n: int
) -> tuple[list[NDArray[np.int64]], int, int]:
    """Code the next max_n characters of the same word at each place, most significant key first.

    Returns the keys, the base of their digits and how many digits one int64 holds. Five
    characters fit in one key while the texts use fewer than 6,200 different ones.
    """
    ranks, n_distinct = dense_ranks(code_points(text))
    base = n_distinct + 1
    width = 1
    while base ** (width + 1) < 2**63 and width < max_n:
        width += 1
    padded = np.concatenate([ranks, np.zeros(max_n, dtype=np.int64)])
    keys = []
    for start in range(0, max_n, width):
        key = np.zeros(len(ranks), dtype=np.int64)
        for offset in range(start, start + width):
            key *= base
            if offset < max_n:
                key += padded[offset : offset + len(ranks)] * (left > offset)
        keys.append(key)
    return keys, base, width


def _cut_keys(
    keys: list[NDArray[np.int64]], n: int, base: int, width: int
) -> list[NDArray[np.int64]]:
    """Keep only the first n characters of each coded place."""
    whole, rest = divmod(n, width)
    cut = keys[:whole]
    if rest:
        cut = [*cut, keys[whole] // base ** (width - rest)]
    return cut
