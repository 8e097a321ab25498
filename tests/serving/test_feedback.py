"""Corrections in a real database, and in a file where there is none."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from src.data.corrections import read_feedback
from src.errors import ArtifactError, UsageError
from src.serving.feedback import append_line, new_correction, store
from tests.conftest import Load, Shop

NO_DATABASE = "postgresql://nobody@127.0.0.1:1/nowhere"
CODES = (10, 40, 2583)
GIVEN = new_correction(40, "Épée", 1003, predicted_code=10, author="Ana", comment="a toy\0")


def test_into_the_database(database: str, load: Load, shop: Shop, tmp_path: Path) -> None:
    assert load(database, shop.write_plain(6)).returncode == 0
    assert store(GIVEN, tmp_path / "feedback.jsonl", lambda: database, CODES) == "database"
    with psycopg.connect(database) as connection:
        (row,) = connection.execute(
            "SELECT productid, designation_hash, prdtypecode, predicted_code, author, comment,"
            " created_at FROM project.feedback"
        ).fetchall()
    digest = hashlib.sha256("Épée".encode()).hexdigest()
    assert row == (1003, digest, 40, 10, "Ana", "a toy", GIVEN.created_at)
    assert not (tmp_path / "feedback.jsonl").exists()


def test_into_a_file_that_init_sh_reads(tmp_path: Path) -> None:
    file = tmp_path / "results" / "feedback.jsonl"
    for number in range(3):
        given = new_correction(10, f"Livre {number}", comment="\ud800 ok")
        assert store(given, file, lambda: NO_DATABASE, CODES) == "file"
    found, unreadable = read_feedback(file)
    titles = [hashlib.sha256(f"Livre {n}".encode()).hexdigest() for n in range(3)]
    assert [correction.designation_hash for correction in found] == titles
    assert {(c.prdtypecode, c.productid, c.comment) for c in found} == {(10, None, "? ok")}
    assert unreadable == 0


def test_a_line_that_a_kill_cut_is_ended_first(tmp_path: Path) -> None:
    file = tmp_path / "feedback.jsonl"
    file.write_text('{"cut": ', encoding="utf-8")
    append_line(file, "{}")
    append_line(file, "[]")
    assert file.read_text(encoding="utf-8") == '{"cut": \n{}\n[]\n'


def test_writers_do_not_mix(tmp_path: Path) -> None:
    file, line = tmp_path / "feedback.jsonl", json.dumps({"comment": "x" * 5000})
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: append_line(file, line), range(80)))
    assert file.read_text(encoding="utf-8").splitlines() == [line] * 80


def test_what_is_no_correction(tmp_path: Path) -> None:
    file = tmp_path / "feedback.jsonl"
    with pytest.raises(UsageError, match="prdtypecode 11 is not one of the 3 known codes"):
        store(new_correction(11, "Livre"), file, lambda: NO_DATABASE, CODES)
    with pytest.raises(UsageError, match="expected a productid or a designation"):
        store(new_correction(10), file, lambda: NO_DATABASE, CODES)
    assert not file.exists()


def test_a_folder_that_can_not_be_written(tmp_path: Path) -> None:
    blocked = tmp_path / "results"
    blocked.write_text("a file where a folder is expected", encoding="utf-8")
    with pytest.raises(ArtifactError, match="the correction can't be written"):
        store(new_correction(10, "Livre"), blocked / "feedback.jsonl", lambda: NO_DATABASE, CODES)
