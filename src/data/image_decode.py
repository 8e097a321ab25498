"""Turn the bytes of one image into upright RGB pixels, or say why that can't be done.

Product feeds hold JPEGs for the most part, and some of everything else: CMYK from print shops,
16-bit scans, palettes with transparency, telephones that store the image lying on its side, and
files that are cut, empty or no images at all. One function deals with all of them, so that no
caller ever takes a black or half-grey rectangle for a photograph. A JPEG that libjpeg decodes with
a warning, as every browser does, is used as long as it lacks a tenth of its pixels at most.

JPEGs are decoded at 1/2, 1/4 or 1/8 of their size where that is still large enough. Only powers
of two: libjpeg-turbo has no vector code for the steps between, and those are slower than decoding
the whole image (``docs/experiments.md``).
"""

from __future__ import annotations

import io
import os
import stat
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from src.errors import FileFault
from src.files import is_url, storage, unreadable

if TYPE_CHECKING:
    from PIL import Image

ImageSource = str | os.PathLike[str] | bytes | None
"""A path, a URL of other storage, the bytes themselves, or None where a product has no image."""

Pixels = NDArray[np.uint8]

MAX_PIXELS = 50_000_000
MAX_FILE_BYTES = 100_000_000
WHITE = (255, 255, 255)

MISSING = "missing"
EMPTY = "empty"
NOT_AN_IMAGE = "not_an_image"
TRUNCATED = "truncated"
CORRUPT = "corrupt"
TOO_LARGE = "too_large"
UNREADABLE = "unreadable"

_EXIF_ORIENTATION = 0x0112
_JPEG_START, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
_MOST_LOST = 0.1
# What libjpeg leaves where nothing came: middle grey, and what that is when it came from CMYK.
_LOST_GREYS = (128, 64)
# What Pillow's readers raise on damaged files, found by flipping bytes in valid ones.
_PILLOW_FAULTS = (
    OSError, SyntaxError, ValueError, EOFError, struct.error, IndexError, KeyError, TypeError,
    OverflowError, ZeroDivisionError, AttributeError, NotImplementedError,
)  # fmt: skip


class ImageFault(FileFault):
    """An image that can't be used: a reason of those above, fit to be counted, and the detail."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


def read_source(source: ImageSource) -> bytes:
    """Return the bytes of an image; none, empty, over 100 MB or unreadable is an ImageFault.

    Other storage that does not give an image is a DataError: it may well give it the next time.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        data = bytes(source)
    elif isinstance(source, str) and is_url(source):
        data = _read_url(source)
    elif isinstance(source, str | os.PathLike) and str(source):
        data = _read_file(Path(source))
    else:  # None, "" and the NaN that pandas puts where a path is missing
        raise ImageFault(MISSING, "no image is named")
    if not data:
        raise ImageFault(EMPTY, "zero bytes")
    return data


def decode_image(source: ImageSource, **limits: Any) -> Pixels:  # noqa: ANN401
    """Return the pixels of one image, (h, w, 3) uint8; arguments as `inspect_image`.

    >>> try:
    ...     decode_image(b"no image")
    ... except ImageFault as fault:
    ...     fault.reason
    'not_an_image'
    """
    return inspect_image(source, **limits)[0]


def inspect_image(
    source: ImageSource,
    *,
    min_side_px: int | None = None,
    side: Literal["long", "short"] = "long",
    max_pixels: int = MAX_PIXELS,
) -> tuple[Pixels, tuple[int, int], bool]:
    """Decode one image: its pixels, the size of the whole, and whether it is damaged.

    Pixels, shape (h, w, 3), are upright and in RGB; they may be reduced by 2, 4 or 8 as long as
    `side` keeps at least `min_side_px` (None: not at all). The size is width and height in pixels,
    after rotation. A damaged JPEG is not as it was written, and can be seen all the same.

    Images of more than `max_pixels` are refused from their header, before any pixel is decoded: 400
    million pixels fit into a 400 KB PNG and need 1.2 GB. A refusal is an ImageFault.
    """
    data = read_source(source)
    if not data.startswith(_JPEG_START):
        return *_decode_pillow(data, min_side_px, side, max_pixels), False
    try:
        # Pillow may come to the last pixel of an image of four colours before it misses the end.
        ended = data.rfind(_JPEG_END) > data.rfind(b"\xff\xda")
        return *_decode_jpeg(data, min_side_px, side, max_pixels), not ended
    except ImageFault as fault:
        if fault.reason not in (TRUNCATED, CORRUPT):
            raise
        # An end of our own makes Pillow decode what is there.
        pixels, size = _decode_pillow(
            data + _JPEG_END, min_side_px, side, max_pixels, cut=fault.reason == TRUNCATED
        )
        return pixels, size, True


def _read_file(path: Path) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ImageFault(UNREADABLE, f"{path} is not a file")
        if status.st_size > MAX_FILE_BYTES:
            raise ImageFault(TOO_LARGE, f"{path} has {status.st_size:,} bytes")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ImageFault(MISSING, f"{path} does not exist") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the name
        raise ImageFault(UNREADABLE, f"{path}: {error}") from error


def _read_url(url: str) -> bytes:
    files, path = storage(url)
    try:
        size = files.size(path) or 0
        data: bytes = b"" if size > MAX_FILE_BYTES else files.cat_file(path)
    except Exception as e:  # noqa: BLE001 - each kind of storage has errors of its own
        raise unreadable(url, e) from e
    if size > MAX_FILE_BYTES:
        raise ImageFault(TOO_LARGE, f"{url} has {size:,} bytes")
    return data


