"""Reading and writing a real database; what the driver raises becomes a DatabaseError."""

from __future__ import annotations

import math
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pandas as pd
import psycopg
import pytest

from src.data import csv_tables, postgres
from src.errors import DatabaseError

if TYPE_CHECKING:
    from tests.conftest import Load, Shop

pytestmark = pytest.mark.postgres
CODES = (10, 40, 2583)


def test_tables_are_those_of_the_csv_files(shop: Shop, database: str, load: Load) -> None:
    folder = shop.write_plain(50)
    load(database, folder)
    expected = csv_tables.read_csv_files(folder, CODES)
    pd.testing.assert_frame_equal(postgres.read_items(database), expected.train)
    pd.testing.assert_frame_equal(postgres.read_test_items(database), expected.test)
    snapshot = postgres.latest_snapshot(database)
    assert (snapshot.data_hash, snapshot.source) == (expected.snapshot.data_hash, "official")
    assert (snapshot.rows, snapshot.rejected_rows) == (50, 0)
    with postgres.connect(database) as connection:
        created = connection.execute("SELECT created_at FROM project.datasets").fetchone()
    assert created == (datetime(2024, 1, 1, tzinfo=timezone.utc),)


def test_an_empty_table_has_the_types_of_a_full_one(shop: Shop, database: str, load: Load) -> None:
    folder = shop.write([(0, "a", "", 1, 1)], [(0, 10)])
    load(database, folder)
    expected = csv_tables.read_csv_files(folder, CODES).test
    assert len(expected) == 0
    pd.testing.assert_frame_equal(postgres.read_test_items(database), expected)


def test_splits_of_a_snapshot_are_replaced(shop: Shop, database: str, load: Load) -> None:
    load(database, shop.write_plain(3))
    data_hash = postgres.latest_snapshot(database).data_hash
    postgres.write_splits(database, data_hash, [1000, 1001, 1002], ["train"] * 3)
    postgres.write_splits(database, data_hash, [1000, 1001], ["train", "holdout"])
    with postgres.connect(database) as connection:
        rows = connection.execute("SELECT * FROM project.splits ORDER BY productid").fetchall()
    assert rows == [(1, 1000, "train"), (1, 1001, "holdout")]
    with pytest.raises(DatabaseError, match=r"the snapshot 0000000 is not loaded"):
        postgres.write_splits(database, "0000000", [], [])


def test_a_model_is_recorded_once_a_run(shop: Shop, database: str, load: Load) -> None:
    load(database, shop.write_plain(3))
    data_hash = postgres.latest_snapshot(database).data_hash
    model = {"run_id": "r", "kind": "logreg", "phase": "final", "data_hash": data_hash}
    postgres.write_model(database, **model, scores={"f1": 0.5}, artifact="m.joblib")
    scores = {"f1_weighted": 0.8, "log_loss": math.nan}
    postgres.write_model(database, **model, scores=scores, artifact_sha256="a" * 64)
    with postgres.connect(database) as connection:
        row = connection.execute(
            "SELECT run_id, kind, phase, dataset_id, artifact, artifact_sha256, scores"
            " FROM project.models"
        ).fetchall()
    stored = {"f1_weighted": 0.8, "log_loss": None}
    assert row == [("r", "logreg", "final", 1, None, "a" * 64, stored)]


def test_the_run_that_answers_is_marked_and_no_other(shop: Shop, database: str, load: Load) -> None:
    load(database, shop.write_plain(3))
    data_hash = postgres.latest_snapshot(database).data_hash
    for run_id, kind, phase in (("a", "logreg", "final"), ("a", "logreg", "holdout"),
                                ("b", "logreg", "final"), ("c", "xgboost", "final")):  # fmt: skip
        about = {"run_id": run_id, "kind": kind, "phase": phase}
        postgres.write_model(database, data_hash, {}, **about)
    for served in ("a", "b", "a"):
        postgres.mark_served(database, served)
        with postgres.connect(database) as connection:
            found = connection.execute("SELECT DISTINCT run_id FROM project.models WHERE served")
            assert found.fetchall() == [(served,)]


def test_a_failure_inside_the_block_undoes_it(shop: Shop, database: str, load: Load) -> None:
    load(database, shop.write_plain(3))
    with (
        pytest.raises(DatabaseError, match="PostgreSQL refused: .*violates check"),
        postgres.connect(database) as connection,
    ):
        connection.execute("DELETE FROM project.test_items")
        connection.execute("UPDATE project.items SET designation = ''")
    assert len(postgres.read_test_items(database)) == 2


def test_a_database_without_our_tables_says_to_load(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Into the database that was given: an address that leads to it stays set."""
    monkeypatch.setenv("DATABASE_URL", database)
    with pytest.raises(DatabaseError, match="nothing was loaded yet") as caught:
        postgres.read_items(database)
    assert caught.value.next_command == "bash init.sh"
    assert isinstance(caught.value.__cause__, psycopg.errors.UndefinedTable)


def test_tables_without_a_snapshot_say_to_load(shop: Shop, database: str, load: Load) -> None:
    load(database, shop.write_plain(3))
    with postgres.connect(database) as connection:
        for table in ("items", "test_items", "datasets"):
            connection.execute(f"DELETE FROM project.{table}")  # noqa: S608
    with pytest.raises(DatabaseError, match="no snapshot is loaded"):
        postgres.latest_snapshot(database)


def test_a_server_that_is_down_or_refuses_is_named_without_its_password(
    database: str, free_port: int
) -> None:
    down = f"postgres://mlops:secret@localhost:{free_port}/rakuten"
    with pytest.raises(DatabaseError, match=r"^localhost:\d+/rakuten: PostgreSQL can't") as caught:
        postgres.read_items(down)
    assert "secret" not in str(caught.value)
    wrong = database.replace(":test@", ":secret@")
    with pytest.raises(DatabaseError, match="can't be reached: .*password authentication failed"):
        postgres.read_items(wrong)
    with pytest.raises(DatabaseError, match="the database address"):
        postgres.read_items("postgres://[")


def test_a_drift_report_is_recorded(shop: Shop, database: str, load: Load) -> None:
    load(database, shop.write_plain(3))
    finding = {"signal": "language", "p_value": 0.001, "psi": None}
    report = {"lot": "lot-a", "report_date": "2026-01-31", "run_id": "r", "rows": 500}
    row = {**report, "alert": True, "findings": [finding]}
    postgres.write_rows(database, "drift_reports", [row])
    with postgres.connect(database) as connection:
        rows = connection.execute(
            "SELECT lot, report_date::TEXT, run_id, rows, alert, findings"
            " FROM project.drift_reports"
        ).fetchall()
    assert rows == [(*report.values(), True, [finding])]


def test_profiles_are_read_since_a_time(shop: Shop, database: str, load: Load) -> None:
    load(database, shop.write_plain(3))
    with postgres.connect(database) as connection:
        for day, productid in ((1, None), (2, None), (3, 1001)):
            connection.execute(
                "INSERT INTO project.predictions (productid, designation_hash, prdtypecode,"
                " probability, needs_review, run_id, profile, created_at)"
                " VALUES (%s, 'h', 10, 0.5, false, 'r', %s, %s)",
                (productid, f'{{"day": {day}}}', datetime(2026, 1, day, tzinfo=timezone.utc)),
            )
    found = postgres.read_profiles(database, datetime(2026, 1, 2, tzinfo=timezone.utc))
    assert found.to_dict("list") == {
        "productid": [-1, 1001],
        "run_id": ["r", "r"],
        "profile": [{"day": 2}, {"day": 3}],
    }
