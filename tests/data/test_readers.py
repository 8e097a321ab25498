"""Products and labels out of any CSV: by one set of rules, in any size of chunk, or refused."""

from __future__ import annotations

import csv
import gzip
import importlib.util
import io
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.data.readers import NO_LABEL, ProductReader, read_labels, read_products
from src.errors import FileFault

REAL_WORLD = Path(__file__).parent / "real_world"
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
    told: list[str] = []
    assert read_products(batch, folders, say=told.append).to_dict("list") == expected
    assert told == ["Images: 1 of 2 products have theirs."]
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
        (b"designation;\nLampe;\n1;2;3\n", 3, "expected 2 fields, found 3"),
        (b"title;x\n", 1, "found 'title;x', which is separated by semicolons"),
        (b"designation,designation\n", 1, "found 'designation,designation'"),
        (b"designation,b\n1,2\n1\n", 3, "expected 2 fields, found 1: 1"),
        (b'designation,b\n"1\n2",2\n"a\nb"\n', 4, "expected 2 fields, found 1"),
        (b'designation\na\n"b\nc', 3, "found the end of the file before the closing quote"),
        (b'designation\n"a"b\n', 2, "expected comma-separated fields"),
        (b"designation\na\0\n", 2, "expected text, found a NUL byte"),
        (b"designation\n\xc3\xa9\n\xe9t\xe9\n", 3, "found the byte 0xE9: .*; save it as UTF-8"),
        (b"designation\n\xc3\xa9\n" + b"ok\n" * 50_000 + b"\xe9\n", 50_003, "found the byte 0xE9"),
        (b"designation\nl\x92\x81\n", 2, "found the byte 0x81"),
        (b"PK\3\4 cut", None, "expected a table, found a damaged workbook or zip"),
        (b"<tr><td>designation</td></tr>\n<tr><td>Lampe</td></tr>\n", 1, "found '<tr><td>des"),
        (b"designation,productid\nLampe,4.12e+9\n", 2, "its last digits are lost"),
        (b"PAR1 cut", None, "expected a Parquet file"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", None, "found a workbook: save it as 'CSV UTF-8'"),
        (gzip.compress(b"designation\na\n", mtime=0)[:-9], None, "can't be read to its end"),
        (
            gzip.compress(b"designation\n" + (b"a" * 999 + b"\n") * 20_000),
            None,
            "unpacks to more than 100 times",
        ),
        (
            gzip.compress(("designation\n" + ("a" * 999 + "\n") * 20_000).encode("utf-16")),
            None,
            "unpacks to more than 100 times",
        ),
    ],
)
def test_what_can_not_be_read_is_named(
    tmp_path: Path, data: bytes, line: int | None, message: str
) -> None:
    path = tmp_path / "the shop.csv"
    path.write_bytes(data)
    place = "" if line is None else f", line {line}"
    with pytest.raises(FileFault, match=rf"the shop\.csv{place}: .*{message}") as caught:
        read_products(path)
    if line is None:  # nothing of it that a terminal could show
        assert caught.value.next_command is None
        return
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


THEIERE = [("Théière en fonte, 1 l", "12,50"), ("Piscine gonflable œuf", "8,00")]


@pytest.mark.parametrize(
    ("file", "assumed"),
    [
        ("excel_french.csv", "Read as: fields separated by semicolons, text in Windows-1252."),
        ("excel_sep_line.csv", "Read as: fields separated by semicolons."),
        ("excel_unicode_text.txt", "Read as: fields separated by tabs, text in UTF-16."),
        ("utf16_without_bom.csv", "Read as: fields separated by semicolons, text in UTF-16."),
        ("bars.csv", "Read as: fields separated by vertical bars."),
        ("packed.csv.gz", "Read as: fields separated by semicolons, text in Windows-1252."),
    ],
)
def test_a_table_in_any_dress_is_the_same_table(file: str, assumed: str) -> None:
    with (REAL_WORLD / file).open("rb") as stream:
        reader = ProductReader(stream, file)
        (chunk,) = reader.chunks()
    assert reader.header == ["Référence", "Désignation", "Prix"]
    assert chunk["designation"].tolist() == [title for title, _ in THEIERE]
    assert chunk["cells"].tolist() == [[f"A{n}", *row] for n, row in enumerate(THEIERE, 1)]
    assert reader.assumed("en") == assumed
    assert reader.assumed("fr").startswith("Lu ainsi\u00a0: ")


