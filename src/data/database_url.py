"""Where the database is: one home of the address, for ``init.sh``, the ETL and the readers.

The order is the environment, then the ``.env`` file of the repository, then
the local default ``postgres://mlops:mlops@localhost:5433/rakuten``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from src.errors import UsageError

USER = "mlops"
DATABASE = "rakuten"
DEFAULT_PORT = 5433
DEFAULT_PASSWORD = "mlops"  # noqa: S105  the brief's local default; the server listens on 127.0.0.1
ENV_FILE = Path(__file__).resolve().parents[2] / ".env"


def database_url(env: Mapping[str, str] | None = None, env_file: Path = ENV_FILE) -> str:
    """Return the address of the database; None takes the environment of the process.

    >>> database_url({"POSTGRES_PASSWORD": "a/b"}, Path("none"))
    'postgres://mlops:a%2Fb@localhost:5433/rakuten'
    """
    settings = {**read_env_file(env_file), **(os.environ if env is None else env)}
    if url := settings.get("DATABASE_URL"):
        return url
    return local_url(settings)


def local_url(settings: Mapping[str, str]) -> str:
    """Return the address of the local server (Docker's or the embedded one)."""
    secret = quote(password(settings), safe="")
    return f"postgres://{USER}:{secret}@localhost:{port(settings)}/{DATABASE}"


def password(settings: Mapping[str, str]) -> str:
    """Return ``POSTGRES_PASSWORD`` or the local default."""
    return settings.get("POSTGRES_PASSWORD") or DEFAULT_PASSWORD


def port(settings: Mapping[str, str]) -> int:
    """Return ``PGPORT`` or the default.

    Raises
    ------
    UsageError
        PGPORT is no port number.
    """
    text = settings.get("PGPORT") or str(DEFAULT_PORT)
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise UsageError(
            f"PGPORT: expected a port number, found {text!r}",
            next_command=f"PGPORT={DEFAULT_PORT} bash init.sh",
        )
    return int(text)


def read_env_file(path: Path) -> dict[str, str]:
    """Read ``NAME=value`` lines; comments, blank lines, ``export`` and quotes are understood."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    pairs = (line.removeprefix("export ").partition("=") for line in map(str.strip, lines))
    return {
        name.strip(): _unquoted(value.strip())
        for name, equals, value in pairs
        if equals and not name.startswith("#")
    }


def _unquoted(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if quoted else value
