"""What the two TF-IDF estimators share: weighting and the scikit-learn contract."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from src.features.tfidf.token_codes import check_texts
from src.features.tfidf.weighting import (
    in_threads,
    inverse_document_frequency,
    stack_blocks,
    weigh,
)

if TYPE_CHECKING:
    from sklearn.utils import Tags


class TfidfBase(TransformerMixin, BaseEstimator):
    """What both estimators share: options, weighting and the scikit-learn contract.

    Subclasses hold the constructor (scikit-learn reads its signature) and give ``_fit_counts``
    and ``_count``.
    """

    ngram_range: tuple[int, int]
    min_df: float
    max_df: float
    max_features: int | None
    lowercase: bool
    strip_accents: str | None
    binary: bool
    norm: str | None
    use_idf: bool
    smooth_idf: bool
    sublinear_tf: bool
    n_jobs: int | None

    vocabulary_: dict[str, int]
    idf_: NDArray[np.float64] | None

    def _fit_counts(self, texts: list[str]) -> tuple[list[str], list[sp.csr_matrix]]:
        raise NotImplementedError

    def _count(self, texts: list[str]) -> list[sp.csr_matrix]:
        raise NotImplementedError

    def fit(self, texts: Iterable[str], y: object = None) -> TfidfBase:
        """Learn the n-grams and their document frequencies.

        Parameters
        ----------
        texts : iterable of str

        Returns
        -------
        self
        """
        self._learn(check_texts(texts))
        return self

    def fit_transform(self, texts: Iterable[str], y: object = None) -> sp.csr_matrix:
        """Learn from the texts and give their matrix, counting only once.

        Returns
        -------
        csr_matrix of float32, shape (n_texts, n_features)
            Sorted indices.

        Raises
        ------
        EmptyVocabularyError
            If no n-gram is left (a ValueError, as in scikit-learn).
        """
        return self._weigh(self._learn(check_texts(texts)))

    def transform(self, texts: Iterable[str]) -> sp.csr_matrix:
        """Give the matrix of texts; n-grams that were not learned are left out.

        Returns
        -------
        csr_matrix of float32, shape (n_texts, n_features)
            Sorted indices.
        """
        check_is_fitted(self, "vocabulary_")
        return self._weigh(self._count(check_texts(texts)))

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Give the n-gram of each column, shape (n_features,), in lexicographic order."""
        check_is_fitted(self, "vocabulary_")
        return np.array(list(self.vocabulary_), dtype=object)

    def _learn(self, texts: list[str]) -> list[sp.csr_matrix]:
        self._check_options()
        names, blocks = self._fit_counts(texts)
        self.vocabulary_ = {name: column for column, name in enumerate(names)}
        self.idf_ = None
        if self.use_idf:
            frequency = np.zeros(len(names), dtype=np.int64)
            for block in blocks:
                frequency += np.bincount(block.indices, minlength=len(names))
            self.idf_ = inverse_document_frequency(frequency, len(texts), smooth=self.smooth_idf)
        return blocks

    def _check_options(self) -> None:
        min_n, max_n = self.ngram_range
        if not 1 <= min_n <= max_n:
            raise ValueError(
                f"Invalid value for ngram_range={self.ngram_range}: expected two whole numbers "
                "of at least 1, lower boundary not larger than the upper boundary."
            )
        if self.norm not in (None, "l1", "l2"):
            raise ValueError(f"norm={self.norm!r}: expected 'l1', 'l2' or None")
        if self.strip_accents not in (None, "unicode"):
            raise ValueError(f"strip_accents={self.strip_accents!r}: expected 'unicode' or None")
        if self.max_features is not None and self.max_features < 1:
            raise ValueError(f"max_features={self.max_features}: expected at least 1, or None")

    def _weigh(self, blocks: list[sp.csr_matrix]) -> sp.csr_matrix:
        def weigh_block(block: sp.csr_matrix) -> sp.csr_matrix:
            return weigh(block, self.idf_, sublinear_tf=self.sublinear_tf, norm=self.norm)

        return stack_blocks(in_threads(weigh_block, blocks, self.n_threads()))

    def n_threads(self) -> int:
        """Say how many threads to use."""
        # More than four threads gain nothing: the products are bound by memory.
        return self.n_jobs or min(os.cpu_count() or 1, 4)

    def preprocess(self, texts: Sequence[str]) -> Sequence[str]:
        """Lower the case and drop accents, where asked."""
        if self.lowercase:
            texts = [text.lower() for text in texts]
        if self.strip_accents is not None:
            from sklearn.feature_extraction.text import strip_accents_unicode

            texts = [strip_accents_unicode(text) for text in texts]
        return texts

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        return tags
