"""The strokes of the drawings."""

from __future__ import annotations

import numpy as np
import pytest

from tools.demo_shop.draws import Draws
from tools.demo_shop.picture_strokes import Pen, Stroke, load_pictures, parse_stroke

PALETTE = {letter: (10 * i, 20 * i, 30 * i) for i, letter in enumerate("ABCDGKW", 1)}


def drawn(*strokes: str) -> np.ndarray:
    image = np.full((200, 100, 3), 255, np.uint8)
    Pen(image, Draws(1, block=64), PALETTE, ["lot", "livres"]).draw(
        [parse_stroke(s) for s in strokes]
    )
    return image


def test_parse() -> None:
    assert parse_stroke(" o .5 .5 .25 .1 K") == Stroke("o", (0.5, 0.5, 0.25, 0.1), "K")


def test_a_rectangle_fills_its_box() -> None:
    image = drawn("r .2 .2 .8 .8 B")
    assert tuple(image[100, 50]) == PALETTE["B"]
    assert tuple(image[5, 5]) == (255, 255, 255)
    assert (image != 255).any(axis=2).mean() == pytest.approx(0.36, abs=0.04)


def test_an_ellipse_has_its_area() -> None:
    share = (drawn("o .5 .5 .4 .4 A") != 255).any(axis=2).mean()
    assert share == pytest.approx(np.pi * 0.16, rel=0.2)


@pytest.mark.parametrize("stroke", ["t .1 .1 .9 .5 K", "b .1 .1 .9 .9 K", "d 9 .2 .2 .8 .8 R",
                                    "s 5 0 0 1 1 A", "h 5 0 0 1 1 A", "g 3 3 0 0 1 1 A",
                                    "f 5 0 0 1 1 B", "a 0 0 1 1 A", "l 0 .5 1 .5 K 3",
                                    "p 0 0 1 0 .5 1 C"])  # fmt: skip
def test_every_other_stroke_leaves_ink(stroke: str) -> None:
    share = (drawn(stroke) != 255).any(axis=2).mean()
    assert 0.01 < share <= 1


def test_every_drawing_can_be_drawn() -> None:
    for name, variants in load_pictures().items():
        for strokes in variants:
            image = np.full((120, 160, 3), 255, np.uint8)
            Pen(image, Draws(2, block=64), PALETTE, []).draw(strokes)
            assert (image != 255).any(axis=2).mean() > 0.02, name
