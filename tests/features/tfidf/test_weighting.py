"""Choosing and weighing features, against TfidfTransformer and scipy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.feature_extraction.text import TfidfTransformer

from src.features.tfidf.token_codes import EmptyVocabularyError
from src.features.tfidf.weighting import (
    document_bounds,
    in_threads,
    inverse_document_frequency,
    select_features,
    stack_blocks,
    weigh,
)


def draw_counts(n_rows: int, seed: int = 0) -> sp.csr_matrix:
    counts = sp.random(n_rows, 40, density=0.2, format="csr", random_state=seed, dtype=np.float32)
    counts.data = np.ceil(counts.data * 5)
    return counts


@pytest.mark.parametrize(
    ("norm", "smooth", "sublinear"),
    list(itertools.product(["l1", "l2", None], [True, False], [True, False])),
)
def test_weights_are_tfidftransformers(norm: str | None, smooth: bool, sublinear: bool) -> None:
    counts = draw_counts(200)
    reference = TfidfTransformer(norm=norm, smooth_idf=smooth, sublinear_tf=sublinear)
    expected = reference.fit_transform(counts.astype(np.float64))
    frequency = np.bincount(counts.indices, minlength=40)
    idf = inverse_document_frequency(frequency, 200, smooth=smooth)
    np.testing.assert_allclose(idf, reference.idf_, rtol=1e-12)
    ours = weigh(counts, idf, sublinear_tf=sublinear, norm=norm)
    assert ours is counts and ours.dtype == np.float32
    np.testing.assert_allclose(ours.toarray(), expected.toarray(), rtol=1e-6, atol=1e-7)


def test_blocks_become_one_matrix_and_are_let_go() -> None:
    blocks = [draw_counts(n, seed=n) for n in (3, 0, 5, 1)]
    expected = sp.vstack(blocks, format="csr")
    stacked = stack_blocks(blocks)
    assert blocks == []
    assert (stacked != expected).nnz == 0 and stacked.shape == (9, 40)
    assert stacked.dtype == np.float32 and stacked.indices.dtype == np.int32


def test_bounds_are_counts_when_integral_and_shares_when_not() -> None:
    assert document_bounds(2, 1.0, 50) == (2.0, 50.0)
    assert document_bounds(0.1, 30, 50) == (5.0, 30.0)
    assert document_bounds(1.0, 1.0, 50) == (50.0, 50.0)
    with pytest.raises(ValueError, match=r"max_df=0.1 is 5, min_df=6 is 6 of 50 texts"):
        document_bounds(6, 0.1, 50)


def test_the_most_frequent_allowed_features_stay_in_their_order() -> None:
    allowed = np.array([True, False, True, True, True])
    total = np.array([5.0, 99.0, 7.0, 1.0, 6.0])
    assert select_features(allowed, total, None).tolist() == [0, 2, 3, 4]
    assert select_features(allowed, total, 2).tolist() == [2, 4]
    with pytest.raises(EmptyVocabularyError, match="After pruning, no terms remain"):
        select_features(np.zeros(5, dtype=bool), total, 2)


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_threads_keep_the_order(n_jobs: int) -> None:
    assert in_threads(lambda i: i * i, range(20), n_jobs) == [i * i for i in range(20)]
