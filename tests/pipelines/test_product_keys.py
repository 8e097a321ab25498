"""The key of a product: equal words and the same image, nothing else."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd

from src.config import load_config
from src.pipelines.product_keys import product_keys
from src.pipelines.table import extract_table
from src.pipelines.text_pipeline import table_extractors


def key(
    title: str, description: str = "", image: bytes | Path | str = "", **columns: object
) -> int:
    product = {"designation": title, "description": description, "image": image, **columns}
    table = extract_table(pd.DataFrame([product]), table_extractors(load_config()), cache=None)
    return int(product_keys(table)[0])


def test_case_accents_and_markup_do_not_count() -> None:
    assert key("Épée LED", "<b>longue</b>") == key("epee led longue!")
    assert key("Épée LED") != key("Épée LCD")


def test_the_image_counts_whether_given_as_bytes_or_as_a_path(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"picture")
    assert key("a", image=path) == key("a", image=str(path)) == key("a", image=b"picture")
    assert len({key("a"), key("a", image=b"picture"), key("a", image=b"other")}) == 3


def test_an_image_that_is_not_there_counts_as_none(tmp_path: Path) -> None:
    assert key("a", image=tmp_path / "none.jpg") == key("a", image="") == key("a")


def test_the_hash_of_the_manifest_stands_for_the_file() -> None:
    digest = hashlib.sha256(b"picture").hexdigest()
    assert key("a", image="moved/away.jpg", image_sha256=digest) == key("a", image=b"picture")
