"""Products out of PostgreSQL, results into it: the only place in ``src`` that speaks to a database.

`read_items` and `read_test_items` give the same columns, order and types as `csv_tables`, so that
no stage after the first knows where rows came from. Every error of the driver becomes a
DatabaseError that says what to run.
"""

from __future__ import annotations

import dataclasses
import math
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from src.data.corrections import CONTENT, Correction
from src.data.csv_files import ITEM_COLUMNS, NO_ID, Source
from src.data.database_url import APP_PASSWORD, APP_USER, database_url, read_settings, redact
from src.errors import DatabaseError
from src.files import sha256

if TYPE_CHECKING:
    import pandas as pd
    import psycopg

_CONNECT_SECONDS = 5
ANSWER_SECONDS = 10.0
"""Within which somebody who waits has what the database says, or hears that it says nothing."""
SILENT_SECONDS = 60.0
# Addresses that said nothing for so long, and until when nobody waits for them again.
_silent_until: dict[str, float] = {}


@dataclasses.dataclass(frozen=True)
class LoadedSnapshot:
    """The snapshot that ``project.items`` holds; `rejected_rows` of X_train were refused.

    A load in between makes two differ: `loaded_at` is part of it.
    """

    data_hash: str
    source: Source
    rows: int
    rejected_rows: int
    loaded_at: datetime


@contextmanager
def connect(url: str, limit_s: float | None = None) -> Iterator[psycopg.Connection[Any]]:
    """Open a transaction that is committed at the end of the block, or not at all.

    Whatever the driver raises, inside the block too, becomes a DatabaseError. So does the end of
    `limit_s`, whatever the server does; for `SILENT_SECONDS` no other transaction with a limit is
    then tried there.
    """
    import psycopg

    started = time.monotonic()
    if limit_s and started < _silent_until.get(url, 0.0):
        problem = f"PostgreSQL gave no answer in time and is left alone for {SILENT_SECONDS:.0f} s"
        raise DatabaseError(f"{shown(url)}: {problem}", next_command=_other_server())
    try:
        connection = psycopg.connect(url, connect_timeout=_CONNECT_SECONDS, client_encoding="UTF8")
        with _cut(connection, limit_s), connection:
            # Whatever the database, its user or the environment say: the driver reads ISO alone.
            connection.execute("SET datestyle = ISO; SET timezone = UTC")
            yield connection
    except psycopg.errors.UndefinedTable as e:
        raise _failure(url, "nothing was loaded yet", e, "bash init.sh") from e
    except psycopg.OperationalError as e:
        if limit_s and time.monotonic() - started >= min(limit_s, _CONNECT_SECONDS):
            _silent_until[url] = time.monotonic() + SILENT_SECONDS
        raise _failure(url, "PostgreSQL can't be reached", e, _other_server()) from e
    except psycopg.Error as e:
        raise _failure(url, "PostgreSQL refused", e, _other_server()) from e


