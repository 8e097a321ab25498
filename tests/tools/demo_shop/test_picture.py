"""One picture: size, border, grain, copies."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tools.demo_shop.picture import (
    Grain,
    darkest_channel,
    draw_picture,
    encoded,
    perturbed,
    placeholder,
    to_size,
)
from tools.demo_shop.picture_strokes import Image


@pytest.fixture(scope="module")
def picture() -> tuple[Image, float]:
    return draw_picture(11, 2583, "pool", "Piscine gonflable ronde")


def test_a_seed_gives_one_picture(picture: tuple[Image, float]) -> None:
    again, target_kb = draw_picture(11, 2583, "pool", "Piscine gonflable ronde")
    assert np.array_equal(again, picture[0])
    assert target_kb == picture[1]
    other, _ = draw_picture(12, 2583, "pool", "Piscine gonflable ronde")
    assert not np.array_equal(other, again)


def test_it_is_square_and_stands_on_white(picture: tuple[Image, float]) -> None:
    image, target_kb = picture
    assert (image.shape, image.dtype) == ((500, 500, 3), np.dtype(np.uint8))
    assert 3 < target_kb < 65
    assert (image == 255).all(axis=2).any()
    assert (image < 240).any()


def test_darkest_channel_is_the_minimum() -> None:
    image = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    assert np.array_equal(darkest_channel(image), image.min(axis=2))


def test_grain_leaves_white_alone() -> None:
    image = np.full((60, 80, 3), 255, np.uint8)
    image[20:40, 20:60] = 120
    grainy = Grain(1, image).at(8.0)
    assert np.array_equal(grainy[:20], image[:20])
    inside = grainy[20:40, 20:60].astype(float)
    assert 3 < inside.std() < 16
    assert inside.mean() == pytest.approx(120, abs=3)


def test_files_have_about_the_wanted_size() -> None:
    ratios = []
    for seed in range(40):
        image, target_kb = draw_picture(seed, 1280, "plush", "doudou ours")
        grainy, quality = to_size(seed, image, target_kb)
        assert 22 <= quality <= 95
        ratios.append(len(encoded(grainy, quality)) / 1024 / target_kb)
    assert np.median(ratios) == pytest.approx(1.05, abs=0.1)


def test_encoded_is_a_jpeg(picture: tuple[Image, float]) -> None:
    data = encoded(picture[0], 90)
    assert data[:3] == b"\xff\xd8\xff"
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert np.abs(decoded.astype(int) - picture[0]).mean() < 4


def test_copies_look_nearly_the_same(picture: tuple[Image, float]) -> None:
    image = picture[0]
    copies = [perturbed(seed, image) for seed in range(30)]
    apart = [np.abs(copy.astype(int) - image).mean() for copy in copies]
    assert 0.3 < np.mean([gap == 0 for gap in apart]) < 0.8
    assert max(apart) < 20


def test_placeholders_are_mostly_white() -> None:
    image = placeholder(1)
    assert (image == 255).all(axis=2).mean() > 0.9
    assert np.array_equal(image, placeholder(1))
