"""The three files as tables: against pandas, sha256sum, and rows at fault written by hand."""

from __future__ import annotations

import hashlib
import os
import subprocess
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from src.data import csv_files
from src.data.csv_files import X_TEST, X_TRAIN, Y_TRAIN
from src.errors import FileFault

if TYPE_CHECKING:
    from tests.conftest import Shop

CODES = (10, 40, 2583)
MEGABYTE = "mot " * 250_000


def test_tables_are_what_pandas_reads(shop: Shop) -> None:
    folder = shop.write_plain(30)
    tables = csv_files.read_csv_files(folder, CODES)
    x, y, test = (
        pd.read_csv(folder / name, dtype=str, keep_default_na=False)
        for name in (X_TRAIN, Y_TRAIN, X_TEST)
    )
    names = {"Unnamed: 0": "row_index"}
    kinds = {"row_index": "int64", "productid": "int64", "imageid": "int64"}
    order = list(csv_files.ITEM_COLUMNS)
    train = x.rename(columns=names).merge(y.rename(columns=names), on="row_index", validate="1:1")
    train = train.astype({**kinds, "prdtypecode": "int64"})[[*order, "prdtypecode"]]
    pd.testing.assert_frame_equal(tables.train, train)
    pd.testing.assert_frame_equal(tables.test, test.rename(columns=names).astype(kinds)[order])
    assert tables.rejects.empty
    assert tables.rejected_rows == 0


def test_rows_come_in_the_order_of_their_index(shop: Shop) -> None:
    folder = shop.write([(9, "b", "", 1, 1), (2, "a", "", 2, 2)], [(2, 10), (9, 40)])
    train = csv_files.read_csv_files(folder, CODES).train
    assert train[["row_index", "designation", "prdtypecode"]].to_numpy().tolist() == [
        [2, "a", 10],
        [9, "b", 40],
    ]


def test_the_hash_is_that_of_sha256sum(shop: Shop) -> None:
    folder = shop.write_plain(5)
    listing = subprocess.run(
        ["sha256sum", X_TRAIN, Y_TRAIN, X_TEST], cwd=folder, capture_output=True, check=True
    ).stdout
    snapshot = csv_files.take_snapshot(folder)
    assert snapshot.data_hash == hashlib.sha256(listing).hexdigest()
    assert snapshot.source == "official"
    file = folder / X_TEST
    assert snapshot.files[X_TEST] == csv_files.FileSnapshot(
        hashlib.sha256(file.read_bytes()).hexdigest(), file.stat().st_size, 2
    )
    os.utime(file, (0, 0))
    assert csv_files.take_snapshot(folder) == snapshot
    (folder / csv_files.SYNTHETIC_MARKER).touch()
    assert csv_files.take_snapshot(folder).source == "demo"
    file.write_bytes(file.read_bytes().replace(b"Test 0", b"Test x"))
    assert csv_files.take_snapshot(folder).data_hash != snapshot.data_hash


def test_rows_at_fault_are_rejected_with_line_reason_and_raw_text(shop: Shop) -> None:
    folder = shop.write(
        [
            (0, "sound", "two\nlines", 100, 1),
            ("x", "index", "", 101, 1),
            (2, "twice", "", 102, 1),
            (3, "twice too", "", 102, 1),
            (4, " \t\n\v", "", "1e3", "-1"),
            (5, 'a "b"', "", 105, 1),
            (6, "code", "", 106, 1),
            (7, "\u00a0", "no-break space is no ASCII blank", 107, 1),
        ],
        [(0, 10), (1, 10), (2, 10), (3, 40), (4, 40), (5, 99), (6, "9.0"), (7, "-0")],
        [(8, "", "", 102, "?"), (9, "ok", "", 102, 3)],
    )
    tables = csv_files.read_csv_files(folder, {0, 10, 40})
    assert tables.train["row_index"].tolist() == [0, 7]
    assert tables.rejected_rows == 6
    assert tables.test.to_numpy().tolist() == [[8, 102, -1, "", ""], [9, 102, 3, "ok", ""]]
    assert tables.rejects.to_numpy().tolist() == [
        [X_TEST, 2, "productid is not unique; imageid is no number; designation is empty",
         '"8","","","102","?"'],
        [X_TEST, 3, "productid is not unique", '"9","ok","","102","3"'],
        [X_TRAIN, 4, "row index is no number", '"x","index","","101","1"'],
        [X_TRAIN, 5, "productid is not unique", '"2","twice","","102","1"'],
        [X_TRAIN, 6, "productid is not unique", '"3","twice too","","102","1"'],
        [X_TRAIN, 7, "productid is no number; imageid is no number; designation is empty",
         '"4"," \t\n\v","","1e3","-1"'],
        [Y_TRAIN, 3, "no row in X_train_update.csv", '"1","10"'],
        [Y_TRAIN, 7, "prdtypecode is unknown", '"5","99"'],
        [Y_TRAIN, 8, "prdtypecode is no number", '"6","9.0"'],
    ]  # fmt: skip


