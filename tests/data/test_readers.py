"""Products and labels out of any CSV: by one set of rules, in any size of chunk, or refused."""

from __future__ import annotations

import csv
import io
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.data.readers import NO_LABEL, ProductReader, read_labels, read_products
from src.errors import FileFault

CLASSES = np.array([10, 40])
OFFICIAL = (
    ",designation,description,productid,imageid\n"
    '7,"Lampe ""LED""","<p>Deux\nlignes</p>",11,21\n'
    "8,Livre,NA,12,22\n"
)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


def read(text: str, rows: int = 500) -> pd.DataFrame:
    reader = ProductReader(io.BytesIO(text.encode()), "shop.csv")
    return pd.concat(reader.chunks(rows), ignore_index=True)


def test_the_official_format_with_pictures(tmp_path: Path) -> None:
    batch, pictures = tmp_path / "x.csv", tmp_path / "pictures"
    batch.write_text(OFFICIAL)
    pictures.mkdir()
    there = pictures / "image_22_product_12.jpg"
    there.touch()
    expected = {
        "row_index": [7, 8],
        "productid": [11, 12],
        "imageid": [21, 22],
        "designation": ['Lampe "LED"', "Livre"],
        "description": ["<p>Deux\nlignes</p>", "NA"],
        "image": ["", str(there)],
    }
    folders = [tmp_path / "nowhere", pictures]
    assert read_products(batch, folders).to_dict("list") == expected
    with batch.open("rb") as stream:
        chunks = list(ProductReader(stream, batch, folders).chunks(1))
    assert [len(chunk) for chunk in chunks] == [1, 1]
    together = pd.concat(chunks, ignore_index=True)
    assert together.drop(columns="cells").to_dict("list") == expected
    assert together["cells"].tolist() == list(csv.reader(io.StringIO(OFFICIAL, newline="")))[1:]


def test_any_csv_with_a_designation() -> None:
    text = "\ufeffsku,price,designation,label\nA1,9.5,Lampe,x\n\nA2,3,Livre,y\n"
    reader = ProductReader(io.BytesIO(text.encode()), "shop.csv")
    (chunk,) = reader.chunks()
    assert reader.header == ["sku", "price", "designation", "label"]
    assert chunk.to_dict("list") == {
        "row_index": [0, 1],
        "productid": [-1, -1],
        "imageid": [-1, -1],
        "designation": ["Lampe", "Livre"],
        "description": ["", ""],
        "image": ["", ""],
        "cells": [["A1", "9.5", "Lampe", "x"], ["A2", "3", "Livre", "y"]],
    }


def test_a_byte_order_mark_before_a_quoted_header_is_none_of_its_text() -> None:
    assert read('\ufeff"designation"\n"a"\n')["designation"].tolist() == ["a"]


def test_rows_are_counted_on_over_chunks_where_the_file_has_no_index() -> None:
    text = "designation\n" + "a\n" * 5
    assert read(text, rows=2)["row_index"].tolist() == [0, 1, 2, 3, 4]


def test_ids_are_whole_numbers() -> None:
    ids = ["12", "12.0", " 12 ", "12.5", "inf", "1e3", "9" * 19, "A1", "-3", "", "٣"]
    text = "productid,imageid,designation\n" + "".join(f"{i},{i},a\n" for i in ids)
    found = read(text)
    assert found["productid"].tolist() == [12, 12, 12] + [-1] * 8
    assert found["imageid"].tolist() == found["productid"].tolist()


@pytest.mark.parametrize("row_end", ["\n", "\r\n", "\r"])
def test_rows_end_as_they_do_on_any_system(row_end: str) -> None:
    assert read(f"designation,b{row_end}un,1{row_end}deux,2")["designation"].tolist() == [
        "un",
        "deux",
    ]


@given(rows=st.lists(st.tuples(texts, texts), min_size=1, max_size=6), chunk=st.integers(1, 7))
def test_any_text_comes_back_as_it_was_written(rows: list[tuple[str, str]], chunk: int) -> None:
    written = io.StringIO(newline="")
    writer = csv.writer(written, quoting=csv.QUOTE_ALL)
    writer.writerows([("description", "designation"), *rows])
    found = read(written.getvalue(), chunk)
    assert [*zip(found["description"], found["designation"], strict=True)] == rows