@contextmanager
def _cut(connection: psycopg.Connection[Any], limit_s: float | None) -> Iterator[None]:
    """Shut the connection's socket after `limit_s`: libpq itself waits for an answer for ever."""
    if limit_s is None:
        yield
        return
    with socket.socket(fileno=os.dup(connection.fileno())) as line:

        def shut() -> None:
            with suppress(OSError):  # the server has closed it meanwhile
                line.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(limit_s, shut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()


def _other_server() -> str:
    given = os.environ.get("DATABASE_URL")
    return "env -u DATABASE_URL bash init.sh" if given else "bash init.sh"


def _failure(url: str, problem: str, cause: psycopg.Error, next_command: str) -> DatabaseError:
    lines = redact(str(cause), url).strip().splitlines() or [type(cause).__name__]
    return DatabaseError(f"{shown(url)}: {problem}: {lines[0]}", next_command=next_command)


def shown(url: str) -> str:
    """Return an address as a message may show it: host, port and name of the database."""
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    try:
        parts = conninfo_to_dict(url)
    except psycopg.Error:
        return "the database address"
    place = f"{parts.get('host', 'local')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"
    return redact(place, url)


def without_password(url: str) -> tuple[str, str]:
    """Return an address that may stand among the arguments of a program, and its password."""
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    parts = conninfo_to_dict(url)
    password = parts.pop("password", None)
    return make_conninfo("", **parts), str(password or "")


def serving_url(workspace: Path) -> str:
    """Return the address at which service and app ask: under their own role, if it may log in."""
    import psycopg
    from psycopg.conninfo import make_conninfo

    url = database_url(workspace)
    secret = read_settings().get(APP_PASSWORD)
    try:
        return make_conninfo(url, user=APP_USER, password=secret) if secret else url
    except psycopg.ProgrammingError:  # no address at all: `connect` says so
        return url


def let_in(url: str, role: str, password: str) -> None:
    """Let a role log in with a password, of which the server learns no more than its verifier.

    One that somebody else made, or sets at the same moment, is as good if it has this password.
    """
    import psycopg
    from psycopg import sql

    try:
        with connect(url) as connection:
            encode = connection.pgconn.encrypt_password
            verifier = encode(password.encode(), role.encode(), b"scram-sha-256").decode()
            query = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}")
            connection.execute(query.format(sql.Identifier(role), sql.Literal(verifier)))
    except DatabaseError as e:
        try:
            psycopg.connect(url, user=role, password=password, connect_timeout=5).close()
        except psycopg.Error:
            problem = f"what was loaded stays; {role} can't log in with {APP_PASSWORD}: {e.message}"
            raise DatabaseError(problem, next_command=f"{APP_PASSWORD}= bash init.sh") from e


def latest_snapshot(url: str) -> LoadedSnapshot:
    """Return the current snapshot; that nothing was loaded is a DatabaseError."""
    with connect(url) as connection:
        row = connection.execute(
            "SELECT data_hash, source, rows,"
            " (files #>> '{X_train_update.csv,rows}')::BIGINT - rows, loaded_at"
            " FROM project.datasets ORDER BY loaded_at DESC LIMIT 1"
        ).fetchone()
    if row is None:
        raise DatabaseError(f"{shown(url)}: no snapshot is loaded", next_command="bash init.sh")
    return LoadedSnapshot(*row)


def read_items(url: str) -> pd.DataFrame:
    """Return the labelled products, ordered by row_index; a missing description is ""."""
    return _read_products(url, "project.items", (*ITEM_COLUMNS, "prdtypecode"))


def read_test_items(url: str) -> pd.DataFrame:
    """Return the unlabelled products, ordered by row_index: columns as `read_items`, no code."""
    return _read_products(url, "project.test_items", ITEM_COLUMNS)


def _read_products(url: str, table: str, columns: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    # The names are constants of this module; ids of test rows may be NULL, see NO_ID.
    chosen = ", ".join(
        "coalesce(description, '')" if name == "description" else f"coalesce({name}, {NO_ID})"
        if name.endswith("id") else name
        for name in columns
    )  # fmt: skip
    with connect(url) as connection:
        cursor = connection.cursor(binary=True)
        query = f"SELECT {chosen} FROM {table} ORDER BY row_index"  # noqa: S608
        rows = cursor.execute(cast("Any", query)).fetchall()
    frame = pd.DataFrame(rows, columns=list(columns))
    kinds = {name: "str" if name.startswith("des") else "int64" for name in columns}
    return frame.astype(kinds)


def read_feedback(url: str, limit_s: float | None = None) -> list[Correction]:
    """Return what people said of labels, the earliest first."""
    import psycopg.rows

    columns = {field.name: f"feedback.{field.name}" for field in dataclasses.fields(Correction)}
    columns |= {name: f"coalesce(items.{name}, '') AS {name}" for name in CONTENT}
    query = (
        f"SELECT {', '.join(columns.values())} FROM project.feedback AS feedback"  # noqa: S608
        " LEFT JOIN project.feedback_items AS items USING (item_hash)"
        " ORDER BY feedback.created_at, feedback.feedback_id"
    )
    with connect(url, limit_s) as connection:
        cursor = connection.cursor(row_factory=psycopg.rows.class_row(Correction))
        return cursor.execute(cast("Any", query)).fetchall()


def write_feedback(url: str, correction: Correction) -> None:
    """Add a correction and the content of its product.

    Nothing is added where the latest of its author about its product gives the same class.
    """
    with connect(url, ANSWER_SECONDS) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [correction.product])
        latest = connection.execute(
            "SELECT prdtypecode FROM project.feedback WHERE (product, author) = (%s, %s)"
            " ORDER BY created_at DESC, feedback_id DESC LIMIT 1",
            [correction.product, correction.author],
        ).fetchone()
        if latest != (correction.prdtypecode,):
            _add_feedback(connection, [correction])


