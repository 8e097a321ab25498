"""Lines for psql: what the service wrote, checked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from etl.feedback import main

ROW = {"productid": 1, "prdtypecode": 10, "author": "é", "created_at": "2026-01-01T12:00:00Z"}


def test_lines_are_ascii_and_the_summary_is_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "feedback.jsonl"
    path.write_text(json.dumps(ROW, ensure_ascii=False) + '\n{"productid": ', encoding="utf-8")
    assert main([str(path)]) == 0
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
    assert main([str(tmp_path)]) == 2
    assert "can't be read" in capsys.readouterr().err
