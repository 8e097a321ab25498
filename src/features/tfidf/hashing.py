"""TF-IDF of n-grams whose columns are their hashes: nothing of a text need be known before.

The columns are those of scikit-learn's ``HashingVectorizer`` without alternating signs; the n-grams
are counted as in ``vectorizers.py``, and each distinct one of a batch is spelled and hashed once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.feature_extraction import FeatureHasher
from sklearn.utils.validation import check_is_fitted

from src.features.tfidf.counting import check_texts, encode_texts
from src.features.tfidf.vectorizers import TfidfBase, TfidfChars, TfidfWords

# Up to this many characters n-grams are spelled by scikit-learn's own analyzer.
FEW_CHARACTERS = 8_000
TEXTS_PER_BATCH = 20_000  # their distinct n-grams are spelled at a time


@dataclass(kw_only=True, eq=False, repr=False)
class Hashed(TfidfBase):
    """What hashed words and characters share; `min_df`, `max_df` and `max_features` do nothing.

    `idf_`, (n_features,), is learned from the texts of `fit`: a sample of those to come is enough.
    """

    n_features: int = 2**20

    def fit(self, texts: Iterable[str], y: object = None) -> Hashed:
        """Learn how many of the texts have an n-gram of each column; `y` is ignored."""
        self._learn_idf(texts)
        return self

    def fit_transform(self, texts: Iterable[str], y: object = None) -> sp.csr_matrix:
        """Learn from the texts and give their matrix, CSR float32."""
        return self._weigh(self._learn_idf(texts))

    def transform(self, texts: Iterable[str]) -> sp.csr_matrix:
        """Give the matrix of texts, CSR float32, shape (n_texts, n_features)."""
        check_is_fitted(self, "idf_")
        return self._weigh(self._hash(check_texts(texts)))

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Give the number of each column as its name: several n-grams share it."""
        return np.arange(self.n_features).astype(str).astype(object)

    def columns(self, names: Sequence[str]) -> NDArray[np.int32]:
        """Give the column of each n-gram."""
        if not names:
            return np.empty(0, dtype=np.int32)
        hasher = FeatureHasher(
            self.n_features, input_type="string", alternate_sign=False, dtype=np.float32
        )
        # It refuses a lone surrogate, which a catalogue may hold.
        spelled = ([name.encode("utf-8", "surrogatepass")] for name in names)
        return hasher.transform(spelled).indices

    def _learn_idf(self, texts: Iterable[str]) -> sp.csr_matrix:
        """Set `idf_`; give the counts that it was learned from."""
        self._check_options()
        counts = self._hash(check_texts(texts))
        n = counts.shape[0] + bool(self.smooth_idf)
        df = np.bincount(counts.indices, minlength=self.n_features)
        df = np.maximum(df + bool(self.smooth_idf), 1)
        self.idf_ = (np.log(n / df) + 1.0).astype(np.float32) if self.use_idf else None
        return counts

    def _hash(self, texts: list[str]) -> sp.csr_matrix:
        """Count the n-grams of each column: CSR float32, shape (n_texts, n_features)."""
        starts = range(0, max(len(texts), 1), TEXTS_PER_BATCH)
        batches = [self._hash_batch(texts[at : at + TEXTS_PER_BATCH]) for at in starts]
        return sp.vstack(batches, format="csr")

    def _hash_batch(self, texts: list[str]) -> sp.csr_matrix:
        if sum(map(len, texts)) <= FEW_CHARACTERS:
            names, rows = encode_texts(texts, self._counter().build_analyzer())
            blocks = [rows.T.tocsr()]
        else:
            batch = self._encode(texts)
            paths, blocks = self._count(batch)
            names = self._spell(batch, paths)
        place = (self.columns(names), np.arange(len(names)))
        summed = sp.csr_matrix(
            (np.ones(len(names), dtype=np.float32), place), (self.n_features, len(names))
        )
        return sp.vstack([(summed @ block).T.tocsr() for block in blocks], format="csr")


@dataclass(kw_only=True, eq=False, repr=False)
class HashedWords(Hashed, TfidfWords):
    """Hashed n-grams of words.

    >>> HashedWords(n_features=8).fit(["jeu de cartes"]).transform(["jeu jeu"]).nnz
    1
    """


@dataclass(kw_only=True, eq=False, repr=False)
class HashedChars(Hashed, TfidfChars):
    """Hashed n-grams of characters inside words."""

    ngram_range: tuple[int, int] = (2, 5)
