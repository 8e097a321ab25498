"""Signals as counts: every product a row of numbers whose sums are all that statistics need.

A number becomes the quantile bin that it falls in (one column a bin), a category one column a
value, a flag one column; class probabilities and the leading components of the embedding stay as
they are. A batch is then one vector of sums, and a thousand resamples of the reference are one
product of a matrix of multiplicities with the reference's indicators.
"""

import base64
import dataclasses
import io
from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
from pydantic import PlainSerializer, PlainValidator
from scipy.linalg import eigh

from src.monitoring.signals import FLAGS, Signals

Kind = Literal["number", "flag", "category", "mix", "embedding"]
# 5 % of the reference each: finer bins find no more, for a shift of the whole moves every one.
N_BINS = 20
ABSENT = 255


def _pack(values: np.ndarray) -> str:
    file = io.BytesIO()
    np.save(file, values, allow_pickle=False)
    return base64.b64encode(file.getvalue()).decode("ascii")


def _unpack(text: str) -> np.ndarray:
    return np.load(io.BytesIO(base64.b64decode(text)), allow_pickle=False)


# How JSON keeps an array: as lists that people can read, or as NumPy's file in base64.
Listed = Annotated[np.ndarray, PlainValidator(np.array), PlainSerializer(np.ndarray.tolist)]
Packed = Annotated[np.ndarray, PlainValidator(_unpack), PlainSerializer(_pack)]


@dataclasses.dataclass(frozen=True)
class SignalSpec:
    """One signal: its name, what kind of statistic it gets, and its columns of the indicators."""

    name: str
    kind: Kind
    columns: slice


@dataclasses.dataclass(frozen=True, eq=False)
class Projection:
    """Leading components of the reference's embeddings."""

    centre: Packed  # (d,)
    components: Packed  # (k, d): orthonormal, those of the largest variance first
    deviations: Packed  # (k,): standard deviation along each
    spread: float  # root mean square distance of an embedding from the mean

    def apply(self, embedding: np.ndarray) -> np.ndarray:
        """Return coordinates in units of their deviation, shape (n, k), float32; NaN stays NaN."""
        return ((embedding - self.centre) @ self.components.T) / self.deviations


@dataclasses.dataclass(frozen=True, eq=False)
class BinnedSample:
    """n products in the least bytes that still give their indicators."""

    # Bin of each number (`ABSENT` where there is none), position of each category, flags as 0/1.
    bins: Mapping[str, Packed]
    proba: Packed  # (n, n_classes), float16
    embedding: Packed | None  # (n, k), float16


@dataclasses.dataclass(frozen=True, eq=False)
class Discretizer:
    """How signals become counts: learned from the reference, the same for every batch."""

    edges: Mapping[str, Listed]  # inner ones of each number's bins; a value on one is above it
    languages: tuple[str, ...]  # those that have a column; the last takes all others
    classes: Listed
    projection: Projection | None
    left_out: tuple[str, ...] = ()  # signals that are not judged

    @property
    def specs(self) -> tuple[SignalSpec, ...]:
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
        widths = [width for width in widths if width[0] not in self.left_out]
        stops = np.cumsum([width for _, _, width in widths]).tolist()
        return tuple(
            SignalSpec(name, kind, slice(stop - width, stop))
            for (name, kind, width), stop in zip(widths, stops, strict=True)
        )

    def transform(self, signals: Signals) -> BinnedSample:
        """Return the bins of n products; their classes must be those of the discretizer."""
        bins = {name: _bin(signals.numbers[name], edges) for name, edges in self.edges.items()}
        bins |= {name: signals.flags[name].astype(np.uint8) for name in FLAGS}
        position = {name: i for i, name in enumerate(self.languages)}
        other = len(self.languages) - 1
        languages = [position.get(name, other) for name in signals.language.tolist()]
        bins["language"] = np.array(languages, dtype=np.uint8)
        bins["predicted"] = signals.proba.argmax(axis=1).astype(np.uint8)
        embedding = None
        if self.projection is not None and signals.embedding is not None:
            embedding = self.projection.apply(signals.embedding).astype(np.float16)
        return BinnedSample(
            bins=bins, proba=signals.proba.astype(np.float16), embedding=embedding
        )  # fmt: skip

    def indicators(self, products: BinnedSample | Signals) -> np.ndarray:
        """Return n products as rows whose sums are counts, shape (n, number of columns), float32.

        One-hot bins, categories and flags; probabilities and components as they are; after the
        components a 1 for a product that has an embedding.
        """
        sample = self.transform(products) if isinstance(products, Signals) else products
        specs = self.specs
        rows = np.zeros((len(sample.proba), specs[-1].columns.stop), dtype=np.float32)
        for spec in specs:
            columns = rows[:, spec.columns]
            if spec.kind == "mix":
                columns[:] = sample.proba
            elif spec.kind == "embedding":
                if sample.embedding is not None:
                    present = ~np.isnan(sample.embedding[:, 0])
                    columns[present, :-1] = sample.embedding[present]
                    columns[present, -1] = 1.0
            elif spec.kind == "flag":
                columns[:, 0] = sample.bins[spec.name]
            else:
                present = np.flatnonzero(sample.bins[spec.name] != ABSENT)
                columns[present, sample.bins[spec.name][present]] = 1.0
        return rows


def _bin(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    bins = np.searchsorted(edges, values, side="right").astype(np.uint8)
    return np.where(np.isnan(values), np.uint8(ABSENT), bins)


def quantile_edges(values: np.ndarray) -> np.ndarray:
    """Return the inner edges of `N_BINS` bins of equal share; fewer where values repeat."""
    return np.unique(np.quantile(values, np.linspace(0, 1, N_BINS + 1)[1:-1]))


def fit_projection(embedding: np.ndarray, n_components: int) -> Projection | None:
    """Learn the leading components of embeddings, (n, d); rows of NaN are left out.

    One component for ten embeddings at the most, so that each is known well; None for fewer than
    ten, or when they are all the same.
    """
    present = embedding[~np.isnan(embedding[:, 0])].astype(np.float64)
    if len(present) < 10:
        return None
    centred = present - present.mean(axis=0)
    width = present.shape[1]
    ends = width - min(n_components, len(present) // 10, width), width - 1
    variances, vectors = eigh(centred.T @ centred / len(present), subset_by_index=ends)
    order = np.flatnonzero(variances > 1e-10)[::-1]
    if not len(order):
        return None
    return Projection(
        centre=present.mean(axis=0).astype(np.float32),
        components=vectors[:, order].T.astype(np.float32),
        deviations=np.sqrt(variances[order]).astype(np.float32),
        spread=float(np.sqrt((centred**2).sum(axis=1).mean())),
    )
