"""Confusions between themes, inside one and between all classes, against counting by hand."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from streamlit_app.diagnostics import mistakes
from streamlit_app.diagnostics.mistakes import ELSEWHERE

THEMES = {10: "books", 20: "books", 30: "toys"}
ROWS = [  # productid, true, predicted, probability
    (1, 10, 10, 0.9),
    (2, 10, 20, 0.6),
    (3, 10, 30, 0.8),
    (4, 20, 20, 0.5),
    (5, 30, 10, 0.7),
    (6, 30, 30, 0.95),
    (7, 10, 30, 0.85),
]


@pytest.fixture
def predictions() -> pd.DataFrame:
    return pd.DataFrame(ROWS, columns=["productid", "prdtypecode", "predicted", "probability"])


def cells(predictions: pd.DataFrame, groups: mistakes.Groups) -> dict[tuple[str, str], int]:
    table = mistakes.confusion(predictions, groups)
    assert (table["right"] == (table["true"] == table["predicted"])).all()
    pairs = zip(table["true"], table["predicted"], strict=True)
    return dict(zip(pairs, table["count"].tolist(), strict=True))


def test_between_themes(predictions: pd.DataFrame) -> None:
    groups = mistakes.by_theme(THEMES, ["books", "toys"])
    assert cells(predictions, groups) == {
        ("books", "books"): 3,
        ("books", "toys"): 2,
        ("toys", "books"): 1,
        ("toys", "toys"): 1,
    }
    table = mistakes.confusion(predictions, groups)
    assert table["rate"].tolist() == [0.6, 0.4, 0.5, 0.5]


def test_inside_a_theme_the_others_are_one(predictions: pd.DataFrame) -> None:
    groups = mistakes.inside("books", THEMES)
    assert list(dict.fromkeys(groups.values())) == ["10", "20", ELSEWHERE]
    assert cells(predictions, groups) == {
        ("10", "10"): 1,
        ("10", "20"): 1,
        ("10", ELSEWHERE): 2,
        ("20", "20"): 1,
        (ELSEWHERE, "10"): 1,
    }
    assert list(mistakes.inside("all", dict.fromkeys(THEMES, "all")).values()) == ["10", "20", "30"]


def test_between_all_classes_the_axes_go_by_theme(predictions: pd.DataFrame) -> None:
    groups = mistakes.all_classes(THEMES, ["toys", "books"])
    assert list(groups.values()) == ["30", "10", "20"]
    assert cells(predictions, groups)["10", "30"] == 2


def test_behind_a_cell_the_surest_come_first(predictions: pd.DataFrame) -> None:
    groups = mistakes.by_theme(THEMES, ["books", "toys"])
    assert mistakes.behind(predictions, groups, "books", "toys")["productid"].tolist() == [7, 3]


def test_products_are_added_in_order_where_they_are_known(predictions: pd.DataFrame) -> None:
    catalogue = pd.DataFrame(
        {
            "productid": [3, 7, 7],
            "split": ["train", "train", "test"],
            "designation": ["three", "seven", "another"],
            "description": ["", "text", ""],
            "image": ["", "/seven.jpg", ""],
        }
    )
    chosen = predictions[predictions["productid"].isin([7, 3, 1])].iloc[::-1]
    found = mistakes.with_products(chosen, catalogue)
    assert found[["productid", "designation", "image"]].to_numpy().tolist() == [
        [7, "seven", "/seven.jpg"],
        [3, "three", ""],
        [1, "", ""],
    ]
    bare = mistakes.with_products(chosen, None)
    assert bare["designation"].tolist() == ["", "", ""]


def test_at_threshold(predictions: pd.DataFrame) -> None:
    assert mistakes.at_threshold(predictions, 0.8) == (4 / 7, 0.5)
    share, accuracy = mistakes.at_threshold(predictions, 0.99)
    assert share == 0
    assert math.isnan(accuracy)