def load_feedback(url: str, corrections: Sequence[Correction]) -> None:
    """Add corrections of the file, as sql/14_load_feedback.sql does; what is there stays."""
    with connect(url, ANSWER_SECONDS + len(corrections) / 500) as connection:
        _add_feedback(connection, corrections)


def _add_feedback(connection: psycopg.Connection[Any], corrections: Sequence[Correction]) -> None:
    rows = [
        {
            **dataclasses.asdict(correction),
            "item_hash": correction.item_hash or None,
            "content_hash": sha256(f"feedback {correction.to_line()}".encode()),
        }
        for correction in corrections
    ]
    item_columns = ("item_hash", *CONTENT, "created_at")
    items = [{name: row[name] for name in item_columns} for row in rows if row["item_hash"]]
    _insert(connection, "feedback_items", items)
    rows = [{k: v for k, v in row.items() if k not in CONTENT} for row in rows]
    _insert(connection, "feedback", rows)


def write_splits(
    url: str, data_hash: str, productids: Sequence[int], split_names: Sequence[str]
) -> None:
    """Replace the split of a snapshot: the part of each product, such as "train" or "holdout"."""
    with connect(url) as connection:
        dataset_id = _dataset_id(connection, url, data_hash)
        connection.execute("DELETE FROM project.splits WHERE dataset_id = %s", (dataset_id,))
        with connection.cursor().copy(
            "COPY project.splits (dataset_id, productid, split) FROM STDIN"
        ) as copy:
            for productid, name in zip(productids, split_names, strict=True):
                copy.write_row((dataset_id, int(productid), name))


def write_model(url: str, data_hash: str, scores: Mapping[str, float], **columns: str) -> None:
    """Record a trained model; the same run, kind and phase is recorded once.

    `columns` are as in ``project.models``: run_id, kind, phase, and what is known of the others.
    """
    # JSON knows no NaN: a score that could not be computed is null.
    finite = {name: score if math.isfinite(score) else None for name, score in scores.items()}
    with connect(url) as connection:
        dataset_id = _dataset_id(connection, url, data_hash)
        connection.execute(
            "DELETE FROM project.models WHERE (run_id, kind, phase) = (%s, %s, %s)",
            [columns[name] for name in ("run_id", "kind", "phase")],
        )
        _insert(connection, "models", [{**columns, "dataset_id": dataset_id, "scores": finite}])


def mark_served(url: str, run_id: str) -> None:
    """Record which run is served, and that no other is."""
    with connect(url) as connection:
        connection.execute(
            "UPDATE project.models SET served = (run_id = %s) WHERE served <> (run_id = %s)",
            [run_id, run_id],
        )


