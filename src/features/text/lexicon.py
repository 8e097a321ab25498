"""The words that set a class apart, and how often a text uses them.

``Chi2Lexicon`` learns on training rows: for every class, the words whose counts deviate most from
independence of "this class or another" (chi squared), among those the class uses more than its
share. A text becomes its number of hits a class.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from src.features.tfidf.counting import check_texts
from src.features.tfidf.vectorizers import TfidfWords

if TYPE_CHECKING:
    from sklearn.utils import Tags


def chi2_one_vs_rest(
    counts: sp.csr_matrix, members: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Score every feature for every class against all others.

    For observed counts O and counts E expected under independence, in the class and outside of
    it, chi2 = (O_in - E_in)^2 / E_in + (O_out - E_out)^2 / E_out. As the two deviations are
    equal, this is (O_in - E_in)^2 (1 / E_in + 1 / E_out): one matrix product for all classes.
    Equal to ``sklearn.feature_selection.chi2(counts, y == c)``.

    Counts have the shape (n_texts, n_features); `members`, (n_texts, n_classes), is 1 where a text
    is of a class. Scores, (n_classes, n_features), are 0 where a class holds no text or all of
    them, or a feature never occurs; beside them, where the class uses the feature more than its
    share.
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
    """Hits in a class's `top_k` words, chosen by chi squared among those of `min_df` texts.

    `lexicon_` maps each of `classes_` to its words, the most telling first.

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
        """Choose the words of each class; EmptyVocabularyError if there are none."""
        if self.top_k < 1:
            raise ValueError(f"top_k={self.top_k}: expected at least 1")
        rows = check_texts(texts)
        self.classes_, codes = np.unique(np.asarray(y), return_inverse=True)
        if len(codes) != len(rows):
            raise ValueError(f"{len(rows)} texts and {len(codes)} labels")
        # Columns by name, so that ties among scores fall the same way whatever the order of rows.
        self.counter_ = TfidfWords(
            min_df=self.min_df, lowercase=self.lowercase, use_idf=False, norm=None
        )
        counts = self.counter_.fit_transform(rows)
        words = self.counter_.get_feature_names_out()
        members = (codes[:, None] == np.arange(len(self.classes_))).astype(np.float64)
        scores, over_used = chi2_one_vs_rest(counts, members)
        scores[~over_used] = 0.0
        best = np.argsort(-scores, axis=1, kind="stable")[:, : self.top_k]
        chosen = [places[row[places] > 0] for places, row in zip(best, scores, strict=True)]
        names = self.classes_.tolist()
        self.lexicon_ = {n: words[c].tolist() for n, c in zip(names, chosen, strict=True)}
        kept = np.unique(np.concatenate(chosen))
        self.counter_.vocabulary_ = {word: place for place, word in enumerate(words[kept])}
        self.members_ = np.array([np.isin(kept, c) for c in chosen], dtype=np.float32).T
        return self

    def transform(self, texts: Iterable[str]) -> NDArray[np.float32]:
        """Count the words of each class's lexicon, shape (n_texts, n_classes)."""
        check_is_fitted(self, "lexicon_")
        hits: NDArray[np.float32] = self.counter_.transform(texts) @ self.members_
        return hits

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Name the columns by class, shape (n_classes,)."""
        check_is_fitted(self, "lexicon_")
        return np.array([f"lexicon_{name}" for name in self.lexicon_], dtype=object)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.target_tags.required = True
        return tags
