"""The role of service and app: what it may, and that the server refuses it everything else.

That feedback, review and the log of answers work under it, tests/serving shows: they use it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from src.config import REPOSITORY
from src.data import postgres
from src.data.database_url import APP_USER
from src.errors import DatabaseError
from tests.conftest import Load, Shop, as_app

pytestmark = pytest.mark.postgres


@pytest.fixture
def app(shop: Shop, database: str, load: Load) -> Iterator[psycopg.Connection]:
    """A connection under the role, to a database that holds a bit of everything."""
    folder = shop.write_plain(6)
    assert load(database, folder).returncode == 0
    with psycopg.connect(database) as owner:
        owner.execute("CREATE SCHEMA secret")
        owner.execute("CREATE TABLE secret.other (a INT)")
        owner.execute("INSERT INTO project.feedback (productid, prdtypecode) VALUES (1000, 10)")
    with psycopg.connect(as_app(database), autocommit=True) as connection:
        yield connection


READS = [
    "project.items", "project.test_items", "project.datasets", "project.models",
    "project.feedback", "project.feedback_items", "project.review_items",
    "project.class_distribution", "project.dataset_inventory", "project.latest_checks",
    "project.latest_models", "project.current_feedback", "project.review_waiting",
]  # fmt: skip
ADDS = [
    "INSERT INTO project.predictions (designation_hash, prdtypecode, probability, needs_review,"
    " run_id) VALUES ('', 10, 0.5, FALSE, 'r')",
    "INSERT INTO project.feedback (productid, prdtypecode) VALUES (1001, 40)",
    "INSERT INTO project.drift_reports (lot, rows, alert) VALUES ('b', 1, FALSE)",
    "UPDATE project.models SET served = TRUE WHERE run_id = 'r'",
]
REFUSED = [
    "DROP TABLE project.items",
    "TRUNCATE project.feedback",
    "ALTER TABLE project.items ADD COLUMN a INT",
    "CREATE TABLE project.mine (a INT)",
    "CREATE SCHEMA mine",
    "CREATE ROLE other",
    "UPDATE project.items SET prdtypecode = 40",
    "INSERT INTO project.items SELECT * FROM project.items",
    "DELETE FROM project.items",
    "UPDATE project.feedback SET prdtypecode = 40",
    "DELETE FROM project.feedback",
    "UPDATE project.predictions SET prdtypecode = 40",
    "DELETE FROM project.predictions",
    "DELETE FROM project.feedback_items",
    "UPDATE project.models SET scores = '{}'",
    "INSERT INTO project.splits VALUES (1, 1, 'train')",
    "SELECT * FROM project.predictions",
    "SELECT * FROM project.rejects",
    "SELECT * FROM project.staging_lines",
    "SELECT * FROM secret.other",
    "SELECT rolpassword FROM pg_authid",
    "COPY project.items TO PROGRAM 'cat'",
    "SELECT pg_read_file('/etc/passwd')",
]


def test_it_reads_and_adds(app: psycopg.Connection) -> None:
    for name in READS:
        app.execute(f"SELECT * FROM {name}")  # type: ignore[arg-type]  # noqa: S608
    for query in ADDS:
        app.execute(query)  # type: ignore[arg-type]
    assert app.execute("SELECT count(*) FROM project.feedback").fetchone() == (2,)


def test_everything_else_is_refused_and_changes_nothing(app: psycopg.Connection) -> None:
    before = app.execute("SELECT * FROM project.items ORDER BY productid").fetchall()
    for query in REFUSED:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute(query)  # type: ignore[arg-type]
    assert app.execute("SELECT * FROM project.items ORDER BY productid").fetchall() == before
    assert app.execute("SELECT productid FROM project.feedback").fetchall() == [(1000,)]


def test_a_load_takes_back_what_somebody_gave_beside(
    app: psycopg.Connection, database: str, load: Load, shop: Shop
) -> None:
    with psycopg.connect(database) as owner:
        owner.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA project TO {APP_USER}")  # type: ignore[arg-type]
    assert load(database, shop.folder).stderr == ""
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute("DELETE FROM project.feedback")


def test_an_owner_who_may_make_no_roles_loads_all_the_same(
    database: str, load: Load, shop: Shop
) -> None:
    name = database.rpartition("/")[2]
    folder = shop.write_plain(6)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE owner_{name} LOGIN PASSWORD 'secret'")  # type: ignore[arg-type]
        connection.execute(f"GRANT CREATE ON DATABASE {name} TO owner_{name}")  # type: ignore[arg-type]
        try:
            url = f"postgres://owner_{name}:secret@{database.partition('@')[2]}"
            done = load(url, folder)
            assert (done.returncode, done.stderr) == (0, "")
            assert len(postgres.read_items(url)) == 6
            role = f"app_{name}"
            with pytest.raises(DatabaseError, match="does not exist"):
                postgres.let_in(url, role, "given")
            # Somebody else's role: with its password it is as good, and another isn't set.
            connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'given'")  # type: ignore[arg-type]
            postgres.let_in(url, role, "given")
            with pytest.raises(DatabaseError, match="permission denied"):
                postgres.let_in(url, role, "other")
        finally:
            connection.execute(f"DROP OWNED BY owner_{name} CASCADE")  # type: ignore[arg-type]
            connection.execute(f"DROP ROLE IF EXISTS owner_{name}, app_{name}")  # type: ignore[arg-type]


def test_two_commands_that_set_the_password_at_once_are_both_fine(
    app: psycopg.Connection, database: str
) -> None:
    for number in range(10):
        with ThreadPoolExecutor(4) as pool:
            several = [
                pool.submit(postgres.let_in, database, APP_USER, f"{number}") for _ in range(4)
            ]
            assert [one.result() for one in several] == [None] * 4


def test_the_password_is_set_by_a_command_and_gives_the_service_its_address(
    shop: Shop, database: str, load: Load, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert load(database, shop.write_plain(6)).returncode == 0
    monkeypatch.setenv("DATABASE_URL", database)
    assert postgres.serving_url(tmp_path) == database
    monkeypatch.setenv("APP_POSTGRES_PASSWORD", "p@ss/w%rd '?é")
    command = [sys.executable, str(REPOSITORY / "etl" / "app_role.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    with postgres.connect(postgres.serving_url(tmp_path)) as connection:
        assert connection.execute("SELECT current_user").fetchone() == (APP_USER,)
    monkeypatch.setenv("APP_POSTGRES_PASSWORD", "another")
    with pytest.raises(postgres.DatabaseError, match="password authentication failed"):  # noqa: SIM117
        with postgres.connect(postgres.serving_url(tmp_path)):
            pass
