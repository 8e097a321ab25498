"""The catalogue as a whole: shares, lengths, and that it can be learned but not solved."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import f1_score
from sklearn.svm import LinearSVC

from tools.demo_shop.catalogue import Catalogue, draw_catalogue, n_test_rows, write_catalogue
from tools.demo_shop.labels import class_quotas
from tools.demo_shop.statistics import BY_CODE, MISSING_DESCRIPTION


@pytest.fixture(scope="module")
def shop() -> Catalogue:
    return draw_catalogue(6000, 4)


def test_labels_have_the_real_shares(shop: Catalogue) -> None:
    assert Counter(item.label for item in shop.train) == Counter(class_quotas(6000))
    assert len(shop.test) == n_test_rows(6000) == 976


def test_descriptions_are_missing_where_they_are_in_the_real_one(shop: Catalogue) -> None:
    missing = [item.description == "" for item in shop.train]
    assert np.mean(missing) == pytest.approx(MISSING_DESCRIPTION, abs=0.01)
    for code in (10, 1560, 2583, 2705):
        of_class = [item.description == "" for item in shop.train if item.label == code]
        expected = BY_CODE[code].missing_description
        assert np.mean(of_class) == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("code", [1280, 1300, 1560, 2060, 2522, 2583])
def test_titles_and_descriptions_are_as_long_as_the_real_ones(shop: Catalogue, code: int) -> None:
    items = [item for item in (*shop.train, *shop.test) if item.true_code == code]
    titles = np.median([len(item.designation) for item in items])
    texts = np.median([len(item.description) for item in items if item.description])
    assert titles == pytest.approx(BY_CODE[code].title_chars, rel=0.12)
    assert texts == pytest.approx(BY_CODE[code].description_chars, rel=0.2)


def test_texts_are_clean_enough_for_a_csv(shop: Catalogue) -> None:
    for item in (*shop.train, *shop.test):
        assert 0 < len(item.designation) <= 300
        assert "\x00" not in item.designation + item.description
        assert "{" not in item.designation


def test_new_words_keep_coming(shop: Catalogue) -> None:
    words = [set(item.designation.lower().split()) for item in shop.train]
    early = set().union(*words[:5000])
    unseen = [bool(row - early) for row in words[5000:]]
    assert 0.4 < np.mean(unseen) < 0.95


def test_written_files_give_the_catalogue_back(tmp_path: Path) -> None:
    shop = draw_catalogue(60, 1)
    write_catalogue(shop, tmp_path)
    with (tmp_path / "X_train_update.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["", "designation", "description", "productid", "imageid"]
    assert rows[1:] == [
        [str(i), item.designation, item.description, str(item.productid), str(item.imageid)]
        for i, item in enumerate(shop.train)
    ]


def test_a_seed_gives_one_catalogue() -> None:
    assert draw_catalogue(80, 7) == draw_catalogue(80, 7)
    assert draw_catalogue(80, 7) != draw_catalogue(80, 8)


@pytest.mark.slow
def test_a_linear_model_learns_it_but_not_the_hard_classes(shop: Catalogue) -> None:
    texts = [f"{item.designation} {item.description}" for item in shop.train]
    y = np.array([item.label for item in shop.train])
    vectorizer = TfidfVectorizer(sublinear_tf=True, dtype=np.float32)
    train, test = vectorizer.fit_transform(texts[:4800]), vectorizer.transform(texts[4800:])
    predicted = LinearSVC(C=0.5).fit(train, y[:4800]).predict(test)
    score = f1_score(y[4800:], predicted, average="weighted")
    assert 0.68 < score < 0.86
    codes = [10, 1281, 2583, 2522]
    hard_10, hard_1281, pool, paper = f1_score(y[4800:], predicted, labels=codes, average=None)
    assert max(hard_10, hard_1281) + 0.1 < min(pool, paper)
