"""TfidfWords and TfidfChars give TfidfVectorizer's names and values: it is the oracle.

What they build on, texts as numbers, is compared with plain Python.
"""

from __future__ import annotations

import itertools
import pickle
import re
from collections import Counter
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.pipeline import Pipeline
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import check_estimator

from src.errors import DataError
from src.features.tfidf import counting, vectorizers
from src.features.tfidf.counting import EncodedTexts, encode_texts, encode_words, sum_repeated
from src.features.tfidf.vectorizers import EmptyVocabularyError, TfidfChars, TfidfWords

Kind = type[TfidfWords] | type[TfidfChars]

ADVERSARIAL = [
    "",
    "a",
    " ",
    "é",
    "🎮",
    "🎮🎮 jeu 👩‍👩‍👧‍👦 vidéo",
    "e\u0301te\u0301 \u0301 accents combinants",
    "12345 67 8 90 12345",
    "Lego LEGO lego Legо",  # the last letter is Cyrillic
    "日本語 のおもちゃ ゲーム",
    "لعبة أطفال",
    "a\x00b \x00 nul\x00",
    "\ud83c seul \udfae",
    "tab\tnewline\nnbsp\u00a0em\u2003ideographic\u3000fin",
    "straße ß İstanbul ŉ ǅ",
    "aa aaa aaaa aaaaa aaaaaa",
    "l'été d'aujourd'hui, c'est-à-dire: fini!",
    "x" * 300,
    "_ __ a_b _a",
    "½ ² ³ ⑴ Ⅳ",
]
WORDS = "jeu jeux de la le lot carte cartes neuf neuve livre piscine ps4 x 4 25 mm été a".split()  # noqa: SIM905


def draw_texts(seed: int, n_texts: int = 120) -> list[str]:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(0, 14, n_texts)
    return [" ".join(rng.choice(WORDS, size)) for size in sizes]


def oracle(estimator: TfidfWords | TfidfChars) -> TfidfVectorizer:
    analyzer = "char_wb" if isinstance(estimator, TfidfChars) else "word"
    options = estimator.get_params()
    del options["n_jobs"]
    return TfidfVectorizer(analyzer=analyzer, **options)


def assert_same_matrix(ours: sp.csr_matrix, theirs: sp.csr_matrix) -> None:
    theirs = sp.csr_matrix(theirs)
    theirs.sort_indices()
    assert ours.format == "csr" and ours.dtype == np.float32 and ours.shape == theirs.shape
    assert np.array_equal(ours.indptr, theirs.indptr)
    assert np.array_equal(ours.indices, theirs.indices)
    np.testing.assert_allclose(ours.data, theirs.data, rtol=1e-6, atol=1e-7)


def assert_equals_sklearn(
    estimator: TfidfWords | TfidfChars, train: list[str], unseen: list[str]
) -> None:
    reference = oracle(estimator)
    try:
        expected = reference.fit_transform(train)
    except ValueError as refusal:
        # Our message opens with scikit-learn's own sentence and then says more.
        with pytest.raises(ValueError) as caught:  # noqa: PT011
            estimator.fit_transform(train)
        assert str(caught.value).startswith(str(refusal).split("\n")[0])
        return
    assert_same_matrix(estimator.fit_transform(train), expected)
    names = reference.get_feature_names_out()
    assert estimator.get_feature_names_out().tolist() == names.tolist()
    assert estimator.vocabulary_ == reference.vocabulary_
    for few in (vectorizers.FEW_WORDS, -1):  # every word, and each distinct one once
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(vectorizers, "FEW_WORDS", few)
            for texts in (unseen, *([text] for text in unseen[:3])):
                assert_same_matrix(estimator.transform(texts), reference.transform(texts))


RANGES = {
    TfidfWords: [(1, 1), (1, 2), (2, 2), (1, 4), (2, 3)],
    TfidfChars: [(2, 5), (1, 3), (5, 7)],
}
OPTIONS = [
    {},
    {"min_df": 2},
    {"min_df": 3, "max_df": 0.4},
    {"min_df": 0.05, "max_df": 0.6, "max_features": 40},
    {"max_df": 30},
    {"max_features": 25},
    {"max_features": 7, "min_df": 2, "binary": True},
    {"binary": True, "max_df": 0.3, "max_features": 31},
    {"sublinear_tf": True, "norm": "l1"},
    {"use_idf": False, "norm": None},
    {"smooth_idf": False, "norm": None},
    {"smooth_idf": False, "sublinear_tf": True, "norm": "l1"},
    {"lowercase": False},
    {"strip_accents": "unicode"},
]
CASES = [
    (kind, ngram_range, options)
    for kind, ranges in RANGES.items()
    for ngram_range, options in itertools.product(ranges, OPTIONS)
]


