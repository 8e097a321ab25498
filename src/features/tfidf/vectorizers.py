"""TF-IDF over words and over characters: scikit-learn's numbers, several times faster.

``TfidfWords`` and ``TfidfChars`` give the columns, the names and the values of
``TfidfVectorizer`` for the same options, ties under ``max_features`` included; the values are
float32. The counting is done in ``token_ngrams`` and ``token_chargrams``, the weighting in
``tfidf_weighting``; here are the estimators' options.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import scipy.sparse as sp

from src.features.tfidf.base import TfidfBase
from src.features.tfidf.chargrams import fit_char_grams, lookup_char_grams, multiply
from src.features.tfidf.gram_index import count_known
from src.features.tfidf.ngrams import are_separable, fit_word_grams, join_ngrams
from src.features.tfidf.token_codes import (
    Analyzer,
    EncodedTexts,
    encode_texts,
    encode_words,
    refine_tokens,
)

DEFAULT_TOKEN_PATTERN = r"(?u)\b\w\w+\b"  # noqa: S105 - scikit-learn's, not a password


class TfidfWords(TfidfBase):
    """TF-IDF of word n-grams, equal to ``TfidfVectorizer(analyzer="word")``.

    Parameters
    ----------
    ngram_range : tuple of int
        Shortest and longest n-gram, in words.
    min_df, max_df : int or float
        Bounds of document frequency: texts if integral, share of the texts if not.
    max_features : int or None
        Keep only the most frequent n-grams.
    strip_accents : {"unicode"} or None
    token_pattern : str
        Regular expression of a word, with at most one group.
    binary : bool
        Count an n-gram once a text.
    norm : {"l1", "l2"} or None
    use_idf, smooth_idf, sublinear_tf : bool
        As in ``TfidfTransformer``.
    n_jobs : int or None
        Threads; None means as many as pay.

    Attributes
    ----------
    vocabulary_ : dict of str to int
        Column of each n-gram, in column order.
    idf_ : ndarray of float64, shape (n_features,), or None

    Examples
    --------
    >>> words = TfidfWords(ngram_range=(1, 2))
    >>> matrix = words.fit_transform(["jeu de cartes", "jeu de société"])
    >>> words.get_feature_names_out().tolist()
    ['cartes', 'de', 'de cartes', 'de société', 'jeu', 'jeu de', 'société']
    """

    def __init__(
        self,
        *,
        ngram_range: tuple[int, int] = (1, 1),
        min_df: float = 1,
        max_df: float = 1.0,
        max_features: int | None = None,
        lowercase: bool = True,
        strip_accents: str | None = None,
        token_pattern: str = DEFAULT_TOKEN_PATTERN,
        binary: bool = False,
        norm: str | None = "l2",
        use_idf: bool = True,
        smooth_idf: bool = True,
        sublinear_tf: bool = False,
        n_jobs: int | None = None,
    ) -> None:
        self.ngram_range = ngram_range
        self.min_df = min_df
        self.max_df = max_df
        self.max_features = max_features
        self.lowercase = lowercase
        self.strip_accents = strip_accents
        self.token_pattern = token_pattern
        self.binary = binary
        self.norm = norm
        self.use_idf = use_idf
        self.smooth_idf = smooth_idf
        self.sublinear_tf = sublinear_tf
        self.n_jobs = n_jobs

    def _fit_counts(self, texts: list[str]) -> tuple[list[str], list[sp.csr_matrix]]:
        find = self._finder()
        texts = list(self.preprocess(texts))
        batch, ngram_range = self._encode(texts, find), self.ngram_range
        self.spelled_ = not self._separable(batch.tokens)
        if self.spelled_:
            batch, ngram_range = self._spell(texts, find), (1, 1)
        names, counts, index = fit_word_grams(
            batch,
            ngram_range,
            min_df=self.min_df,
            max_df=self.max_df,
            max_features=self.max_features,
            binary=self.binary,
        )
        self.index_ = None if self.spelled_ else index
        return names, [counts]

    def _count(self, texts: list[str]) -> list[sp.csr_matrix]:
        find = self._finder()
        texts = list(self.preprocess(texts))
        batch, index = self._encode(texts, find), self.index_
        if index is None or not self._separable(batch.tokens):
            batch = self._spell(texts, find)
            counts = count_known(batch, self.vocabulary_.get, len(self.vocabulary_))
        else:
            counts = index.count(batch, len(self.vocabulary_))
        if self.binary:
            counts.data.fill(1)
        return [counts]

    def _finder(self) -> Callable[[str], list[str]]:
        pattern = re.compile(self.token_pattern)
        if pattern.groups > 1:
            raise ValueError(
                f"More than 1 capturing group in token pattern {self.token_pattern!r}. Only a "
                "single group should be captured."
            )
        return pattern.findall

    def _encode(self, texts: Sequence[str], find: Analyzer) -> EncodedTexts:
        # Only of the usual pattern is it known that no token reaches over white space.
        if self.token_pattern != DEFAULT_TOKEN_PATTERN:
            return encode_texts(texts, find)
        return refine_tokens(encode_words(texts), find)

    def _separable(self, tokens: Sequence[str]) -> bool:
        # Word characters are all greater than a space: nothing to check for the usual pattern.
        if self.token_pattern == DEFAULT_TOKEN_PATTERN:
            return True
        return are_separable(tokens)

    def _spell(self, texts: Sequence[str], find: Analyzer) -> EncodedTexts:
        """Encode n-grams as strings, for patterns whose tokens may hold spaces or be empty."""
        min_n, max_n = self.ngram_range
        return encode_texts(texts, lambda text: join_ngrams(find(text), min_n, max_n))


class TfidfChars(TfidfBase):
    """TF-IDF of character n-grams inside words, equal to ``TfidfVectorizer("char_wb")``.

    Words are padded with one space on both sides.

    Parameters
    ----------
    ngram_range : tuple of int
        Shortest and longest n-gram, in characters.
    min_df, max_df, max_features, lowercase, strip_accents, binary, norm
        As in `TfidfWords`.
    use_idf, smooth_idf, sublinear_tf, n_jobs
        As in `TfidfWords`.

    Attributes
    ----------
    vocabulary_ : dict of str to int
        Column of each n-gram, in column order.
    idf_ : ndarray of float64, shape (n_features,), or None

    Examples
    --------
    >>> chars = TfidfChars(ngram_range=(2, 3)).fit(["le lot", "un lot"])
    >>> chars.get_feature_names_out()[:5].tolist()
    [' l', ' le', ' lo', ' u', ' un']
    """

    def __init__(
        self,
        *,
        ngram_range: tuple[int, int] = (2, 5),
        min_df: float = 1,
        max_df: float = 1.0,
        max_features: int | None = None,
        lowercase: bool = True,
        strip_accents: str | None = None,
        binary: bool = False,
        norm: str | None = "l2",
        use_idf: bool = True,
        smooth_idf: bool = True,
        sublinear_tf: bool = False,
        n_jobs: int | None = None,
    ) -> None:
        self.ngram_range = ngram_range
        self.min_df = min_df
        self.max_df = max_df
        self.max_features = max_features
        self.lowercase = lowercase
        self.strip_accents = strip_accents
        self.binary = binary
        self.norm = norm
        self.use_idf = use_idf
        self.smooth_idf = smooth_idf
        self.sublinear_tf = sublinear_tf
        self.n_jobs = n_jobs

    def _fit_counts(self, texts: list[str]) -> tuple[list[str], list[sp.csr_matrix]]:
        return fit_char_grams(
            encode_words(list(self.preprocess(texts))),
            self.ngram_range,
            min_df=self.min_df,
            max_df=self.max_df,
            max_features=self.max_features,
            binary=self.binary,
            n_jobs=self.n_threads(),
        )

    def _count(self, texts: list[str]) -> list[sp.csr_matrix]:
        batch = encode_words(list(self.preprocess(texts)))
        by_text, by_word = lookup_char_grams(batch, self.vocabulary_, self.ngram_range)
        return multiply(by_text, by_word, n_jobs=self.n_threads(), binary=self.binary)
