"""What scikit-learn does after counting: which features stay, and what an occurrence weighs.

The rules, the order in which they apply and the ties are those of ``CountVectorizer`` and
``TfidfTransformer`` (scikit-learn, ``feature_extraction/text.py``), on features that are already
in lexicographic order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from numbers import Integral
from typing import TypeVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from src.features.tfidf.token_codes import EmptyVocabularyError

T = TypeVar("T")
R = TypeVar("R")


def document_bounds(min_df: float, max_df: float, n_texts: int) -> tuple[float, float]:
    """Turn ``min_df`` and ``max_df`` (counts if integral, shares if not) into text counts.

    Raises
    ------
    EmptyVocabularyError
        If no feature can satisfy both; a ValueError too, as scikit-learn's.
    """
    low = min_df if isinstance(min_df, Integral) else min_df * n_texts
    high = max_df if isinstance(max_df, Integral) else max_df * n_texts
    if high < low:
        raise EmptyVocabularyError(
            "max_df corresponds to < documents than min_df "
            f"(max_df={max_df!r} is {high:g}, min_df={min_df!r} is {low:g} of {n_texts} texts)"
        )
    return float(low), float(high)


def select_features(
    allowed: NDArray[np.bool_], total: NDArray[np.float64], max_features: int | None
) -> NDArray[np.int64]:
    """Choose the features that stay.

    Parameters
    ----------
    allowed : ndarray of bool, shape (n_features,)
        Features whose document frequency is within bounds, in lexicographic order.
    total : ndarray of float64, shape (n_features,)
        Occurrences of each feature in all texts.

    Returns
    -------
    ndarray of int64
        Places of the chosen features, ascending.

    Raises
    ------
    EmptyVocabularyError
        If none is left.

    Notes
    -----
    Among features that occur equally often, scikit-learn keeps whichever its unstable
    ``argsort`` puts first. The same call on the same float64 array in the same order is the
    only way to keep the same ones.
    """
    chosen = np.flatnonzero(allowed)
    if max_features is not None and len(chosen) > max_features:
        most_frequent = (-total[chosen]).argsort()[:max_features]
        chosen = np.sort(chosen[most_frequent])
    if not len(chosen):
        raise EmptyVocabularyError(
            "After pruning, no terms remain. Try a lower min_df or a higher max_df."
        )
    return chosen


def inverse_document_frequency(
    document_frequency: NDArray[np.int64], n_texts: int, *, smooth: bool
) -> NDArray[np.float64]:
    """Give ``log((n + s) / (df + s)) + 1`` with s = 1 when smoothed, else 0."""
    shift = float(smooth)
    return np.log((n_texts + shift) / (document_frequency + shift)) + 1.0


def weigh(
    counts: sp.csr_matrix,
    idf: NDArray[np.float64] | None,
    *,
    sublinear_tf: bool,
    norm: str | None,
) -> sp.csr_matrix:
    """Turn counts into TF-IDF values, in place.

    Parameters
    ----------
    counts : csr_matrix of float32, shape (n_texts, n_features)
        Overwritten.
    idf : ndarray of float64, shape (n_features,), or None
    sublinear_tf : bool
        Use ``1 + log(tf)``.
    norm : {"l1", "l2"} or None
        What each row's length is set to 1 in.

    Returns
    -------
    csr_matrix
        The same object.
    """
    from sklearn.utils import sparsefuncs_fast

    if sublinear_tf:
        np.log(counts.data, out=counts.data)
        counts.data += np.float32(1)
    if idf is not None:
        # One text uses some hundreds of 300,000 columns: take them, then convert.
        counts.data *= idf[counts.indices].astype(np.float32)
    if norm is not None and counts.shape[0]:
        # What `normalize` calls; its checks took half of the time of one text.
        if norm == "l2":
            sparsefuncs_fast.inplace_csr_row_normalize_l2(counts)
        else:
            sparsefuncs_fast.inplace_csr_row_normalize_l1(counts)
    return counts


def in_threads(function: Callable[[T], R], items: Sequence[T], n_jobs: int) -> list[R]:
    """Call a function on every item; sparse products and NumPy loops release the GIL."""
    if n_jobs == 1 or len(items) < 2:
        return [function(item) for item in items]
    with ThreadPoolExecutor(n_jobs) as pool:
        return list(pool.map(function, items))


def stack_blocks(blocks: list[sp.csr_matrix]) -> sp.csr_matrix:
    """Put row blocks on top of each other, emptying ``blocks`` to halve the peak of memory.

    Parameters
    ----------
    blocks : list of csr_matrix
        All with the same columns; at least one. Left empty.

    Returns
    -------
    csr_matrix
        int32 indices unless there are more than 2**31 - 1 entries.
    """
    if len(blocks) == 1:
        return blocks.pop()
    shape = (sum(block.shape[0] for block in blocks), blocks[0].shape[1])
    row_sizes = np.concatenate([np.diff(block.indptr) for block in blocks])
    n_entries = int(row_sizes.sum(dtype=np.int64))
    index_type = np.int32 if n_entries <= np.iinfo(np.int32).max else np.int64
    indptr = np.zeros(shape[0] + 1, dtype=index_type)
    np.cumsum(row_sizes, out=indptr[1:])
    indices = np.empty(n_entries, dtype=index_type)
    data = np.empty(n_entries, dtype=np.float32)
    stop = n_entries
    while blocks:
        block = blocks.pop()
        start = stop - block.nnz
        indices[start:stop] = block.indices
        data[start:stop] = block.data
        stop = start
    return sp.csr_matrix((data, indices, indptr), shape=shape, copy=False)
