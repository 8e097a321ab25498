"""`Extracted`: what the extractors gave for every product, the currency of training."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Extracted:
    """What the extractors gave for n products: the currency of training.

    Attributes
    ----------
    table : mapping of str to ndarray, each with n rows
        Clean text (object), statistics and embeddings (float32).
    masks : mapping of str to ndarray of bool, shape (n,)
        True where a product has what the name says ("description", "image").
    """

    table: Mapping[str, np.ndarray]
    masks: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(next(iter(self.table.values())))

    def with_column(self, name: str, column: np.ndarray) -> Extracted:
        """Return the same products with one more column of n rows."""
        return Extracted({**self.table, name: column}, self.masks)

    def take(self, rows: np.ndarray) -> Extracted:
        """Return the products at the positions (or where the mask) `rows`."""
        return Extracted(
            {name: column[rows] for name, column in self.table.items()},
            {name: mask[rows] for name, mask in self.masks.items()},
        )