def test_utf16_is_known_in_a_packed_file_too() -> None:
    text = (REAL_WORLD / "excel_unicode_text.txt").read_bytes()
    reader = ProductReader(io.BytesIO(gzip.compress(text)), "x.gz")
    (chunk,) = reader.chunks()
    assert chunk["designation"].tolist() == [title for title, _ in THEIERE]
    assert reader.assumed("en") == "Read as: fields separated by tabs, text in UTF-16."


def test_what_needs_no_assumption_says_nothing() -> None:
    reader = ProductReader(io.BytesIO(OFFICIAL.encode()), "x.csv")
    assert (reader.assumed("fr"), reader.images_line("fr")) == ("", "")


def test_lone_carriage_returns_end_rows() -> None:
    found = read_products(REAL_WORLD / "lone_cr.csv")
    assert found["designation"].tolist() == ["Théière en fonte 1 l", "Piscine gonflable œuf"]


def test_a_quoted_header_after_a_byte_order_mark_and_names_in_capitals() -> None:
    with (REAL_WORLD / "bom_quoted_header.csv").open("rb") as stream:
        reader = ProductReader(stream, "x.csv")
        (chunk,) = reader.chunks()
    assert reader.header == ["DESIGNATION", " Product ID "]
    assert chunk[["designation", "productid"]].to_numpy().tolist() == [["Théière", 20]]


def test_ids_as_spreadsheets_write_them() -> None:
    found = read_products(REAL_WORLD / "ids.csv")
    assert found["productid"].tolist() == [20, 20, 4_123_456_789]
    assert found["imageid"].tolist() == [20, 20, -1]
    with pytest.raises(FileFault, match=r"line 3: productid '4.12E\+09' .* last digits are lost"):
        read_products(REAL_WORLD / "ids_shortened.csv")


def test_of_several_row_indices_the_oldest_counts() -> None:
    found = read_products(REAL_WORLD / "pandas_index_twice.csv")
    assert found["row_index"].tolist() == [70, 80]


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        ("mac_accents.csv", "found the byte 0x8E: .*; save it as UTF-8"),
        ("dos_accents.csv", "found the byte 0x82: .*; save it as UTF-8"),
        ("two_encodings.csv", "line 3: .* found the byte 0xE9: .*; save it as UTF-8"),
        ("two_titles.csv", "one column 'designation', found 'Designation,designation '"),
        ("header_only.csv", "expected products, found none below the header"),
    ],
)
def test_what_two_readings_fit_is_refused(file: str, problem: str) -> None:
    with pytest.raises(FileFault, match=problem):
        read_products(REAL_WORLD / file)


def test_parquet(tmp_path: Path) -> None:
    table = pd.DataFrame({"Designation": ["Lampe", None], "productid": [12.0, np.nan], "n": [1, 2]})
    table.to_parquet(tmp_path / "x.parquet")
    with (tmp_path / "x.parquet").open("rb") as stream:
        (chunk,) = ProductReader(stream, "x").chunks()
    assert chunk["cells"].tolist() == [["Lampe", "12.0", "1"], ["", "", "2"]]
    assert chunk["productid"].tolist() == [12, -1]


