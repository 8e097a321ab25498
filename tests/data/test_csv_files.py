"""The three files: against pandas, sha256sum and the csv module; every fault by name and line."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.config import REPOSITORY
from src.data import csv_files, csv_tables
from src.data.csv_files import BLANK, X_TEST, X_TRAIN, Y_TRAIN, read_official
from src.errors import FileFault
from tests.conftest import rejects_of

if TYPE_CHECKING:
    from tests.conftest import Shop

CODES = (10, 40, 2583)
MEGABYTE = "mot " * 250_000
COLUMNS = ("title", "body")
GOOD = b',title,body\n0,un,"a ""b"",\nc"\n1,deux,\n2,trois,x\n'

texts = st.text(
    st.one_of(st.sampled_from('",;\n\r\t\\. <>é\u2028\U0001f600'), st.characters(codec="utf-8")),
    max_size=12,
).filter(lambda text: "\0" not in text and not any(x == "\\." for x in text.splitlines()))


def test_tables_are_what_pandas_reads(shop: Shop) -> None:
    folder = shop.write_plain(30)
    tables = csv_tables.read_csv_files(folder, CODES)
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
    assert not any(of.any() for of in tables.faults.values())
    assert tables.rejected_rows == 0


def test_rows_come_in_the_order_of_their_index(shop: Shop) -> None:
    folder = shop.write([(9, "b", "", 1, 1), (2, "a", "", 2, 2)], [(2, 10), (9, 40)])
    train = csv_tables.read_csv_files(folder, CODES).train
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
    assert snapshot["data_hash"] == hashlib.sha256(listing).hexdigest()
    assert snapshot["source"] == "official"
    file = folder / X_TEST
    assert snapshot["files"][X_TEST] == {
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "bytes": file.stat().st_size,
        "rows": 2,
    }
    os.utime(file, (0, 0))
    assert csv_files.take_snapshot(folder) == snapshot
    (folder / csv_files.SYNTHETIC_MARKER).touch()
    assert csv_files.take_snapshot(folder)["source"] == "demo"
    file.write_bytes(file.read_bytes().replace(b"Test 0", b"Test x"))
    assert csv_files.take_snapshot(folder)["data_hash"] != snapshot["data_hash"]


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
            (7, "\u00a0\ufeff", "neither can be seen", 107, 1),
            (8, "\u00a0!", "", 108, 1),
        ],
        [(0, 10), (1, 10), (2, 10), (3, 40), (4, 40), (5, 99), (6, "9.0"), (7, 10), (8, "-0")],
        [(8, "", "", 102, "?"), (9, "ok", "", 102, 3)],
    )
    tables = csv_tables.read_csv_files(folder, {0, 10, 40})
    assert tables.train["row_index"].tolist() == [0, 8]
    assert tables.rejected_rows == 7
    assert tables.test.to_numpy().tolist() == [[8, 102, -1, "", ""], [9, 102, 3, "ok", ""]]
    assert rejects_of(folder, tables.faults) == [
        [X_TEST, 2, "productid is not unique; imageid is no number; designation is empty",
         '"8","","","102","?"'],
        [X_TEST, 3, "productid is not unique", '"9","ok","","102","3"'],
        [X_TRAIN, 4, "row index is no number", '"x","index","","101","1"'],
        [X_TRAIN, 5, "productid is not unique", '"2","twice","","102","1"'],
        [X_TRAIN, 6, "productid is not unique", '"3","twice too","","102","1"'],
        [X_TRAIN, 7, "productid is no number; imageid is no number; designation is empty",
         '"4"," \t\n\v","","1e3","-1"'],
        [X_TRAIN, 11, "designation is empty", '"7","\u00a0\ufeff","neither can be seen","107","1"'],
        [Y_TRAIN, 3, "no row in X_train_update.csv", '"1","10"'],
        [Y_TRAIN, 7, "prdtypecode is unknown", '"5","99"'],
        [Y_TRAIN, 8, "prdtypecode is no number", '"6","9.0"'],
    ]  # fmt: skip


def test_the_database_sees_the_same_characters_as_blank() -> None:
    text = (REPOSITORY / "sql" / "11_upsert_items.sql").read_text()
    listed = "".join(re.findall(r"^ +'(.*u0.*|.*u2.*)'$", text, re.MULTILINE))
    assert listed.replace("[^", "[") + "*" == BLANK.pattern


def test_a_row_without_its_partner_refuses_the_files(shop: Shop) -> None:
    folder = shop.write([(0, "a", "", 1, 1), (1, "b", "", 2, 2)], [(0, 10)])
    with pytest.raises(FileFault, match=f"1 rows have no row in {Y_TRAIN}"):
        csv_tables.read_csv_files(folder, CODES)
    folder = shop.write([(0, "a", "", 1, 1)], [(0, 10), (1, 10)])
    with pytest.raises(FileFault, match=f"1 rows have no row in {X_TRAIN}"):
        csv_tables.read_csv_files(folder, CODES)


def test_an_index_that_two_rows_share_rejects_both_and_explains_their_partner(shop: Shop) -> None:
    folder = shop.write([(0, "a", "", 1, 1), (5, "b", "", 2, 2)], [(0, 10), (0, 40)])
    tables = csv_tables.read_csv_files(folder, CODES)
    assert tables.train.empty
    assert tables.train["designation"].dtype in ("str", object)  # object: pandas 2
    assert [reason for _, _, reason, _ in rejects_of(folder, tables.faults)] == [
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
    assert csv_tables.read_csv_files(folder, CODES).train["designation"].tolist() == titles


def test_a_stale_marker_does_not_make_official_files_synthetic(shop: Shop) -> None:
    """A user lays the official files over a demo shop: the marker speaks of files that are gone."""
    folder = shop.write_plain(4)
    digests = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in csv_files.FILES
    }
    marker = folder / "SYNTHETIC"
    marker.write_text("drawn\n" + "".join(f"{d}  {n}\n" for n, d in digests.items()))
    assert csv_files.take_snapshot(folder)["source"] == "demo"
    shop.write_plain(5, n_test=3)
    assert csv_files.take_snapshot(folder)["source"] == "official"
    marker.write_text("made by hand\n")
    assert csv_files.take_snapshot(folder)["source"] == "demo"
    marker.unlink()
    assert csv_files.take_snapshot(folder)["source"] == "official"


def rows_of(path: Path, data: bytes) -> list[list[str]]:
    path.write_bytes(data)
    return [list(row) for row in read_official(path, COLUMNS).rows]


def test_a_file_is_read_as_pandas_and_the_csv_module_read_it(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = rows_of(path, GOOD)
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    assert rows == frame.to_numpy().tolist()
    assert rows == list(csv.reader(io.StringIO(GOOD.decode(), newline="")))[1:]
    assert list(read_official(path, COLUMNS).lines) == [2, 4, 5]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=6), st.sampled_from(["\n", "\r\n"]))
def test_any_text_comes_back_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], row_end: str
) -> None:
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    text = io.StringIO(newline="")
    text.write(",title,body" + row_end)
    writer = csv.writer(text, lineterminator=row_end, quoting=csv.QUOTE_ALL)
    starts = []
    for i, row in enumerate(rows):
        starts.append(text.getvalue().count("\n") + 1)
        writer.writerow((i, *row))
    assert rows_of(path, text.getvalue().encode()) == [[str(i), *row] for i, row in enumerate(rows)]
    assert list(read_official(path, COLUMNS).lines) == starts


@pytest.mark.parametrize(
    ("data", "line", "expected"),
    [
        (b"", 1, "found an empty file"),
        (b",title,body", 1, "found the end of the file"),
        (b",titre,body\n0,a,b\n", 1, "found ',titre,body'"),
        (b"id,title,body\n0,a,b\n", 1, "found 'id,title,body'"),
        (b";title;body\n0;a;b\n", 1, "separated by semicolons"),
        (b"\ttitle\tbody\n0\ta\tb\n", 1, "separated by tabs"),
        (b"\xef\xbb\xbf,title,body\n0,a,b\n", 1, "a byte order mark"),
        (GOOD.replace(b"trois", b"caf\xe9"), 5, "found the byte 0xE9"),
        (GOOD.replace(b"deux", b"d\0x"), 4, "found a NUL byte"),
        (",title,body\n0,a,b\n".encode("utf-16"), 1, "found a NUL byte"),
        (GOOD.replace(b"\nc", b"\n\\.\nc"), 3, r"a line of \\\. alone"),
        (GOOD[:-1], 5, "is the file cut.*found the end of the file"),
        (GOOD[:-5], 5, "found the end of the file|expected 3 fields, found 2"),
        (GOOD.replace(b"1,deux,", b"1,deux"), 4, "expected 3 fields, found 2"),
        (GOOD.replace(b"1,deux,", b"1,deux,,"), 4, "expected 3 fields, found 4"),
        (GOOD.replace(b"1,deux,", b""), 4, "expected 3 fields, found 1"),
        (GOOD.replace(b"deux", b'de"ux'), 4, "found a quote inside a plain one"),
        (GOOD.replace(b"deux", b' "deux"'), 4, "found a quote inside a plain one"),
        (GOOD.replace(b"deux", b'"de"ux'), 4, "',' expected after '\"'"),
        (GOOD.replace(b"deux", b'"deux'), 4, "before the closing quote"),
        (GOOD.replace(b"trois,x\n", b'trois,"x""\n'), 5, "before the closing quote"),
        (GOOD.replace(b"deux,\n", b"deux,\r\n"), 4, r"row ends b'\\n' as in the header"),
        (GOOD.replace(b"deux", b"de\rux"), 4, "found new-line character seen in unquoted field\n"),
        (b",title,body\r\n0,a,b\r\n1,c,d\n", 3, r"row ends b'\\r\\n' as in the header"),
    ],
)
def test_a_file_fault_names_file_line_and_what_was_found(
    tmp_path: Path, data: bytes, line: int, expected: str
) -> None:
    path = tmp_path / "X train.csv"
    path.write_bytes(data)
    with pytest.raises(FileFault, match=rf"X train\.csv, line {line}: .*{expected}") as caught:
        read_official(path, COLUMNS)
    shown = subprocess.run(
        ["bash", "-c", str(caught.value.next_command)], capture_output=True, check=True
    )
    lines = data.split(b"\n")
    assert shown.stdout.rstrip(b"\n") == lines[line - 1][:300]


def test_a_missing_file_names_what_lies_there_instead(tmp_path: Path) -> None:
    (tmp_path / "x.csv").touch()
    with pytest.raises(FileFault, match=r"X\.csv: the file is missing.*found x\.csv"):
        read_official(tmp_path / "X.csv", COLUMNS)
    with pytest.raises(FileFault, match=r"found no CSV file at all") as caught:
        read_official(tmp_path / "none" / "X.csv", COLUMNS)
    assert caught.value.next_command == f"ls -l {tmp_path}"


def test_a_folder_in_place_of_a_file_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(FileFault, match="not readable"):
        read_official(tmp_path, COLUMNS)


def test_a_field_may_hold_a_megabyte(tmp_path: Path) -> None:
    text = 'é"' * 500_000
    quoted = text.replace('"', '""')
    assert rows_of(tmp_path / "a.csv", f',title,body\n0,"{quoted}",\n'.encode()) == [
        ["0", text, ""]
    ]


def test_more_rejects_than_allowed_refuse_the_files_as_the_load_does(shop: Shop) -> None:
    rows = [(i, "\u00a0" if i == 7 else f"Lampe {i}", "", 100 + i, 1) for i in range(40)]
    folder = shop.write(rows, [(i, 10) for i in range(40)], [(40, "x", "", 1, 1)])
    assert csv_tables.read_csv_files(folder, CODES, 0.025).rejected_rows == 1
    with pytest.raises(FileFault, match=f"{X_TRAIN}, line 9: designation is empty; ") as caught:
        csv_tables.read_csv_files(folder, CODES, 0.024)
    assert caught.value.message.endswith(
        "expected at most 0 rejected rows (validation.max_reject_rate), found 1"
    )
