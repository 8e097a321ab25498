"""The picture of the blocks: what is drawn, what is gathered, how large it is."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

from src.evaluation.figures import MARK
from src.evaluation.shap.blocks import summarise
from src.evaluation.shap.figure import _wide, draw_blocks

pyplot_image = pytest.importorskip("matplotlib.image")


def summary(n_blocks: int, n_classes: int) -> pd.DataFrame:
    values = np.random.default_rng(0).normal(size=(20, n_blocks, n_classes))
    values *= 10.0 ** -np.arange(n_blocks)[None, :, None]
    names = [f"block{number}" for number in range(n_blocks)]
    return summarise(values, names, list(range(10, 10 + n_classes)))


def test_bars_are_the_sizes_and_small_blocks_are_gathered() -> None:
    table = summary(5, 3)
    wide = _wide(table)
    assert wide.index.tolist() == ["all", "10", "11", "12"]
    assert wide.columns.tolist() == ["block0", "block1", "other"]
    expected = table.groupby("class", sort=False)["mean_abs"].sum()
    np.testing.assert_allclose(wide.sum(axis=1), expected)


@pytest.mark.parametrize("n_classes", [1, 27])
def test_every_class_has_room(n_classes: int) -> None:
    picture = draw_blocks(summary(9, n_classes), {"10": "Livres " * 20})
    pixels = pyplot_image.imread(io.BytesIO(picture), format="png")
    assert pixels.shape[0] >= 25 * n_classes
    assert pixels.shape[1] >= 1000
    assert np.unique(pixels[:, :, :3].reshape(-1, 3), axis=0).shape[0] > 3


def test_pictures_of_the_demo_shop_are_marked() -> None:
    red = np.array([int(MARK[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    marked = []
    for synthetic in (False, True):
        picture = draw_blocks(summary(3, 2), {}, synthetic=synthetic)
        pixels = pyplot_image.imread(io.BytesIO(picture), format="png")[:, :, :3]
        marked.append(int((np.abs(pixels - red).max(axis=2) < 0.01).sum()))
    assert marked[0] == 0
    assert marked[1] > 500


def test_nothing_to_draw_is_drawn_all_the_same() -> None:
    table = summarise(np.zeros((2, 2, 2)), ["a", "b"], [10, 20])
    assert draw_blocks(table, {}).startswith(b"\x89PNG")
