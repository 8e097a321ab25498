"""TF-IDF over words and over characters: scikit-learn's numbers, several times faster.

``TfidfWords`` and ``TfidfChars`` give the columns, the names and the values of
``TfidfVectorizer`` for the same options, ties under ``max_features`` included; the values are
float32. Three ideas make them fast:

* Texts become integers: words are numbered once, and an n-gram is the pair (number of its first
  n-1 symbols, number of its last one) in one int64. One sort of these codes counts them all. The
  symbols are the words of the texts, or the characters of the distinct words.
* Character n-grams never cross a word, so (n-grams x texts) is the product of two small matrices,
  (n-grams x distinct words) and (distinct words x texts).
* What is learned once is looked up by the same integers afterwards (``lookup.py``): no n-gram of a
  new text is spelled.
"""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, count, pairwise, repeat
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.utils import Tags, sparsefuncs_fast
from sklearn.utils.validation import check_is_fitted

from src.errors import DataError
from src.features.tfidf.counting import (
    EncodedTexts,
    check_texts,
    code_points,
    count_ngrams,
    encode_texts,
    encode_words,
    text_blocks,
)
from src.features.tfidf.lookup import NgramIndex
from src.utils.cores import available_cores

DEFAULT_TOKEN_PATTERN = r"(?u)\b\w\w+\b"  # noqa: S105 - scikit-learn's, not a password
# Up to this many words each is looked up where it stands: more, and each distinct one once.
FEW_WORDS = 1_000
FILLER = "\n"  # of words shorter than the shortest n-gram: as white space, it is in no word


class EmptyVocabularyError(DataError, ValueError):
    """No feature can be learned from the texts; scikit-learn raises a bare ValueError here."""


