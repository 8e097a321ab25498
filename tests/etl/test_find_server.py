"""Which server init.sh loads into: never one that holds another workspace's products unasked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from etl import find_server, postgres_server
from src.data import database_url
from src.errors import DatabaseError

if TYPE_CHECKING:
    from tests.conftest import Load, Shop

pytestmark = pytest.mark.postgres


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith(("PG", "POSTGRES_", "DATABASE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(database_url, "ENV_FILE", tmp_path / "none")


def start(folder: Path, port: int) -> Iterator[postgres_server.Server]:
    made = postgres_server.Server(folder, port, "mlops")
    postgres_server.start(made)
    yield made
    postgres_server.stop(made)


@pytest.fixture
def first(tmp_path: Path, free_port: int) -> Iterator[postgres_server.Server]:
    """The embedded server of another workspace."""
    yield from start(tmp_path / "first" / "data" / "postgres", free_port)


@pytest.fixture
def plain(tmp_path: Path, free_port: int) -> Iterator[postgres_server.Server]:
    """A server that lies in no workspace, as Docker's."""
    yield from start(tmp_path / "elsewhere", free_port)


def test_two_workspaces_get_a_server_each(
    first: postgres_server.Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(database_url, "DEFAULT_PORT", first.port)
    workspace = tmp_path / "second"
    folder = workspace / "data" / "postgres"
    kind, url = find_server.find(folder, None)
    try:
        assert kind == "embedded"
        assert f"is the server of {tmp_path / 'first'}" in capsys.readouterr().err
        port = postgres_server.running_port(folder)
        assert port not in (None, first.port)
        assert url == f"postgres://mlops:mlops@localhost:{port}/rakuten"
        assert database_url.database_url(workspace) == url
        assert database_url.database_url(tmp_path / "first") == first.url()
        # Stopped and started again, it is where it was.
        second = postgres_server.Server(folder, port or 0, "mlops")
        postgres_server.stop(second)
        assert find_server.find(folder, None) == (kind, url)
        with pytest.raises(DatabaseError, match=f"port {first.port} is taken") as caught:
            find_server.find(folder, first.port)
        assert caught.value.next_command == f"PGPORT={first.port + 1} bash init.sh"
    finally:
        postgres_server.stop(second)


def test_a_port_that_is_asked_for_and_is_another_workspaces_is_named(
    first: postgres_server.Server, tmp_path: Path
) -> None:
    folder = tmp_path / "second" / "data" / "postgres"
    with pytest.raises(DatabaseError, match=f"is the server of {tmp_path / 'first'}") as caught:
        find_server.find(folder, first.port)
    assert "--replace" in caught.value.message
    assert "DATABASE_URL" in caught.value.message
    assert not folder.exists()
    assert find_server.find(folder, first.port, replace=True) == ("local", first.url())


def test_a_snapshot_of_another_workspace_is_named_and_never_loaded_over(
    plain: postgres_server.Server,
    shop: Shop,
    load: Load,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "second" / "data" / "postgres"
    assert find_server.find(folder, plain.port) == ("local", plain.url())
    load(plain.url(), shop.write_plain(30))  # from the workspace tmp_path
    with psycopg.connect(plain.url()) as connection:
        [data_hash] = connection.execute("SELECT data_hash FROM project.datasets").fetchone() or [
            ""
        ]
    held = rf"snapshot {data_hash[:12]} \(official, 30 rows\) of {tmp_path}: "
    with pytest.raises(DatabaseError, match=held):
        find_server.find(folder, plain.port)
    assert find_server.find(folder, plain.port, replace=True)[0] == "local"
    assert find_server.find(tmp_path / "data" / "postgres", plain.port)[0] == "local"
    # The same files, or an address that was given, are nobody else's.
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / "snapshot.json").write_text(f'{{"data_hash": "{data_hash}"}}')
    assert find_server.find(folder, plain.port)[0] == "local"
    monkeypatch.setenv("DATABASE_URL", plain.url())
    assert find_server.find(tmp_path / "third" / "data" / "postgres", 1) == ("given", plain.url())


def test_a_server_that_answers_needs_no_program_of_postgresql_here(
    plain: postgres_server.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(postgres_server, "PACKAGE", "not_installed_here")
    folder = tmp_path / "second" / "data" / "postgres"
    assert find_server.find(folder, plain.port) == ("local", plain.url())


def test_nobody_and_a_server_that_refuses(
    plain: postgres_server.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "second" / "data" / "postgres"
    monkeypatch.setenv("POSTGRES_PASSWORD", "hunter2")
    with pytest.raises(DatabaseError, match="password authentication failed") as caught:
        find_server.find(folder, plain.port)
    assert caught.value.next_command == "cat .env.example"
    assert "hunter2" not in str(caught.value)
    postgres_server.stop(plain)
    assert find_server.find(folder, plain.port)[0] == "none"


def test_a_database_in_another_encoding_is_refused(
    server: postgres_server.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(
            "CREATE DATABASE ascii ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'"
            " TEMPLATE template0"
        )
        monkeypatch.setenv("DATABASE_URL", server.url().removesuffix("rakuten") + "ascii")
        with pytest.raises(DatabaseError, match="has the encoding SQL_ASCII, expected UTF8"):
            find_server.find(tmp_path, None)
        connection.execute("DROP DATABASE ascii")
