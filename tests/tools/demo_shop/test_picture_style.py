"""How a picture is to look: boxes and sizes follow the class."""

from __future__ import annotations

import numpy as np
import pytest

from tools.demo_shop import statistics as real
from tools.demo_shop.draws import Draws
from tools.demo_shop.picture_strokes import load_pictures
from tools.demo_shop.picture_style import look_of, quantile_of, shifted, value_at


def test_quantile_and_value_are_each_others_inverse() -> None:
    table = real.IMAGE_KB
    assert quantile_of(table, 23.96) == pytest.approx(0.5)
    for u in (0.05, 0.2, 0.4, 0.6, 0.9):
        assert quantile_of(table, value_at(table, u)) == pytest.approx(u)


def test_shifted_has_the_wanted_median_and_stays_inside_the_table() -> None:
    values = [shifted(real.IMAGE_KB, 17.2, (i + 0.5) / 2001) for i in range(2001)]
    assert np.median(values) == pytest.approx(17.2, rel=0.01)
    assert max(values) <= 61.62
    assert values == sorted(values)


@pytest.mark.parametrize("code", [10, 2583, 2705, 2905])
def test_looks_have_the_medians_of_their_class(code: int) -> None:
    looks = [look_of(Draws(seed, block=64), code, "book") for seed in range(1500)]
    figures = real.BY_CODE[code]
    assert np.median([look.box[2] for look in looks]) == pytest.approx(
        figures.content_width_px, rel=0.1
    )
    assert np.median([look.box[3] for look in looks]) == pytest.approx(
        figures.content_height_px, rel=0.1
    )
    assert np.median([look.target_kb for look in looks]) == pytest.approx(figures.jpeg_kb, rel=0.1)


def test_looks_fit_into_the_square_and_can_be_drawn() -> None:
    pictures = load_pictures()
    looks = [look_of(Draws(seed, block=64), 1280, "plush") for seed in range(800)]
    for look in looks:
        left, top, width, height = look.box
        assert left >= 0
        assert top >= 0
        assert left + width <= 500
        assert top + height <= 500
        assert look.subject in pictures
        assert set(look.palette) == set("ABCDGKW")
    own = sum(look.subject == "plush" for look in looks) / len(looks)
    assert own == pytest.approx(0.76, abs=0.09)
    assert len({look.subject for look in looks}) > 6
