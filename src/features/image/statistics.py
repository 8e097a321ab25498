"""Hand-made statistics of product images: how full, how white, how sharp, how colourful.

`ImageStatsCombinedFeaturizer` is an extractor: what it says of an image depends on that image
alone. The formulas are in `measures`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from src.data.image_decode import ImageFault, ImageSource, Pixels, inspect_image, read_source
from src.features.image.loader import map_ordered, resize
from src.features.image.measures import (
    COLOUR_NAMES,
    DETAIL_NAMES,
    GRADIENT_NAMES,
    HISTOGRAM_NAMES,
    LAYOUT_NAMES,
    TONE_NAMES,
    WORK_SIDE_PX,
    Floats,
    colour,
    colour_histogram,
    detail,
    gradient_histogram,
    gradients,
    layout,
    tone,
)

FILE_NAMES = ("aspect_ratio_log", "bytes_per_pixel")
SCALAR_NAMES = FILE_NAMES + TONE_NAMES + LAYOUT_NAMES + COLOUR_NAMES + DETAIL_NAMES
STAT_NAMES = SCALAR_NAMES + HISTOGRAM_NAMES + GRADIENT_NAMES
VERSION = 1


class ImageStatsCombinedFeaturizer:
    """Statistics of each image, in `n_threads` threads; None takes every core.

    Examples
    --------
    >>> values, mask = ImageStatsCombinedFeaturizer().extract([None])
    >>> values.shape, mask.tolist()
    ((1, 158), [False])
    """

    def __init__(self, *, n_threads: int | None = None) -> None:
        self.n_threads = n_threads

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return STAT_NAMES

    @property
    def settings(self) -> dict[str, str | int]:
        """All that changes a value: part of the address of whatever is cached."""
        return {"features": "image_stats", "version": VERSION, "side_px": WORK_SIDE_PX}

    def extract(self, sources: Sequence[ImageSource]) -> tuple[Floats, NDArray[np.bool_]]:
        """Return shape (n, 158), zeros where there is no image, and where there is one."""
        values = np.zeros((len(sources), len(STAT_NAMES)), dtype=np.float32)
        mask = np.zeros(len(sources), dtype=bool)
        rows = map_ordered(self._measure_or_none, sources, n_threads=self.n_threads)
        for row, measured in enumerate(rows):
            if measured is not None:
                values[row] = measured
                mask[row] = True
        return values, mask

    def _measure_or_none(self, source: ImageSource) -> Floats | None:
        try:
            data = read_source(source)
            pixels, size, _ = inspect_image(data, min_side_px=WORK_SIDE_PX)
        except ImageFault:
            return None
        return measure(pixels, size, len(data))


def work_image(pixels: Pixels) -> Pixels:
    """Return the image with a long side of at most 160 px; small ones stay as they are."""
    height, width = pixels.shape[:2]
    scale = WORK_SIDE_PX / max(height, width)
    if scale >= 1:
        return pixels
    return resize(pixels, max(1, round(width * scale)), max(1, round(height * scale)))


def measure(pixels: Pixels, size: tuple[int, int], n_bytes: int) -> Floats:
    """Return the statistics of one image, shape (158,), in the order of `STAT_NAMES`.

    `aspect_ratio_log` is ln(width / height), so that upright and lying images are opposites;
    `bytes_per_pixel` relates the file to the whole image: drawings compress, photographs don't.
    """
    import cv2

    pixels = work_image(pixels)
    gray = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    magnitude, direction = gradients(gray)
    scalars = [
        math.log(size[0] / size[1]),
        n_bytes / (size[0] * size[1]),
        *tone(gray),
        *layout(pixels),
        *colour(pixels),
        *detail(gray, magnitude),
    ]
    histograms = (colour_histogram(pixels), gradient_histogram(magnitude, direction))
    return np.concatenate((np.array(scalars, dtype=np.float32), *histograms))