def test_parquet_of_pandas_is_read_some_thousand_rows_at_a_time(tmp_path: Path) -> None:
    ids = np.arange(9_000)
    titles = [f"Lampe {number}" for number in ids]
    table = pd.DataFrame({"designation": titles, "productid": ids}, index=ids[::-1])
    table.to_parquet(tmp_path / "x.parquet")
    with (tmp_path / "x.parquet").open("rb") as stream:
        reader = ProductReader(stream, "x")
        chunks = [*reader.chunks(5_000)]
    assert reader.header == ["designation", "productid"]
    assert [len(chunk) for chunk in chunks] == [5_000, 4_000]
    assert pd.concat(chunks)["productid"].tolist() == ids.tolist()
    cut = (tmp_path / "x.parquet").read_bytes()[:-9]
    with pytest.raises(FileFault, match="x: expected a Parquet file, found something else"):
        ProductReader(io.BytesIO(cut), "x")


def test_parts_of_a_table_are_read_one_after_the_other(tmp_path: Path) -> None:
    parts = [tmp_path / name for name in ("1.csv", "2.csv.gz", "3.parquet")]
    rows = [["Lampe", "1"], ["Livre", "2"], ["Été", "3"]]
    parts[0].write_text("designation,productid\nLampe,1\nLivre,2\n")
    parts[1].write_bytes(gzip.compress("designation;productid\nÉté;3\n".encode("cp1252")))
    pd.DataFrame({"designation": ["Jeu"], "productid": [4]}).to_parquet(parts[2])
    with parts[0].open("rb") as stream:
        reader = ProductReader(stream, parts[0], more=parts[1:])
        chunks = list(reader.chunks())
    assert [chunk["cells"].tolist() for chunk in chunks] == [rows[:2], rows[2:], [["Jeu", "4"]]]
    assert [chunk["row_index"].tolist() for chunk in chunks] == [[0, 1], [2], [3]]
    assert reader.assumed("en") == "Read as: fields separated by semicolons, text in Windows-1252."
    parts[2].write_text("productid,designation\n4,Jeu\n")
    with parts[0].open("rb") as stream, pytest.raises(FileFault) as found:
        list(ProductReader(stream, parts[0], more=parts[1:]).chunks())
    assert str(found.value).startswith(
        f"{parts[2]}, line 1: expected the columns of the first file, 'designation,productid', "
        "found 'productid,designation'"
    )


