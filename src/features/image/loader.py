"""Pictures of one size, decoded in threads while somebody else computes.

`ImageLoader` is the only way in which networks and pixel features meet a picture: a batch of it is
an array, a mask that tells which rows are real, and the reason for each that is not.
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

from src.data.image_decode import MAX_PIXELS, ImageFault, ImageSource, Pixels, decode_image
from src.errors import UsageError

Result = TypeVar("Result")
MODES = ("letterbox", "stretch")
# Images a thread takes at a time: handing over costs 30 us, a picture 500 us.
CHUNK = 8


@dataclass(frozen=True)
class ImageBatch:
    """Some consecutive pictures.

    Parameters
    ----------
    start : int
        Position of the first one among all the sources.
    images : ndarray of shape (n, size, size, 3), uint8
        Rows without a picture hold the fill colour; look at the mask.
    mask : ndarray of shape (n,), bool
        True where there is a real picture.
    reasons : tuple of (str or None)
        Why a row has none.
    """

    start: int
    images: Pixels
    mask: NDArray[np.bool_]
    reasons: tuple[str | None, ...]

    @property
    def stop(self) -> int:
        """Position after the last picture."""
        return self.start + len(self.mask)


class ImageLoader:
    """Decode pictures and bring them to one size.

    Parameters
    ----------
    size_px : int
        Side of the square.
    mode : {"letterbox", "stretch"}
        Keep the proportions and fill the rest, or fill the square whatever the shape.
    fill : int
        Grey of the letterbox, 0 to 255; white, for that is what products stand on.
    n_threads : int or None
        None takes every core this process may use.
    max_pixels : int
        Larger pictures are refused before decoding.

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
    >>> batch = ImageLoader(8).load_batch([None])
    >>> batch.mask.tolist(), batch.reasons
    ([False], ('missing',))
    """

    def __init__(
        self,
        size_px: int = 224,
        mode: str = "letterbox",
        *,
        fill: int = 255,
        n_threads: int | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        if mode not in MODES:
            raise UsageError(f"image mode {mode!r} is not one of {', '.join(MODES)}")
        if size_px < 1:
            raise UsageError(f"image size {size_px} px; it must be 1 or more")
        self.size_px = size_px
        self.mode = mode
        self.fill = fill
        self.n_threads = n_threads
        self.max_pixels = max_pixels

    @property
    def settings(self) -> dict[str, str | int]:
        """All that changes a pixel: part of the address of whatever is cached."""
        return {"size_px": self.size_px, "mode": self.mode, "fill": self.fill, "decoder": 1}

    def load(self, source: ImageSource) -> Pixels:
        """Return one picture, (size, size, 3) uint8.

        Raises
        ------
        ImageFault
            If it can't be decoded.
        """
        side = "long" if self.mode == "letterbox" else "short"
        found = decode_image(
            source, min_side_px=self.size_px, side=side, max_pixels=self.max_pixels
        )
        if self.mode == "stretch":
            return resize(found.pixels, self.size_px, self.size_px)
        return letterbox(found.pixels, self.size_px, self.fill)

    def load_batch(self, sources: Sequence[ImageSource]) -> ImageBatch:
        """Return all of `sources` as one batch: for small numbers of pictures."""
        return next(self.batches(sources, max(1, len(sources))), self._assemble(0, []))

    def batches(
        self, sources: Sequence[ImageSource], batch_size: int, *, n_ahead: int = 2
    ) -> Iterator[ImageBatch]:
        """Yield batches in order; the threads decode `n_ahead` batches beyond the one in use."""
        chunk = min(CHUNK, batch_size)
        ahead = max(2 * available_cores(self.n_threads), n_ahead * batch_size // chunk)
        loaded = map_ordered(
            self._load_or_reason, sources, n_threads=self.n_threads, chunk=chunk, n_ahead=ahead
        )
        for start in range(0, len(sources), batch_size):
            n = min(batch_size, len(sources) - start)
            yield self._assemble(start, [next(loaded) for _ in range(n)])

    def _load_or_reason(self, source: ImageSource) -> Pixels | str:
        try:
            return self.load(source)
        except ImageFault as fault:
            return fault.reason

    def _assemble(self, start: int, loaded: list[Pixels | str]) -> ImageBatch:
        shape = (len(loaded), self.size_px, self.size_px, 3)
        images = np.empty(shape, dtype=np.uint8)
        for row, value in enumerate(loaded):
            images[row] = self.fill if isinstance(value, str) else value
        reasons = tuple(value if isinstance(value, str) else None for value in loaded)
        mask = np.array([reason is None for reason in reasons], dtype=bool)
        return ImageBatch(start, images, mask, reasons)


def resize(pixels: Pixels, width_px: int, height_px: int) -> Pixels:
    """Return `pixels` at another size: areas averaged from a ratio of 2, else bilinear."""
    import cv2

    height, width = pixels.shape[:2]
    if (height, width) == (height_px, width_px):
        return pixels
    shrinks = height > 2 * height_px or width > 2 * width_px
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, (width_px, height_px), interpolation=method), np.uint8)


def letterbox(pixels: Pixels, size_px: int, fill: int = 255) -> Pixels:
    """Return `pixels` centred in a square of `size_px`, proportions kept."""
    height, width = pixels.shape[:2]
    scale = size_px / max(height, width)
    new_width, new_height = max(1, round(width * scale)), max(1, round(height * scale))
    inner = resize(pixels, new_width, new_height)
    if new_width == new_height == size_px:
        return inner
    square = np.full((size_px, size_px, 3), fill, dtype=np.uint8)
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
    sources : sequence
    n_threads, chunk, n_ahead : int
        Threads; sources a task; tasks in flight, so that memory stays bounded.
    """
    import cv2

    waiting: deque[Future[list[Result]]] = deque()
    starts = iter(range(0, len(sources), chunk))

    def work(start: int) -> list[Result]:
        return [function(source) for source in sources[start : start + chunk]]

    # OpenCV would start a pool of its own under each of these threads: a quarter slower.
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
