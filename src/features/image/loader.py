"""Images of one size, decoded in threads while the caller computes.

`ImageLoader` is the only way in which networks and pixel features read an image: a batch of it is
an array and a mask that tells which rows hold an image.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from src.data.image_decode import ImageFault, ImageSource, Pixels, decode_image
from src.errors import UsageError

Result = TypeVar("Result")
MODES = ("letterbox", "stretch")
# Images a thread takes at a time: handing over one by one would cost a twentieth of decoding.
CHUNK = 8
# Grey of the letterbox: products stand on white.
FILL = 255


@dataclass(frozen=True)
class ImageBatch:
    """Some consecutive images.

    Attributes
    ----------
    start : int
        Position of the first one among all the sources.
    images : ndarray of shape (n, size, size, 3), uint8
        White where `mask` is False.
    mask : ndarray of shape (n,), bool
        True where the image could be read.
    """

    start: int
    images: Pixels
    mask: NDArray[np.bool_]

    @property
    def stop(self) -> int:
        """Position after the last image."""
        return self.start + len(self.mask)


class ImageLoader:
    """Decode images and bring them to one size.

    Parameters
    ----------
    size_px : int
        Side of the square.
    mode : {"letterbox", "stretch"}
        Keep the proportions on a white square, or stretch to the square.
    n_threads : int or None
        None takes every core this process may use.

    Raises
    ------
    UsageError
        For an unknown mode or a size under 1.

    Notes
    -----
    The reduced JPEG is at most twice the wanted size, where bilinear sampling sees every pixel;
    larger ratios (PNG, WebP) are averaged over areas.

    Examples
    --------
    >>> [batch.mask.tolist() for batch in ImageLoader(8).batches([None, None, b""], 2)]
    [[False, False], [False]]
    """

    def __init__(
        self, size_px: int = 224, mode: str = "letterbox", *, n_threads: int | None = None
    ) -> None:
        if mode not in MODES:
            raise UsageError(f"image mode {mode!r} is not one of {', '.join(MODES)}")
        if size_px < 1:
            raise UsageError(f"image size {size_px} px; it must be 1 or more")
        self.size_px = size_px
        self.mode = mode
        self.n_threads = n_threads

    @property
    def settings(self) -> dict[str, str | int]:
        """All that changes a pixel: part of the address of whatever is cached."""
        return {"size_px": self.size_px, "mode": self.mode, "fill": FILL, "decoder": 1}

    def load(self, source: ImageSource) -> Pixels:
        """Return one image, (size, size, 3) uint8.

        Raises
        ------
        ImageFault
            If it can't be decoded.
        """
        side = "long" if self.mode == "letterbox" else "short"
        pixels = decode_image(source, min_side_px=self.size_px, side=side)
        if self.mode == "stretch":
            return resize(pixels, self.size_px, self.size_px)
        return letterbox(pixels, self.size_px)

    def batches(
        self, sources: Sequence[ImageSource], batch_size: int, *, n_ahead: int = 2
    ) -> Iterator[ImageBatch]:
        """Yield batches in order; the threads decode `n_ahead` batches beyond the one in use."""
        chunk = min(CHUNK, batch_size)
        ahead = max(2 * available_cores(self.n_threads), n_ahead * batch_size // chunk)
        loaded = map_ordered(
            self._load_or_none, sources, n_threads=self.n_threads, chunk=chunk, n_ahead=ahead
        )
        for start in range(0, len(sources), batch_size):
            n = min(batch_size, len(sources) - start)
            yield self._assemble(start, [next(loaded) for _ in range(n)])

    def _load_or_none(self, source: ImageSource) -> Pixels | None:
        try:
            return self.load(source)
        except ImageFault:
            return None

    def _assemble(self, start: int, loaded: list[Pixels | None]) -> ImageBatch:
        images = np.full((len(loaded), self.size_px, self.size_px, 3), FILL, dtype=np.uint8)
        for row, pixels in enumerate(loaded):
            if pixels is not None:
                images[row] = pixels
        mask = np.array([pixels is not None for pixels in loaded], dtype=bool)
        return ImageBatch(start, images, mask)


def resize(pixels: Pixels, width_px: int, height_px: int) -> Pixels:
    """Return `pixels` at another size: areas averaged from a ratio of 2, else bilinear."""
    import cv2

    height, width = pixels.shape[:2]
    if (height, width) == (height_px, width_px):
        return pixels
    shrinks = height > 2 * height_px or width > 2 * width_px
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, (width_px, height_px), interpolation=method), np.uint8)


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


def available_cores(n_threads: int | None = None) -> int:
    """Return `n_threads`, or the number of cores this process may use."""
    if n_threads is not None:
        return max(1, n_threads)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def map_ordered(
    function: Callable[[ImageSource], Result],
    sources: Sequence[ImageSource],
    *,
    n_threads: int | None = None,
    chunk: int = CHUNK,
    n_ahead: int = 16,
) -> Iterator[Result]:
    """Apply `function` in threads and yield the results in order.

    Parameters
    ----------
    function : callable
        Spends its time outside the interpreter lock, as decoding does.
    sources : sequence of path, bytes or None
    n_threads, chunk, n_ahead : int
        Threads; sources a task; tasks in flight, so that memory stays bounded.
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
