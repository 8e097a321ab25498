"""Find the server that init.sh loads into: what it is, its address, and how a message shows it.

The order is ``DATABASE_URL``, the embedded server that lies in the workspace, and one that answers
on localhost, unless another workspace's products are in it.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from etl import postgres_server
from etl.manifest_and_hash import SNAPSHOT_NAME, read_snapshot
from src.command_line import parser, run
from src.data import database_url, postgres
from src.errors import EXIT_FINE, DatabaseError
from src.files import encodable


def find(
    folder: Path, port: int | None, *, replace: bool = False, make: bool = False
) -> tuple[str, str]:
    """Find the server of a workspace, or start the one that lies there.

    Returns what it is ("given", "embedded", "local"; "none" where nobody answers) and its address.
    With `make` a server is made where there is none.

    Raises
    ------
    DatabaseError
        It refuses, or it holds what another workspace loaded and `replace` is off.
    """
    settings = database_url.read_settings()
    if url := settings.get("DATABASE_URL"):
        _wait_for(url)
        return "given", url
    database_url.forget_other_servers()
    secret, asked = database_url.password(settings), port or database_url.DEFAULT_PORT
    url = database_url.local_url(secret, asked)
    if not make and not (folder / "cluster").exists():
        if not database_url.is_taken(asked):
            return "none", url
        try:
            _wait_for(url)
        except DatabaseError as e:
            raise DatabaseError(e.message, next_command="cat .env.example") from e
        is_embedded, held = _other_holder(url, folder)
        if not held or replace:
            return "local", url
        if port or not is_embedded:
            free = postgres_server.choose_port(folder)
            raise DatabaseError(
                f"{held}: expected none, or that of this workspace; --replace loads over it,"
                " DATABASE_URL names another server, PGPORT=N makes one of this workspace's own",
                next_command=f"PGPORT={free} bash init.sh",
            )
        sys.stderr.write(f"   {held}\n")
    server = postgres_server.Server(folder, port or postgres_server.choose_port(folder), secret)
    postgres_server.start(server)
    return "embedded", server.url()


def _wait_for(url: str) -> None:
    """Return when the server answers; wait while it starts, which libpq tells without words.

    Raises
    ------
    DatabaseError
        It refuses, or the database is not in UTF-8: its functions of text would count bytes.
    """
    from psycopg.pq import PGconn, Ping

    deadline = time.monotonic() + postgres_server.SECONDS
    while True:
        try:
            with postgres.connect(url) as connection:
                encoding = connection.info.parameter_status("server_encoding")
                break
        except DatabaseError:
            if PGconn.ping(url.encode()) != Ping.REJECT or time.monotonic() > deadline:
                raise
        time.sleep(0.5)
    if encoding != "UTF8":
        raise DatabaseError(
            f"{postgres.shown(url)}: the database has the encoding {encoding}, expected UTF8: make"
            " one with CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0",
            next_command="env -u DATABASE_URL bash init.sh",
        )


def _name(folder: Path) -> str:
    """Return the workspace of a server's folder as a database can keep it."""
    return encodable(str(folder.parents[1]))


def _other_holder(url: str, folder: Path) -> tuple[bool, str]:
    """Say whose a local server is, "" where nobody else's; and whether it is embedded elsewhere."""
    workspace, where = folder.parents[1], postgres.shown(url)
    with postgres.connect(url) as connection:
        # Only a superuser sees this setting; the user of every embedded server is one.
        place = "SELECT setting FROM pg_settings WHERE name = 'data_directory'"
        cluster = Path((connection.execute(place).fetchone() or [""])[0])
        if cluster.parts[-3:] == ("data", "postgres", "cluster"):
            return True, f"{where} is the server of {cluster.parents[2]}"
        if connection.execute("SELECT to_regclass('project.datasets')").fetchone() == (None,):
            return False, ""
        # A database that an earlier version loaded does not say from where.
        newest = connection.execute(
            "SELECT data_hash, source, rows, to_jsonb(datasets) ->> 'workspace'"
            " FROM project.datasets ORDER BY loaded_at DESC LIMIT 1"
        ).fetchone()
    own_hash = read_snapshot(workspace / SNAPSHOT_NAME).get("data_hash")
    if newest is None or newest[0] == own_hash or newest[3] == _name(folder):
        return False, ""
    whose = newest[3] or "a workspace that it does not name"
    snapshot = f"the snapshot {newest[0][:12]} ({newest[1]}, {newest[2]:,} rows) of {whose}"
    return False, f"{where} holds {snapshot}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what init.sh reads, a line each.

    That is the kind, the address without its password, the password, the shown address, and the
    name of the workspace.
    """
    options = parser(__doc__)  # the settings are for the next command alone
    options.add_argument("data", type=Path, help="folder of the workspace's own server")
    options.add_argument("--replace", action="store_true", help="whatever a server holds")
    options.add_argument("--start", action="store_true", help="make a server of its own")
    return run(_print, options, arguments, kept=None)


def _print(args: argparse.Namespace) -> int:
    port = database_url.port(database_url.read_settings())
    folder = args.data.absolute()
    kind, url = find(folder, port, replace=args.replace, make=args.start)
    address, password = postgres.without_password(url)
    lines = (kind, address, password, postgres.shown(url), _name(folder))
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return EXIT_FINE


if __name__ == "__main__":
    raise SystemExit(main())
