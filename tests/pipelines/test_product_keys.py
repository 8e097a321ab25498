"""The key of a product: equal words and the same picture, nothing else."""

from __future__ import annotations

from pathlib import Path

from src.pipelines.product_keys import product_keys


def key(title: str, description: str = "", picture: bytes | Path | str | None = None) -> int:
    return int(product_keys([title], [description], [picture])[0])


def test_case_accents_and_markup_do_not_count() -> None:
    assert key("Épée LED", "<b>longue</b>") == key("epee led longue!")
    assert key("Épée LED") != key("Épée LCD")


def test_the_picture_counts_whether_given_as_bytes_or_as_a_path(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"picture")
    assert key("a", picture=path) == key("a", picture=str(path)) == key("a", picture=b"picture")
    assert len({key("a"), key("a", picture=b"picture"), key("a", picture=b"other")}) == 3


def test_a_picture_that_is_not_there_counts_as_none(tmp_path: Path) -> None:
    assert key("a", picture=tmp_path / "none.jpg") == key("a", picture="") == key("a")
