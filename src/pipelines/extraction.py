"""Extract once: what depends on one product alone, for all products, out of the cache where known.

An `Extractor` is pure: the same content and settings give the same values, whatever the other
products are. `extract` asks the cache row by row and computes only what is missing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd

from src.cache import ExtractionCache, Namespace
from src.features.extracted import Extracted
from src.pipelines.registry_types import HAS_IMAGE
from src.utils.profiling import progress

logger = logging.getLogger(__name__)

# Rows that are extracted and kept together: some seconds of text, half a minute of embeddings.
CHUNK_ROWS = 4_000


class Extractor(Protocol):
    """One pure function of a product."""

    @property
    def name(self) -> str:
        """Readable name; part of the cache's folder."""

    def settings(self) -> Mapping[str, Any]:
        """JSON values that change the result, the extractor's version included."""

    def keys(self, items: pd.DataFrame) -> list[bytes]:
        """Return one content key a product: a hash of what the extractor reads of it."""

    def extract(self, items: pd.DataFrame) -> dict[str, np.ndarray]:
        """Return columns with one row a product."""


def extract(
    items: pd.DataFrame, extractors: Sequence[Extractor], cache: ExtractionCache | None
) -> Extracted:
    """Run every extractor over every product.

    Parameters
    ----------
    items : DataFrame
        Products, columns of `Dataset.items`.
    extractors : sequence of Extractor
        Those that the branches in use need.
    cache : ExtractionCache or None
        None computes everything (serving one product).

    Returns
    -------
    Extracted
        All columns; masks for "description" and "image".
    """
    table: dict[str, np.ndarray] = {}
    has_image = (items["image"] != "").to_numpy(dtype=bool)
    for extractor in extractors:
        columns = _run(extractor, items, cache)
        # A file may be there and not be readable.
        has_image = has_image & columns.pop(HAS_IMAGE, has_image)
        table |= columns
    table["image"] = items["image"].to_numpy(dtype=object)
    has_description = (items["description"].str.strip() != "").to_numpy(dtype=bool)
    return Extracted(table, {"description": has_description, "image": has_image})


def _run(
    extractor: Extractor, items: pd.DataFrame, cache: ExtractionCache | None
) -> dict[str, np.ndarray]:
    if cache is None:
        return extractor.extract(items)
    namespace = Namespace.of(extractor.name, extractor.settings())
    keys = extractor.keys(items)
    known, found = cache.get_many(namespace, keys)
    logger.debug("%s: %d of %d rows from the cache", extractor.name, found.sum(), len(found))
    if found.all() and known:
        return known
    computed = _compute(extractor, items, keys, np.flatnonzero(~found), (cache, namespace))
    if known and known.keys() != computed.keys():
        # Entries of another shape under the same settings: not to be trusted.
        cache.forget(namespace)
        return _run(extractor, items, cache)
    return {name: _merge(known.get(name), column, found) for name, column in computed.items()}


def _compute(
    extractor: Extractor,
    items: pd.DataFrame,
    keys: Sequence[bytes],
    missing: np.ndarray,
    keep: tuple[ExtractionCache, Namespace],
) -> dict[str, np.ndarray]:
    """Extract the rows `missing`, equal content once, and keep every chunk as soon as it is there.

    A run that is killed loses one chunk of `CHUNK_ROWS` at the most.
    """
    cache, namespace = keep
    first: dict[bytes, int] = {}
    for row in missing.tolist():
        first.setdefault(keys[row], row)
    rows = list(first.values())
    place = {key: number for number, key in enumerate(first)}
    started, pieces = time.perf_counter(), []
    for start in progress(range(0, len(rows), CHUNK_ROWS), extractor.name):
        chunk = rows[start : start + CHUNK_ROWS]
        pieces.append(extractor.extract(items.iloc[chunk]))
        cache.put_many(namespace, [keys[row] for row in chunk], pieces[-1])
    elapsed_s = time.perf_counter() - started
    rate = len(rows) / max(elapsed_s, 1e-9)
    logger.debug(
        "%s: extracted %d in %.1f s, %d rows/s", extractor.name, len(rows), elapsed_s, rate
    )
    places = np.array([place[keys[row]] for row in missing])
    return {name: np.concatenate([p[name] for p in pieces])[places] for name in pieces[0]}


def _merge(known: np.ndarray | None, computed: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Put cached and computed rows back in the order of the products."""
    merged = np.empty((len(found), *computed.shape[1:]), dtype=computed.dtype)
    merged[~found] = computed
    if known is not None:
        merged[found] = known
    return merged
