"""Signals as cells: every product a row of numbers whose sums are all that drift statistics need.

A number becomes the quantile bin that it falls in (one column a bin), a category one column a
value, a flag one column; class probabilities and the leading components of the embedding stay as
they are. A batch is then one vector of sums, a resample of the reference is one product of a
matrix of counts with the reference's cells, and a thousand resamples take about a second.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Literal

import numpy as np

from src.monitoring.signals import FLAGS, Signals

Kind = Literal["number", "flag", "category", "mix", "embedding"]
# 5 % of the reference each: finer bins find no more, for a shift of the whole moves every one.
N_BINS = 20
ABSENT = 255


@dataclasses.dataclass(frozen=True)
class Look:
    """One signal and its columns among the cells.

    Attributes
    ----------
    name : str
        Of the signal.
    kind : str
        What kind of statistic it gets.
    start, stop : int
        Its columns.
    """

    name: str
    kind: Kind
    start: int
    stop: int

    @property
    def columns(self) -> slice:
        """The columns as a slice."""
        return slice(self.start, self.stop)


@dataclasses.dataclass(frozen=True, eq=False)
class Projection:
    """Leading components of the reference's embeddings.

    Attributes
    ----------
    centre : ndarray of float32, shape (d,)
        Mean.
    components : ndarray of float32, shape (k, d)
        Orthonormal directions, those of the largest variance first.
    deviations : ndarray of float32, shape (k,)
        Standard deviation along each.
    spread : float
        Root mean square distance of an embedding from the mean.
    """

    centre: np.ndarray
    components: np.ndarray
    deviations: np.ndarray
    spread: float

    def apply(self, embedding: np.ndarray) -> np.ndarray:
        """Return coordinates in units of their deviation, shape (n, k), float32; NaN stays NaN."""
        return ((embedding - self.centre) @ self.components.T) / self.deviations


@dataclasses.dataclass(frozen=True, eq=False)
class Coded:
    """n products in the least bytes that still give their cells.

    Attributes
    ----------
    bins : mapping of str to ndarray of uint8, shape (n,)
        Bin of each number (`ABSENT` where there is none), position of each category, flags as 0/1.
    proba : ndarray of float16, shape (n, n_classes)
    embedding : ndarray of float16, shape (n, k), or None
    """

    bins: Mapping[str, np.ndarray]
    proba: np.ndarray
    embedding: np.ndarray | None


@dataclasses.dataclass(frozen=True, eq=False)
class Coding:
    """How signals become cells: learned from the reference, the same for every batch.

    Attributes
    ----------
    edges : mapping of str to ndarray of float64
        Inner edges of each number's bins, ascending; a value on an edge is above it.
    languages : tuple of str
        Languages that have a column; the last takes all others.
    classes : ndarray of int64
        Codes, ascending.
    projection : Projection or None
        None where the reference has no embeddings.
    """

    edges: Mapping[str, np.ndarray]
    languages: tuple[str, ...]
    classes: np.ndarray
    projection: Projection | None

    @property
    def looks(self) -> tuple[Look, ...]:
        """The signals in order, with their columns."""
        widths: list[tuple[str, Kind, int]] = [
            *((name, "number", len(edges) + 1) for name, edges in self.edges.items()),
            *((name, "flag", 1) for name in FLAGS),
            ("language", "category", len(self.languages)),
            ("predicted", "category", len(self.classes)),
            ("class_mix", "mix", len(self.classes)),
        ]  # fmt: skip
        if self.projection is not None:
            widths.append(("embedding", "embedding", len(self.projection.components) + 1))
        stops = np.cumsum([width for _, _, width in widths]).tolist()
        return tuple(
            Look(name, kind, stop - width, stop)
            for (name, kind, width), stop in zip(widths, stops, strict=True)
        )

    def encode(self, signals: Signals) -> Coded:
        """Return the codes of n products; their classes must be those of the coding."""
        bins = {name: _bin(signals.numbers[name], edges) for name, edges in self.edges.items()}
        bins |= {name: signals.flags[name].astype(np.uint8) for name in FLAGS}
        place = {name: position for position, name in enumerate(self.languages)}
        other = len(self.languages) - 1
        found = [place.get(name, other) for name in signals.language.tolist()]
        bins["language"] = np.array(found, dtype=np.uint8)
        bins["predicted"] = signals.proba.argmax(axis=1).astype(np.uint8)
        embedding = None
        if self.projection is not None and signals.embedding is not None:
            embedding = self.projection.apply(signals.embedding).astype(np.float16)
        return Coded(bins, signals.proba.astype(np.float16), embedding)

    def cells(self, coded: Coded) -> np.ndarray:
        """Return the cells of n products, shape (n, number of columns), float32."""
        looks = self.looks
        cells = np.zeros((len(coded.proba), looks[-1].stop), dtype=np.float32)
        for look in looks:
            columns = cells[:, look.columns]
            if look.kind == "mix":
                columns[:] = coded.proba
            elif look.kind == "embedding":
                if coded.embedding is not None:
                    present = ~np.isnan(coded.embedding[:, 0])
                    columns[present, :-1] = coded.embedding[present]
                    columns[present, -1] = 1.0
            elif look.kind == "flag":
                columns[:, 0] = coded.bins[look.name]
            else:
                rows = np.flatnonzero(coded.bins[look.name] != ABSENT)
                columns[rows, coded.bins[look.name][rows]] = 1.0
        return cells


def _bin(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    bins = np.searchsorted(edges, values, side="right").astype(np.uint8)
    return np.where(np.isnan(values), np.uint8(ABSENT), bins)


def quantile_edges(values: np.ndarray) -> np.ndarray:
    """Return the inner edges of `N_BINS` bins of equal share; fewer where values repeat.

    Parameters
    ----------
    values : ndarray of float64
        Without NaN; at least one.
    """
    return np.unique(np.quantile(values, np.linspace(0, 1, N_BINS + 1)[1:-1]))


def fit_projection(embedding: np.ndarray, n_components: int) -> Projection | None:
    """Learn the leading components of embeddings.

    Parameters
    ----------
    embedding : ndarray of float32, shape (n, d)
        NaN rows are left out.
    n_components : int
        At the most; one for ten embeddings at the most, so that each is known well.

    Returns
    -------
    Projection or None
        None for fewer than ten embeddings, or when they are all the same.
    """
    present = embedding[~np.isnan(embedding[:, 0])].astype(np.float64)
    if len(present) < 10:
        return None
    centred = present - present.mean(axis=0)
    variances, vectors = np.linalg.eigh(centred.T @ centred / len(present))
    kept = min(n_components, len(present) // 10, int((variances > 1e-10).sum()))
    if kept == 0:
        return None
    order = np.argsort(variances)[::-1][:kept]
    return Projection(
        present.mean(axis=0).astype(np.float32),
        vectors[:, order].T.astype(np.float32),
        np.sqrt(variances[order]).astype(np.float32),
        float(np.sqrt((centred**2).sum(axis=1).mean())),
    )
