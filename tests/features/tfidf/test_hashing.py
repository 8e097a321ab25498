"""Hashed n-grams are those of scikit-learn's ``HashingVectorizer``, whatever comes with them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

from src.features.tfidf import hashing
from src.features.tfidf.hashing import Hashed, HashedChars, HashedWords

TEXTS = [
    "Lampe LED de bureau, lampe pliable", "a", "", "épée en bois n°5", "LAMPE de chevet 25 mm",
    "ﬁgurine 数字 😀 deux", "lampe lampe lampe led",
]  # fmt: skip
KINDS = pytest.mark.parametrize("kind", [HashedWords, HashedChars])


@KINDS
@pytest.mark.parametrize("n_features", [16, 2**20])
@pytest.mark.parametrize("times", [1, 400], ids=["few", "many"])
def test_equals_the_library(
    kind: type[Hashed], n_features: int, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one batch or several; 16 columns hold several n-grams each."""
    monkeypatch.setattr(hashing, "TEXTS_PER_BATCH", 700)
    texts = TEXTS * times
    hasher = HashingVectorizer(
        analyzer=kind.analyzer,
        ngram_range=(1, 3),
        n_features=n_features,
        alternate_sign=False,
        norm=None,
    )
    expected = make_pipeline(hasher, TfidfTransformer(sublinear_tf=True)).fit_transform(texts)
    ours = kind(ngram_range=(1, 3), sublinear_tf=True, n_features=n_features)
    matrix = ours.fit_transform(texts)
    assert (matrix.dtype, matrix.shape) == (np.float32, (len(texts), n_features))
    assert abs(matrix - expected).max() < 1e-6
    alone = [ours.transform([text]) for text in TEXTS]
    for row, one in enumerate(alone):
        assert (one != matrix[row]).nnz == 0


@KINDS
def test_without_idf_nothing_is_learned(kind: type[Hashed]) -> None:
    first, second = (kind(use_idf=False).fit(texts).transform(TEXTS) for texts in (TEXTS, ["x"]))
    assert (first != second).nnz == 0


def test_a_lone_surrogate_has_columns() -> None:
    assert HashedChars().fit(TEXTS).transform(["\ud800"]).nnz == 3


# scikit-learn's checks for estimators of texts are few, and it says so with a warning.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@KINDS
def test_the_librarys_contract(kind: type[Hashed]) -> None:
    check_estimator(kind(), on_skip=None)
    estimator = kind(ngram_range=(2, 2), n_features=64)
    assert clone(estimator).get_params() == estimator.get_params()
    assert len(estimator.fit(TEXTS).get_feature_names_out()) == 64
