"""The product table: every product once, the cache in between, the order of the products kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from src.cache import ExtractionCache, Namespace, content_key
from src.config import load_config
from src.features.text.language import detect_languages
from src.pipelines import table as product_table
from src.pipelines.table import block_mask, block_values, extract_table
from src.pipelines.text_pipeline import build_cleaner, table_extractors


@dataclasses.dataclass
class Shouting:
    """Upper-cases titles, and counts the products it was asked for."""

    version: int = 1
    name: str = "size"
    value_names: tuple[str, ...] = ("length", "one")
    seen: list[str] = dataclasses.field(default_factory=list)

    def settings(self) -> Mapping[str, Any]:
        return {"version": self.version}

    def keys(self, products: pd.DataFrame) -> list[bytes]:
        return [content_key(title.encode()) for title in products["designation"]]

    def extract(self, products: pd.DataFrame) -> dict[str, np.ndarray]:
        titles = products["designation"].tolist()
        self.seen += titles
        loud = np.empty(len(titles), dtype=object)
        loud[:] = [title.upper() for title in titles]
        return {"loud": loud, "size": self.sizes(titles)}

    def sizes(self, titles: Sequence[str]) -> np.ndarray:
        return np.array([[len(title), 1] for title in titles], np.float32).reshape(-1, 2)


@dataclasses.dataclass
class Weighing(Shouting):
    """A block of images: their number of bytes; those called "broken" can't be read."""

    name: str = "weight"

    def extract(self, products: pd.DataFrame) -> dict[str, np.ndarray]:
        images = products["image"].tolist()
        self.seen += images
        readable = np.array([bool(image) and image != "broken" for image in images], dtype=bool)
        values = self.sizes(images)
        values[~readable] = 0.0
        return {"weight": values, "has_image": readable}

    def keys(self, products: pd.DataFrame) -> list[bytes]:
        return [content_key(image.encode()) for image in products["image"]]


def products(*titles: str) -> pd.DataFrame:
    return pd.DataFrame({"designation": titles, "description": "", "image": ""})


def check(table: pd.DataFrame, *titles: str) -> None:
    assert table["loud"].tolist() == [title.upper() for title in titles]
    expected = np.array([[len(t), 1] for t in titles], np.float32)
    np.testing.assert_array_equal(block_values(table, "size"), expected)
    assert table.index.tolist() == list(range(len(titles)))


def test_only_new_products_are_computed(tmp_path: Path) -> None:
    cache, extractor = ExtractionCache(tmp_path), Shouting()
    check(extract_table(products("a", "bb"), [extractor], cache), "a", "bb")
    mixed = extract_table(products("new", "bb", "a", "newer"), [extractor], cache)
    check(mixed, "new", "bb", "a", "newer")
    assert extractor.seen == ["a", "bb", "new", "newer"]
    check(extract_table(products("bb"), [extractor], cache), "bb")
    assert extractor.seen == ["a", "bb", "new", "newer"]


def test_other_settings_compute_again(tmp_path: Path) -> None:
    cache, changed = ExtractionCache(tmp_path), Shouting(version=2)
    extract_table(products("a"), [Shouting()], cache)
    extract_table(products("a"), [changed], cache)
    assert changed.seen == ["a"]


def test_equal_content_is_extracted_once_and_kept_chunk_by_chunk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product_table, "CHUNK_ROWS", 2)
    cache, extractor = ExtractionCache(tmp_path), Shouting()
    titles = ["a", "bb", "a", "c", "bb", "d", "e"]
    check(extract_table(products(*titles), [extractor], cache), *titles)
    assert extractor.seen == ["a", "bb", "c", "d", "e"]
    assert len(list(tmp_path.rglob("*.npz"))) == 3


def test_entries_of_another_shape_are_computed_anew(tmp_path: Path) -> None:
    cache, extractor = ExtractionCache(tmp_path), Shouting()
    space = Namespace.of(extractor.name, extractor.settings())
    cache.put_many(space, extractor.keys(products("a")), {"size": np.zeros((1, 2), np.float32)})
    check(extract_table(products("a", "bb"), [extractor], cache), "a", "bb")


def test_without_a_cache() -> None:
    check(extract_table(products("x", "y"), [Shouting()], None), "x", "y")


def test_the_index_and_the_other_columns_of_the_input() -> None:
    given = products("x", "yy").assign(productid=[7, 8]).set_axis([5, 3])
    table = extract_table(given, [Shouting()], None)
    check(table, "x", "yy")
    assert table["productid"].tolist() == [7, 8]
    assert "loud" not in given


@pytest.mark.parametrize("cached", [False, True])
def test_a_missing_image_is_nan_not_zero(tmp_path: Path, cached: bool) -> None:
    """With and without a cache, and read from it: NaN where no image could be read."""
    given = products("a", "b", "c", "d").assign(image=["", "p.jpg", "broken", "longer.jpg"])
    cache = ExtractionCache(tmp_path) if cached else None
    for _ in range(2):
        table = extract_table(given, [Shouting(), Weighing()], cache)
        assert table["has_image"].tolist() == [False, True, False, True]
        expected = [[np.nan, np.nan], [5, 1], [np.nan, np.nan], [10, 1]]
        np.testing.assert_array_equal(block_values(table, "weight"), np.array(expected, np.float32))
        check(table, "a", "b", "c", "d")  # a block of text has a value everywhere


def test_no_products_at_all() -> None:
    table = extract_table(products(), [Shouting(), Weighing()], None)
    assert len(table) == 0
    assert {"loud", "has_image"} <= set(table.columns)


def test_values_of_a_block() -> None:
    table = extract_table(products("a", "bb", "ccc"), [Shouting(), Weighing()], None)
    assert table.columns[block_mask(table, "size")].tolist() == ["size__length", "size__one"]
    values = block_values(table, "size")
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, table[["size__length", "size__one"]])
    np.testing.assert_array_equal(block_values(table.iloc[[2, 0]], "size"), values[[2, 0]])
    with pytest.raises(KeyError, match="siz"):
        block_values(table, "siz")


def test_what_is_known_of_a_text_is_computed_once(tmp_path: Path) -> None:
    """Each column against its plain definition; a second table comes from the cache alone."""
    titles = ["<b>Le grand livre</b> pour les enfants", "!!!", "The red lamp of the house", ""]
    bodies = ["avec des images", " \n", "", "<br/>"]
    given = products(*titles).assign(description=bodies)
    extractors, cache = table_extractors(load_config()), ExtractionCache(tmp_path)
    table = extract_table(given, extractors, cache)
    plain = ["Le grand livre pour les enfants\navec des images", "!!!", titles[2], ""]
    assert table["language"].tolist() == detect_languages(plain)
    assert table["language"].tolist()[::2] == ["fr", "en"]
    assert table["has_text"].tolist() == [True, False, True, False]
    assert table["has_description"].tolist() == [True, False, False, False]
    assert table["title_length"].tolist() == [31, 3, 25, 0]  # of what is read
    assert table["title_length"].dtype == np.float32
    assert not table["has_image"].any()
    cleaner = build_cleaner(load_config())
    assert table["clean_title"].tolist() == cleaner.clean(titles)
    assert table["clean_description"].tolist() == cleaner.clean(bodies)
    kept = sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*.npz"))
    again = extract_table(given, extractors, cache)
    pd.testing.assert_frame_equal(again, table)
    assert sorted((p, p.stat().st_mtime_ns) for p in tmp_path.rglob("*.npz")) == kept
