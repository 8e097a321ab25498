"""Each formula on images where the answer is known by heart."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from src.features.image.measures import (
    COLOUR_NAMES,
    DETAIL_NAMES,
    GRADIENT_NAMES,
    HISTOGRAM_NAMES,
    LAYOUT_NAMES,
    TONE_NAMES,
    colour,
    colour_histogram,
    detail,
    gradient_histogram,
    gradients,
    layout,
    tone,
)


def named(names: Sequence[str], values: Sequence[float]) -> dict[str, float]:
    assert len(names) == len(values)
    return dict(zip(names, values, strict=True))


def plain(colour_: tuple[int, int, int], height: int = 40, width: int = 60) -> np.ndarray:
    return np.full((height, width, 3), colour_, dtype=np.uint8)


def test_tone_of_half_black_half_white() -> None:
    gray = np.zeros((10, 10), dtype=np.uint8)
    gray[:, 5:] = 255
    assert named(TONE_NAMES, tone(gray)) == pytest.approx(
        {
            "gray_mean": 0.5,
            "gray_std": 0.5,
            "gray_p10": 0.0,
            "gray_p90": 1.0,
            "dynamic_range": 1.0,
            "entropy": 1.0,
        }
    )


def test_entropy_of_all_levels_is_eight_bits_and_of_one_none() -> None:
    assert tone(np.arange(256, dtype=np.uint8).reshape(16, 16))[-1] == pytest.approx(8)
    assert tone(np.full((3, 3), 77, dtype=np.uint8)) == pytest.approx(
        [77 / 255, 0, 77 / 255, 77 / 255, 0, 0]
    )


def test_layout_of_a_box_off_centre() -> None:
    pixels = plain((255, 255, 255))
    pixels[0:20, 30:60] = (0, 0, 0)  # upper right quarter
    pixels[5:15, 40:50] = (255, 240, 255)  # a white hole in it
    found = named(LAYOUT_NAMES, layout(pixels))
    assert found["white_share"] == pytest.approx((1800 + 100) / 2400)
    assert found["black_share"] == pytest.approx(500 / 2400)
    assert found["occupancy"] == pytest.approx(600 / 2400)
    assert found["box_fill"] == pytest.approx(500 / 600)
    assert (found["offset_x"], found["offset_y"]) == pytest.approx((0.5, -0.5))
    assert found["offset_distance"] == pytest.approx(math.sqrt(0.5))
    frame = 2  # 5 % of 40
    n_frame = 2400 - (40 - 2 * frame) * (60 - 2 * frame)
    # The quarter covers 30 pixels above and 20 on the right, two wide, the corner once.
    n_dark = frame * 30 + frame * 20 - frame * frame
    assert found["border_white_share"] == pytest.approx(1 - n_dark / n_frame)


def test_layout_of_a_blank_sheet() -> None:
    assert layout(plain((255, 255, 255))) == [1, 0, 0, 0, 0, 0, 0, 1]
    assert layout(plain((0, 0, 0), 1, 1)) == [0, 1, 1, 1, 0, 0, 0, 0]


def test_colour_of_grey_and_of_one_primary() -> None:
    assert colour(plain((90, 90, 90))) == pytest.approx([0, 0, 0])
    saturation, deviation, colourfulness = colour(plain((200, 0, 0)))
    assert (saturation, deviation) == pytest.approx((1, 0))
    # rg = 200, yb = 100, no spread.
    assert colourfulness == pytest.approx(0.3 * math.hypot(200, 100), rel=1e-5)
    assert len(COLOUR_NAMES) == 3


def test_colour_histogram_has_one_box_a_colour() -> None:
    pixels = plain((0, 0, 0), 4, 4)
    pixels[0, 0] = (255, 64, 128)
    found = named(HISTOGRAM_NAMES, colour_histogram(pixels))
    assert {name: value for name, value in found.items() if value} == pytest.approx(
        {"colour_r0_g0_b0": math.sqrt(15 / 16), "colour_r3_g1_b2": math.sqrt(1 / 16)}
    )


def test_gradient_of_a_ramp() -> None:
    ramp = np.tile(np.arange(0, 250, 5, dtype=np.uint8), (30, 1))
    magnitude, direction = gradients(ramp)
    assert magnitude[:, 1:-1] == pytest.approx(np.full((30, 48), 5))
    assert direction[:, 1:-1] == pytest.approx(np.zeros((30, 48)))
    histogram = named(GRADIENT_NAMES, gradient_histogram(magnitude, direction))
    assert {name.rsplit("_", 1)[1] for name, value in histogram.items() if value} == {"0deg"}
    assert sum(value**2 for value in histogram.values()) == pytest.approx(1, abs=1e-6)


def strong_directions(gray: np.ndarray) -> set[str]:
    found = zip(GRADIENT_NAMES, gradient_histogram(*gradients(gray)), strict=True)
    return {name.rsplit("_", 1)[1] for name, value in found if value > 0.1}


def test_directions_opposite_to_each_other_are_one() -> None:
    gray = np.zeros((30, 30), dtype=np.uint8)
    gray[:, 10:20] = 200  # rises, then falls
    assert strong_directions(gray) == {"0deg"}
    assert strong_directions(gray.T) == {"90deg"}


def test_detail_of_flat_sharp_and_mirrored() -> None:
    flat = np.full((20, 20), 99, dtype=np.uint8)
    assert detail(flat, gradients(flat)[0]) == [0, 0, 1]
    assert not gradient_histogram(*gradients(flat)).any()
    half = flat.copy()
    half[:, 10:] = 199
    sharpness, edges, mirror = detail(half, gradients(half)[0])
    # Laplacian +100 on one column, -100 on the next: variance 2 / 20 * 100^2.
    assert sharpness == pytest.approx(math.log1p(1000))
    assert edges == pytest.approx(2 / 20)
    assert mirror == pytest.approx(1 - 100 / 255)
    assert len(DETAIL_NAMES) == 3
