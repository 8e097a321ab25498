"""Character n-grams inside words, counted once a distinct word instead of once an occurrence.

``char_wb`` n-grams never cross a word, so the table (texts x n-grams) is the product of two small
ones: (texts x distinct words) and (distinct words x n-grams). The second comes from one sort:
every place in every word is coded by the ``max_n`` characters that start there, and after sorting
the codes, the n-grams of every length are runs of equal beginnings, in lexicographic order.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from src.features.tfidf.char_runs import GramRuns, find_grams
from src.features.tfidf.token_codes import EmptyVocabularyError, EncodedTexts
from src.features.tfidf.weighting import document_bounds, in_threads, select_features

# Texts a sparse product works on at a time: enough to keep the threads busy, little enough to
# keep unsorted intermediate results small.
TEXTS_PER_PRODUCT = 4096


def fit_char_grams(
    batch: EncodedTexts,
    ngram_range: tuple[int, int],
    *,
    min_df: float,
    max_df: float,
    max_features: int | None,
    binary: bool,
    n_jobs: int,
) -> tuple[list[str], list[sp.csr_matrix]]:
    """Learn the character n-grams of a batch and count them.

    Parameters
    ----------
    batch : EncodedTexts
        Texts cut at white space.
    ngram_range, min_df, max_df, max_features, binary
        As in ``TfidfVectorizer(analyzer="char_wb")``.
    n_jobs : int
        Threads.

    Returns
    -------
    names : list of str
        The n-grams kept, in lexicographic order.
    counts : list of csr_matrix of float32
        Row blocks, in order; sorted indices.

    Raises
    ------
    EmptyVocabularyError
        If the texts hold no word, or no n-gram is within the bounds.
    """
    if not batch.tokens:
        raise EmptyVocabularyError(
            "empty vocabulary; perhaps the documents only contain stop words "
            f"({batch.n_texts} texts, all of them empty)"
        )
    low, high = document_bounds(min_df, max_df, batch.n_texts)
    runs, text = find_grams(batch.tokens, *ngram_range)
    by_text = batch.counts()
    lexicographic = np.argsort(np.concatenate([run.order for run in runs]), kind="stable")
    frequency, total = _frequencies(batch, by_text, runs, (low, high), binary=binary)
    frequency, total = frequency[lexicographic], total[lexicographic]
    allowed = (frequency >= low) & (frequency <= high)
    chosen = lexicographic[select_features(allowed, total, max_features)]
    column_of = np.full(len(lexicographic), -1, dtype=np.int32)
    column_of[chosen] = np.arange(len(chosen), dtype=np.int32)
    first = np.concatenate([run.first for run in runs])[chosen]
    size = np.concatenate([np.full(len(run.first), run.size) for run in runs])[chosen]
    names = [text[a:b] for a, b in zip(first.tolist(), (first + size).tolist(), strict=True)]
    by_word = word_table(runs, column_of, (len(batch.tokens), len(chosen)))
    return names, multiply(by_text, by_word, n_jobs=n_jobs, binary=binary)


def _frequencies(
    batch: EncodedTexts,
    by_text: sp.csr_matrix,
    runs: list[GramRuns],
    bounds: tuple[float, float],
    *,
    binary: bool,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Count texts and occurrences of every n-gram, the order being that of ``runs``.

    An n-gram is in at least as many texts as the commonest of its words and in at most as many
    as all its words together. Where that already settles the bounds, the exact number is not
    needed to choose features, and either limit is returned in its place.
    """
    occurrences = np.bincount(batch.ids, minlength=len(batch.tokens)).astype(np.float64)
    texts = np.bincount(by_text.indices, minlength=len(batch.tokens))
    least = [np.maximum.reduceat(texts[run.words], run.starts) for run in runs]
    most = [np.add.reduceat(texts[run.words], run.starts) for run in runs]
    total = [np.add.reduceat(occurrences[run.words], run.starts) for run in runs]
    lower, upper = np.concatenate(least), np.minimum(np.concatenate(most), batch.n_texts)
    low, high = bounds
    open_ = (lower < low) & (upper >= low) | (lower <= high) & (upper > high)
    if binary:  # here an occurrence is a text, and ties are decided by exact numbers
        open_ = lower < upper
    if open_.any():
        column_of = np.full(len(lower), -1, dtype=np.int32)
        column_of[open_] = np.arange(int(open_.sum()), dtype=np.int32)
        by_word = word_table(runs, column_of, (len(batch.tokens), int(open_.sum())))
        exact = np.zeros(by_word.shape[1], dtype=np.int64)
        for block in multiply(by_text, by_word, n_jobs=1, binary=True):
            exact += np.bincount(block.indices, minlength=len(exact))
        lower[open_] = exact
    return lower, lower.astype(np.float64) if binary else np.concatenate(total)


def word_table(
    runs: list[GramRuns], column_of: NDArray[np.int32], shape: tuple[int, int]
) -> sp.csr_matrix:
    """Count the chosen n-grams in each distinct word: CSR float32, shape (n_words, n_columns).

    ``column_of`` has an entry an n-gram in the order of ``runs``; -1 leaves it out.
    """
    words, columns, start = [], [], 0
    for run in runs:
        stop = start + len(run.starts)
        column = np.repeat(column_of[start:stop], run.run_lengths())
        words.append(run.words[column >= 0])
        columns.append(column[column >= 0])
        start = stop
    row, column = np.concatenate(words), np.concatenate(columns)
    ones = np.ones(len(row), dtype=np.float32)
    return sp.coo_matrix((ones, (row, column)), shape=shape).tocsr()


def multiply(
    by_text: sp.csr_matrix, by_word: sp.csr_matrix, *, n_jobs: int, binary: bool
) -> list[sp.csr_matrix]:
    """Count n-grams in texts, block by block: CSR float32 with sorted indices."""

    def block(start: int) -> sp.csr_matrix:
        counts = by_text[start : start + TEXTS_PER_PRODUCT] @ by_word
        counts.sort_indices()
        if binary:
            counts.data.fill(1)
        return counts

    starts = range(0, max(by_text.shape[0], 1), TEXTS_PER_PRODUCT)
    return in_threads(block, starts, n_jobs)


def lookup_char_grams(
    batch: EncodedTexts, vocabulary: dict[str, int], ngram_range: tuple[int, int]
) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """Give the two factors of the counts of known n-grams in new texts.

    Returns
    -------
    by_text : csr_matrix, shape (n_texts, n_words)
    by_word : csr_matrix, shape (n_words, len(vocabulary))
    """
    by_text = batch.counts()
    if not batch.tokens:
        return by_text, sp.csr_matrix((0, len(vocabulary)), dtype=np.float32)
    runs, text = find_grams(batch.tokens, *ngram_range)
    find = vocabulary.get
    columns = [find(text[a : a + run.size], -1) for run in runs for a in run.first.tolist()]
    shape = (len(batch.tokens), len(vocabulary))
    return by_text, word_table(runs, np.array(columns, dtype=np.int32), shape)