@pytest.mark.parametrize(("kind", "ngram_range", "options"), CASES)
def test_every_option_gives_sklearns_columns_and_values(
    kind: Kind, ngram_range: tuple[int, int], options: dict[str, Any]
) -> None:
    estimator = kind(ngram_range=ngram_range, **options)
    assert_equals_sklearn(estimator, draw_texts(1), draw_texts(2) + ADVERSARIAL)


@pytest.mark.parametrize("kind", [TfidfWords, TfidfChars])
@pytest.mark.parametrize("ngram_range", [(1, 2), (2, 5), (4, 9)])
@pytest.mark.parametrize("strip_accents", [None, "unicode"])
def test_adversarial_texts(
    kind: Kind, ngram_range: tuple[int, int], strip_accents: str | None
) -> None:
    estimator = kind(ngram_range=ngram_range, strip_accents=strip_accents)
    assert_equals_sklearn(estimator, ADVERSARIAL, draw_texts(3))
    assert_equals_sklearn(clone(estimator), ADVERSARIAL + draw_texts(4), ADVERSARIAL[::-1])


def test_one_adversarial_text_at_a_time() -> None:
    for kind, text in itertools.product([TfidfWords, TfidfChars], ADVERSARIAL):
        assert_equals_sklearn(kind(), [text], [text, "jeu"])


@pytest.mark.parametrize("kind", [TfidfWords, TfidfChars])
@pytest.mark.parametrize("max_features", [100, 1000, 5000])
def test_ties_under_max_features_fall_as_in_sklearn(kind: Kind, max_features: int) -> None:
    # 20,000 distinct words, nearly all of them equally frequent.
    rng = np.random.default_rng(0)
    texts = [" ".join(f"w{i:x}q" for i in rng.integers(0, 20_000, 20)) for _ in range(1500)]
    estimator = kind(max_features=max_features, ngram_range=(1, 2))
    assert_equals_sklearn(estimator, texts, texts[:50])


@pytest.mark.parametrize(
    "pattern", [r"(?u)\b\w+\b", r"[^,]+", r"\w*", r"\S+", r"(\w)\w+", r"[ \w]{2}", r"\d+"]
)
@pytest.mark.parametrize("ngram_range", [(1, 1), (1, 2), (2, 3)])
def test_any_token_pattern(pattern: str, ngram_range: tuple[int, int]) -> None:
    estimator = TfidfWords(token_pattern=pattern, ngram_range=ngram_range)
    train = [*draw_texts(5, 40), "a b, c d,e f", *ADVERSARIAL]
    assert_equals_sklearn(
        estimator, train, [*draw_texts(6, 20), "c d,a b", "a b c d", *ADVERSARIAL]
    )


@pytest.mark.parametrize("bounds", [(1, 1.0), (2, 1.0), (3, 0.6), (1, 0.2), (4, 9)])
@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("max_features", [None, 15])
def test_bounds_hold_for_texts_not_for_words(
    bounds: tuple[float, float], binary: bool, max_features: int | None
) -> None:
    # The same n-gram comes from several words of one text: its texts are fewer than its words.
    texts = ["anas banana", "ana ananas", "ban banan nana", "tea", "banana nab", "ana"] * 3
    estimator = TfidfChars(
        ngram_range=(2, 3),
        min_df=bounds[0],
        max_df=bounds[1],
        binary=binary,
        max_features=max_features,
    )
    assert_equals_sklearn(estimator, texts, ["banana nab", "zzz"])


def test_an_ngram_is_known_though_its_beginning_is_not() -> None:
    estimator = TfidfWords(ngram_range=(1, 2), max_df=0.8)
    assert_equals_sklearn(estimator, ["xx yy"] * 3 + ["xx zz"], ["xx yy xx zz xx"])
    assert list(estimator.vocabulary_) == ["xx yy", "xx zz", "yy", "zz"]  # "xx" is in every text


def test_a_token_with_a_space_meets_a_bigram_learned_from_safe_tokens() -> None:
    estimator = TfidfWords(token_pattern=r"[^,]+", ngram_range=(1, 2))  # noqa: S106
    assert_equals_sklearn(estimator, ["a,b", "b,c"], ["a b,c", "b c", "a,b"])


TEXT = st.text(st.sampled_from("ab éÉ1 _-,\n\u0301🎮ß日\ud800\x00"), max_size=30) | st.text(
    max_size=30
)


