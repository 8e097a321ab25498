"""Where the database is: one home of the address, for ``init.sh``, the ETL and the readers.

``DATABASE_URL`` wins, in the environment or the ``.env`` file; else it is the local server: on
``PGPORT``, on the port that the workspace's embedded server has kept, or on 5433.
"""

import os
import re
import shlex
import socket
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, unquote

from src.config_model import WORKSPACE_BASE
from src.errors import DatabaseError, UsageError

USER = "mlops"
APP_USER = "rakuten_app"  # service and app; see sql/08_roles.sql
APP_PASSWORD = "APP_POSTGRES_PASSWORD"  # noqa: S105  the name of the variable
DATABASE = "rakuten"
DEFAULT_PORT = 5433
DEFAULT_PASSWORD = "mlops"  # noqa: S105  the brief's local default; the server listens on 127.0.0.1
ENV_FILE = WORKSPACE_BASE / ".env"
# NAME=value, NAME='value' or NAME="value", and a comment after a space, as docker compose reads it.
_ENV_LINE = re.compile(
    r"""\s*(?:export\s+)?(\w+)\s*=\s*(?:'([^']*)'|"((?:[^"\\]|\\.)*)"|(.*?))\s*(?:(?<=\s)\#.*)?"""
)


def database_url(
    workspace: Path, env: Mapping[str, str] | None = None, env_file: Path = ENV_FILE
) -> str:
    """Return the address of the database of a workspace; None takes the process's environment.

    >>> database_url(Path("none"), {"POSTGRES_PASSWORD": "a/b", "PGPORT": "5477"}, Path("none"))
    'postgres://mlops:a%2Fb@localhost:5477/rakuten'

    Raises
    ------
    DatabaseError
        The workspace's own server is stopped, and another program answers on its port.
    """
    settings = read_settings(env, env_file)
    if url := settings.get("DATABASE_URL"):
        return url
    forget_other_servers()
    number = port(settings) or _embedded_port(workspace) or DEFAULT_PORT
    return local_url(password(settings), number)


def read_settings(
    env: Mapping[str, str] | None = None, env_file: Path = ENV_FILE
) -> dict[str, str]:
    """Return the settings of ``.env``, and the environment over them."""
    return {**read_env_file(env_file), **(os.environ if env is None else env)}


def forget_other_servers() -> None:
    """Drop what libpq would read of another server: the local one is reached by its address alone.

    ``PGSSLMODE``, ``PGSERVICE`` and others can't be overridden by what an address says.
    """
    for name in [name for name in os.environ if name.startswith("PG") and name != "PGPORT"]:
        del os.environ[name]


def local_url(secret: str, port: int) -> str:
    """Return the address of the local server (Docker's or the embedded one)."""
    return f"postgres://{USER}:{quote(secret, safe='')}@localhost:{port}/{DATABASE}"


def password(settings: Mapping[str, str]) -> str:
    """Return ``POSTGRES_PASSWORD`` or the local default."""
    return settings.get("POSTGRES_PASSWORD") or DEFAULT_PASSWORD


def port(settings: Mapping[str, str]) -> int | None:
    """Return ``PGPORT``, None where it is not set; what is no port number is a UsageError."""
    text = settings.get("PGPORT")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise UsageError(
            f"PGPORT: expected a port number, found {text!r}",
            next_command=f"PGPORT={DEFAULT_PORT} bash init.sh",
        )
    return int(text)


def _embedded_port(workspace: Path) -> int | None:
    """Return the port of the embedded server of a workspace, or else of the checkout."""
    for folder in (workspace / "data" / "postgres", WORKSPACE_BASE / "data" / "postgres"):
        kept = kept_port(folder)
        if kept is None:
            continue
        if running_port(folder) is None and is_taken(kept):
            raise DatabaseError(
                f"the server in {folder} is stopped, and another program has its port {kept}",
                next_command="bash init.sh",
            )
        return kept
    return None


def kept_port(folder: Path) -> int | None:
    """Return the port on which the server of a folder was started last."""
    try:
        return int((folder / "port").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def running_port(folder: Path) -> int | None:
    """Return the port on which a folder's server runs, or None.

    A lock file that a killed server left behind does not count, even where its process number has
    since gone to another program. Of another user's server only the kept port can be read.
    """
    try:
        lines = (folder / "cluster" / "postmaster.pid").read_text(errors="replace").splitlines()
        pid, port = int(lines[0]), int(lines[3])
        if Path("/proc/self").exists():
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            return port if os.fsencode(os.path.realpath(folder / "cluster")) in arguments else None
        os.kill(pid, 0)
        return port
    except PermissionError:
        kept = kept_port(folder)
        return kept if kept and is_taken(kept) else None
    except (OSError, ValueError, IndexError):
        return None


def is_taken(port: int) -> bool:
    """Tell whether somebody answers on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def read_env_file(path: Path) -> dict[str, str]:
    r"""Read ``NAME=value`` lines: comments, ``export``, quotes and a BOM are understood."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as e:
        raise UsageError(
            f"{path}: the settings can't be read ({e}); expected lines NAME=value in UTF-8",
            next_command=f"file {shlex.quote(str(path))}",
        ) from e
    found = {}
    for line in text.splitlines():
        if match := _ENV_LINE.fullmatch(line):
            name, single, double, plain = match.groups()
            escaped = re.sub(r"\\(.)", r"\1", double) if double is not None else None
            found[name] = next(v for v in (single, escaped, plain) if v is not None)
    return found


def redact(text: str, url: str) -> str:
    """Return a message about a database address without its password, whatever form that has.

    A password that was not encoded ends up in the host, the port or the name of the database, so
    that a driver's own words repeat parts of it: each part is hidden.
    """
    for secret in sorted(_secrets(url), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def _secrets(url: str) -> set[str]:
    """Return the password of an address, and each piece of it that a wrong reading may show."""
    end = r"(?=[\s&]+\w+\s*=|\s*$)"
    found = re.findall(rf"(?:password|secret)\s*=\s*('(?:[^'\\]|\\.)*'|.*?){end}", url, re.I | re.S)
    if user := re.search(r"//[^:/@]*:(.*)@", url, re.DOTALL):
        found.append(user[1])
    secrets: set[str] = set()
    for value in found:
        bare = re.sub(r"\\(.)", r"\1", value.strip("'"))
        # One or two characters would be hidden in every word, and be told by the gaps.
        pieces = re.findall(r"[^\s@/?#:&=,'\[\]]{3,}", bare)
        secrets |= {value, bare, unquote(value), *pieces}
    # The default is no secret, and it is the user's name as well.
    secrets -= {"", DEFAULT_PASSWORD}
    return secrets | {url} if secrets else secrets