def write_rows(url: str, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add rows to a table of the project, all or none; a row maps columns to values."""
    with connect(url) as connection:
        _insert(connection, table, rows)


def _insert(
    connection: psycopg.Connection[Any], table: str, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Add rows of the same columns; lists and mappings become JSON, what is there stays."""
    from psycopg import sql
    from psycopg.types.json import Jsonb

    if not rows:
        return
    query = sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT DO NOTHING").format(
        sql.Identifier("project", table),
        sql.SQL(", ").join(map(sql.Identifier, rows[0])),
        sql.SQL(", ").join(map(sql.Placeholder, rows[0])),
    )
    values = [
        {name: Jsonb(v) if isinstance(v, dict | list) else v for name, v in row.items()}
        for row in rows
    ]
    connection.cursor().executemany(query, values)


def write_answers(url: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add answers of the service to ``project.predictions``, all or none.

    What a row has `kept` goes to ``project.feedback_items`` and to the review queue, where each
    product that waits with the same words in its title halves its priority; one row a product.
    """
    from psycopg.types.json import Jsonb

    kept = [row["kept"] for row in rows if row["kept"]]
    with connect(url, SILENT_SECONDS) as connection:
        answers = [{k: v for k, v in row.items() if k != "kept"} for row in rows]
        _insert(connection, "predictions", answers)
        if kept:
            items = [{name: row[name] for name in ("item_hash", *CONTENT)} for row in kept]
            _insert(connection, "feedback_items", items)
            queued = [[Jsonb(row)] for row in kept]
            connection.cursor().executemany("SELECT project.queue_answer(%s)", queued)


def lease_review(
    url: str, state: str, items: str, author: str, wanted: str, minutes: float
) -> Mapping[str, Any] | None:
    """Lease a product of the review queue, see sql/07_review.sql; None where none is left.

    A queue of another `state` is filled first with `items`, a JSON array of its rows.
    """
    from psycopg.rows import dict_row

    with connect(url, ANSWER_SECONDS) as connection:
        filled = "SELECT EXISTS (SELECT FROM project.review_items WHERE state = %s)"
        if connection.execute(filled, [state]).fetchone() == (False,):
            connection.execute("SELECT project.fill_review(%s, %s)", [state, items])
        return (
            connection.cursor(row_factory=dict_row)
            .execute(
                "SELECT leased.*, coalesce(items.designation, '') AS designation,"
                " coalesce(items.description, '') AS description, items.image_sha256,"
                " (SELECT count(*) FROM project.review_waiting WHERE state IN (%s, '')) AS waiting"
                " FROM project.lease_review(%s, %s, %s, %s) AS leased"
                " LEFT JOIN project.feedback_items AS items ON items.item_hash = leased.product",
                [state, state, author, wanted, minutes],
            )
            .fetchone()
        )


def leave_review(url: str, author: str, product: str, *, skip: bool) -> None:
    """End an author's lease of a product, and note that it was skipped."""
    with connect(url, ANSWER_SECONDS) as connection:
        connection.execute("SELECT project.leave_review(%s, %s, %s)", [author, product, skip])


def read_profiles(url: str, since: datetime) -> pd.DataFrame:
    """Return what the service answered since a time, oldest first: productid, run_id, profile.

    The productid is `NO_ID` where the request named none; a profile is a mapping.
    """
    import pandas as pd

    with connect(url) as connection:
        rows = connection.execute(
            "SELECT coalesce(productid, %s), run_id, profile FROM project.predictions"
            " WHERE created_at >= %s ORDER BY prediction_id",
            (NO_ID, since),
        ).fetchall()
    return pd.DataFrame(rows, columns=["productid", "run_id", "profile"])


def _dataset_id(connection: psycopg.Connection[Any], url: str, data_hash: str) -> int:
    row = connection.execute(
        "SELECT dataset_id FROM project.datasets WHERE data_hash = %s", (data_hash,)
    ).fetchone()
    if row is None:
        raise DatabaseError(
            f"{shown(url)}: the snapshot {data_hash[:12]} is not loaded: expected the files that"
            " the rows were read from",
            next_command="bash init.sh",
        )
    return int(row[0])
