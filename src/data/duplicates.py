"""Products that are the same product: they form one group and never straddle a split.

Two products are duplicates when their normalised texts are equal, or when their images have the
same fingerprint; groups are the connected components of that relation. A fingerprint that more than
`PLACEHOLDER_PRODUCTS` products share is a seller's placeholder, not a duplicate.
"""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

PLACEHOLDER_PRODUCTS = 50
_NOT_WORD = re.compile(r"[\W_]+")
_ASCII_NOT_WORD = {code: " " for code in range(128) if not chr(code).isalnum()}
_TAG = re.compile(r"<[^<>]*>")


@dataclasses.dataclass(frozen=True, eq=False)
class Groups:
    """Duplicates found among n products.

    Attributes
    ----------
    ids : ndarray of int64, shape (n,)
        Group of each product, 0 to n_groups - 1 in the order of first appearance.
    placeholders : tuple of str
        Fingerprints passed over because too many products share them.
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
    counts = pd.Series([value for value in hashes if value], dtype=object).value_counts()
    placeholders = tuple(sorted(counts.index[counts > PLACEHOLDER_PRODUCTS]))
    banned = {"", *placeholders}
    pictures = ["" if value in banned else value for value in hashes]
    return Groups(connect(len(products), texts, pictures), placeholders)


def normalise_text(text: str) -> str:
    """Reduce a text to its words: no tags, case, accents or punctuation.

    >>> normalise_text("<b>Épée</b> - LED !")
    'epee led'
    """
    text = _TAG.sub(" ", text) if "<" in text else text
    plain = unicodedata.normalize("NFKD", text).casefold()
    if not plain.isascii():
        # Some forty distinct characters are asked, not every one: four times as fast.
        for mark in filter(unicodedata.combining, set(plain)):
            plain = plain.replace(mark, "")
    if plain.isascii():
        return " ".join(plain.translate(_ASCII_NOT_WORD).split())
    return _NOT_WORD.sub(" ", plain).strip()


def connect(n: int, *keys: Sequence[str]) -> np.ndarray:
    """Return the group of each of n rows: rows that share a non-empty key are connected.

    Parameters
    ----------
    n : int
        Number of rows.
    *keys : sequence of str, length n
        One key a row for each relation; "" connects nothing.

    Returns
    -------
    ndarray of int64, shape (n,)
        Numbered in the order of first appearance.
    """
    rows, nodes, offset = [], [], n
    for column in keys:
        codes, uniques = pd.factorize(np.array([key or None for key in column], dtype=object))
        present = np.flatnonzero(codes >= 0)
        rows.append(present)
        nodes.append(codes[present] + offset)
        offset += len(uniques)
    row, node = np.concatenate(rows), np.concatenate(nodes)
    edges = coo_matrix((np.ones(len(row), dtype=np.int8), (row, node)), shape=(offset, offset))
    _, labels = connected_components(edges, directed=False)
    return pd.factorize(labels[:n])[0].astype(np.int64)
