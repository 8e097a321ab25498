"""The words that set a class apart, and how often a text uses them.

``Chi2Lexicon`` learns on training rows: for every class, the words whose counts deviate most from
independence of "this class or another" (chi squared), among those the class uses more than its
share. A text becomes its number of hits a class.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from src.features.tfidf.vectorizers import (
    EmptyVocabularyError,
    EncodedTexts,
    check_texts,
    encode_words,
)

if TYPE_CHECKING:
    from sklearn.utils import Tags

_WORD = re.compile(r"(?u)\b\w\w+\b")


def chi2_one_vs_rest(
    counts: sp.csr_matrix, members: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Score every feature for every class against all others.

    For observed counts O and counts E expected under independence, in the class and outside of
    it, chi2 = (O_in - E_in)^2 / E_in + (O_out - E_out)^2 / E_out. As the two deviations are
    equal, this is (O_in - E_in)^2 (1 / E_in + 1 / E_out): one matrix product for all classes.
    Equal to ``sklearn.feature_selection.chi2(counts, y == c)``.

    Parameters
    ----------
    counts : csr_matrix, shape (n_texts, n_features)
    members : ndarray of float64, shape (n_texts, n_classes)
        1 where a text is of a class.

    Returns
    -------
    scores : ndarray of float64, shape (n_classes, n_features)
        0 where a class holds no text or all of them, or a feature never occurs.
    over_used : ndarray of bool, shape (n_classes, n_features)
        Where the class uses the feature more than its share.
    """
    observed = np.asarray((counts.T.astype(np.float64) @ members).T)
    total = np.asarray(counts.sum(axis=0, dtype=np.float64)).ravel()
    in_class = members.mean(axis=0)[:, None] * total
    outside = total - in_class
    deviation = observed - in_class
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = deviation**2 * (1 / in_class + 1 / outside)
    scores[~np.isfinite(scores)] = 0.0
    return scores, deviation > 0


class Chi2Lexicon(TransformerMixin, BaseEstimator):
    """Hits a class in lexicons chosen by chi squared.

    Parameters
    ----------
    top_k : int
        Words a class.
    min_df : int
        Texts in which a word must stand to be considered.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    lexicon_ : dict
        Class to its words, the most telling first.
    columns_ : dict
        Word to the columns in which it counts.

    Examples
    --------
    >>> texts = ["un livre", "le livre bleu", "une piscine", "la piscine bleue"]
    >>> lexicon = Chi2Lexicon(top_k=1, min_df=1).fit(texts, [10, 10, 2583, 2583])
    >>> lexicon.transform(["le livre de la piscine, un livre"]).tolist()
    [[2.0, 1.0]]
    """

    def __init__(self, *, top_k: int = 100, min_df: int = 2, lowercase: bool = True) -> None:
        self.top_k = top_k
        self.min_df = min_df
        self.lowercase = lowercase

    def fit(self, texts: Iterable[str], y: Sequence[object]) -> Chi2Lexicon:
        """Choose the words of each class.

        Parameters
        ----------
        texts : iterable of str
        y : sequence, shape (n_texts,)
            Class of each text.

        Returns
        -------
        self

        Raises
        ------
        EmptyVocabularyError
            If no word stands in ``min_df`` texts.
        ValueError
            If ``top_k`` is less than 1 or the lengths differ.
        """
        rows = check_texts(texts)
        if self.top_k < 1:
            raise ValueError(f"top_k={self.top_k}: expected at least 1")
        self.classes_, codes = np.unique(np.asarray(y), return_inverse=True)
        if len(codes) != len(rows):
            raise ValueError(f"{len(rows)} texts and {len(codes)} labels")
        words, counts = self._count_frequent(rows)
        members = np.zeros((len(rows), len(self.classes_)))
        members[np.arange(len(rows)), codes] = 1.0
        scores, over_used = chi2_one_vs_rest(counts, members)
        scores[~over_used] = 0.0
        self.lexicon_ = {}
        for name, row in zip(self.classes_.tolist(), scores, strict=True):
            best = np.argsort(-row, kind="stable")[: self.top_k]
            self.lexicon_[name] = [words[i] for i in best if row[i] > 0]
        self.columns_: dict[str, list[int]] = {}
        for column, chosen in enumerate(self.lexicon_.values()):
            for word in chosen:
                self.columns_.setdefault(word, []).append(column)
        return self

    def _count_frequent(self, rows: list[str]) -> tuple[list[str], sp.csr_matrix]:
        """Count the words that stand in min_df texts, in lexicographic order."""
        batch = self._encode(rows)
        counts = batch.counts()
        frequent = np.flatnonzero(
            np.bincount(counts.indices, minlength=len(batch.tokens)) >= self.min_df
        )
        if not len(frequent):
            raise EmptyVocabularyError(
                f"empty vocabulary; no word stands in {self.min_df} of {len(rows)} texts"
            )
        # By name, so that ties among scores fall the same way whatever the order of the rows.
        frequent = np.array(sorted(frequent.tolist(), key=batch.tokens.__getitem__))
        return [batch.tokens[i] for i in frequent], counts[:, frequent]

    def transform(self, texts: Iterable[str]) -> NDArray[np.float32]:
        """Count the words of each class's lexicon.

        Returns
        -------
        ndarray of float32, shape (n_texts, n_classes)
        """
        check_is_fitted(self, "lexicon_")
        batch = self._encode(check_texts(texts))
        pairs = [
            (number, column)
            for number, token in enumerate(batch.tokens)
            for column in self.columns_.get(token, ())
        ]
        numbers, columns = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        ones = np.ones(len(numbers), dtype=np.float32)
        shape = (len(batch.tokens), len(self.lexicon_))
        table = sp.csr_matrix((ones, (numbers, columns)), shape=shape)
        hits: NDArray[np.float32] = (batch.counts() @ table).toarray()
        return hits

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Name the columns by class, shape (n_classes,)."""
        check_is_fitted(self, "lexicon_")
        return np.array([f"lexicon_{name}" for name in self.lexicon_], dtype=object)

    def _encode(self, texts: list[str]) -> EncodedTexts:
        if self.lowercase:
            texts = [text.lower() for text in texts]
        return encode_words(texts, _WORD.findall)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.target_tags.required = True
        return tags
