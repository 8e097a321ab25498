"""Formulas of the image statistics: one small function a group, pixels in, numbers out.

All of them take the working image, RGB uint8 of shape (h, w, 3), long side at most
`WORK_SIDE_PX`. Grey is Y' of ITU-R BT.601, 0.299 R + 0.587 G + 0.114 B, rounded to 8 bits. OpenCV
does the passes over pixels because it leaves the interpreter lock to the other threads.
"""

import math

import numpy as np
from numpy.typing import NDArray

from src.data.image_decode import Pixels

Floats = NDArray[np.float32]

WORK_SIDE_PX = 128
# JPEG noise around a cut-out product stays above 240, cream and light grey cloth below it.
WHITE_FROM = 240
BLACK_TO = 15
# Grey levels a pixel; under it lie paper grain and JPEG blocks.
EDGE_FROM = 16.0
BORDER_SHARE = 0.05
COLOUR_LEVELS = 4
CELLS = 3
ORIENTATIONS = 8

TONE_NAMES = (
    "gray_mean", "gray_std", "gray_p10", "gray_p90", "dynamic_range", "entropy",
)  # fmt: skip
LAYOUT_NAMES = (
    "white_share", "black_share", "occupancy", "box_fill", "offset_x", "offset_y",
    "offset_distance", "border_white_share",
)  # fmt: skip
COLOUR_NAMES = ("saturation_mean", "saturation_std", "colourfulness")
DETAIL_NAMES = ("laplacian_variance_log", "edge_density", "mirror_similarity")
HISTOGRAM_NAMES = tuple(
    f"colour_r{r}_g{g}_b{b}"
    for r in range(COLOUR_LEVELS)
    for g in range(COLOUR_LEVELS)
    for b in range(COLOUR_LEVELS)
)
GRADIENT_NAMES = tuple(
    f"gradient_row{row}_col{col}_{round(180 * k / ORIENTATIONS)}deg"
    for row in range(CELLS)
    for col in range(CELLS)
    for k in range(ORIENTATIONS)
)


def tone(gray: Pixels) -> list[float]:
    """Return `TONE_NAMES` of grey, shape (h, w): all in 0..1 but the entropy, in bits (0..8).

    A quantile is the least grey level that at least this share of pixels does not exceed. The
    dynamic range goes from the 1 % to the 99 % quantile, so that one hot pixel does not set it.
    Entropy is Shannon's, -sum p log2 p over the 256 levels (Shannon 1948).
    """
    import cv2

    counts = cv2.calcHist([gray], [0], None, [256], [0, 256]).ravel().astype(np.float64)
    share = counts / gray.size
    levels = np.arange(256, dtype=np.float64)
    mean = float(share @ levels)
    deviation = math.sqrt(max(0.0, float(share @ (levels - mean) ** 2)))
    wanted = np.array((0.01, 0.10, 0.90, 0.99)) * gray.size - 1e-9  # 0.9 x 10 is 9.000000000000002
    p1, p10, p90, p99 = np.searchsorted(np.cumsum(counts), wanted).tolist()
    present = share[share > 0]
    entropy = max(0.0, -float(present @ np.log2(present)))
    return [mean / 255, deviation / 255, p10 / 255, p90 / 255, (p99 - p1) / 255, entropy]


def layout(pixels: Pixels) -> list[float]:
    """Return where the product is on its white ground: `LAYOUT_NAMES`.

    A pixel is white if all its channels are at least 240, black if all are at most 15, and belongs
    to the object if it is not white. `occupancy` is the area of the smallest box around the object
    over that of the image, `box_fill` the share of object pixels in that box. Offsets go from the
    middle of the image to the object's centre of mass, in half widths and half heights (-1..1).
    `border_white_share` is taken over a frame of 5 % of the short side, at least one pixel.
    """
    import cv2

    height, width = pixels.shape[:2]
    n = height * width
    white = cv2.inRange(pixels, (WHITE_FROM,) * 3, (255,) * 3)
    n_white = cv2.countNonZero(white)
    n_black = cv2.countNonZero(cv2.inRange(pixels, (0, 0, 0), (BLACK_TO,) * 3))
    found = np.asarray(cv2.bitwise_not(white), dtype=np.uint8)
    box_share, box_fill, offset_x, offset_y = _object_place(found, n - n_white)
    frame = max(1, round(BORDER_SHARE * min(height, width)))
    inner = white[frame : height - frame, frame : width - frame]
    n_border = n - inner.size
    white_border = n_white - (cv2.countNonZero(inner) if inner.size else 0)
    return [
        n_white / n, n_black / n, box_share, box_fill, offset_x, offset_y,
        math.hypot(offset_x, offset_y), white_border / n_border,
    ]  # fmt: skip