@dataclass(kw_only=True, eq=False, repr=False)
class TfidfBase(TransformerMixin, BaseEstimator):
    """What both estimators share; the options are those of ``TfidfVectorizer``.

    `n_jobs` None means as many threads as pay. `vocabulary_` maps each n-gram to its column, in
    column order; `idf_` is of shape (n_features,), or None.
    """

    analyzer: ClassVar[str]
    ngram_range: tuple[int, int] = (1, 1)
    min_df: float = 1
    max_df: float = 1.0
    max_features: int | None = None
    lowercase: bool = True
    strip_accents: str | None = None
    binary: bool = False
    norm: str | None = "l2"
    use_idf: bool = True
    smooth_idf: bool = True
    sublinear_tf: bool = False
    n_jobs: int | None = None

    def _encode(self, texts: list[str]) -> EncodedTexts:
        raise NotImplementedError

    def _count(
        self, batch: EncodedTexts, min_df: float = 1
    ) -> tuple[NDArray[np.int32], list[sp.csr_matrix]]:
        """Give the paths of n-grams and their counts, (n-grams x texts), in blocks of texts."""
        raise NotImplementedError

    def _spell(self, batch: EncodedTexts, paths: NDArray[np.int32]) -> list[str]:
        raise NotImplementedError

    def _weigh_known(self, batch: EncodedTexts) -> list[sp.csr_matrix]:
        """Give the values of the n-grams of the vocabulary, in blocks of texts."""
        raise NotImplementedError

    def __getstate__(self) -> dict[str, Any]:
        """Leave the index behind, which the vocabulary gives again."""
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_index"}

    def fit(self, texts: Iterable[str], y: object = None) -> TfidfBase:
        """Learn the n-grams and their document frequencies; `y` is ignored."""
        self._learn(check_texts(texts))
        return self

    def fit_transform(self, texts: Iterable[str], y: object = None) -> sp.csr_matrix:
        """Learn from the texts and give their matrix, CSR float32, counting only once."""
        blocks, chosen = self._learn(check_texts(texts))
        return self._weigh_blocks(blocks, chosen, np.arange(len(chosen), dtype=np.int32))

    def transform(self, texts: Iterable[str]) -> sp.csr_matrix:
        """Give the matrix of texts, as `fit_transform`; unknown n-grams are left out."""
        if not hasattr(self, "vocabulary_"):  # the check alone takes as long as a word
            check_is_fitted(self, "vocabulary_")
        blocks = self._weigh_known(self._encode(check_texts(texts)))
        return blocks[0] if len(blocks) == 1 else sp.vstack(blocks, format="csr")

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Give the n-gram of each column, shape (n_features,), in lexicographic order."""
        check_is_fitted(self, "vocabulary_")
        return np.array(list(self.vocabulary_), dtype=object)

    def columns(self, names: Sequence[str]) -> NDArray[np.int32]:
        """Give the column of each n-gram, -1 where unknown."""
        return np.fromiter(map(self.vocabulary_.get, names, repeat(-1)), dtype=np.int32)

    def preprocess(self, texts: Sequence[str]) -> list[str]:
        """Lower the case and drop accents, where asked."""
        return list(map(self._counter().build_preprocessor(), texts))

    def _counter(self) -> CountVectorizer:
        """Return scikit-learn's own way to cut one text."""
        names = ("ngram_range", "lowercase", "strip_accents", "token_pattern")
        options = {name: value for name, value in vars(self).items() if name in names}
        return CountVectorizer(analyzer=self.analyzer, **options)

    def _learn(self, texts: list[str]) -> tuple[list[sp.csr_matrix], NDArray[np.int64]]:
        """Set the fitted attributes; give counts (n-grams x texts) and the rows that are kept."""
        self._check_options()
        (tokens, rows), n_texts = self._encode(texts), len(texts)
        # Numbers in lexicographic order: then paths sort as the n-grams that they spell.
        order = sorted(range(len(tokens)), key=tokens.__getitem__)
        ids = np.argsort(order).astype(np.int32)[rows.indices]
        batch = [tokens[i] for i in order], sp.csr_matrix((rows.data, ids, rows.indptr), rows.shape)
        bounds = (self.min_df, self.max_df)
        low, high = (df if isinstance(df, Integral) else df * n_texts for df in bounds)
        paths, blocks = self._count(batch, low)
        if not len(paths) and not len(self._count(batch)[0]):
            raise EmptyVocabularyError(
                "empty vocabulary; perhaps the documents only contain stop words "
                f"({n_texts} texts, none with an n-gram of {self.ngram_range})"
            )
        if high < low:
            raise EmptyVocabularyError(
                f"max_df corresponds to < documents than min_df (max_df={self.max_df!r} is "
                f"{high:g}, min_df={self.min_df!r} is {low:g} of {n_texts} texts)"
            )
        if self.binary:
            for block in blocks:
                block.data.fill(1)
        frequency = sum(np.diff(block.indptr) for block in blocks)
        total = sum(block @ np.ones(block.shape[1]) for block in blocks)
        chosen = self._choose(paths, (frequency >= low) & (frequency <= high), total)
        names = self._spell(batch, paths[chosen])
        self.vocabulary_: dict[str, int] = {name: column for column, name in enumerate(names)}
        self.__dict__.pop("_index", None)
        n, df = n_texts + bool(self.smooth_idf), frequency[chosen] + bool(self.smooth_idf)
        self.idf_: NDArray[np.float64] | None = np.log(n / df) + 1.0 if self.use_idf else None
        return blocks, chosen

    def _check_options(self) -> None:
        if not 1 <= self.ngram_range[0] <= self.ngram_range[1]:
            raise ValueError(
                f"Invalid value for ngram_range={self.ngram_range}: expected whole numbers of at "
                "least 1, lower boundary not larger than the upper boundary."
            )
        for name, allowed in (("norm", ("l1", "l2", None)), ("strip_accents", ("unicode", None))):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name}={getattr(self, name)!r}: expected one of {allowed}")
        if self.max_features is not None and self.max_features < 1:
            raise ValueError(f"max_features={self.max_features}: expected at least 1, or None")

    def _choose(
        self, paths: NDArray[np.int32], allowed: NDArray[np.bool_], total: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """Choose, of the n-grams allowed, those that become columns, in lexicographic order.

        Of n-grams that occur equally often (`total`: occurrences in all texts), scikit-learn keeps
        those that its unstable ``argsort`` puts first. Only the same call on the same float64
        array in the same order keeps the same ones.
        """
        chosen = np.flatnonzero(allowed)
        chosen = chosen[np.lexsort(paths[chosen].T[::-1])]
        if self.max_features is not None and len(chosen) > self.max_features:
            chosen = chosen[np.sort((-total[chosen]).argsort()[: self.max_features])]
        if not len(chosen):
            raise EmptyVocabularyError(
                "After pruning, no terms remain. Try a lower min_df or a higher max_df."
            )
        return chosen

    def _weigh_found(
        self, rows: NDArray[np.integer], columns: NDArray[np.int32], n_rows: int
    ) -> list[sp.csr_matrix]:
        """Give the values, as one block, where the row and column of each n-gram are known."""
        width = len(self.vocabulary_)
        cells, counts = np.unique(rows * np.int64(width) + columns, return_counts=True)
        indptr = cells.searchsorted(np.arange(n_rows + 1) * width)
        content = (counts.astype(np.float32), (cells % width).astype(np.int32), indptr)
        return [self._weigh(sp.csr_matrix(content, shape=(n_rows, width)))]

    def _weigh_blocks(
        self, blocks: list[sp.csr_matrix], grams: NDArray[np.int64], columns: NDArray[np.int32]
    ) -> sp.csr_matrix:
        """Turn counts (n-grams x texts) into TF-IDF values (texts x columns); empties `blocks`."""
        stops = np.cumsum([np.diff(block.indptr)[grams].sum() for block in blocks])
        data, indices = np.empty(stops[-1], dtype=np.float32), np.empty(stops[-1], dtype=np.int32)

        def weigh_block(number: int) -> NDArray[np.integer]:
            counts, blocks[number] = blocks[number][grams].T.tocsr(), None
            counts.indices = columns[counts.indices]
            self._weigh(counts)
            place = slice(stops[number] - counts.nnz, stops[number])
            data[place], indices[place] = counts.data, counts.indices
            return np.diff(counts.indptr)

        lengths = self._in_threads(weigh_block, range(len(blocks)))
        indptr = np.cumsum(np.concatenate([[0], *lengths]))
        return sp.csr_matrix((data, indices, indptr), (len(indptr) - 1, len(self.vocabulary_)))

    def _weigh(self, counts: sp.csr_matrix) -> sp.csr_matrix:
        """Do what `TfidfTransformer` does, in place."""
        if self.binary:
            counts.data.fill(1)
        if self.sublinear_tf:
            np.log(counts.data, out=counts.data)
            counts.data += np.float32(1)
        if self.idf_ is not None:
            # One text uses some hundreds of 300,000 columns: take them, then convert.
            few = counts.nnz < len(self.idf_)
            idf = self.idf_ if few else self.idf_.astype(np.float32)
            counts.data *= idf[counts.indices].astype(np.float32, copy=False)
        # What `normalize` calls; its checks would take half of the time of one text.
        if self.norm == "l2":
            sparsefuncs_fast.inplace_csr_row_normalize_l2(counts)
        elif self.norm == "l1":
            sparsefuncs_fast.inplace_csr_row_normalize_l1(counts)
        return counts

    def _in_threads(self, function: Callable[[Any], Any], tasks: Sequence[Any]) -> list[Any]:
        if len(tasks) == 1:
            return [function(tasks[0])]
        # More than four threads gain nothing: the products are bound by memory.
        with ThreadPoolExecutor(self.n_jobs or min(available_cores(), 4)) as pool:
            return list(pool.map(function, tasks))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        return tags


def ends(used: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Give where each row of `used` starts and stops among all entries that are used."""
    return pairwise([0, *np.cumsum(used.sum(axis=1)).tolist()])


@dataclass(kw_only=True, eq=False, repr=False)
class TfidfWords(TfidfBase):
    """TF-IDF of word n-grams, equal to ``TfidfVectorizer(analyzer="word")``.

    Parameters are those of `TfidfBase`, and ``token_pattern``: the regular expression of a word,
    with at most one group. Any but the default runs at the speed of scikit-learn's own analyzer.

    >>> words = TfidfWords(ngram_range=(1, 2))
    >>> matrix = words.fit_transform(["jeu de cartes", "jeu de société"])
    >>> words.get_feature_names_out().tolist()
    ['cartes', 'de', 'de cartes', 'de société', 'jeu', 'jeu de', 'société']
    """

    analyzer = "word"
    token_pattern: str = DEFAULT_TOKEN_PATTERN

    def _encode(self, texts: list[str]) -> EncodedTexts:
        # No usual word reaches over white space, and none sorts before the joining space. Others
        # may hold spaces or be empty: there, whole n-grams are numbered.
        if self.token_pattern != DEFAULT_TOKEN_PATTERN:
            return encode_texts(texts, self._counter().build_analyzer())
        return encode_words(self.preprocess(texts), re.compile(DEFAULT_TOKEN_PATTERN).findall)

    def _count(
        self, batch: EncodedTexts, min_df: float = 1
    ) -> tuple[NDArray[np.int32], list[sp.csr_matrix]]:
        ngram_range = self.ngram_range if self.token_pattern == DEFAULT_TOKEN_PATTERN else (1, 1)
        rows = batch[1]
        paths, counts = count_ngrams(rows.indices, np.diff(rows.indptr), ngram_range, min_df)
        return paths, [counts]

    @functools.cached_property
    def _index(self) -> tuple[dict[str, int], NgramIndex]:
        """Numbers of the words that n-grams have, and where to look the n-grams up."""
        usual = self.token_pattern == DEFAULT_TOKEN_PATTERN
        parts = [name.split(" ") if usual else [name] for name in self.vocabulary_]
        numbers: defaultdict[str, int] = defaultdict(count().__next__)
        symbols = np.fromiter(map(numbers.__getitem__, chain.from_iterable(parts)), dtype=np.int64)
        return dict(numbers), NgramIndex.of(symbols, np.array(list(map(len, parts))))

    def _weigh_known(self, batch: EncodedTexts) -> list[sp.csr_matrix]:
        (tokens, rows), (numbers, index) = batch, self._index
        of_token = np.fromiter(map(numbers.get, tokens, repeat(-1)), dtype=np.int64)
        lengths = np.diff(rows.indptr)
        places, columns = index.find(of_token[rows.indices], lengths)
        texts = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
        return self._weigh_found(texts[places], columns, len(lengths))

    def _spell(self, batch: EncodedTexts, paths: NDArray[np.int32]) -> list[str]:
        used = paths >= 0
        words = np.array(batch[0], dtype=object)[paths[used]].tolist()
        return [" ".join(words[start:stop]) for start, stop in ends(used)]


@dataclass(kw_only=True, eq=False, repr=False)
class TfidfChars(TfidfBase):
    """TF-IDF of character n-grams inside words, equal to ``TfidfVectorizer(analyzer="char_wb")``.

    Words are padded with one space on both sides. Parameters are those of `TfidfBase`.

    >>> chars = TfidfChars(ngram_range=(2, 3)).fit(["le lot", "un lot"])
    >>> chars.get_feature_names_out()[:5].tolist()
    [' l', ' le', ' lo', ' u', ' un']
    """

    analyzer = "char_wb"
    ngram_range: tuple[int, int] = (2, 5)

    def _encode(self, texts: list[str]) -> EncodedTexts:
        return encode_words(self.preprocess(texts))

    def _count(
        self, batch: EncodedTexts, min_df: float = 1
    ) -> tuple[NDArray[np.int32], list[sp.csr_matrix]]:
        paths, of_words = count_ngrams(*self._characters(batch[0]), self.ngram_range)
        blocks = text_blocks(batch[1])
        return paths, self._in_threads(lambda by_text: of_words @ by_text.T.tocsr(), blocks)

    def _characters(self, words: Iterable[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Give the code points of words with a space on both sides, and the lengths of these.

        A word shorter than the shortest n-gram counts once as a whole: it is filled up.
        """
        return code_points([f" {word} ".ljust(self.ngram_range[0], FILLER) for word in words])

    @functools.cached_property
    def _index(self) -> tuple[NDArray[np.int32], NgramIndex]:
        """The characters that n-grams have, ascending, and where to look the n-grams up."""
        names = [name.ljust(self.ngram_range[0], FILLER) for name in self.vocabulary_]
        characters, lengths = code_points(names)
        alphabet, symbols = np.unique(characters, return_inverse=True)
        return alphabet, NgramIndex.of(symbols, lengths)

    def _weigh_known(self, batch: EncodedTexts) -> list[sp.csr_matrix]:
        (tokens, rows), (alphabet, index) = batch, self._index
        sizes, few = np.diff(rows.indptr), rows.nnz <= FEW_WORDS
        words = map(tokens.__getitem__, rows.indices.tolist()) if few else tokens
        characters, lengths = self._characters(words)
        symbols = alphabet.searchsorted(characters)
        symbols[alphabet.take(symbols, mode="clip") != characters] = -1
        places, columns = index.find(symbols, lengths)
        word_at = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)[places]
        if few:
            texts = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
            return self._weigh_found(texts[word_at], columns, len(sizes))
        content = (np.ones(len(columns), dtype=np.float32), (columns, word_at))
        of_words = sp.csr_matrix(content, shape=(len(self.vocabulary_), len(tokens)))

        def weigh_block(by_text: sp.csr_matrix) -> sp.csr_matrix:
            return self._weigh((of_words @ by_text.T.tocsr()).T.tocsr())

        return self._in_threads(weigh_block, text_blocks(rows))

    def _spell(self, batch: EncodedTexts, paths: NDArray[np.int32]) -> list[str]:
        used = (paths >= 0) & (paths != ord(FILLER))
        text = paths[used].tobytes().decode("utf-32-le", "surrogatepass")
        return [text[start:stop] for start, stop in ends(used)]
