"""The strict reader against pandas and the csv module, and every fault by name and line."""

from __future__ import annotations

import csv
import io
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.data.csv_scan import scan_csv
from src.errors import FileFault

COLUMNS = ("title", "body")
GOOD = b',title,body\n0,un,"a ""b"",\nc"\n1,deux,\n2,trois,x\n'

texts = st.text(
    st.one_of(st.sampled_from('",;\n\r\t\\. <>é\u2028\U0001f600'), st.characters(codec="utf-8")),
    max_size=12,
).filter(lambda text: "\0" not in text and not any(x == "\\." for x in text.splitlines()))


def scan_bytes(path: Path, data: bytes, columns: tuple[str, ...] = COLUMNS) -> list[list[str]]:
    path.write_bytes(data)
    return [list(record) for record in scan_csv(path, columns).records()]


def test_a_file_is_read_as_pandas_and_the_csv_module_read_it(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = scan_bytes(path, GOOD)
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    assert rows == frame.to_numpy().tolist()
    assert rows == list(csv.reader(io.StringIO(GOOD.decode(), newline="")))[1:]
    assert scan_csv(path, COLUMNS).lines() == [2, 4, 5]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=6), st.sampled_from(["\n", "\r\n"]))
def test_any_text_comes_back_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], row_end: str
) -> None:
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    text = io.StringIO(newline="")
    text.write(",title,body" + row_end)
    writer = csv.writer(text, lineterminator=row_end, quoting=csv.QUOTE_ALL)
    writer.writerows([(i, *row) for i, row in enumerate(rows)])
    data = text.getvalue().encode()
    records = scan_bytes(path, data)
    assert records == [[str(i), *row] for i, row in enumerate(rows)]
    starts = [data[: scan_csv(path, COLUMNS).starts[i]].count(b"\n") + 1 for i in range(len(rows))]
    assert scan_csv(path, COLUMNS).lines() == starts


@pytest.mark.parametrize(
    ("data", "line", "expected"),
    [
        (b"", 1, "found an empty file"),
        (b",title,body", 1, "found one line without an end"),
        (b",titre,body\n0,a,b\n", 1, "found ',titre,body'"),
        (b"id,title,body\n0,a,b\n", 1, "found 'id,title,body'"),
        (b";title;body\n0;a;b\n", 1, "fields divided by semicolons"),
        (b"\ttitle\tbody\n0\ta\tb\n", 1, "fields divided by tabs"),
        (b"\xef\xbb\xbf,title,body\n0,a,b\n", 1, "a byte order mark"),
        (GOOD.replace(b"trois", b"caf\xe9"), 5, "found the byte 0xE9"),
        (GOOD.replace(b"deux", b"d\0x"), 4, "found a NUL byte"),
        (",title,body\n0,a,b\n".encode("utf-16"), 1, "found a NUL byte"),
        (GOOD.replace(b"\nc", b"\n\\.\nc"), 3, r"a line of \\\. alone"),
        (GOOD[:-1], 5, "found the end of the file after field 3 of 3"),
        (GOOD[:-5], 5, "found the end of the file after field 2 of 3"),
        (GOOD.replace(b"1,deux,", b"1,deux"), 4, "expected 3 fields, found 2"),
        (GOOD.replace(b"1,deux,", b"1,deux,,"), 4, "expected 3 fields, found 4"),
        (GOOD.replace(b"1,deux,", b""), 4, "expected 3 fields, found 1"),
        (GOOD.replace(b"deux", b'de"ux'), 4, "found a quote inside a plain one"),
        (GOOD.replace(b"deux", b' "deux"'), 4, "found a quote inside a plain one"),
        (GOOD.replace(b"deux", b'"de"ux'), 4, "after a quoted field, found b'u'"),
        (GOOD.replace(b"deux", b'"deux'), 4, "before the closing quote"),
        (GOOD.replace(b"trois,x\n", b'trois,"x""\n'), 5, "before the closing quote"),
        (GOOD.replace(b"deux,\n", b"deux,\r\n"), 4, r"row ends b'\\n' as in the header"),
        (GOOD.replace(b"deux", b"de\rux"), 4, r"found b'\\r'"),
        (b",title,body\r\n0,a,b\r\n1,c,d\n", 3, r"row ends b'\\r\\n' as in the header"),
    ],
)
def test_a_file_fault_names_file_line_and_what_was_found(
    tmp_path: Path, data: bytes, line: int, expected: str
) -> None:
    path = tmp_path / "X train.csv"
    path.write_bytes(data)
    with pytest.raises(FileFault, match=rf"X train\.csv, line {line}: .*{expected}") as caught:
        scan_csv(path, COLUMNS)
    shown = subprocess.run(
        ["bash", "-c", str(caught.value.next_command)], capture_output=True, check=True
    )
    lines = data.split(b"\n")
    assert shown.stdout.rstrip(b"\n") == lines[line - 1][:300]


def test_a_missing_file_names_what_lies_there_instead(tmp_path: Path) -> None:
    (tmp_path / "x.csv").touch()
    with pytest.raises(FileFault, match=r"X\.csv: the file is missing.*found x\.csv"):
        scan_csv(tmp_path / "X.csv", COLUMNS)
    with pytest.raises(FileFault, match=r"found no CSV file at all") as caught:
        scan_csv(tmp_path / "none" / "X.csv", COLUMNS)
    assert caught.value.next_command == f"ls -l {tmp_path}"


def test_a_folder_in_place_of_a_file_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(FileFault, match="not readable"):
        scan_csv(tmp_path, COLUMNS)


def test_a_field_may_hold_a_megabyte(tmp_path: Path) -> None:
    text = 'é"' * 500_000
    quoted = text.replace('"', '""')
    assert scan_bytes(tmp_path / "a.csv", f',title,body\n0,"{quoted}",\n'.encode()) == [
        ["0", text, ""]
    ]
