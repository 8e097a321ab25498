"""What init.sh prints of the rows at fault."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from etl import rejects


def test_the_first_twenty_are_shown_one_line_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rejects.csv"
    raw = '"0","a\nb' + "x" * 200_000 + '"'
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "line", "reason", "raw"])
        writer.writerows([["X.csv", line, "productid is no number", raw] for line in range(2, 25)])
    assert rejects.main([str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "23 rows at fault:"
    assert lines[1] == '  X.csv, line 2: productid is no number: "0","a b' + "x" * 72
    assert lines[-1] == "  ... and 3 more"
    assert len(lines) == 22


def test_few_are_shown_whole() -> None:
    row = {"file": "Y.csv", "line": "3", "reason": "prdtypecode is unknown", "raw": '"1","9"'}
    assert rejects.describe([row]) == (
        '1 rows at fault:\n  Y.csv, line 3: prdtypecode is unknown: "1","9"'
    )
