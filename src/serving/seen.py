"""Whether the model has learned from this very product: then its certainty says little."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import pandas as pd

from src.data.duplicates import normalise_text
from src.data.fingerprint import MIN_SIDE_PX, fingerprint
from src.data.image_decode import ImageFault, ImageSource, decode_image


def was_seen(items: pd.DataFrame, seen: np.ndarray) -> np.ndarray:
    """Tell which products were in the training data, text and picture both.

    Parameters
    ----------
    items : DataFrame, n rows
        Columns designation, description, image_path.
    seen : ndarray of uint64, sorted
        `product_key` of every training product.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    texts = map(" ".join, zip(items["designation"], items["description"], strict=True))
    prints = [picture_print(source) for source in items["image_path"]]
    keys = product_keys(texts, prints)
    places = np.searchsorted(seen, keys)
    if not len(seen):
        return np.zeros(len(keys), dtype=bool)
    return np.asarray(seen[np.minimum(places, len(seen) - 1)] == keys)


def product_keys(texts: Iterable[str], prints: Iterable[str]) -> np.ndarray:
    """Return a number for each product's normalised text and fingerprint, uint64."""
    return np.array(
        [_key(text, picture) for text, picture in zip(texts, prints, strict=True)], dtype=np.uint64
    )


def _key(text: str, picture: str) -> int:
    content = f"{normalise_text(text)}\0{picture}".encode()
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")


def picture_print(source: ImageSource) -> str:
    """Return the fingerprint of a picture, "" for one that is missing or can't be read."""
    try:
        return fingerprint(decode_image(source, min_side_px=MIN_SIDE_PX).pixels)
    except ImageFault:
        return ""
