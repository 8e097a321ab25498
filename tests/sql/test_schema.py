"""The SQL files themselves: style, headers, numbering, comments, text search."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlfluff.core import FluffConfig, Linter

from etl import postgres_server
from src.config import REPOSITORY

if TYPE_CHECKING:
    from tests.conftest import Load, Shop

FILES = sorted((REPOSITORY / "sql").glob("*.sql"))
HEADER = re.compile(r"-- Title:  .+\n(?:-- .*\n)*-- Reads:  .+\n(?:-- .*\n)*-- Writes: .+\n"
                    r"(?:-- .*\n)*-- Re-run: .+\n")  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_style(path: Path) -> None:
    config = FluffConfig.from_path(str(REPOSITORY))
    found = Linter(config=config).lint_string(path.read_text()).get_violations()
    assert [f"{v.line_no}: {v.rule_code()} {v.desc()}" for v in found] == []


def test_style_finds_what_is_wrong() -> None:
    config = FluffConfig.from_path(str(REPOSITORY))
    found = Linter(config=config).lint_string("select a, b FROM t\n").get_violations()
    assert {v.rule_code() for v in found} == {"CP01", "LT09"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_header_and_number(path: Path) -> None:
    text = path.read_text()
    assert HEADER.match(text)
    does = "check" if "RAISE EXCEPTION" in text else "define"
    if re.search(r"^(\\copy project|INSERT INTO project)", text, re.MULTILINE):
        does = "load"
    assert does == {"0": "define", "1": "load", "2": "check", "3": "define"}[path.name[0]]


@pytest.mark.postgres
def test_every_table_view_and_function_has_a_comment(shop: Shop, database: str, load: Load) -> None:
    load(database, shop.write_plain(3))
    with psycopg.connect(database) as connection:
        silent = connection.execute(
            "SELECT relname FROM pg_class c WHERE relkind IN ('r', 'v')"
            " AND relnamespace = 'project'::regnamespace AND obj_description(c.oid) IS NULL"
            " UNION ALL SELECT proname FROM pg_proc p WHERE obj_description(p.oid) IS NULL"
            " AND pronamespace = 'project'::regnamespace"
        ).fetchall()
        tables = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'project'"
            " AND tablename NOT LIKE 'staging%' ORDER BY 1"
        ).fetchall()
    assert silent == []
    assert [name for (name,) in tables] == [
        "assets", "datasets", "drift_reports", "feedback", "feedback_items", "items",
        "items_history", "models", "predictions", "rejects", "splits", "test_items",
    ]  # fmt: skip


@pytest.mark.postgres
def test_text_search_finds_words_and_stands_a_monstrous_title(
    shop: Shop, database: str, load: Load
) -> None:
    monster = " ".join(f"mot{i}" for i in range(150_000))
    folder = shop.write(
        [(0, "Épée de pirate", "", 1, 1), (1, monster, "", 2, 2)], [(0, 10), (1, 10)]
    )
    load(database, folder)
    for _ in range(2):
        done = subprocess.run(
            [str(postgres_server.binaries() / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1",
             "-f", str(REPOSITORY / "sql" / "30_text_search.sql"), database],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
    with psycopg.connect(database) as connection:
        connection.execute("SET enable_seqscan = off")
        words = (
            "FROM project.items WHERE to_tsvector('simple', left(designation, 50000))"
            " @@ plainto_tsquery('simple', 'épée')"
        )
        assert connection.execute("SELECT productid " + words).fetchall() == [(1,)]
        plan = connection.execute("EXPLAIN SELECT productid " + words).fetchall()
    assert "items_designation_words" in str(plan)