def test_rows_are_those_of_pandas_beyond_a_block_of_the_reader(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    rows = [f'{i},"titre é {i}\r\n""x""",{"mot " * (i % 40)}' for i in range(3_000)]
    path.write_bytes("\n".join(["productid,designation,description", *rows]).encode())
    expected = pd.read_csv(path, dtype=str, keep_default_na=False)
    found = read_products(path)
    assert path.stat().st_size > 200_000
    assert found["productid"].tolist() == list(range(3_000))
    for name in ("designation", "description"):
        assert found[name].tolist() == expected[name].tolist()


def test_a_very_long_text_is_a_text() -> None:
    assert read(f'designation\n"{"é" * 1_000_000}"\n')["designation"].str.len().tolist() == [
        1_000_000
    ]


@pytest.mark.parametrize(
    ("data", "line", "message"),
    [
        (b"", 1, "expected a header with one column 'designation', found an empty file"),
        (b"title\n", 1, "found 'title'"),
        (b"designation;x\n", 1, "found 'designation;x', which is separated by semicolons"),
        (b"designation,designation\n", 1, "found 'designation,designation'"),
        (b"designation,b\n1,2\n1\n", 3, "expected 2 fields, found 1: 1"),
        (b'designation,b\n"1\n2",2\n"a\nb"\n', 4, "expected 2 fields, found 1"),
        (b'designation\na\n"b\nc', 3, "found the end of the file before the closing quote"),
        (b'designation\n"a"b\n', 2, "expected comma-separated fields"),
        (b"designation\na\0\n", 2, "expected text, found a NUL byte"),
        (b"designation\nok\n\xe9t\xe9\n", 3, "expected UTF-8, found the byte 0xE9"),
        (b"designation\n" + b"ok\n" * 50_000 + b"\xe9\n", 50_002, "found the byte 0xE9"),
        ("designation\na\n".encode("utf-16"), 1, "found a NUL byte"),
    ],
)
def test_what_can_not_be_read_is_named(
    tmp_path: Path, data: bytes, line: int, message: str
) -> None:
    path = tmp_path / "the shop.csv"
    path.write_bytes(data)
    with pytest.raises(FileFault, match=rf"the shop\.csv, line {line}: .*{message}") as caught:
        read_products(path)
    shown = subprocess.run(
        ["bash", "-c", str(caught.value.next_command)], capture_output=True, check=True
    )
    assert shown.stdout.rstrip(b"\n") == data.split(b"\n")[line - 1][:300]


def test_what_lies_on_no_disk_has_no_line_to_show() -> None:
    with pytest.raises(FileFault, match="^stdin, line 1: expected a header") as caught:
        ProductReader(io.BytesIO(b"title\n"), "stdin")
    assert caught.value.next_command is None


def test_a_file_that_is_not_there_and_one_without_products_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileFault, match="Is a directory"):
        read_products(tmp_path)
    with pytest.raises(FileFault, match=r"none\.csv: no such file") as caught:
        read_products(tmp_path / "gone" / "none.csv")
    assert caught.value.next_command == f"ls -l {tmp_path}"
    (tmp_path / "x.csv").write_text("designation\n")
    with pytest.raises(FileFault, match=r"x\.csv: expected products, found none below the header"):
        read_products(tmp_path / "x.csv")


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (",prdtypecode\n8,40\n7,10\n", [10, 40]),
        (",prdtypecode\n8,40\n99,10\n", [NO_LABEL, 40]),
        ("productid,prdtypecode\n12.0,40\n11,x\n", [NO_LABEL, 40]),
        ("productid,prdtypecode\n12,40\n11,99\n", [NO_LABEL, 40]),
        ("productid,prdtypecode\nA1,10\n12,40\n", [NO_LABEL, 40]),
        ("prdtypecode\n10\n40\n", [10, 40]),
        ("prdtypecode\n10.5\n40.0\n", [NO_LABEL, 40]),
    ],
)
def test_labels_by_index_by_product_or_in_order(
    labels: str, expected: list[int], tmp_path: Path
) -> None:
    (tmp_path / "y.csv").write_text(labels)
    found = read_labels(tmp_path / "y.csv", read(OFFICIAL), CLASSES)
    assert (found.tolist(), found.dtype) == (expected, np.int64)


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        (",code\n8,40\n", "one column 'prdtypecode', found ',code'"),
        (",prdtypecode\n", "no code of the model"),
        (",prdtypecode\n7,99\n8,inf\n", "no code of the model, found 99, inf"),
        ("productid,prdtypecode\nA1,40\n", "no row belongs to a product"),
        (",prdtypecode\n98,40\n", "no row belongs to a product"),
        ("prdtypecode\n10\n", "1 rows for 2 products, and neither row index nor productid"),
    ],
)
def test_labels_that_do_not_belong_are_refused(labels: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "y.csv").write_text(labels)
    with pytest.raises(FileFault, match=problem):
        read_labels(tmp_path / "y.csv", read(OFFICIAL), CLASSES)
