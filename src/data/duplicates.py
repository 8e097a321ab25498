"""Products that are the same product: they form one group and never straddle a split.

Two products are duplicates when their normalised texts are equal, or when their images are equal;
groups are the connected components of that relation. An image that more than
`PLACEHOLDER_PRODUCTS` products share is a seller's placeholder, not a duplicate.

Product images stand on white, and plain perceptual hashes of whole images confuse everything
that does. So the white border is cut first; a fingerprint is a pHash of the box, the shape of the
box and a small thumbnail. Two images are equal when their pHashes are close *and* shape, grey
thumbnail and colours confirm it. It stands up to another size, another JPEG quality, another border
and slightly other colours; mirrored or cropped images are others.

pHash: C. Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions (2010), 3.2.1.
"""

from __future__ import annotations

import dataclasses
import html as entities
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from src.files import visible

if TYPE_CHECKING:
    import pandas as pd

PLACEHOLDER_PRODUCTS = 50
_NOT_WORD = re.compile(r"[\W_]+")
_ASCII_NOT_WORD = {code: " " for code in range(128) if not chr(code).isalnum()}
_TAG = re.compile(r"<!\[CDATA\[|<[^<>]*>")

UNIFORM = "uniform"
"""The fingerprint of an image with nothing on it: never equal to any other."""

# Decode to at least this: the box is found as well on 125 pixels as on 500.
MIN_SIDE_PX = 100
_WHITE = 240
_LIGHT = 200
_MARGIN = 15
_BORDER_RANK = 0.75
_TAIL = 0.01
_BOX_PX = 32
_GREY_PX = 8
_COLOUR_PX = 4
_HASH_BYTES = 8
_FLAT_SPREAD = 4.0

_MAX_BITS = 18
_MAX_SHAPE = 0.08
_MAX_GREY_MEAN = 32.0
_MAX_COLOUR = 14.0
# Of the grey structure, the share that may differ, and a floor for images with little of it.
_MAX_GREY_SHARE = 0.25
_GREY_FLOOR = 3.0
# Rows of hashes compared at a time. With 16, 100,000 hashes take 3.5 s; with 512, which
# leave the cache, 16 s. flatnonzero: nonzero on two axes takes four times as long.
_BLOCK = 16

_Floats = NDArray[np.float32]


@dataclasses.dataclass(frozen=True, eq=False)
class Groups:
    """Duplicates found among n products.

    `ids` is the group of each, int64, shape (n,), numbered in the order of first appearance;
    `placeholders` are fingerprints passed over because too many products share them.
    """

    ids: np.ndarray
    placeholders: tuple[str, ...]

    @property
    def duplicate_share(self) -> float:
        """Share of products that are in a group with another."""
        sizes = np.bincount(self.ids) if len(self.ids) else np.zeros(1, dtype=int)
        return float(sizes[sizes > 1].sum() / max(len(self.ids), 1))


def find_groups(products: pd.DataFrame) -> Groups:
    """Group duplicates by text (designation, description) and by image (image_hash)."""
    texts = [
        normalise_text(f"{title} {body}")
        for title, body in zip(products["designation"], products["description"], strict=True)
    ]
    hashes = products["image_hash"].tolist()
    counts = Counter(filter(None, hashes))
    placeholders = sorted(value for value, n in counts.items() if n > PLACEHOLDER_PRODUCTS)
    images = ["" if value in placeholders else value for value in hashes]
    return Groups(connect(len(products), texts, images), tuple(placeholders))


def normalise_text(text: str) -> str:
    """Reduce a text to its words: no tags, entities, case, accents or punctuation.

    >>> normalise_text("<b>&Eacute;pée</b> - LED !")
    'epee led'
    """
    text = entities.unescape(text) if "&" in text else text
    return bare_words(visible(_TAG.sub(" ", text) if "<" in text else text))


def bare_words(text: str) -> str:
    """Reduce a text without markup to its words: no case, accents or punctuation.

    >>> bare_words("Épée - LED !")
    'epee led'
    """
    plain = unicodedata.normalize("NFKD", text).casefold()
    if not plain.isascii():
        # Some forty distinct characters are asked, not every one: four times as fast.
        for mark in filter(unicodedata.combining, set(plain)):
            plain = plain.replace(mark, "")
    if plain.isascii():
        return " ".join(plain.translate(_ASCII_NOT_WORD).split())
    return _NOT_WORD.sub(" ", plain).strip()


