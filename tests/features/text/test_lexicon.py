"""Chi2Lexicon, against sklearn's chi2 computed class by class."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.feature_selection import chi2
from sklearn.utils.estimator_checks import check_estimator

from src.features.text.lexicon import Chi2Lexicon, chi2_one_vs_rest
from src.features.tfidf.vectorizers import EmptyVocabularyError


def draw_shop(n_texts: int = 400) -> tuple[list[str], np.ndarray]:
    """Draw texts of four classes: shared words, and each class's own more often."""
    rng = np.random.default_rng(3)
    labels = rng.choice([10, 40, 1280, 2583], n_texts, p=[0.5, 0.3, 0.15, 0.05])
    texts = []
    for label in labels:
        own = [f"w{label}x{i}" for i in rng.zipf(1.8, 3) % 40]
        other = [f"w{rng.choice([10, 40, 1280, 2583])}x{i}" for i in rng.zipf(1.8, 2) % 40]
        texts.append(" ".join([*own, *other, "De", "la", f"rare{rng.integers(10**6)}"]))
    return texts, labels


def test_scores_are_sklearns_for_each_class() -> None:
    texts, labels = draw_shop()
    counts = CountVectorizer().fit_transform(texts)
    classes = np.unique(labels)
    members = (labels[:, None] == classes).astype(np.float64)
    scores, over_used = chi2_one_vs_rest(counts, members)
    for row, label in enumerate(classes):
        expected, _ = chi2(counts, labels == label)
        np.testing.assert_allclose(scores[row], expected, rtol=1e-9, atol=1e-12)
        inside = counts[labels == label].mean(axis=0)
        assert np.array_equal(over_used[row], np.asarray(inside > counts.mean(axis=0)).ravel()) or (
            np.abs(np.asarray(inside - counts.mean(axis=0)).ravel()[
                over_used[row] != np.asarray(inside > counts.mean(axis=0)).ravel()]).max() < 1e-12
        )  # fmt: skip


@pytest.mark.parametrize("top_k", [1, 5, 30])
def test_the_lexicon_is_the_top_of_sklearns_scores_among_over_used_words(top_k: int) -> None:
    texts, labels = draw_shop()
    counter = CountVectorizer(min_df=2)
    counts = counter.fit_transform(texts)
    names = counter.get_feature_names_out()
    lexicon = Chi2Lexicon(top_k=top_k).fit(texts, labels)
    assert list(lexicon.lexicon_) == lexicon.classes_.tolist() == [10, 40, 1280, 2583]
    for label, words in lexicon.lexicon_.items():
        scores, _ = chi2(counts, labels == label)
        rate_in = np.asarray(counts[labels == label].mean(axis=0)).ravel()
        rate = np.asarray(counts.mean(axis=0)).ravel()
        over = np.flatnonzero((rate_in > rate + 1e-12) & (scores > 0))
        ranked = sorted(over, key=lambda i, scores=scores: (-round(scores[i], 9), names[i]))
        assert sorted(words) == sorted(names[ranked[:top_k]])
        assert len(words) == min(top_k, len(over))


def test_a_text_becomes_its_hits_a_class() -> None:
    texts, labels = draw_shop()
    lexicon = Chi2Lexicon(top_k=8).fit(texts, labels)
    unseen = [*texts[:20], "", "mot inconnu", " ".join(lexicon.lexicon_[40] * 2)]
    hits = lexicon.transform(unseen)
    expected = [
        [sum(word in words for word in text.lower().split()) for words in lexicon.lexicon_.values()]
        for text in unseen
    ]
    assert hits.dtype == np.float32 and hits.tolist() == expected
    names = ["lexicon_10", "lexicon_40", "lexicon_1280", "lexicon_2583"]
    assert lexicon.get_feature_names_out().tolist() == names


def test_case_and_order_of_rows_change_nothing() -> None:
    texts, labels = draw_shop()
    lexicon = Chi2Lexicon(top_k=12).fit(texts, labels)
    turned = Chi2Lexicon(top_k=12).fit([text.upper() for text in texts[::-1]], labels[::-1])
    assert turned.lexicon_ == lexicon.lexicon_
    cased = Chi2Lexicon(top_k=500, lowercase=False).fit(["Lot lot", "Lot", "lot"], [0, 0, 1])
    assert {word for words in cased.lexicon_.values() for word in words} <= {"Lot", "lot"}
    assert "Lot" in cased.lexicon_[0]


def test_one_class_alone_has_no_telling_words() -> None:
    lexicon = Chi2Lexicon(min_df=1).fit(["un jeu", "deux jeux"], ["a", "a"])
    assert lexicon.lexicon_ == {"a": []}
    assert lexicon.transform(["jeu"]).tolist() == [[0.0]]


def test_wrong_input_is_refused() -> None:
    with pytest.raises(ValueError, match="top_k=0: expected at least 1"):
        Chi2Lexicon(top_k=0).fit(["a"], [1])
    with pytest.raises(ValueError, match="2 texts and 1 labels"):
        Chi2Lexicon().fit(["un", "deux"], [1])
    with pytest.raises(EmptyVocabularyError, match="no terms remain"):
        Chi2Lexicon().fit(["un", "deux"], [1, 2])


# scikit-learn's checks for estimators of texts are few, and it says so with a warning.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_sklearn_contract() -> None:
    check_estimator(Chi2Lexicon(), on_skip=None)
    assert clone(Chi2Lexicon(top_k=3)).get_params() == Chi2Lexicon(top_k=3).get_params()
