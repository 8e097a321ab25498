"""`Dataset`: the products as they travel through the stages. No input or output here."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
import pandas as pd

COLUMNS = (
    "row_index",
    "productid",
    "imageid",
    "designation",
    "description",
    "image",
    "image_hash",
)


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """Which state of the data rows come from.

    Attributes
    ----------
    data_hash : str
        Combined SHA256 of the three official files.
    source : {"official", "demo"}
        "demo" marks every score as synthetic.
    """

    data_hash: str
    source: Literal["official", "demo"]

    @property
    def synthetic(self) -> bool:
        """True for the demo shop."""
        return self.source == "demo"


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """Products of one split.

    Attributes
    ----------
    items : DataFrame, shape (n, 7)
        One row a product with the columns `COLUMNS`; missing text, path or hash is "".
    y : ndarray of int64, shape (n,), or None
        prdtypecode of each product; None for unlabelled ones.
    split : {"train", "test"}
        Which of the challenge's two sets.
    snapshot : Snapshot
        The state of the data; it ends up in every artifact.

    Raises
    ------
    ValueError
        Columns or lengths are not as above.
    """

    items: pd.DataFrame
    y: np.ndarray | None
    split: Literal["train", "test"]
    snapshot: Snapshot

    def __post_init__(self) -> None:
        if tuple(self.items.columns) != COLUMNS:
            raise ValueError(f"items has columns {list(self.items.columns)}, expected {COLUMNS}")
        if self.y is not None and self.y.shape != (len(self.items),):
            raise ValueError(f"y has shape {self.y.shape} for {len(self.items)} items")
        if self.y is not None and self.y.dtype != np.int64:
            raise ValueError(f"y has dtype {self.y.dtype}, expected int64")
        if (self.split == "train") != (self.y is not None):
            raise ValueError(
                f"split {self.split!r} with y {'given' if self.y is not None else None}"
            )

    def __len__(self) -> int:
        return len(self.items)

    @property
    def labels(self) -> np.ndarray:
        """`y` of a labelled dataset.

        Raises
        ------
        ValueError
            The products are unlabelled.
        """
        if self.y is None:
            raise ValueError(f"the {self.split} products carry no labels")
        return self.y

    def take(self, rows: np.ndarray) -> Dataset:
        """Return the products at the positions (or where the mask) `rows`."""
        items = self.items.loc[rows] if rows.dtype == bool else self.items.iloc[rows]
        y = None if self.y is None else self.y[rows]
        return dataclasses.replace(self, items=items.reset_index(drop=True), y=y)
