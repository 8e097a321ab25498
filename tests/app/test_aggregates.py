"""What the exploration page shows, against plain pandas and plain Python."""

from __future__ import annotations

import math
import re
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from streamlit_app.exploration import aggregates
from streamlit_app.predict.single import draw_unlabelled

ROWS = [
    # title, description, code, split, language, image
    ("Piscine ronde bleue", "avec pompe", 2583, "train", "fr", True),
    ("piscine BLEUE l'eau", "", 2583, "train", "fr", False),
    ("Piscine, piscine!", "", 2583, "train", "en", True),
    ("Piscine rouge 3 m", "x" * 500, 2583, "train", "fr", True),
    ("Livre bleu", "", 10, "train", "fr", False),
    ("Livre rouge", "roman", 10, "train", "en", False),
    ("Livre rouge de la mer", "", 10, "train", "fr", True),
    ("Jouet", "", -1, "test", "fr", True),
]


@pytest.fixture
def catalogue() -> pd.DataFrame:
    names = ["designation", "description", "prdtypecode", "split", "language", "has_image"]
    table = pd.DataFrame(ROWS, columns=names)
    table["has_description"] = table["description"] != ""
    return table


def test_overview(catalogue: pd.DataFrame) -> None:
    assert aggregates.overview(catalogue) == {
        "labelled": 7,
        "unlabelled": 1,
        "with_image": 5 / 8,
        "without_description": 5 / 8,
    }


def test_by_class_counts_labelled_products_alone(catalogue: pd.DataFrame) -> None:
    expected = pd.DataFrame(
        {
            "code": [2583, 10],
            "products": [4, 3],
            "share": [4 / 7, 3 / 7],
            "no_description": [0.5, 2 / 3],
            "no_image": [0.25, 2 / 3],
            "title_length": [18.0, 11.0],
        }
    )
    pd.testing.assert_frame_equal(aggregates.by_class(catalogue), expected)


def test_lengths_share_out_every_text_that_is_not_empty(catalogue: pd.DataFrame) -> None:
    histogram, medians = aggregates.lengths(catalogue)
    assert medians == {
        "designation": float(np.median([len(row[0]) for row in ROWS])),
        "description": 10.0,
    }
    for _, part in histogram.groupby("field"):
        assert part["share"].sum() == pytest.approx(1)
    long = histogram[(histogram["field"] == "description") & (histogram["low"] >= 400)]
    assert long["share"].sum() == pytest.approx(1 / 3)


def test_by_theme(catalogue: pd.DataFrame) -> None:
    missing, languages = aggregates.by_theme(catalogue, {2583: "garden", 10: "books"})
    assert missing.to_dict("list") == {
        "theme": ["books", "garden"],
        "no_description": [pytest.approx(2 / 3), 0.5],
        "no_image": [pytest.approx(2 / 3), 0.25],
    }
    shares = languages.set_index(["theme", "language"])["share"]
    assert shares["garden", "fr"] == 0.75
    assert shares["books", "en"] == pytest.approx(1 / 3)


def test_sample_is_of_the_classes_and_the_same_for_a_seed(catalogue: pd.DataFrame) -> None:
    def draw(seed: int) -> list[str]:
        found = aggregates.sample(catalogue, 2583, True, 2, seed)
        return found["designation"].tolist()

    allowed = {row[0] for row in ROWS if row[2] == 2583 and row[5]}
    assert draw(0) == draw(0)
    assert all(set(draw(seed)) <= allowed and len(draw(seed)) == 2 for seed in range(5))


def test_unlabelled_draws_from_the_test_products(catalogue: pd.DataFrame) -> None:
    assert draw_unlabelled(catalogue, 0)["designation"] == "Jouet"
    only_train = catalogue[catalogue["split"] == "train"]
    assert draw_unlabelled(only_train, 0)["split"] == "train"


def test_words_count_titles_once(catalogue: pd.DataFrame) -> None:
    counts = aggregates.words(catalogue)
    expected: dict[int, Counter[str]] = {10: Counter(), 2583: Counter()}
    for title, _, code, split, _, _ in ROWS:
        if split == "train":
            expected[code].update(set(re.findall(r"[^\W\d_]{3,}", title.lower())))
    total = expected[10] + expected[2583]
    kept = {word for word, n in total.items() if n >= 3}
    assert set(counts.counts) == kept == {"piscine", "livre", "rouge"}
    for code, row in counts.counts.iterrows():
        assert row.to_dict() == {word: expected[code][word] for word in kept}
    assert counts.titles.to_dict() == {10: 3, 2583: 4}
    assert counts.frequent(2583, 1).to_dict() == {"piscine": 4}
    assert counts.frequent(None, 9).tolist() == [4, 3, 3]


def test_typical_words_are_more_frequent_here_than_elsewhere(catalogue: pd.DataFrame) -> None:
    typical = aggregates.words(catalogue).typical(2583, 5)
    assert typical.index.tolist() == ["piscine"]
    assert typical["times"].tolist() == [pytest.approx((4.5 / 5) / (0.5 / 4))]
    assert math.isfinite(typical["times"].max())


def test_typical_words_come_with_the_most_typical_first() -> None:
    titles = ["pompe", "pompe"] * 3 + ["filtre pompe"] * 3
    rest = ["livre"] * 8 + ["livre pompe"]
    catalogue = pd.DataFrame(
        {
            "designation": [*titles, *rest],
            "prdtypecode": [2583] * len(titles) + [10] * len(rest),
            "split": "train",
        }
    )
    typical = aggregates.words(catalogue).typical(2583, 5)
    assert typical["times"].is_monotonic_decreasing
    assert typical.index.tolist() == ["filtre", "pompe"]


def test_a_catalogue_without_a_frequent_word_has_none(catalogue: pd.DataFrame) -> None:
    counts = aggregates.words(catalogue.iloc[[0, 4]])
    assert counts.frequent(None, 5).empty
    assert counts.typical(10, 5).empty
