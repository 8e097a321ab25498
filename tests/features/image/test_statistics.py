"""All statistics at once, against a slow and obvious second computation."""

import colorsys
import io
import math
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from src.data.image_decode import Pixels, inspect_image
from src.features.image.loader import shrink
from src.features.image.measures import WORK_SIDE_PX
from src.features.image.statistics import (
    SCALAR_NAMES,
    STAT_NAMES,
    ImageStatsCombinedFeaturizer,
    measure,
)

PHOTOS = Path(os.environ.get("PHOTOGRAPHS", "none"))


def slow(image: Pixels, size: tuple[int, int]) -> tuple[dict[str, float], list[float], np.ndarray]:
    """Read the formulas of the docstrings aloud, one pixel after the other."""
    pixels = shrink(image, WORK_SIDE_PX).astype(int)
    height, width = pixels.shape[:2]
    n = height * width
    everything = [(int(r), int(g), int(b)) for row in pixels for r, g, b in row]
    gray = np.array([round(0.299 * r + 0.587 * g + 0.114 * b) for r, g, b in everything])
    square = gray.reshape(height, width)
    found = {
        "aspect_ratio_log": math.log(size[0] / size[1]),
        "gray_mean": gray.mean() / 255,
        "gray_std": gray.std() / 255,
    }
    p1, p10, p90, p99 = np.quantile(gray, [0.01, 0.1, 0.9, 0.99], method="inverted_cdf")
    shares = [(gray == level).mean() for level in range(256)]
    found |= {
        "gray_p10": p10 / 255,
        "gray_p90": p90 / 255,
        "dynamic_range": (p99 - p1) / 255,
        "entropy": -sum(p * math.log2(p) for p in shares if p),
    }
    found |= slow_layout(everything, height, width)
    saturation = [colorsys.rgb_to_hsv(r / 255, g / 255, b / 255)[1] for r, g, b in everything]
    rg = np.array([r - g for r, g, b in everything])
    yb = np.array([(r + g) / 2 - b for r, g, b in everything])
    found |= {
        "saturation_mean": np.mean(saturation),
        "saturation_std": np.std(saturation),
        "colourfulness": math.sqrt(rg.var() + yb.var())
        + 0.3 * math.sqrt(rg.mean() ** 2 + yb.mean() ** 2),
    }
    around = np.pad(square, 1, mode="reflect")
    middle = around[1:-1, 1:-1]
    laplacian = around[:-2, 1:-1] + around[2:, 1:-1] + around[1:-1, :-2] + around[1:-1, 2:]
    dx = slow_filter(around, [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8
    dy = slow_filter(around, [[-1, -2, -1], [0, 0, 0], [1, 2, 1]]) / 8
    magnitude = np.hypot(dx, dy)
    found |= {
        "laplacian_variance_log": math.log(1 + (laplacian - 4 * middle).var()),
        "edge_density": (magnitude > 16).mean(),
        "mirror_similarity": 1 - np.abs(square - square[:, ::-1]).mean() / 255,
    }
    boxes = [(r // 64) * 16 + (g // 64) * 4 + b // 64 for r, g, b in everything]
    colours = [math.sqrt(boxes.count(k) / n) for k in range(64)]
    return found, colours, slow_orientations(magnitude, np.arctan2(dy, dx))


def slow_layout(
    everything: list[tuple[int, int, int]], height: int, width: int
) -> dict[str, float]:
    white = [min(pixel) >= 240 for pixel in everything]
    places = [(k // width, k % width) for k in range(len(white)) if not white[k]]
    frame = max(1, round(0.05 * min(height, width)))
    border = [
        white[k]
        for k in range(len(white))
        if not (
            frame <= k // width < height - frame and frame <= k % width < width - frame
        )
    ]  # fmt: skip
    found = {
        "white_share": np.mean(white),
        "black_share": np.mean([max(pixel) <= 15 for pixel in everything]),
        "border_white_share": np.mean(border),
    }
    if not places:
        names = ("occupancy", "box_fill", "offset_x", "offset_y", "offset_distance")
        return found | dict.fromkeys(names, 0.0)
    rows, columns = np.array(places).T
    box = (rows.max() - rows.min() + 1) * (columns.max() - columns.min() + 1)
    x = ((columns + 0.5).mean() - width / 2) / (width / 2)
    y = ((rows + 0.5).mean() - height / 2) / (height / 2)
    return found | {
        "occupancy": box / (height * width),
        "box_fill": len(places) / box,
        "offset_x": x,
        "offset_y": y,
        "offset_distance": math.sqrt(x * x + y * y),
    }


def slow_filter(around: np.ndarray, kernel: list[list[int]]) -> np.ndarray:
    height, width = around.shape[0] - 2, around.shape[1] - 2
    return sum(
        kernel[i][j] * around[i : i + height, j : j + width] for i in range(3) for j in range(3)
    ).astype(float)


def slow_orientations(magnitude: np.ndarray, angle: np.ndarray) -> np.ndarray:
    height, width = magnitude.shape
    votes = np.zeros((3, 3, 8))
    for row in range(height):
        for column in range(width):
            nearest = math.floor(angle[row, column] / (math.pi / 8) + 0.5) % 8
            votes[row * 3 // height, column * 3 // width, nearest] += magnitude[row, column]
    return votes.ravel() / max(np.linalg.norm(votes), 1e-12)


def product(seed: int) -> np.ndarray:
    """A coloured thing on white, somewhere."""
    rng = np.random.default_rng(seed)
    height, width = (int(side) for side in rng.integers(20, 70, 2))
    pixels = np.full((height, width, 3), 255, dtype=np.uint8)
    top, left = int(rng.integers(0, height // 2)), int(rng.integers(0, width // 2))
    noise = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    thing = cv2.resize(noise, (width // 2, height // 2), interpolation=cv2.INTER_LINEAR)
    pixels[top : top + height // 2, left : left + width // 2] = thing
    return pixels


def assert_same(pixels: Pixels, size: tuple[int, int]) -> None:
    scalars, colours, orientations = slow(pixels, size)
    values = measure(pixels, size)
    n = len(SCALAR_NAMES)
    found = dict(zip(SCALAR_NAMES, values[:n].tolist(), strict=True))
    assert found.keys() == scalars.keys()
    # OpenCV rounds grey in fixed point and saturation to 8 bits.
    assert found == pytest.approx(scalars, rel=3e-3, abs=3e-3)
    np.testing.assert_allclose(values[n : n + 64], colours, atol=1e-5)
    # A pixel whose direction is on the border of two bins may go either way.
    assert np.abs(values[n + 64 :] - orientations).sum() < 0.02 * max(orientations.sum(), 1)


@pytest.mark.parametrize("seed", range(8))
def test_statistics_agree_with_the_slow_way_on_drawn_products(seed: int) -> None:
    pixels = product(seed)
    assert_same(pixels, (3 * pixels.shape[1], 3 * pixels.shape[0]))


@pytest.mark.parametrize("seed", range(3))
def test_statistics_agree_with_the_slow_way_on_noise(seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (31, 22, 3), dtype=np.uint8)
    assert_same(pixels, (22, 31))


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2)])
def test_the_smallest_images_give_finite_numbers(shape: tuple[int, int]) -> None:
    pixels = np.full((*shape, 3), 37, dtype=np.uint8)
    values = measure(pixels, shape[::-1])
    assert np.isfinite(values).all()
    assert values[SCALAR_NAMES.index("gray_mean")] == pytest.approx(37 / 255)


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="PHOTOGRAPHS names no folder")
def test_statistics_agree_with_the_slow_way_on_photographs() -> None:
    for path in sorted(PHOTOS.glob("*.jpg"))[::350]:
        pixels, size, _ = inspect_image(path, min_side_px=WORK_SIDE_PX)
        assert_same(pixels, size)


def test_extraction_masks_what_is_no_image_and_keeps_the_order() -> None:
    sources, expected = [], []
    for seed in range(20):
        file = io.BytesIO()
        Image.fromarray(product(seed)).save(file, "PNG")
        sources.append(file.getvalue())
        expected.append(measure(*inspect_image(file.getvalue())[:2]))
    sources[4], sources[11] = b"", None
    expected[4] = expected[11] = np.zeros(len(STAT_NAMES), dtype=np.float32)
    values, mask = ImageStatsCombinedFeaturizer().extract(sources)
    assert np.flatnonzero(~mask).tolist() == [4, 11]
    np.testing.assert_array_equal(values, np.stack(expected))
    assert values.dtype == np.float32


def test_names_and_settings() -> None:
    featurizer = ImageStatsCombinedFeaturizer()
    assert len(set(featurizer.names)) == len(featurizer.names) == 157
    values, mask = featurizer.extract([])
    assert values.shape == (0, 157)
    assert mask.shape == (0,)
