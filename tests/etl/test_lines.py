"""Lines for psql, what the service wrote, checked; and for people, the rows at fault."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from etl.lines import describe, main

ROW = {"productid": 1, "prdtypecode": 10, "author": "é", "created_at": "2026-01-01T12:00:00Z"}


def test_lines_are_ascii_and_the_summary_is_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "feedback.jsonl"
    path.write_text(json.dumps(ROW, ensure_ascii=False) + '\n{"productid": ', encoding="utf-8")
    assert main(["feedback", str(path)]) == 0
    done = capsys.readouterr()
    assert done.out == (
        '{"author": "\\u00e9", "comment": "", "created_at": "2026-01-01T12:00:00+00:00", '
        '"designation_hash": null, "prdtypecode": 10, "predicted_code": null, "productid": 1}\n'
    )
    assert done.err == (
        "   1 corrections in results/feedback.jsonl, 1 lines left out that hold none\n"
    )


def test_a_file_that_can_not_be_read_stops_the_load(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["feedback", str(tmp_path)]) == 2
    assert "can't be read" in capsys.readouterr().err


def test_the_first_twenty_are_shown_one_line_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rejects.csv"
    raw = '"0","a\nb' + "x" * 200_000 + '"'
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "line", "reason", "raw"])
        writer.writerows([["X.csv", line, "productid is no number", raw] for line in range(2, 25)])
    assert main(["rejects", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "23 rows at fault:"
    assert lines[1] == '  X.csv, line 2: productid is no number: "0","a b' + "x" * 72
    assert lines[-1] == "  ... and 3 more"
    assert len(lines) == 22


def test_few_are_shown_whole() -> None:
    row = {"file": "Y.csv", "line": "3", "reason": "prdtypecode is unknown", "raw": '"1","9"'}
    assert describe([row]) == ('1 rows at fault:\n  Y.csv, line 3: prdtypecode is unknown: "1","9"')
