"""`FeatureMatrix`: one fitted view of the products, a part a branch, and the columns of each.

Blocks are the only link between columns and branches: the density log, the feature mapping and the
explanations read them. A matrix belongs to the fold it was fitted in and is never used in another.
"""

from __future__ import annotations

import dataclasses
from typing import Any, TypeAlias

import numpy as np
from scipy import sparse

Part: TypeAlias = Any
"""csr_matrix or ndarray, float32; scipy carries no types that a checker could read."""


@dataclasses.dataclass(frozen=True)
class Block:
    """Columns ``start`` (included) to ``stop`` (excluded) of the stacked matrix."""

    branch: str
    start: int
    stop: int

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.stop - self.start


@dataclasses.dataclass(frozen=True, eq=False)
class FeatureMatrix:
    """What the branches made of n products.

    Attributes
    ----------
    parts : tuple of csr_matrix or ndarray, float32, each of shape (n, width)
        One a branch; sparse stays CSR.
    blocks : tuple of Block
        The columns of each part once stacked side by side.
    """

    parts: tuple[Part, ...]
    blocks: tuple[Block, ...]

    @classmethod
    def of(cls, parts: dict[str, Part]) -> FeatureMatrix:
        """Lay the named parts side by side.

        Raises
        ------
        ValueError
            The parts differ in their number of rows, or there is none.
        """
        heights = {name: part.shape[0] for name, part in parts.items()}
        if len(set(heights.values())) != 1:
            raise ValueError(f"parts must have the same number of rows, found {heights}")
        blocks, start = [], 0
        for name, part in parts.items():
            blocks.append(Block(name, start, start + part.shape[1]))
            start += part.shape[1]
        return cls(tuple(parts.values()), tuple(blocks))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the stacked matrix."""
        return self.parts[0].shape[0], self.blocks[-1].stop

    @property
    def density(self) -> float:
        """Share of values that are not zero, between 0 and 1."""
        filled = sum(int(p.nnz if sparse.issparse(p) else np.count_nonzero(p)) for p in self.parts)
        return filled / max(self.shape[0] * self.shape[1], 1)

    @property
    def nbytes(self) -> int:
        """Bytes held by the parts."""
        return sum(part_bytes(part) for part in self.parts)

    def take(self, rows: np.ndarray) -> FeatureMatrix:
        """Return the rows at the positions `rows`, which may repeat."""
        return FeatureMatrix(tuple(part[rows] for part in self.parts), self.blocks)

    def stack(self) -> Part:
        """Return one matrix, shape (n, columns), float32: CSR unless every part is dense."""
        if len(self.parts) == 1:
            return self.parts[0]
        if any(sparse.issparse(part) for part in self.parts):
            # All CSR, or scipy takes the way over COO: three times as long for one product.
            parts = [sparse.csr_matrix(part) for part in self.parts]
            return sparse.hstack(parts, format="csr", dtype=np.float32)
        return np.hstack(self.parts).astype(np.float32, copy=False)

    def column_means(self) -> np.ndarray:
        """Return the mean of every column over the rows, shape (columns,), float32."""
        means = [np.asarray(part.mean(axis=0, dtype=np.float64)).ravel() for part in self.parts]
        return np.concatenate(means).astype(np.float32)


def part_bytes(part: Part) -> int:
    """Bytes that a part holds."""
    if sparse.issparse(part):
        return part.data.nbytes + part.indices.nbytes + part.indptr.nbytes
    return part.nbytes
