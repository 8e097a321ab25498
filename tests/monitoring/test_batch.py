"""A lot is read as it comes, or refused with file, what was found and what was expected."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from src.errors import FileFault
from src.monitoring.batch import NO_LABEL, read_batch, read_labels

CLASSES = np.array([10, 40])
OFFICIAL = ",designation,description,productid,imageid\n7,Jeu,NA,11,21\n8,Livre,,12,22\n"


def test_the_official_format_with_pictures(tmp_path: Path) -> None:
    batch, pictures = tmp_path / "x.csv", tmp_path / "pictures"
    batch.write_text(OFFICIAL)
    pictures.mkdir()
    there = pictures / "image_22_product_12.jpg"
    there.touch()
    items = read_batch(batch, [tmp_path / "nowhere", pictures])
    assert items.to_dict("list") == {
        "row_index": [7, 8],
        "productid": [11, 12],
        "imageid": [21, 22],
        "designation": ["Jeu", "Livre"],
        "description": ["NA", ""],
        "image": ["", str(there)],
    }


def test_any_csv_with_a_designation(tmp_path: Path) -> None:
    batch = tmp_path / "x.csv"
    batch.write_text('designation,price\n"a, b\nc",3\n')
    items = read_batch(batch, [])
    assert items.iloc[0].tolist() == [0, -1, -1, "a, b\nc", "", ""]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"title,price\na,1\n", "no column designation, found title, price"),
        (b"designation\n", "no product below the header"),
        (b"", "not readable as CSV"),
        (b"designation\ncaf\xe9\n", "not UTF-8 at byte"),
        (b"designation\na,b\n", "more fields below the header than its 1 columns"),
        (b"designation\na\nb\0c\n", "a NUL byte in line 3"),
        (b'designation\n"open\n', "not readable as CSV .*EOF inside string"),
    ],
)
def test_a_file_at_fault_is_refused(content: bytes, problem: str, tmp_path: Path) -> None:
    batch = tmp_path / "x.csv"
    batch.write_bytes(content)
    with pytest.raises(FileFault, match=rf"x\.csv: {problem}.*expected a comma-separated"):
        read_batch(batch, [])


def test_ids_that_are_no_whole_numbers_are_no_ids(tmp_path: Path) -> None:
    batch = tmp_path / "x.csv"
    ids = ["inf", "1e30", "99999999999999999999", "A1", "-3", "12.0"]
    batch.write_text("productid,designation\n" + "".join(f"{i},a\n" for i in ids))
    items = read_batch(batch, [])
    assert items["productid"].tolist() == [-1, -1, -1, -1, -1, 12]
    labels = tmp_path / "y.csv"
    labels.write_text("productid,prdtypecode\nA1,10\n12,40\n")
    assert read_labels(labels, items, CLASSES).tolist() == [NO_LABEL] * 5 + [40]


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileFault, match="Is a directory"):
        read_batch(tmp_path, [])
    with pytest.raises(FileFault, match=r"none\.csv: no such file"):
        read_batch(tmp_path / "none.csv", [])


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (",prdtypecode\n8,40\n7,10\n", [10, 40]),
        (",prdtypecode\n8,40\n99,10\n", [NO_LABEL, 40]),
        ("productid,prdtypecode\n12,40\n11,x\n", [NO_LABEL, 40]),
        ("productid,prdtypecode\n12,40\n11,99\n", [NO_LABEL, 40]),
        ("prdtypecode\n10\n40\n", [10, 40]),
        ("prdtypecode\n10.5\n40.0\n", [NO_LABEL, 40]),
    ],
)
def test_labels_by_index_by_product_or_in_order(
    labels: str, expected: list[int], tmp_path: Path
) -> None:
    (tmp_path / "x.csv").write_text(OFFICIAL)
    (tmp_path / "y.csv").write_text(labels)
    found = read_labels(tmp_path / "y.csv", read_batch(tmp_path / "x.csv", []), CLASSES)
    assert (found.tolist(), found.dtype) == (expected, np.int64)


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        (",code\n8,40\n", "no column prdtypecode"),
        (",prdtypecode\n7,99\n8,inf\n", "no code of the model, found 99, inf"),
        ("productid,prdtypecode\nA1,40\n", "no row belongs to a product"),
        (",prdtypecode\n98,40\n", "no row belongs to a product"),
        ("prdtypecode\n10\n", "1 rows for 2 products, and neither row index nor productid"),
    ],
)
def test_labels_that_do_not_belong_are_refused(labels: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(OFFICIAL)
    (tmp_path / "y.csv").write_text(labels)
    with pytest.raises(FileFault, match=problem):
        read_labels(tmp_path / "y.csv", read_batch(tmp_path / "x.csv", []), CLASSES)