def connect(n: int, *keys: Sequence[str]) -> NDArray[np.int64]:
    """Return the group of each of n rows: rows that share a key of any relation are connected.

    `keys` holds one key a row for each relation; "" connects nothing. Groups are numbered in the
    order of first appearance; int64, shape (n,).
    """
    nodes: dict[tuple[int, str], int] = {}
    edges = [
        (row, nodes.setdefault((relation, key), n + len(nodes)))
        for relation, column in enumerate(keys)
        for row, key in enumerate(column)
        if key
    ]
    pairs = np.array(edges, dtype=np.int64).reshape(-1, 2)
    labels = _components(n + len(nodes), pairs)[:n]
    number: dict[int, int] = {}
    return np.array([number.setdefault(label, len(number)) for label in labels], dtype=np.int64)


def _components(n: int, pairs: NDArray[np.int64]) -> list[int]:
    """Return the connected component of each of n nodes; pairs has shape (n_pairs, 2)."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    edges = coo_matrix((np.ones(len(pairs), dtype=np.int8), pairs.T), shape=(n, n))
    labels: list[int] = connected_components(edges, directed=False)[1].tolist()
    return labels


def fingerprint(pixels: NDArray[np.uint8]) -> str:
    """Return the fingerprint of an image in hex, or `UNIFORM`.

    It holds 64 bits of pHash, 1 byte of shape, 8x8 grey values, 4x4 values each of two colour axes.
    `pixels`, shape (h, w, 3), may have any scale; `MIN_SIDE_PX` is enough.
    """
    import cv2

    box = content_box(pixels)
    if box is None:
        return UNIFORM
    top, bottom, left, right = box
    content = pixels[top:bottom, left:right]
    small = cv2.resize(content, (_BOX_PX, _BOX_PX), interpolation=cv2.INTER_AREA)
    planes = cv2.cvtColor(small, cv2.COLOR_RGB2YCrCb)
    grey = np.ascontiguousarray(planes[:, :, 0], dtype=np.float32)
    if grey.std() < _FLAT_SPREAD and planes[:, :, 1:].std(axis=(0, 1)).max() < _FLAT_SPREAD:
        return UNIFORM
    thumbnail = cv2.resize(grey, (_GREY_PX, _GREY_PX), interpolation=cv2.INTER_AREA)
    colours = cv2.resize(planes, (_COLOUR_PX, _COLOUR_PX), interpolation=cv2.INTER_AREA)[:, :, 1:]
    shape = _shape_byte(bottom - top, right - left)
    parts = (_phash(grey), bytes([shape]), thumbnail.round().astype(np.uint8), colours)
    return b"".join(part if isinstance(part, bytes) else part.tobytes() for part in parts).hex()


def content_box(pixels: NDArray[np.uint8]) -> tuple[int, int, int, int] | None:
    """Return top, bottom, left, right of what is not white, or None where all is.

    White is what the border shows, where that is light: images that went through an editor stand
    on 230 as often as on 255. The box holds the middle 98 % of the content on each axis: what JPEG
    leaves beside an edge, and the tip of a corner, move outermost pixels but not these (on cut-out
    photographs, shrunk and saved again at quality 60, 99.6 % were recognised against 54 %).
    """
    import cv2

    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]).min(axis=1)
    rank = int(_BORDER_RANK * len(border))
    ground = int(np.partition(border, rank)[rank])
    least = ground - _MARGIN if ground >= _LIGHT else _WHITE
    white = cv2.inRange(pixels, (least,) * 3, (255,) * 3)
    rows = _middle(cv2.reduce(white, 1, cv2.REDUCE_AVG).ravel())
    columns = _middle(cv2.reduce(white, 0, cv2.REDUCE_AVG).ravel())
    return None if rows is None or columns is None else (*rows, *columns)


def _middle(whiteness: NDArray[Any]) -> tuple[int, int] | None:
    """Return where the middle 98 % of the content begins and ends along one axis."""
    content = np.cumsum(255 - whiteness.astype(np.int64))
    if content[-1] == 0:
        return None
    first = int(np.searchsorted(content, _TAIL * content[-1], side="right"))
    last = int(np.searchsorted(content, (1 - _TAIL) * content[-1]))
    return first, max(last, first) + 1


def _phash(grey: _Floats) -> bytes:
    """One bit for each of 64 low frequencies: whether it is above their median."""
    import cv2

    low = cv2.dct(grey)[:8, :8].ravel()
    low[0] = 0.0  # the mean brightness says nothing about the image
    return np.packbits(low > np.median(low)).tobytes()


def _shape_byte(height: int, width: int) -> int:
    """Height to width on a logarithmic scale: 16 steps a factor of two, 128 for a square."""
    return int(np.clip(round(128 + 16 * np.log2(height / width)), 0, 255))


def equal_pairs(fingerprints: Sequence[str]) -> NDArray[np.int64]:
    """Return the pairs of positions whose images are equal: int64, shape (n_pairs, 2), ascending.

    "" and `UNIFORM` equal nothing, not even each other.

    All pairs of hashes are compared (100,000 images: 5e9 distances): product images are too
    alike for buckets of hash bits to be much smaller than the whole.
    """
    kept = [i for i, value in enumerate(fingerprints) if value not in ("", UNIFORM)]
    if len(kept) < 2:
        return np.empty((0, 2), dtype=np.int64)
    table = np.frombuffer(bytes.fromhex("".join(fingerprints[i] for i in kept)), dtype=np.uint8)
    table = table.reshape(len(kept), -1)
    candidates = _close_hashes(np.ascontiguousarray(table[:, :_HASH_BYTES]).view(np.uint64).ravel())
    confirmed = [chunk[_confirm(table, chunk)] for chunk in candidates if len(chunk)]
    if not confirmed:
        return np.empty((0, 2), dtype=np.int64)
    return np.array(kept, dtype=np.int64)[np.concatenate(confirmed)]


def _close_hashes(hashes: NDArray[np.uint64]) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(hashes), _BLOCK):
        block = hashes[start : start + _BLOCK]
        distance = np.bitwise_count(block[:, None] ^ hashes[None, start:])
        first, second = np.divmod(np.flatnonzero(distance <= _MAX_BITS), distance.shape[1])
        later = second > first
        yield np.stack([first[later], second[later]], axis=1) + start


def _confirm(table: NDArray[np.uint8], pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Compare shape, grey thumbnail and colours of candidate pairs."""
    first, second = table[pairs[:, 0]].astype(np.float32), table[pairs[:, 1]].astype(np.float32)
    greys = slice(_HASH_BYTES + 1, _HASH_BYTES + 1 + _GREY_PX**2)
    shape = np.abs(first[:, _HASH_BYTES] - second[:, _HASH_BYTES]) / 16.0
    a, b = first[:, greys], second[:, greys]
    mean_a, mean_b = a.mean(axis=1), b.mean(axis=1)
    structure = np.sqrt(((a - mean_a[:, None] - b + mean_b[:, None]) ** 2).mean(axis=1))
    allowed = _MAX_GREY_SHARE * (a.std(axis=1) + b.std(axis=1)) / 2 + _GREY_FLOOR
    colour = np.abs(first[:, greys.stop :] - second[:, greys.stop :]).mean(axis=1)
    return (
        (shape <= _MAX_SHAPE)
        & (np.abs(mean_a - mean_b) <= _MAX_GREY_MEAN)
        & (structure <= allowed)
        & (colour <= _MAX_COLOUR)
    )


def representatives(fingerprints: Sequence[str]) -> list[int | None]:
    """Return for each image the position of the first one that it equals, directly or not.

    Equality is not transitive; the connected components of its pairs are the groups. "" and
    `UNIFORM` give None.
    """
    position = {value: i for i, value in reversed(list(enumerate(fingerprints)))}
    distinct = list(position)
    labels = dict(zip(distinct, _components(len(distinct), equal_pairs(distinct)), strict=True))
    first: dict[int, int] = {}
    for value, label in labels.items():
        first[label] = min(position[value], first.get(label, position[value]))
    return [None if value in ("", UNIFORM) else first[labels[value]] for value in fingerprints]
