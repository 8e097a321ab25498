"""One number a product, of its words and its picture: has training seen this very one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from src.cache import content_key
from src.data.duplicates import normalise_text

Picture = bytes | str | Path | None
"""The bytes of a picture, where it lies, or None (or "") for no picture."""


def product_keys(
    titles: Sequence[str], descriptions: Sequence[str], pictures: Sequence[Picture]
) -> np.ndarray:
    """Return a hash of the normalised text and the bytes of the picture of n products.

    Returns
    -------
    ndarray of uint64, shape (n,)
        Equal where the words are (whatever case, accents and markup) and the picture is the same
        file; a picture that can't be read counts as none.
    """
    keys = [
        content_key(
            normalise_text(f"{title} {body}").encode("utf-8", "surrogatepass"), _read(image)
        )
        for title, body, image in zip(titles, descriptions, pictures, strict=True)
    ]
    return np.array([int.from_bytes(key[:8], "little") for key in keys], dtype=np.uint64)


def _read(picture: Picture) -> bytes:
    if isinstance(picture, bytes):
        return picture
    if not picture:
        return b""
    try:
        return Path(picture).read_bytes()
    except OSError:
        return b""
