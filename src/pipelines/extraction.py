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

logger = logging.getLogger(__name__)


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
    for extractor in extractors:
        table |= _run(extractor, items, cache)
    table["image_path"] = items["image_path"].to_numpy(dtype=object)
    has_image = (items["image_path"] != "").to_numpy(dtype=bool)
    masks = {
        "description": (items["description"].str.strip() != "").to_numpy(dtype=bool),
        "image": table.pop(HAS_IMAGE, has_image),  # a file may be there and not be readable
    }
    return Extracted(table, masks)


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
    started = time.perf_counter()
    computed = extractor.extract(items[~found])
    elapsed_s = time.perf_counter() - started
    rate = (~found).sum() / max(elapsed_s, 1e-9)
    logger.debug("%s: extracted in %.1f s, %d rows/s", extractor.name, elapsed_s, rate)
    cache.put_many(
        namespace, [key for key, here in zip(keys, found, strict=True) if not here], computed
    )
    return {name: _merge(known.get(name), column, found) for name, column in computed.items()}


def _merge(known: np.ndarray | None, computed: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Put cached and computed rows back in the order of the products."""
    merged = np.empty((len(found), *computed.shape[1:]), dtype=computed.dtype)
    merged[~found] = computed
    if known is not None:
        merged[found] = known
    return merged
