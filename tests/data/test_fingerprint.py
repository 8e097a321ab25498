"""Fingerprints on drawn pictures, and on photographs where PHOTOGRAPHS names a folder of them."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from src.data import duplicates as fp

PHOTOS = Path(os.environ.get("PHOTOGRAPHS", "none"))


def draw(seed: int) -> np.ndarray:
    """Something of one's own on white: a textured box, disc or bottle somewhere on 500 px."""
    rng = np.random.default_rng(seed)
    picture = np.full((500, 500, 3), 255, dtype=np.uint8)
    width, height = rng.integers(200, 460, 2)
    left, top = rng.integers(0, 500 - width), rng.integers(0, 500 - height)
    cells = rng.integers(0, 215, (*rng.integers(3, 7, 2), 3)).astype(np.uint8)
    texture = cv2.resize(cells, (int(width), int(height)), interpolation=cv2.INTER_LINEAR)
    shape = np.zeros((height, width), dtype=np.uint8)
    if seed % 3 == 0:
        shape[:] = 255
    elif seed % 3 == 1:
        cv2.ellipse(shape, (width // 2, height // 2), (width // 2 - 1, height // 2 - 1), 0, 0, 360,
                    255, -1)  # fmt: skip
    else:
        shape[:, width // 3 : 2 * width // 3] = 255
        shape[height // 3 :] = 255
    picture[top : top + height, left : left + width][shape > 0] = texture[shape > 0]
    return picture


def recompress(picture: np.ndarray, quality: int) -> np.ndarray:
    data = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(data, cv2.IMREAD_COLOR)[:, :, ::-1]


def recolour(picture: np.ndarray) -> np.ndarray:
    hsv = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV).astype(float)
    hsv[:, :, 0] = (hsv[:, :, 0] + 3) % 180
    hsv[:, :, 1:] *= 0.92
    return cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB)


VARIANTS = {
    "worse JPEG": lambda picture: recompress(picture, 40),
    "smaller": lambda picture: cv2.resize(picture, None, fx=0.6, fy=0.6, interpolation=3),
    "recoloured": recolour,
    "darker": lambda picture: (picture * 0.92).astype(np.uint8),
    "wider border": lambda picture: cv2.copyMakeBorder(
        picture, 60, 10, 5, 70, cv2.BORDER_CONSTANT, value=(255, 255, 255)
    ),
}


def equal(first: str, second: str) -> bool:
    return len(fp.equal_pairs([first, second])) == 1


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_of_a_picture_equal_it(variant: str) -> None:
    pictures = [draw(seed) for seed in range(60)]
    originals = [fp.fingerprint(recompress(picture, 90)) for picture in pictures]
    changed = [fp.fingerprint(recompress(VARIANTS[variant](p), 85)) for p in pictures]
    same = [equal(a, b) for a, b in zip(originals, changed, strict=True)]
    assert np.mean(same) >= 0.95


def test_different_things_on_white_do_not_equal_each_other() -> None:
    prints = [fp.fingerprint(recompress(draw(seed), 90)) for seed in range(400)]
    assert len(fp.equal_pairs(prints)) == 0


def test_the_same_shape_in_another_colour_or_with_another_print_is_another_thing() -> None:
    box = np.full((300, 300, 3), 255, dtype=np.uint8)
    box[50:250, 80:220] = (200, 30, 30)
    box[100:140, 100:200] = (20, 20, 20)
    blue, moved = box.copy(), box.copy()
    blue[(blue == (200, 30, 30)).all(axis=2)] = (30, 30, 200)
    moved[100:140, 100:200] = (200, 30, 30)
    moved[190:230, 100:200] = (20, 20, 20)
    first, second, third = map(fp.fingerprint, (box, blue, moved))
    assert [equal(first, second), equal(first, third), equal(first, first)] == [
        False,
        False,
        True,
    ]


def cut_out(pictures: list[np.ndarray]) -> None:
    """Put every other photograph, cut to an ellipse, on white, as a shop shows it."""
    rng = np.random.default_rng(0)
    for picture in pictures[::2]:
        height, width = picture.shape[:2]
        outside = np.full((height, width), 255, dtype=np.uint8)
        axes = int(width * rng.uniform(0.2, 0.48)), int(height * rng.uniform(0.2, 0.48))
        cv2.ellipse(outside, (width // 2, height // 2), axes, rng.uniform(0, 180), 0, 360, 0, -1)
        picture[outside > 0] = 255


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="PHOTOGRAPHS names no folder")
def test_nine_pairs_in_ten_of_real_photographs_show_the_same_product() -> None:
    files = sorted(PHOTOS.glob("*.jpg"))
    pictures = [cv2.imread(str(f), cv2.IMREAD_REDUCED_COLOR_2)[:, :, ::-1].copy() for f in files]
    names = [f.stem.rsplit("_", 1)[0] for f in files] * 2
    cut_out(pictures)
    again = [recompress(cv2.resize(p, None, fx=0.9, fy=0.9, interpolation=3), 70) for p in pictures]
    pairs = fp.equal_pairs([fp.fingerprint(p) for p in pictures + again])
    assert np.mean([names[a] == names[b] for a, b in pairs]) >= 0.9
    found = {(a, b) for a, b in pairs.tolist() if b == a + len(files)}
    assert len(found) / len(files) >= 0.98


def test_the_content_box_is_cut_from_white_and_from_light_grey_alike() -> None:
    picture = np.full((80, 120, 3), 255, dtype=np.uint8)
    picture[20:50, 30:100] = (200, 100, 0)
    assert fp.content_box(picture) == (20, 50, 30, 100)
    assert fp.content_box((picture * 0.85).astype(np.uint8)) == (20, 50, 30, 100)
    assert fp.content_box(picture[20:50, 30:100]) == (0, 30, 0, 70)
    assert fp.content_box(np.full((80, 120, 3), 255, dtype=np.uint8)) is None


@pytest.mark.parametrize("level", [255, 0, 120])
def test_a_picture_of_one_colour_equals_nothing(level: int) -> None:
    uniform = fp.fingerprint(np.full((50, 50, 3), level, dtype=np.uint8))
    assert uniform == fp.UNIFORM
    assert fp.equal_pairs([uniform, uniform, "", ""]).shape == (0, 2)


def test_pairs_are_all_those_that_comparing_two_at_a_time_finds() -> None:
    pictures = [draw(seed) for seed in range(12)]
    prints = [fp.fingerprint(p) for p in pictures + [recolour(p) for p in pictures[:6]]]
    prints.insert(5, "")
    expected = [
        [i, j]
        for i in range(len(prints))
        for j in range(i + 1, len(prints))
        if equal(prints[i], prints[j])
    ]
    assert sorted(fp.equal_pairs(prints).tolist()) == expected
    assert len(expected) == 6


def test_representatives_are_the_first_of_their_group() -> None:
    a, b = fp.fingerprint(draw(1)), fp.fingerprint(draw(2))
    like_a = fp.fingerprint(recolour(draw(1)))
    assert fp.representatives([b, like_a, fp.UNIFORM, a, "", b]) == [0, 1, None, 1, None, 0]
    assert fp.representatives([]) == []
