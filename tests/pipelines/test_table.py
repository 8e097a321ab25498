"""Extraction: every product once, the cache in between, the order of the products kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from src.data.dataset import COLUMNS
from src.features.extracted import Extracted
from src.pipelines.extraction import extract

from src.cache import ExtractionCache, Namespace, content_key
from src.pipelines import extraction


@dataclasses.dataclass
class Shouting:
    """Upper-cases titles, and counts the products it was asked for."""

    version: int = 1
    name: str = "shouting"
    seen: list[str] = dataclasses.field(default_factory=list)

    def settings(self) -> Mapping[str, Any]:
        return {"version": self.version}

    def keys(self, items: pd.DataFrame) -> list[bytes]:
        return [content_key(title.encode()) for title in items["designation"]]

    def extract(self, items: pd.DataFrame) -> dict[str, np.ndarray]:
        titles = items["designation"].tolist()
        self.seen += titles
        loud = np.empty(len(titles), dtype=object)
        loud[:] = [title.upper() for title in titles]
        return {"loud": loud, "size": np.array([[len(t), 1] for t in titles], np.float32)}


def products(*titles: str) -> pd.DataFrame:
    frame = pd.DataFrame({name: [""] * len(titles) for name in COLUMNS})
    return frame.assign(designation=titles)


def check(extracted: Extracted, *titles: str) -> None:
    assert extracted.table["loud"].tolist() == [title.upper() for title in titles]
    np.testing.assert_array_equal(
        extracted.table["size"], np.array([[len(t), 1] for t in titles], np.float32)
    )


def test_only_new_products_are_computed(tmp_path: Path) -> None:
    cache, extractor = ExtractionCache(tmp_path), Shouting()
    check(extract(products("a", "bb"), [extractor], cache), "a", "bb")
    mixed = extract(products("new", "bb", "a", "newer"), [extractor], cache)
    check(mixed, "new", "bb", "a", "newer")
    assert extractor.seen == ["a", "bb", "new", "newer"]
    check(extract(products("bb"), [extractor], cache), "bb")
    assert extractor.seen == ["a", "bb", "new", "newer"]


def test_other_settings_compute_again(tmp_path: Path) -> None:
    cache, changed = ExtractionCache(tmp_path), Shouting(version=2)
    extract(products("a"), [Shouting()], cache)
    extract(products("a"), [changed], cache)
    assert changed.seen == ["a"]


def test_equal_content_is_extracted_once_and_kept_chunk_by_chunk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "CHUNK_ROWS", 2)
    cache, extractor = ExtractionCache(tmp_path), Shouting()
    titles = ["a", "bb", "a", "c", "bb", "d", "e"]
    check(extract(products(*titles), [extractor], cache), *titles)
    assert extractor.seen == ["a", "bb", "c", "d", "e"]
    assert len(list(tmp_path.rglob("*.npz"))) == 3


def test_entries_of_another_shape_are_computed_anew(tmp_path: Path) -> None:
    cache, extractor = ExtractionCache(tmp_path), Shouting()
    space = Namespace.of(extractor.name, extractor.settings())
    cache.put_many(space, extractor.keys(products("a")), {"size": np.zeros((1, 2), np.float32)})
    check(extract(products("a", "bb"), [extractor], cache), "a", "bb")


def test_without_a_cache() -> None:
    check(extract(products("x", "y"), [Shouting()], None), "x", "y")


def test_masks_say_who_has_what() -> None:
    items = products("a", "b", "c").assign(description=["text", " \n", ""], image=["", "p.jpg", ""])
    masks = extract(items, [Shouting()], None).masks
    assert masks["description"].tolist() == [True, False, False]
    assert masks["image"].tolist() == [False, True, False]


def test_take() -> None:
    taken = extract(products("a", "bb", "c"), [Shouting()], None).take(np.array([2, 1]))
    check(taken, "c", "bb")
    assert len(taken) == 2
    assert taken.masks["image"].shape == (2,)