def _object_place(found: Pixels, n_found: int) -> tuple[float, float, float, float]:
    """Return the box's share of the image, the object's share of the box, and its offsets."""
    import cv2

    if n_found == 0:
        return 0.0, 0.0, 0.0, 0.0
    height, width = found.shape
    _, _, box_width, box_height = cv2.boundingRect(found)
    columns = cv2.reduce(found, 0, cv2.REDUCE_SUM, dtype=cv2.CV_64F).ravel() / 255
    rows = cv2.reduce(found, 1, cv2.REDUCE_SUM, dtype=cv2.CV_64F).ravel() / 255
    centre_x = float(columns @ (np.arange(width) + 0.5)) / n_found
    centre_y = float(rows @ (np.arange(height) + 0.5)) / n_found
    box = box_width * box_height
    offset_x, offset_y = 2 * centre_x / width - 1, 2 * centre_y / height - 1
    return box / (height * width), n_found / box, offset_x, offset_y


def colour(pixels: Pixels) -> list[float]:
    """Return mean and deviation of saturation, and colourfulness: `COLOUR_NAMES`.

    Saturation is (max - min) / max of the three channels (HSV), 0 for black. Colourfulness is
    sqrt(s_rg^2 + s_yb^2) + 0.3 sqrt(m_rg^2 + m_yb^2) with rg = R - G and yb = (R + G) / 2 - B
    (Hasler & Suesstrunk 2003, "Measuring colourfulness in natural images", eq. 3): 0 is grey, 109
    "extremely colourful".
    """
    import cv2

    saturation = cv2.extractChannel(cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV), 1)
    mean, deviation = cv2.meanStdDev(saturation)
    opponents = cv2.transform(pixels.astype(np.float32), _OPPONENTS)
    middle, spread = cv2.meanStdDev(opponents)
    colourfulness = math.hypot(*spread.ravel()) + 0.3 * math.hypot(*middle.ravel())
    return [mean.item() / 255, deviation.item() / 255, colourfulness]


_OPPONENTS = np.array([[1.0, -1.0, 0.0], [0.5, 0.5, -1.0]], dtype=np.float32)


def colour_histogram(pixels: Pixels) -> Floats:
    """Return the square roots of the shares of pixels in 4 x 4 x 4 boxes of RGB, shape (64,).

    Roots make distances between histograms Hellinger's (Arandjelovic & Zisserman 2012 do the same
    to SIFT; docs/experiments.md).
    """
    import cv2

    levels = [COLOUR_LEVELS] * 3
    counts = cv2.calcHist([pixels], [0, 1, 2], None, levels, [0, 256] * 3)
    return np.asarray(np.sqrt(counts.ravel() / counts.sum()), dtype=np.float32)


def detail(gray: Pixels, magnitude: Floats) -> list[float]:
    """Return sharpness, edge density and likeness to the mirror image: `DETAIL_NAMES`.

    Grey and `magnitude`, from `gradients`, have the shape (h, w). Sharpness is ln(1 + v), v the
    variance of the 4-neighbour Laplacian (Pech-Pacheco et al. 2000, "LAPV"): v itself spans five
    powers of ten. Edge density is the share of pixels whose gradient is over 16 grey levels a
    pixel. The likeness is 1 - mean |g - mirrored g| / 255.
    """
    import cv2

    _, deviation = cv2.meanStdDev(cv2.Laplacian(gray, cv2.CV_16S, ksize=1))
    _, is_edge = cv2.threshold(magnitude, EDGE_FROM, 1.0, cv2.THRESH_BINARY)
    edges = cv2.countNonZero(is_edge) / gray.size
    difference = cv2.mean(cv2.absdiff(gray, cv2.flip(gray, 1)))[0]
    return [math.log1p(deviation.item() ** 2), edges, 1 - difference / 255]


def gradients(gray: Pixels) -> tuple[Floats, Floats]:
    """Return magnitude (grey levels a pixel) and direction (radians, 0..2 pi) of grey.

    Sobel's 3 x 3 filters over 8, so that a ramp of one level a pixel has magnitude 1; borders are
    mirrored without the edge pixel.
    """
    import cv2

    dx = cv2.Sobel(gray, cv2.CV_32F, 1, 0, ksize=3, scale=0.125)
    dy = cv2.Sobel(gray, cv2.CV_32F, 0, 1, ksize=3, scale=0.125)
    magnitude, direction = cv2.cartToPolar(dx, dy)
    return np.asarray(magnitude, np.float32), np.asarray(direction, np.float32)


def gradient_histogram(magnitude: Floats, direction: Floats) -> Floats:
    """Return gradient strength by place and direction, shape (72,), Euclidean length 1.

    3 x 3 cells, 8 directions a cell without sign, each pixel voting with its magnitude for the
    nearest bin (Dalal & Triggs 2005, "Histograms of oriented gradients", without overlapping
    blocks). A flat image gives zeros.
    """
    height, width = magnitude.shape
    cell_rows = np.arange(height) * CELLS // height * CELLS
    cells = cell_rows[:, None] + (np.arange(width) * CELLS // width)[None, :]
    # The remainder folds a direction onto its opposite; one bincount makes all 72 histograms.
    nearest = (direction * np.float32(ORIENTATIONS / math.pi) + np.float32(0.5)).astype(np.intp)
    index = cells * ORIENTATIONS + nearest % ORIENTATIONS
    size = CELLS * CELLS * ORIENTATIONS
    votes = np.bincount(index.ravel(), weights=magnitude.ravel(), minlength=size)
    length = math.sqrt(float(votes @ votes))
    return np.asarray(votes / max(length, 1e-12), dtype=np.float32)