def _check_size(width_px: int, height_px: int, max_pixels: int) -> None:
    if width_px * height_px > max_pixels:
        found = f"{width_px:,} x {height_px:,} pixels"
        raise ImageFault(TOO_LARGE, f"{found}, at most {max_pixels:,} are decoded")


def _reduction(width_px: int, height_px: int, min_side_px: int | None, side: str) -> int:
    """Return the largest of 1, 2, 4, 8 that leaves `side` with `min_side_px` or more."""
    if min_side_px is None:
        return 1
    length = max(width_px, height_px) if side == "long" else min(width_px, height_px)
    return max(f for f in (1, 2, 4, 8) if f == 1 or length // f >= min_side_px)


def _decode_jpeg(
    data: bytes, min_side_px: int | None, side: str, max_pixels: int
) -> tuple[Pixels, tuple[int, int]]:
    import simplejpeg

    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError as error:
        if "extraneous" in str(error):
            raise ImageFault(CORRUPT, str(error)) from error
        # Odd subsampling, lossless or cut in the header: Pillow decides.
        return _decode_pillow(data, min_side_px, side, max_pixels)
    _check_size(width, height, max_pixels)
    if colours in ("CMYK", "YCCK"):
        return _decode_pillow(data, min_side_px, side, max_pixels)
    factor = _reduction(width, height, min_side_px, side)
    try:
        pixels = simplejpeg.decode_jpeg(
            data, "RGB", fastdct=True,
            min_height=-(-height // factor), min_width=-(-width // factor),
        )  # fmt: skip
    except ValueError as error:
        cut = "Premature end of JPEG file" in str(error)
        raise ImageFault(TRUNCATED if cut else CORRUPT, str(error)) from error
    # Notes come before the scan (marker FFDA): the whole file need not be searched.
    if data.find(b"Exif\0\0", 0, data.find(b"\xff\xda")) < 0:
        return pixels, (width, height)
    return _upright(pixels, (width, height), _jpeg_orientation(data))


def _jpeg_orientation(data: bytes) -> int:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            return _orientation(image)
    except _PILLOW_FAULTS:  # the pixels are sound, only the notes about them are not
        return 1


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_EXIF_ORIENTATION, 1))
    except _PILLOW_FAULTS:
        return 1


def _upright(
    pixels: Pixels, size: tuple[int, int], orientation: int
) -> tuple[Pixels, tuple[int, int]]:
    """Undo the rotation that EXIF tag 0x0112 names (Exif 2.32, 4.6.4 A)."""
    if orientation in (5, 6, 7, 8):
        pixels, size = pixels.transpose(1, 0, 2), size[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels), size


def _decode_pillow(
    data: bytes, min_side_px: int | None, side: str, max_pixels: int, *, cut: bool | None = None
) -> tuple[Pixels, tuple[int, int]]:
    """Decode; `cut` tells how a damaged JPEG is (None: it is none), whose rows are then counted."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data)) as image:
            size = image.size
            _check_size(size[0], size[1], max_pixels)
            factor = _reduction(size[0], size[1], min_side_px, side)
            if factor > 1 and image.format == "JPEG":
                image.draft(None, (-(-size[0] // factor), -(-size[1] // factor)))
            orientation = _orientation(image)
            pixels = _to_rgb(image)
            if cut is not None and (lost := _lost_share(pixels)) > _MOST_LOST:
                raise ImageFault(TRUNCATED if cut else CORRUPT, f"{lost:.0%} of the image is lost")
            return _upright(pixels, size, orientation)
    except ImageFault:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageFault(TOO_LARGE, str(error)) from error
    except UnidentifiedImageError as error:
        raise ImageFault(NOT_AN_IMAGE, f"{len(data):,} bytes of no known format") from error
    except _PILLOW_FAULTS as error:
        ends_early = "truncated" in str(error).lower() or isinstance(error, EOFError)
        raise ImageFault(TRUNCATED if ends_early else CORRUPT, str(error)) from error


def _lost_share(pixels: Pixels) -> float:
    """Return the share of an image, from its last pixel backwards, in the grey of missing data."""
    last = pixels[-1, -1]
    if last.tolist() not in [[grey] * 3 for grey in _LOST_GREYS]:
        return 0.0
    grey = (pixels == last).all(axis=2)
    lost = np.where(grey.all(axis=1), grey.shape[1], grey[:, ::-1].argmin(axis=1))
    sound = np.flatnonzero(lost == 0)
    return float(lost[sound[-1] + 1 if len(sound) else 0 :].sum() / grey.size)


def _to_rgb(image: Image.Image) -> Pixels:
    """Return RGB: 16 bits brought to 8, transparent places white as a shop page shows them."""
    from PIL import Image

    if image.mode.startswith("I") or image.mode == "F":
        return _deep_grey_to_rgb(np.asarray(image))
    if image.has_transparency_data:
        over = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", over.size, (*WHITE, 255)), over)
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _deep_grey_to_rgb(values: NDArray[Any]) -> Pixels:
    """Scale grey values of 16 or 32 bits; Pillow's own conversion cuts them at 255."""
    top = float(values.max(initial=0))
    full = 1.0 if top <= 1 and values.dtype.kind == "f" else 255.0 if top <= 255 else 65535.0
    if values.dtype.itemsize == 2:
        full = 65535.0
    grey = np.clip(np.nan_to_num(values) * (255.0 / max(full, 1e-9)), 0, 255).round()
    return np.repeat(grey.astype(np.uint8)[:, :, None], 3, axis=2)