def test_a_row_without_its_partner_refuses_the_files(shop: Shop) -> None:
    folder = shop.write([(0, "a", "", 1, 1), (1, "b", "", 2, 2)], [(0, 10)])
    with pytest.raises(FileFault, match=f"1 rows have no row in {Y_TRAIN}"):
        csv_files.read_csv_files(folder, CODES)
    folder = shop.write([(0, "a", "", 1, 1)], [(0, 10), (1, 10)])
    with pytest.raises(FileFault, match=f"1 rows have no row in {X_TRAIN}"):
        csv_files.read_csv_files(folder, CODES)


def test_an_index_that_two_rows_share_rejects_both_and_explains_their_partner(shop: Shop) -> None:
    folder = shop.write([(0, "a", "", 1, 1), (5, "b", "", 2, 2)], [(0, 10), (0, 40)])
    tables = csv_files.read_csv_files(folder, CODES)
    assert tables.train.empty
    assert tables.train["designation"].dtype in ("str", object)  # object: pandas 2
    assert tables.rejects["reason"].tolist() == [
        f"no row in {Y_TRAIN}",
        "row index is not unique",
        "row index is not unique",
    ]


@pytest.mark.parametrize("index", ["x", "1", ""])
def test_a_test_row_without_an_index_of_its_own_is_a_file_fault(shop: Shop, index: str) -> None:
    folder = shop.write(
        [(0, "a", "", 1, 1)], [(0, 10)], [(1, "x\ny", "", 1, 1), (index, "z", "", 2, 2)]
    )
    line = 2 if index == "1" else 4
    with pytest.raises(FileFault, match=rf"{X_TEST}, line {line}: expected a row index of its own"):
        csv_files.take_snapshot(folder)


def test_files_without_a_row_to_train_on_are_a_fault(shop: Shop) -> None:
    folder = shop.write([], [])
    with pytest.raises(FileFault, match=rf"{X_TRAIN}, line 2: expected a row"):
        csv_files.take_snapshot(folder)


def test_html_sql_and_a_megabyte_are_text(shop: Shop) -> None:
    titles = ["<script>alert(1)</script>", "'; DROP TABLE project.items; --", MEGABYTE]
    folder = shop.write(
        [(i, title, "", i, i) for i, title in enumerate(titles)], [(i, 10) for i in range(3)]
    )
    assert csv_files.read_csv_files(folder, CODES).train["designation"].tolist() == titles


def test_a_stale_marker_does_not_make_official_files_synthetic(shop: Shop) -> None:
    """A user lays the official files over a demo shop: the marker speaks of files that are gone."""
    folder = shop.write_plain(4)
    digests = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in csv_files.FILES
    }
    marker = folder / "SYNTHETIC"
    marker.write_text("drawn\n" + "".join(f"{d}  {n}\n" for n, d in digests.items()))
    assert csv_files.take_snapshot(folder).source == "demo"
    shop.write_plain(5, n_test=3)
    assert csv_files.take_snapshot(folder).source == "official"
    marker.write_text("made by hand\n")
    assert csv_files.take_snapshot(folder).source == "demo"
    marker.unlink()
    assert csv_files.take_snapshot(folder).source == "official"