@settings(max_examples=150, deadline=None)
@given(
    train=st.lists(TEXT, min_size=1, max_size=8),
    unseen=st.lists(TEXT, min_size=1, max_size=4),
    sizes=st.tuples(st.integers(1, 6), st.integers(0, 4)),
    limit=st.none() | st.integers(1, 12),
    min_df=st.sampled_from([1, 2, 0.3]),
    flags=st.tuples(st.booleans(), st.booleans()),
)
def test_random_texts(
    train: list[str],
    unseen: list[str],
    sizes: tuple[int, int],
    limit: int | None,
    min_df: float,
    flags: tuple[bool, bool],
) -> None:
    for kind in (TfidfWords, TfidfChars):
        estimator = kind(
            ngram_range=(sizes[0], sum(sizes)),
            max_features=limit,
            min_df=min_df,
            binary=flags[0],
            sublinear_tf=flags[1],
        )
        assert_equals_sklearn(estimator, train, unseen)


def test_a_word_of_a_hundred_thousand_characters() -> None:
    texts = ["ab" * 50_000, "é" * 100_000 + " fin", "ab cd"]
    assert_equals_sklearn(TfidfChars(), texts, texts)
    assert_equals_sklearn(TfidfWords(), texts, texts)


def test_ngrams_of_many_characters_are_numbered_length_by_length() -> None:
    # 8 characters out of 3,000 do not fit in 63 bits.
    rng = np.random.default_rng(7)
    texts = ["".join(map(chr, rng.integers(0x4E00, 0x4E00 + 3000, 40))) for _ in range(60)]
    texts += [text[:20] + " " + text[10:30] for text in texts]
    assert_equals_sklearn(TfidfChars(ngram_range=(2, 8)), texts, texts[:5])


def test_ngrams_of_many_words_are_numbered_length_by_length() -> None:
    # 3,000 words in 5-grams: far more than 2**63 paths.
    rng = np.random.default_rng(8)
    texts = [" ".join(f"w{i}" for i in rng.integers(0, 3000, 30)) for _ in range(150)]
    texts += texts[:50]
    assert_equals_sklearn(TfidfWords(ngram_range=(1, 5), min_df=2), texts, texts[100:])


def test_codes_near_the_end_of_int64_are_counted_all_the_same() -> None:
    # With their places they do not fit in 63 bits.
    codes = np.array([2**62, 5, 2**62, 5, 5, 2**61], dtype=np.int64)
    texts = np.array([0, 0, 1, 1, 1, 3], dtype=np.int32)
    order, sizes, counts = counting._count_codes(codes, texts, 4)
    pairs = Counter(zip(codes.tolist(), texts.tolist(), strict=True))
    assert order.tolist() == np.argsort(codes, kind="stable").tolist()
    assert sizes.tolist() == [3, 1, 2]
    expected = [[pairs[code, text] for text in range(4)] for code in (5, 2**61, 2**62)]
    assert counts.toarray().tolist() == expected


def test_many_texts_are_worked_on_in_blocks() -> None:
    texts = draw_texts(9, 9000)  # more than two blocks
    assert_equals_sklearn(TfidfChars(max_features=200), texts, texts[:10])
    assert_equals_sklearn(TfidfWords(ngram_range=(1, 2), max_features=90), texts, texts[:10])
    alone = TfidfChars(max_features=200, n_jobs=1).fit_transform(texts)
    assert (alone != TfidfChars(max_features=200, n_jobs=3).fit_transform(texts)).nnz == 0


@pytest.mark.parametrize("kind", [TfidfWords, TfidfChars])
def test_empty_vocabulary_is_a_value_error_and_a_project_error(kind: Kind) -> None:
    with pytest.raises(EmptyVocabularyError, match="empty vocabulary; perhaps the documents"):
        kind().fit(["", " "])
    with pytest.raises(EmptyVocabularyError, match="After pruning, no terms remain"):
        kind(min_df=2, ngram_range=(2, 2)).fit(["ab cd", "xy z"])
    with pytest.raises(EmptyVocabularyError, match=r"2 texts, none with an n-gram of \(3, 3\)"):
        TfidfWords(ngram_range=(3, 3)).fit(["ab", "cd ef"])
    assert issubclass(EmptyVocabularyError, ValueError)
    assert issubclass(EmptyVocabularyError, DataError)


