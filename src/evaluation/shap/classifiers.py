"""Shapley values of one expert's margins: closed form for linear classifiers, native for trees.

For a linear model and independent features the Shapley value of feature j is
``coef_j (x_j - mean_j)``, and the base value is the margin of the mean row (Lundberg and Lee,
"A Unified Approach to Interpreting Model Predictions", NeurIPS 2017, corollary 1). Everything here
works on the parts of a `BranchUnion` and on the columns that the rows have: an array of rows x
columns x classes would take 32 GB where this takes megabytes.
"""

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from scipy import sparse
from sklearn.pipeline import Pipeline

from src.models.linear_svm import linear_margins
from src.pipelines.branches import Block, Matrix, stack

Parts: TypeAlias = Sequence[Matrix]
"""What the branches of a union made of n rows, one matrix a block."""

# Values that contributions of trees may fill at a time: 64 MB of float32.
CHUNK_VALUES = 16_000_000


@dataclasses.dataclass(frozen=True, eq=False)
class LinearExplainer:
    """A linear classifier and the mean of the rows that it was fitted on."""

    coef: np.ndarray  # (n_outputs, n_columns): two rows for two classes, as the fused margins have
    intercept: np.ndarray
    mean: np.ndarray  # (n_columns,): the background, columns' means over the training rows
    blocks: tuple[Block, ...]

    @functools.cached_property
    def centres(self) -> np.ndarray:
        """What each block gives the mean row, shape (n_blocks, n_outputs), float64."""
        pairs = [(self.coef[:, b.start : b.stop], self.mean[b.start : b.stop]) for b in self.blocks]
        return np.stack([coef @ mean for coef, mean in pairs]).astype(np.float64)

    def base(self, n_rows: int) -> np.ndarray:
        """Return the margins of the mean row for n rows, shape (n_rows, n_outputs)."""
        base = self.centres.sum(axis=0) + self.intercept
        return np.broadcast_to(base, (n_rows, len(base)))

    def by_block(self, parts: Parts) -> np.ndarray:
        """Return the contributions of n rows, shape (n, n_blocks, n_outputs), float64."""
        sums = [
            linear_margins(part, self.coef[:, block.start : block.stop])
            for part, block in zip(parts, self.blocks, strict=True)
        ]
        return np.stack(sums, axis=1).astype(np.float64) - self.centres

    def importance(
        self, parts: Parts, weights: np.ndarray, mapped: np.ndarray, members: np.ndarray
    ) -> Iterator[tuple[Block, np.ndarray, np.ndarray]]:
        """Give how much each column contributes on the whole, block by block.

        The contributions of each row count `weights` times, (n,); margins are multiplied by
        `mapped`, (n_outputs, n_classes); `members`, (n, n_classes), is 1 where a row belongs to a
        class. Beside the block comes the sum over the rows of the contribution's size, and the sum
        over the class's rows of itself, both (n_classes, width).

        Since ``|phi| = |coef| |x - mean|``, one pass over the stored values is enough: the second
        factor does not depend on the class.
        """
        slope = np.ascontiguousarray(mapped.T, dtype=np.float32)
        chosen = (members * weights[:, None]).astype(np.float32)
        for part, block in zip(parts, self.blocks, strict=True):
            columns = slice(block.start, block.stop)
            mean, coef = self.mean[columns], slope @ self.coef[:, columns]
            away = np.asarray(part.T @ chosen).T - np.outer(chosen.sum(axis=0), mean)
            yield block, np.abs(coef) * _spread(part, mean, weights), coef * away

    def of_columns(self, parts: Parts, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the columns, (m,), that one row has in block `number`, and what each contributes.

        Columns count from the start of the block; contributions have the shape (m, n_outputs).
        """
        part, block = sparse.csr_matrix(parts[number]), self.blocks[number]
        columns = block.start + part.indices
        away = part.data - self.mean[columns]
        return part.indices, self.coef[:, columns].T * away[:, None]


@dataclasses.dataclass(frozen=True, eq=False)
class TreeExplainer:
    """Boosted trees, whose library computes exact contributions (TreeSHAP, path-dependent).

    ``trees.contributions(X)`` has the shape (n, n_outputs, n_columns + 1), the base value last.
    """

    trees: Any
    blocks: tuple[Block, ...]

    def base(self, n_rows: int) -> np.ndarray:
        """Return the mean margins of the training rows for n rows, shape (n_rows, n_outputs)."""
        blank = np.zeros((1, self.blocks[-1].stop), dtype=np.float32)
        base = self.trees.contributions(blank)[0, :, -1].astype(np.float64)
        return np.broadcast_to(base, (n_rows, len(base)))

    def by_block(self, parts: Parts) -> np.ndarray:
        """Return the contributions of n rows, shape (n, n_blocks, n_outputs), float64."""
        chunks = [phi @ self._one_hot() for _, phi in self._chunks(parts)]
        return np.concatenate(chunks).astype(np.float64).transpose(0, 2, 1)

    def importance(
        self, parts: Parts, weights: np.ndarray, mapped: np.ndarray, members: np.ndarray
    ) -> Iterator[tuple[Block, np.ndarray, np.ndarray]]:
        """Give how much each column contributes on the whole; see `LinearExplainer.importance`."""
        size = np.zeros((mapped.shape[1], self.blocks[-1].stop), dtype=np.float32)
        class_sum = np.zeros_like(size)
        for rows, phi in self._chunks(parts):
            fused = np.einsum("nkd,kc,n->ncd", phi, mapped, weights[rows], optimize=True)
            size += np.abs(fused).sum(axis=0)
            class_sum += np.einsum("ncd,nc->cd", fused, members[rows])
        for block in self.blocks:
            columns = slice(block.start, block.stop)
            yield block, size[:, columns], class_sum[:, columns]

    def _one_hot(self) -> np.ndarray:
        """One-hot, shape (n_columns, n_blocks): which column belongs to which block."""
        block_of = np.repeat(
            np.arange(len(self.blocks)), [block.stop - block.start for block in self.blocks]
        )
        return np.eye(len(self.blocks), dtype=np.float32)[block_of]

    def _chunks(self, parts: Parts) -> Iterator[tuple[slice, np.ndarray]]:
        stacked = stack(parts)
        n_rows, n_columns = stacked.shape
        step = max(1, CHUNK_VALUES // (len(self.trees.classes_) * (n_columns + 1)))
        for start in range(0, max(n_rows, 1), step):
            rows = slice(start, min(start + step, n_rows))
            yield rows, self.trees.contributions(stacked[rows])[:, :, :-1]


Explainer: TypeAlias = LinearExplainer | TreeExplainer


@functools.lru_cache(maxsize=4)  # two models of two experts: what serving holds while it reloads
def explainer_of(expert: Pipeline) -> Explainer:
    """Return what explains a fitted expert (steps "features" and "classifier"), or a TypeError."""
    trainer, blocks = expert["classifier"], expert["features"].blocks_
    classifier = trainer.classifier_
    if hasattr(classifier, "contributions"):
        return TreeExplainer(classifier, blocks)
    if not hasattr(classifier, "coef_"):
        raise TypeError(
            f"{type(classifier).__name__} can't be explained: expected coef_ or contributions()"
        )
    coef, intercept = classifier.coef_, np.atleast_1d(classifier.intercept_)
    if len(coef) == 1:
        coef, intercept = np.vstack([-coef, coef]), np.concatenate([-intercept, intercept])
    coef = coef.astype(np.float32, copy=False)
    return LinearExplainer(coef, intercept, trainer.background_, blocks)


def _spread(part: Matrix, mean: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted sum of ``|x - mean|`` over the rows, shape (width,), float32."""
    if not sparse.issparse(part):
        return (weights @ np.abs(part - mean)).astype(np.float32)
    row_weights = np.repeat(weights, np.diff(part.indptr))
    away = np.abs(part.data - mean[part.indices]) * row_weights
    stored = np.bincount(part.indices, away, minlength=len(mean))
    weight_stored = np.bincount(part.indices, row_weights, minlength=len(mean))
    return (stored + (weights.sum() - weight_stored) * np.abs(mean)).astype(np.float32)
