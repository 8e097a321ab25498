"""The product table: one DataFrame, one row a product, from stage 3 to serving and monitoring.

==================  ==============================================================================
column              holds
==================  ==============================================================================
productid, imageid  whole numbers, where the products have them; other columns of the input stay
designation         title as the seller wrote it
description         text as the seller wrote it, "" where there is none
image               `src.data.image_decode.ImageSource`: a path, a URL, the bytes, or ""
clean_title         cleaned designation
clean_description   cleaned description
language            "fr", "en", "de", "nl", "it", "es" or "other"
has_text            a letter or digit is left after cleaning
has_description     the same, of the description alone
has_image           the image could be read
title_length        characters of the designation without markup, float32
<block>__<value>    float32, one column a value of a block ("image_cnn__0"); NaN without text or
                    image
==================  ==============================================================================

What depends on one product alone is in it, made once, here, by extractors behind a
content-addressed cache. An `Extractor` is pure: the same content and settings give the same values,
whatever the other products are.
"""

import functools
import logging
import time
from collections.abc import Sequence

import numpy as np
import pandas as pd

from src.cache import ExtractionCache, Namespace
from src.cluster import n_workers, run_tasks
from src.pipelines.extractor import HAS_IMAGE, Extractor
from src.utils.profiling import progress

logger = logging.getLogger(__name__)

# Rows that are extracted and kept together: some seconds of text, half a minute of embeddings.
CHUNK_ROWS = 4_000
HAS_TEXT = "has_text"
SEPARATOR = "__"


def extract_table(
    products: pd.DataFrame, extractors: Sequence[Extractor], cache: ExtractionCache | None
) -> pd.DataFrame:
    """Run every extractor over every product and return the product table, with a RangeIndex.

    Products have the columns designation, description and image, and what else is known of them.
    Without a cache everything is computed (serving).
    """
    columns: dict[str, np.ndarray] = {}
    blocks: list[tuple[Extractor, np.ndarray, str]] = []
    has_image = np.array([bool(source) for source in products["image"].tolist()], dtype=bool)
    for extractor in extractors:
        found = _run(extractor, products, cache)
        readable = found.pop(HAS_IMAGE, None)
        if readable is not None:
            has_image &= readable
        for name, values in found.items():
            if values.ndim == 2:
                blocks.append((extractor, values, HAS_TEXT if readable is None else HAS_IMAGE))
            else:
                columns[name] = values
    columns[HAS_IMAGE] = has_image
    for _, values, presence in blocks:
        if presence in columns:
            values[~columns[presence]] = np.nan
    again = [name for name in columns if name in products]
    given = products.drop(columns=again) if again else products
    # Frames side by side: a dict of columns takes a product three times as long.
    parts = [*columns.values(), *(values for _, values, _ in blocks)]
    frames = [pd.DataFrame(part, dtype=part.dtype, copy=False) for part in parts]
    table = pd.concat([given.reset_index(drop=True), *frames], axis=1, ignore_index=True)
    named = tuple((extractor.name, extractor.value_names) for extractor, _, _ in blocks)
    table.columns = _column_names((*map(str, given.columns.tolist()), *columns), named)
    return table


@functools.lru_cache(maxsize=64)
def _column_names(columns: tuple[str, ...], blocks: tuple[tuple[str, tuple[str, ...]]]) -> pd.Index:
    """Return the names of a table; a thousand are not made, and indexed, anew for every product."""
    inside = [f"{block}{SEPARATOR}{value}" for block, values in blocks for value in values]
    return pd.Index([*columns, *inside], dtype=object)


def block_values(table: pd.DataFrame, block: str) -> np.ndarray:
    """Return the values of a block, float32, shape (n, width); a KeyError where there is none."""
    inside = block_mask(table, block)
    if not inside.any():
        raise KeyError(block)
    start = int(inside.argmax())
    return table.iloc[:, start : start + int(inside.sum())].to_numpy(dtype=np.float32)


def block_mask(table: pd.DataFrame, block: str) -> np.ndarray:
    """Return which columns of the table belong to a block; they stand side by side."""
    prefix = block + SEPARATOR
    return np.array([name.startswith(prefix) for name in table.columns], dtype=bool)


def _run(
    extractor: Extractor, products: pd.DataFrame, cache: ExtractionCache | None
) -> dict[str, np.ndarray]:
    if cache is None:
        return extractor.extract(products)
    namespace = Namespace.of(extractor.name, extractor.settings())
    keys = extractor.keys(products)
    known, found = cache.get_many(namespace, keys)
    logger.debug("%s: %d of %d rows from the cache", extractor.name, found.sum(), len(found))
    if found.all() and known:
        return known
    computed = _compute(extractor, products, keys, np.flatnonzero(~found), (cache, namespace))
    if known and known.keys() != computed.keys():
        # Entries of another shape under the same settings: not to be trusted.
        cache.forget(namespace)
        return _run(extractor, products, cache)
    return {name: _merge(known.get(name), column, found) for name, column in computed.items()}


def _compute(
    extractor: Extractor,
    products: pd.DataFrame,
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
    size = max(1, min(CHUNK_ROWS, -(-len(rows) // n_workers())))
    chunks = [rows[start : start + size] for start in range(0, len(rows), size)]
    started, pieces = time.perf_counter(), []
    found = run_tasks(_extract, ((products.iloc[chunk],) for chunk in chunks), shared=[extractor])
    for chunk, piece in zip(progress(chunks, extractor.name), found, strict=True):
        pieces.append(piece)
        cache.put_many(namespace, [keys[row] for row in chunk], piece)
    elapsed_s = time.perf_counter() - started
    rate = len(rows) / max(elapsed_s, 1e-9)
    logger.debug(
        "%s: extracted %d in %.1f s, %d rows/s", extractor.name, len(rows), elapsed_s, rate
    )
    places = np.array([place[keys[row]] for row in missing])
    return {name: np.concatenate([p[name] for p in pieces])[places] for name in pieces[0]}


def _extract(extractor: Extractor, products: pd.DataFrame) -> dict[str, np.ndarray]:
    return extractor.extract(products)


def _merge(known: np.ndarray | None, computed: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Put cached and computed rows back in the order of the products."""
    merged = np.empty((len(found), *computed.shape[1:]), dtype=computed.dtype)
    merged[~found] = computed
    if known is not None:
        merged[found] = known
    return merged
