"""The address: environment before .env before the default."""

from __future__ import annotations

from pathlib import Path

import pytest

from src.data.database_url import database_url, read_env_file
from src.errors import UsageError


NOWHERE = Path("nowhere")


def test_the_default_is_the_one_of_the_brief(tmp_path: Path) -> None:
    assert (
        database_url(NOWHERE, {}, tmp_path / ".env")
        == "postgres://mlops:mlops@localhost:5433/rakuten"
    )


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


@pytest.mark.parametrize("text", ["x", "0", "65536", "-1", "\u0665"])
def test_a_port_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="PGPORT: expected a port number"):
        database_url(NOWHERE, {"PGPORT": text}, tmp_path / ".env")


def test_without_an_environment_that_of_the_process_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://from-the-environment")
    assert database_url(NOWHERE) == "postgres://from-the-environment"