@pytest.mark.parametrize("kind", [TfidfWords, TfidfChars])
@pytest.mark.parametrize(
    ("options", "texts", "message"),
    [
        ({}, "one string", "string object received"),
        ({}, ["fine", float("nan")], r"nan is an invalid document \(row 1, float\)"),
        ({}, [b"bytes"], r"invalid document \(row 0, bytes\)"),
        ({"ngram_range": (3, 2)}, ["a"], "lower boundary not larger"),
        ({"ngram_range": (0, 2)}, ["a"], "at least 1"),
        ({"norm": "l3"}, ["a"], "norm='l3': expected one of"),
        ({"strip_accents": "ascii"}, ["a"], "strip_accents='ascii'"),
        ({"max_features": 0}, ["a"], "max_features=0"),
        ({"min_df": 3, "max_df": 2}, ["ab ab"] * 4, "max_df corresponds to < documents"),
    ],
)
def test_wrong_options_and_input(
    kind: Kind, options: dict[str, Any], texts: list[str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        kind(**options).fit(texts)


def test_two_groups_in_a_token_pattern_are_refused() -> None:
    with pytest.raises(ValueError, match="More than 1 capturing group"):
        TfidfWords(token_pattern=r"(a)(b)").fit(["ab"])  # noqa: S106


# scikit-learn's checks for estimators of texts are few, and it says so with a warning.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.parametrize("kind", [TfidfWords, TfidfChars])
def test_sklearn_contract(kind: Kind) -> None:
    check_estimator(kind(), on_skip=None)
    estimator = kind(ngram_range=(2, 2), min_df=2, max_features=30)
    assert clone(estimator).get_params() == estimator.get_params()
    texts = draw_texts(10)
    fitted = estimator.fit(texts)
    assert fitted is estimator
    copy = pickle.loads(pickle.dumps(fitted))  # noqa: S301
    assert (copy.transform(texts) != fitted.fit_transform(texts)).nnz == 0
    labels = np.arange(len(texts)) % 2
    model = Pipeline([("tfidf", clone(estimator)), ("svm", LinearSVC())]).fit(texts, labels)
    assert model.predict(["jeu de carte"]).shape == (1,)


@pytest.mark.parametrize("kind", [TfidfWords, TfidfChars])
def test_no_text_gives_a_matrix_without_rows(kind: Kind) -> None:
    estimator = kind().fit(["un jeu"])
    matrix = estimator.transform([])
    assert matrix.shape == (0, len(estimator.vocabulary_)) and matrix.dtype == np.float32


def spell(batch: EncodedTexts) -> list[list[str]]:
    """Write the texts of a batch as lists of tokens again."""
    tokens, rows = batch
    ids, stops = rows.indices.tolist(), rows.indptr.tolist()
    return [[tokens[i] for i in ids[a:b]] for a, b in itertools.pairwise(stops)]


@given(st.lists(st.text("ab \n"), max_size=12))
def test_encoded_texts_spell_the_texts_again(texts: list[str]) -> None:
    batch = encode_texts(texts, str.split)
    expected = [text.split() for text in texts]
    assert batch[0] == list(dict.fromkeys(itertools.chain.from_iterable(expected)))
    assert spell(batch) == expected


def test_encoded_texts_count_as_countvectorizer() -> None:
    texts = [*draw_texts(12), "aa bb aa aa"]
    batch = encode_texts(texts, str.split)
    counter = CountVectorizer(vocabulary=batch[0], token_pattern=r"\S+")  # noqa: S106
    counts = sum_repeated(batch[1])
    assert (counts != counter.transform(texts)).nnz == 0
    assert counts.dtype == np.float32
    assert spell(batch) == [text.split() for text in texts]  # counting leaves the order alone


def many_characters() -> list[str]:
    """Every code point between two words, so that what counts as white space is seen."""
    signs = (chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)
    return [f"a{sign}b" for sign in signs]


def many_words(last: str) -> list[str]:
    rng = np.random.default_rng(0)
    words = [f"w{i}-{i % 7}" for i in range(5000)]
    return [" ".join(rng.choice(words, 40)) for _ in range(6000)] + [last]


@pytest.mark.parametrize(
    "texts",
    [
        ["", " ", "  lead", "trail \n", *many_characters()],
        many_words("end"),
        many_words("lone \ud800 surrogate"),
    ],
    ids=["white space", "words", "surrogate"],
)
@pytest.mark.parametrize("analyze", [str.split, re.compile(r"\w+").findall], ids=["split", "regex"])
def test_much_text_is_encoded_as_little_text_is(
    texts: list[str], analyze: counting.Analyzer
) -> None:
    assert sum(map(len, texts)) > counting.ARROW_CHARACTERS
    (tokens, found), (same, expected) = encode_words(texts, analyze), encode_texts(texts, analyze)
    assert tokens == same
    assert np.array_equal(found.indices, expected.indices)
    assert np.array_equal(found.indptr, expected.indptr)
    assert found.shape == expected.shape and found.dtype == np.float32


def test_long_texts_are_not_kept_after_they_were_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    counting._split.cache_clear()
    monkeypatch.setattr(counting, "KEPT_CHARACTERS", 300_000)
    for words, kept in ((60_000, 0), (45_000, 1)):
        texts = ["lampe " * words]
        assert encode_words(texts)[1].nnz == words
        assert counting._split.cache_info().currsize == kept
