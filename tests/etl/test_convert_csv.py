"""A file that went through a spreadsheet becomes the official one again, or says what it lacks."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from src.config import REPOSITORY
from src.data.csv_files import X_COLUMNS, X_TRAIN, Y_TRAIN, read_official
from src.errors import FileFault

HEADER = ";".join(["", *X_COLUMNS])
ROWS = [("0", "Théière, 1 l", "", "11", "21"), ("1", "Lampe", 'dite "LED"', "12", "22")]
TEXT = f'{HEADER}\r\n0;Théière, 1 l;;11.0;21\r\n1;Lampe;"dite ""LED""";12;22\r\n'


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode("cp1252"),
        TEXT.replace(";", "\t").encode("utf-16"),
        b"\xef\xbb\xbf" + TEXT.replace("designation", "Designation").encode(),
        TEXT.replace("\r\n", "\n", 1).encode(),
    ],
)
def test_the_command_of_the_message_mends_the_file(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "my import" / X_TRAIN
    path.parent.mkdir()
    path.write_bytes(data)
    with pytest.raises(FileFault) as caught:
        read_official(path)
    command = str(caught.value.message).partition("; to rewrite it: ")[2]
    assert command.startswith("python etl/convert_csv.py ")
    arguments = [sys.executable, *shlex.split(command)[1:]]
    done = subprocess.run(arguments, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout == f"{path}: 2 rows rewritten\n"
    assert read_official(path).rows == ROWS
    assert path.with_name(f"{X_TRAIN}.original").read_bytes() == data
    subprocess.run(arguments, cwd=REPOSITORY, capture_output=True, check=True)
    assert path.with_name(f"{X_TRAIN}.original").read_bytes() == data


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        (Y_TRAIN, "prdtypecode;x\n10;1\n", "expected a row index in the first column"),
        (X_TRAIN, ";designation\n0;a\n", "expected a column 'description'"),
        (X_TRAIN, f"{HEADER}\n0;a;;4.12E+09;1\n", "last digits are lost"),
        ("x.csv", "", "expected one of X_train_update.csv, "),
    ],
)
def test_what_can_not_be_converted_stays_as_it_is(
    name: str, text: str, problem: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(text)
    command = [sys.executable, "etl/convert_csv.py", str(path)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert problem in done.stderr
    assert path.read_text() == text
    assert list(tmp_path.iterdir()) == [path]
