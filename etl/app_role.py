"""Let the role of service and app log in with ``APP_POSTGRES_PASSWORD``; init.sh runs it.

``sql/08_roles.sql`` makes the role and says what it may. The password is in no SQL file and among
no program's arguments; the server, and its log, get the SCRAM verifier alone.
"""

import argparse
from collections.abc import Sequence

from src.command_line import parser, run, settings
from src.data import postgres
from src.data.database_url import APP_PASSWORD, APP_USER, database_url, read_settings
from src.errors import EXIT_FINE


def main(arguments: Sequence[str] | None = None) -> int:
    """Set the password; return the exit status."""
    return run(_let_in, parser(__doc__), arguments, kept=None)


def _let_in(args: argparse.Namespace) -> int:
    given = read_settings()
    # The local server has a default, as its owner has; one that was given has none.
    secret = given.get(APP_PASSWORD) or ("" if given.get("DATABASE_URL") else APP_USER)
    if secret:
        postgres.let_in(database_url(settings(args).paths.workspace), APP_USER, secret)
    return EXIT_FINE


if __name__ == "__main__":
    raise SystemExit(main())