def workbook(path: Path, sheets: dict[str, list[list[object]]]) -> Path:
    """Write an .xlsx by hand, so that the tests need no library that the product may lack."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    rel = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    packed = "http://schemas.openxmlformats.org/package/2006"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = {f"/xl/worksheets/s{n}.xml": "worksheet" for n in range(len(sheets))}
    overrides = "".join(
        f'<Override PartName="{name}" ContentType="{kind}.{what}+xml"/>'
        for name, what in {"/xl/workbook.xml": "sheet.main", **parts}.items()
    )
    names = "".join(
        f'<sheet name="{name}" sheetId="{n + 1}" r:id="r{n}"/>' for n, name in enumerate(sheets)
    )
    links = "".join(
        f'<Relationship Id="r{n}" Type="{rel}/worksheet" Target="worksheets/s{n}.xml"/>'
        for n in range(len(sheets))
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{packed}/content-types"><Default Extension="rels" ContentType='
            f'"application/vnd.openxmlformats-package.relationships+xml"/>{overrides}</Types>',
        )
        archive.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{packed}/relationships"><Relationship Id="r" Type='
            f'"{rel}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        )
        archive.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{main}" xmlns:r="{rel}"><sheets>{names}</sheets></workbook>',
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{packed}/relationships">{links}</Relationships>',
        )
        for n, rows in enumerate(sheets.values()):
            body = "".join("<row>" + "".join(map(_cell, row)) + "</row>" for row in rows)
            archive.writestr(
                f"xl/worksheets/s{n}.xml",
                f'<worksheet xmlns="{main}"><sheetData>{body}</sheetData></worksheet>',
            )
    return path


def _cell(value: object) -> str:
    if value is None:
        return "<c/>"
    if isinstance(value, str):
        return f'<c t="inlineStr"><is><t>{value}</t></is></c>'
    return f"<c><v>{value}</v></c>"


def test_a_workbook_is_read_or_told_how_to_save(tmp_path: Path) -> None:
    products = [["Désignation", "ProductID"], ["Théière", 4123456789], ["Lampe", None]]
    path = workbook(tmp_path / "x.csv", {"Notes": [["rien"]], "Produits": products})
    if importlib.util.find_spec("openpyxl") is None:
        with pytest.raises(FileFault, match="an Excel workbook: save it as 'CSV UTF-8'"):
            read_products(path)
        return
    told: list[str] = []
    found = read_products(path, say=told.append)
    assert found[["designation", "productid"]].to_numpy().tolist() == [
        ["Théière", 4123456789],
        ["Lampe", -1],
    ]
    assert told == ["Read as: sheet “Produits” of the workbook."]
    twice = workbook(tmp_path / "y.xlsx", {"a": products, "b": products})
    with pytest.raises(FileFault, match="one sheet with a column 'designation', found a, b"):
        read_products(twice)


IMAGES = ("2024/SKU-0001.JPG", "b/SKU-0001.jpg", "20.png", "image_7_product_8.JPEG", "9.webp")


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ("2024/sku-0001.jpg,,", "2024/SKU-0001.JPG"),
        ("https://shop.test/2024/SKU-0001.jpg?w=3,,", "2024/SKU-0001.JPG"),
        ("SKU-0001.jpg,,", ""),  # which of the two?
        ("20.png,,", "20.png"),
        (",20.0,", "20.png"),
        (',"20 ",', "20.png"),
        (",,20", "20.png"),
        (",20,9", ""),  # two files, one product
        (",8,7", "image_7_product_8.JPEG"),
        (",7,8", ""),
        ("gone.jpg,20,", "20.png"),
        (",,", ""),
    ],
)
def test_an_image_is_found_by_its_name_or_by_the_ids(row: str, found: str, tmp_path: Path) -> None:
    for name in (*IMAGES, "__MACOSX/20.png", "._20.png", "20.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    text = f"image,productid,imageid,designation\n{row},a\n"
    reader = ProductReader(io.BytesIO(text.encode()), "x.csv", [tmp_path])
    (chunk,) = reader.chunks()
    assert chunk["image"].tolist() == [str(tmp_path / found) if found else ""]
    assert reader.none_matched == (not found)


def test_an_image_of_a_zip_is_found_where_it_was_unpacked() -> None:
    images = {"Été/SKU-1.jpg": "/tmp/1"}  # noqa: S108
    text = "productid,designation\nSKU-1,a\nSKU-2,b\n"
    reader = ProductReader(io.BytesIO(text.encode()), "x.csv", images=images)
    (chunk,) = reader.chunks()
    assert chunk["image"].tolist() == ["/tmp/1", ""]  # noqa: S108
    assert reader.images_line("en") == "Images: 1 of 2 products have theirs."


@pytest.mark.parametrize(
    ("text", "names", "expected"),
    [
        ("imageid,productid,designation\n1,2,a\n", ("p.jpg",), "1_product_2.jpg, found p.jpg"),
        ("productid,designation\nSKU-1,a\n", (), "looked for SKU-1, found no image file"),
        ("designation\na\n", ("p.jpg",), "looked for a column image, or productid and imageid"),
    ],
)  # fmt: skip
def test_images_that_match_nothing_are_told_with_an_example_of_both_sides(
    text: str, names: tuple[str, ...], expected: str, tmp_path: Path
) -> None:
    for name in names:
        (tmp_path / name).touch()
    reader = ProductReader(io.BytesIO(text.encode()), "x.csv", [tmp_path])
    list(reader.chunks())
    assert reader.none_matched
    line = reader.images_line("en")
    assert line.startswith("No image found for 1 of 1 products: ")
    assert expected in line


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
