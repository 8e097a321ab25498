"""Hand-made statistics of product images: how full, how white, how sharp, how colourful.

`ImageStatsCombinedFeaturizer` is an extractor: what it says of an image depends on that image
alone. The formulas are in `measures`.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from src.data.image_decode import ImageFault, ImageSource, Pixels, inspect_image
from src.features.image.loader import map_ordered, shrink
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

SCALAR_NAMES = ("aspect_ratio_log",) + TONE_NAMES + LAYOUT_NAMES + COLOUR_NAMES + DETAIL_NAMES
STAT_NAMES = SCALAR_NAMES + HISTOGRAM_NAMES + GRADIENT_NAMES
VERSION = 2


class ImageStatsCombinedFeaturizer:
    """Statistics of each image, in as many threads as there are cores.

    >>> values, mask = ImageStatsCombinedFeaturizer().extract([None])
    >>> values.shape, mask.tolist()
    ((1, 157), [False])
    """

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return STAT_NAMES

    def settings(self) -> dict[str, str | int]:
        """Return all that changes a value: part of the address of whatever is cached."""
        return {"features": "image_stats", "version": VERSION, "side_px": WORK_SIDE_PX}

    def extract(self, sources: Sequence[ImageSource]) -> tuple[Floats, NDArray[np.bool_]]:
        """Return shape (n, 157), zeros where there is no image, and where there is one."""
        values = np.zeros((len(sources), len(STAT_NAMES)), dtype=np.float32)
        mask = np.zeros(len(sources), dtype=bool)
        for row, measured in enumerate(map_ordered(self._measure_or_none, sources)):
            if measured is not None:
                values[row] = measured
                mask[row] = True
        return values, mask

    def _measure_or_none(self, source: ImageSource) -> Floats | None:
        try:
            pixels, size, _ = inspect_image(source, min_side_px=WORK_SIDE_PX)
        except ImageFault:
            return None
        return measure(pixels, size)


def measure(pixels: Pixels, size: tuple[int, int]) -> Floats:
    """Return the statistics of one image, shape (157,), in the order of `STAT_NAMES`.

    `aspect_ratio_log` is ln(width / height) of the whole image's `size`, so that upright and lying
    images are opposites. All else is measured on a long side of `WORK_SIDE_PX`: what an image is
    shown at, and how its file is packed, says nothing of the product.
    """
    import cv2

    pixels = shrink(pixels, WORK_SIDE_PX)
    gray = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    magnitude, direction = gradients(gray)
    scalars = [
        math.log(size[0] / size[1]),
        *tone(gray),
        *layout(pixels),
        *colour(pixels),
        *detail(gray, magnitude),
    ]
    histograms = (colour_histogram(pixels), gradient_histogram(magnitude, direction))
    return np.concatenate((np.array(scalars, dtype=np.float32), *histograms))
