"""Charts: the language's numbers on axes, one quantity a cell, room for every row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from src import palette
from streamlit_app.shared import charts

NAMES = {"a": "Books", "b": "Garden"}
TITLES = {"true_name": "Labelled", "predicted_name": "Predicted", "shown": "Products"}


@pytest.fixture
def cells() -> pd.DataFrame:
    """Return the two cells of mistakes, of which the second is the chosen one."""
    return pd.DataFrame(
        {
            "true": ["a", "b"],
            "predicted": ["b", "a"],
            "true_name": ["Books", "Garden"],
            "predicted_name": ["Garden", "Books"],
            "count": [3, 1200],
            "shown": ["3", "1,200"],
            "rate": [0.9, 0.1],
            "said": "",
            "chosen": [False, True],
        }
    )


def layers(chart: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    made: list[dict[str, Any]] = chart.to_dict()["layer"]
    return made


def test_axes_have_the_numbers_of_the_language(cells: pd.DataFrame) -> None:
    for language, expected in {"fr": (",", "\u202f"), "en": None}.items():
        chart = charts.heat_map(cells, names=NAMES, titles=TITLES)
        config = charts.localized(chart, language, dark=False).to_dict()["config"]
        number = config.get("locale", {}).get("number")
        assert (number and (number["decimal"], number["thousands"])) == expected


@pytest.mark.parametrize("crowded", [False, True])
def test_color_and_figure_of_a_cell_are_its_products(cells: pd.DataFrame, crowded: bool) -> None:
    names = {**NAMES, **({f"{i}": f"{i}" for i in range(20)} if crowded else {})}
    rect, *others = layers(charts.heat_map(cells, names=names, titles=TITLES))
    color = rect["encoding"]["color"]
    assert (color["field"], color["scale"]["domain"], color["title"]) == (
        "count", [0, 1200], "Products",
    )  # fmt: skip
    assert color["legend"]["orient"] == "top"
    figures = [layer for layer in others if layer["mark"]["type"] == "text"]
    assert [layer["encoding"]["text"]["field"] for layer in figures] == ["shown"] * (not crowded)
    outline = others[-1]
    assert outline["transform"] == [{"filter": "datum.chosen"}]
    assert outline["encoding"]["stroke"] == {"value": palette.TEXT_COLOR}


@pytest.mark.parametrize("n", [1, 2, 8])
def test_every_row_has_room_for_its_name_and_figure(n: int) -> None:
    data = pd.DataFrame(
        {"name": [f"B{i}" for i in range(n)], "value": 0.85, "low": 0.8, "high": 0.9,
         "shown": "0.85", "color": "x"}
    )  # fmt: skip
    chart = charts.intervals(
        data, colors={"x": palette.ACCENT}, titles={"name": "System"}, value_title="F1"
    ).to_dict()
    assert chart["height"] >= 40 * n
    (axis,) = {str(layer["encoding"]["y"]["axis"]) for layer in chart["layer"]}
    assert "'labelOverlap': False" in axis


def test_reports_stand_on_an_axis_of_time() -> None:
    """Spaced as their times are; those of one minute stand side by side, in their order."""
    times = ["2026-03-01 12:01", "2026-01-01", "2026-03-01 12:00", "2026-03-01 12:02"]
    data = pd.DataFrame(
        {"at": pd.to_datetime(times, format="mixed"), "accuracy": [0.8, 0.7, 0.6, 0.9], "low": 0.6,
         "high": 0.9, "state": "calm"}
    )  # fmt: skip
    colors = {"calm": palette.GOOD, "alert": palette.BAD}
    found = charts.timeline(data, colors=colors, value_title="Accuracy", titles={})
    for x in axes_of_x(layers(found)):
        assert (x["type"], x["field"]) == ("temporal", "place")
        assert [(end["month"], end["date"]) for end in x["scale"]["domain"]] == [(1, 1), (3, 4)]
        days = [(day["month"], day["date"]) for day in x["axis"]["values"]]
        assert days == [(1, 1), (3, 1)]
    (drawn,) = found.to_dict()["datasets"].values()
    places = pd.to_datetime([row["place"] for row in drawn])
    assert [row["accuracy"] for row in drawn] == [0.7, 0.6, 0.8, 0.9]
    assert places[:2].tolist() == sorted(data["at"])[:2]
    assert (places[1:] - places[:-1]).min() == pd.Timedelta(days=60) / 40


def axes_of_x(made: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    assert len(made) == 2
    yield from (layer["encoding"]["x"] for layer in made)
