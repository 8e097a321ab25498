"""The address: environment before .env before the default; what .env means; what is never shown."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from src.data import postgres
from src.data.database_url import database_url, kept_port, read_env_file, redact
from src.errors import DatabaseError, UsageError

NOWHERE = Path("nowhere")


def test_the_default_is_the_one_of_the_brief(tmp_path: Path) -> None:
    default = "postgres://mlops:mlops@localhost:5433/rakuten"
    assert database_url(tmp_path, {}, tmp_path / ".env") == default


def test_the_environment_wins_over_the_file_and_an_address_over_its_parts(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("# a comment\n\nexport POSTGRES_PASSWORD='p@ss'\nPGPORT=6000\n#PGPORT=1\n")
    assert read_env_file(file) == {"POSTGRES_PASSWORD": "p@ss", "PGPORT": "6000"}
    assert database_url(NOWHERE, {}, file) == "postgres://mlops:p%40ss@localhost:6000/rakuten"
    env = {"PGPORT": "7000", "POSTGRES_PASSWORD": "x"}
    assert database_url(NOWHERE, env, file) == "postgres://mlops:x@localhost:7000/rakuten"
    file.write_text('DATABASE_URL="postgres://a:b@c/d?sslmode=require"\n')
    assert database_url(NOWHERE, env, file) == "postgres://a:b@c/d?sslmode=require"
    assert database_url(NOWHERE, {"DATABASE_URL": "postgres://e"}, file) == "postgres://e"


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("\ufeffA=s3cret", "s3cret"),
        ("A=s3cret  # local only", "s3cret"),
        ('A="s3cret" # local only', "s3cret"),
        ("A='a # b' # c", "a # b"),
        ("A=a#b", "a#b"),
        ("A=#b", "#b"),
        ("A=a'b", "a'b"),
        (r'A="a\"b $HOME"', 'a"b $HOME'),
        (" export  A = x y \r", "x y"),
        ("A=", ""),
        ("A= # none", ""),
        ("A='mot de passe é'", "mot de passe é"),
    ],
)
def test_a_line_means_what_docker_compose_reads(tmp_path: Path, line: str, value: str) -> None:
    file = tmp_path / ".env"
    file.write_bytes(f"{line}\n".encode())
    assert read_env_file(file) == {"A": value}


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_another_encoding_is_an_error_that_names_the_file(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / ".env"
    file.write_text("POSTGRES_PASSWORD=clé\n", encoding=encoding)
    with pytest.raises(UsageError, match=r"\.env: the settings can't be read .*in UTF-8\nnext: "):
        read_env_file(file)


@pytest.mark.parametrize("text", ["x", "0", "65536", "-1", "\u0665"])
def test_a_port_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="PGPORT: expected a port number"):
        database_url(NOWHERE, {"PGPORT": text}, tmp_path / ".env")


def test_without_an_environment_that_of_the_process_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://from-the-environment")
    assert database_url(NOWHERE) == "postgres://from-the-environment"


def test_a_workspace_finds_its_own_server_and_never_another_one_on_its_port(
    tmp_path: Path, free_port: int
) -> None:
    folder = tmp_path / "data" / "postgres"
    folder.mkdir(parents=True)
    (folder / "port").write_text(f"{free_port}\n")
    assert kept_port(folder) == free_port
    address = f"postgres://mlops:mlops@localhost:{free_port}/rakuten"
    assert database_url(tmp_path, {}, tmp_path / ".env") == address
    with socket.create_server(("127.0.0.1", free_port)):
        with pytest.raises(DatabaseError, match="is stopped, and another program has its port"):
            database_url(tmp_path, {}, tmp_path / ".env")
        asked = database_url(tmp_path, {"PGPORT": str(free_port)}, tmp_path / ".env")
        assert asked == address


def test_what_the_shell_exports_for_another_server_does_not_reach_the_local_one(
    database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = {
        "PGSSLMODE": "require", "PGCHANNELBINDING": "require", "PGSERVICE": "prod",
        "PGOPTIONS": "-c search_path=x", "PGDATESTYLE": "German", "PGCLIENTENCODING": "LATIN1",
    }  # fmt: skip
    for name, value in other.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(DatabaseError), postgres.connect(database):
        pass
    database_url(tmp_path, env_file=tmp_path / ".env")
    assert not other.keys() & os.environ.keys()
    with postgres.connect(database) as connection:
        assert connection.execute("SELECT 'é', DATE '2026-01-31'::TEXT").fetchone() == (
            "é",
            "2026-01-31",
        )


HARD = (
    *("hunter2", "hun@ter2", "hun/ter2", "hun:ter2", "hun?ter2", "hun#ter2", "hun%40ter2"),
    *("hun ter2", "hun'ter2", "hun&ter2", "[hunter2", "hunter2,x", "50%hunter2", "hun\\ter2"),
)
SCHEMES = ("postgres", "postgresql", "postgresql+psycopg2", "jdbc:postgresql", "POSTGRES")


def forms(password: str, port: int) -> list[str]:
    """Every form of an address that psycopg takes, and what people write instead."""
    plain, quoted = quote(password, safe=""), password.replace("\\", "\\\\").replace("'", r"\'")
    place = f"localhost:{port}/rakuten"
    return [
        *(f"{scheme}://mlops:{text}@{place}"
          for scheme in SCHEMES
          for text in (plain, password)),
        *(f"postgresql://{place}?{key}={text}&user=mlops"
          for key in ("password", "sslpassword", "PASSWORD") for text in (plain, password)),
        f"postgresql://{place}?user=mlops&password={password}",
        f"postgres://mlops:{plain}@localhost:{port},127.0.0.1:{port}/rakuten",
        f"postgres://:{password}@/rakuten?host=localhost&port={port}",
        *(f"host=localhost port={port} user=mlops {key} dbname=rakuten"
          for key in (f"password='{quoted}'", f"password={password}", f"password = '{quoted}'",
                      f"password='{password}", f"sslpassword='{quoted}'")),
        f"host=localhost port={port} password={password}",
    ]  # fmt: skip


@pytest.mark.parametrize("password", HARD)
def test_no_form_of_an_address_shows_a_part_of_its_password(password: str, free_port: int) -> None:
    """Of "hun/ter2", neither the whole nor a half: a wrong reading splits it."""
    for url in forms(password, free_port):
        with pytest.raises(psycopg.Error) as caught:
            psycopg.connect(url, connect_timeout=2)
        with pytest.raises(DatabaseError) as ours, postgres.connect(url):
            pass
        for told in (redact(str(caught.value), url), str(ours.value), postgres.shown(url)):
            assert not any(part in told for part in ("hunter", "hun", "ter2")), (url, told)


def test_what_is_told_of_a_plain_address_is_still_of_use(free_port: int) -> None:
    url = f"postgres://mlops:mlops@localhost:{free_port}/rakuten"
    assert redact(f'user "mlops" at {url}', url) == f'user "mlops" at {url}'
    assert postgres.shown(url.replace(":mlops@", ":s3cret@")) == f"localhost:{free_port}/rakuten"
    parts = f"postgresql://localhost:{free_port}/rakuten?user=mlops&password=of%20o%27secret"
    assert postgres.shown(parts) == f"localhost:{free_port}/rakuten"
    assert postgres.shown("postgres://[") == "the database address"
