"""Images of one size, decoded in threads while the caller computes.

`load_batches` is the only way in which networks and pixel features read images.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from src.data.image_decode import ImageFault, ImageSource, Pixels, decode_image
from src.utils.cores import available_cores

Result = TypeVar("Result")
# Images a thread takes at a time: handing over one by one would cost a twentieth of decoding.
CHUNK = 8
# Grey of the letterbox: products stand on white.
FILL = 255
# Grey levels from white that compression leaves in a margin.
TRIM_TOLERANCE = 10


def load_settings(size_px: int, mode: str, trim: bool = False) -> dict[str, str | int]:
    """Return all that changes a pixel: part of the address of whatever is cached."""
    settings: dict[str, str | int] = {"size_px": size_px, "mode": mode, "fill": FILL, "decoder": 2}
    return {**settings, "trim": TRIM_TOLERANCE} if trim else settings


def load_image(
    source: ImageSource, size_px: int, mode: str, detail: float = 1.0, trim: bool = False
) -> Pixels:
    """Return one image, (size, size, 3) uint8; one that can't be decoded is an ImageFault.

    The `mode` "letterbox" keeps the proportions on a white square, "stretch" fills it. `detail` is
    the share of the square's side that larger images are shrunk to before they fill it, so that
    thumbnails look like them. `trim` cuts white margins off first.
    """
    side: Literal["long", "short"] = "long" if mode == "letterbox" else "short"
    # What is left of a trimmed image is to be large enough, too.
    pixels = decode_image(source, min_side_px=(2 if trim else 1) * size_px, side=side)
    pixels = without_margin(pixels) if trim else pixels
    pixels = shrink(pixels, max(1, round(detail * size_px)), side)
    if mode == "stretch":
        return resize(pixels, size_px, size_px)
    return letterbox(pixels, size_px)


def load_batches(
    sources: Sequence[ImageSource],
    batch_size: int,
    *,
    size_px: int,
    mode: str = "letterbox",
    detail: float = 1.0,
    trim: bool = False,
    n_threads: int | None = None,
) -> Iterator[tuple[slice, Pixels, NDArray[np.bool_]]]:
    """Yield batches in order; the threads decode two batches beyond the one in use.

    A batch is its slice of the sources, the images, shape (n, size, size, 3), uint8, white where
    there is none, and which could be read, shape (n,).
    """

    def load_or_none(source: ImageSource) -> Pixels | None:
        try:
            return load_image(source, size_px, mode, detail, trim)
        except ImageFault:
            return None

    chunk = min(CHUNK, batch_size)
    ahead = max(2 * available_cores(n_threads), 2 * batch_size // chunk)
    loaded = map_ordered(load_or_none, sources, n_threads=n_threads, chunk=chunk, n_ahead=ahead)
    for start in range(0, len(sources), batch_size):
        n = min(batch_size, len(sources) - start)
        images = np.full((n, size_px, size_px, 3), FILL, dtype=np.uint8)
        mask = np.zeros(n, dtype=bool)
        for row in range(n):
            pixels = next(loaded)
            if pixels is not None:
                images[row], mask[row] = pixels, True
        yield slice(start, start + n), images, mask


def without_margin(pixels: Pixels) -> Pixels:
    """Return `pixels` without rows and columns at the edges that are white; all of a white image.

    White is within `TRIM_TOLERANCE` grey levels of 255 in every channel.
    """
    inked = np.any(pixels < FILL - TRIM_TOLERANCE, axis=2)
    rows, columns = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    if len(rows) == 0:
        return pixels
    return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def resize(pixels: Pixels, width_px: int, height_px: int) -> Pixels:
    """Return `pixels` at another size: areas averaged where it shrinks, else bilinear."""
    import cv2

    height, width = pixels.shape[:2]
    if (height, width) == (height_px, width_px):
        return pixels
    shrinks = height > height_px or width > width_px
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, (width_px, height_px), interpolation=method), np.uint8)


def shrink(pixels: Pixels, side_px: int, side: Literal["long", "short"] = "long") -> Pixels:
    """Return `pixels`, proportions kept, with a side of at most `side_px`."""
    height, width = pixels.shape[:2]
    scale = side_px / (max if side == "long" else min)(height, width)
    if scale >= 1:
        return pixels
    return resize(pixels, max(1, round(width * scale)), max(1, round(height * scale)))


def letterbox(pixels: Pixels, size_px: int) -> Pixels:
    """Return `pixels` centred in a white square of `size_px`, proportions kept."""
    height, width = pixels.shape[:2]
    scale = size_px / max(height, width)
    new_width, new_height = max(1, round(width * scale)), max(1, round(height * scale))
    inner = resize(pixels, new_width, new_height)
    if new_width == new_height == size_px:
        return inner
    square = np.full((size_px, size_px, 3), FILL, dtype=np.uint8)
    top, left = (size_px - new_height) // 2, (size_px - new_width) // 2
    square[top : top + new_height, left : left + new_width] = inner
    return square


def map_ordered(
    function: Callable[[ImageSource], Result],
    sources: Sequence[ImageSource],
    *,
    n_threads: int | None = None,
    chunk: int = CHUNK,
    n_ahead: int = 16,
) -> Iterator[Result]:
    """Apply `function`, which leaves the interpreter lock to others, and yield results in order.

    A task is `chunk` sources; at most `n_ahead` are in flight, so that memory stays bounded.
    """
    import cv2

    waiting: deque[Future[list[Result]]] = deque()
    starts = iter(range(0, len(sources), chunk))

    def work(start: int) -> list[Result]:
        return [function(source) for source in sources[start : start + chunk]]

    # OpenCV would start a pool of its own under each of these threads.
    cv2_threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    if len(sources) <= chunk:  # one task: starting threads costs more than waiting for it
        try:
            yield from work(0)
        finally:
            cv2.setNumThreads(cv2_threads)
        return
    pool = ThreadPoolExecutor(available_cores(n_threads), thread_name_prefix="images")
    try:
        for start in starts:
            waiting.append(pool.submit(work, start))
            if len(waiting) >= n_ahead:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        cv2.setNumThreads(cv2_threads)
