"""Products out of CSVs, in any order of columns and any size of chunk."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pandas as pd
import pytest

from src.errors import FileFault
from src.serving.csv_products import ProductReader, answer_header, answer_row, to_csv
from src.serving.prediction import Candidate, Prediction
from src.serving.predictor import Product

OFFICIAL = (
    ",designation,description,productid,imageid\n"
    '0,"Lampe ""LED""","<p>Deux\nlignes</p>",11,21\n'
    "1,Livre,,12,22\n"
)


def read(text: str, images: Path | None = None, rows: int = 500) -> list[Product]:
    reader = ProductReader(io.StringIO(text, newline=""), "shop.csv", images)
    return [product for chunk in reader.chunks(rows) for product in chunk.products]


def test_official_format(tmp_path: Path) -> None:
    picture = tmp_path / "image_22_product_12.jpg"
    picture.write_bytes(b"x")
    expected = [Product('Lampe "LED"', "<p>Deux\nlignes</p>"), Product("Livre", "", picture)]
    assert read(OFFICIAL, tmp_path) == expected
    assert read(OFFICIAL, tmp_path, rows=1) == expected


def test_any_file_with_a_designation() -> None:
    text = "\ufeffsku,price,designation,label\nA1,9.5,Lampe,x\n\nA2,3,Livre,y\n"
    reader = ProductReader(io.StringIO(text, newline=""), "shop.csv")
    (chunk,) = reader.chunks()
    assert chunk.products == [Product("Lampe"), Product("Livre")]
    assert (reader.kept_columns, chunk.kept) == (["sku", "price"], [["A1", "9.5"], ["A2", "3"]])
    assert chunk.productids == [None, None]


def test_ids_that_are_no_numbers_are_none() -> None:
    reader = ProductReader(io.StringIO("designation,productid\na,12\nb,-1\nc,1e3\nd,\n"), "x")
    assert [chunk.productids for chunk in reader.chunks()] == [[12, None, None, None]]


def test_a_very_long_text_is_a_text() -> None:
    (product,) = read(f'designation\n"{"a" * 1_000_000}"\n')
    assert len(product.designation) == 1_000_000


def test_rows_that_the_library_reads_are_read_alike() -> None:
    expected = pd.read_csv(io.StringIO(OFFICIAL), keep_default_na=False)
    products = read(OFFICIAL)
    assert [p.designation for p in products] == expected["designation"].tolist()
    assert [p.description for p in products] == expected["description"].tolist()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "line 1: expected a header with one column 'designation', found an empty file"),
        (b"title\n", "found 'title'"),
        (b"designation;x\n", "found 'designation;x', which is separated by semicolons"),
        (b"designation,designation\n", "found 'designation,designation'"),
        (b"designation,b\n1,2\n1\n", "line 3: expected 2 fields, found 1: 1"),
        (b'designation\na\n"b', "line 3: expected comma-separated fields"),
        (b"designation\na\0\n", "line 2: expected text, found a NUL byte"),
        (b"designation\nok\n\xe9t\xe9\n", "expected UTF-8 at or after here, found byte 0xe9"),
    ],
)
def test_what_can_not_be_read_is_named(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "shop.csv"
    path.write_bytes(data)
    with (
        path.open(encoding="utf-8", newline="") as stream,
        pytest.raises(FileFault, match=message) as caught,
    ):
        list(ProductReader(stream, str(path)).chunks())
    assert caught.value.next_command is not None


def test_answers_are_a_csv_with_every_digit() -> None:
    candidates = (Candidate(10, "Books, old", 0.1 + 0.2), Candidate(40, "Games", 1e-17))
    answer = Prediction(
        10, "Books, old", 0.1 + 0.2, candidates, True, False, False, "run", "hash", True
    )
    text = to_csv([answer_header(["sku"], 2), answer_row(["A1"], answer)])
    header, row = csv.reader(io.StringIO(text))
    assert dict(zip(header, row, strict=True)) == {
        "sku": "A1",
        "prdtypecode": "10",
        "label": "Books, old",
        "probability": "0.30000000000000004",
        "code_2": "40",
        "label_2": "Games",
        "probability_2": "1e-17",
        "needs_review": "true",
        "known": "false",
        "used_image": "false",
    }
