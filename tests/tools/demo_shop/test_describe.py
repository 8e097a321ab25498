"""What is measured is what the files hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tools.demo_shop.catalogue import draw_catalogue, write_catalogue
from tools.demo_shop.describe import (
    Figure,
    class_figures,
    image_figures,
    read_training,
    table,
    text_figures,
)
from tools.demo_shop.picture_files import write_pictures
from tools.demo_shop.picture_plan import plan_pictures


def by_name(figures: list[Figure]) -> dict[str, Figure]:
    return {figure.name: figure for figure in figures}


def test_text_figures_agree_with_pandas(tmp_path: Path) -> None:
    write_catalogue(draw_catalogue(700, 1), tmp_path)
    items = pd.read_csv(tmp_path / "X_train_update.csv", index_col=0)
    labels = pd.read_csv(tmp_path / "Y_train_CVw08PX.csv", index_col=0).prdtypecode
    found = by_name(text_figures(tmp_path) + class_figures(tmp_path))
    assert found["missing descriptions"].shop == pytest.approx(items.description.isna().mean())
    assert found["repeated titles"].shop == pytest.approx(items.designation.duplicated().mean())
    lengths = items.designation.str.len()
    assert found["title characters, percentile 75"].shop == np.percentile(lengths, 75)
    assert found["2583 share"].shop == pytest.approx((labels == 2583).mean())
    assert found["2583 title characters"].shop == lengths[labels == 2583].median()
    entities = items.description.dropna().str.contains(r"&(?:[a-zA-Z]+|#\d+);").mean()
    assert found["entities in descriptions"].shop == pytest.approx(entities)


def test_image_figures_see_what_was_planned(tmp_path: Path) -> None:
    shop = draw_catalogue(150, 1)
    write_catalogue(shop, tmp_path)
    tasks = plan_pictures(shop, 174)
    write_pictures(tasks, tmp_path / "pictures", workers=1)
    found = by_name(image_figures(tmp_path, tmp_path / "pictures", tasks))
    for name in ("JPEG KB, percentile 50", "content width px, percentile 50"):
        assert found[name].shop == pytest.approx(found[name].real, rel=0.25)
    borders = [figure.shop for name, figure in found.items() if name.startswith("pictures ")]
    assert sum(borders) == pytest.approx(1)


def test_rows_are_read_with_their_labels(tmp_path: Path) -> None:
    shop = draw_catalogue(30, 1)
    write_catalogue(shop, tmp_path)
    rows = read_training(tmp_path)
    assert [(row.label, row.designation, row.description) for row in rows] == [
        (item.label, item.designation, item.description) for item in shop.train
    ]


def test_table_marks_what_is_more_than_ten_percent_apart() -> None:
    lines = table([Figure("near", 10.0, 10.9), Figure("far", 10.0, 11.1)]).splitlines()
    assert lines[1].split() == ["near", "10", "10.9", "+9.0%"]
    assert lines[2].split() == ["far", "10", "11.1", "+11.0%", "*"]
    assert Figure("zero", 0.0, 0.0).difference == 0
    assert Figure("some", 0.0, 0.1).difference == float("inf")
