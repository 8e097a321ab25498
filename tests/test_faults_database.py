"""A database that is killed, silent or locked, and commands that load or train at once."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from etl import postgres_server
from src.artifacts.store import ArtifactStore
from src.config import REPOSITORY, Paths
from src.data import postgres
from src.labels import load_labels
from tests.conftest import dump_tables, find_free_port, run_load
from tests.test_faults import command, paths_of

pytestmark = [pytest.mark.faults, pytest.mark.postgres]

CODES = load_labels(REPOSITORY / "config" / "labels_map.json").codes
LIMIT_S = 300  # of a wait for what must come: no figure of how fast it is


@pytest.fixture
def own(demo_shop: Path) -> Iterator[postgres_server.Server]:
    """A server that a test may kill, with the demo shop."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    folder.chmod(0o755)
    server = postgres_server.Server(folder / "server", find_free_port(), "test")
    postgres_server.start(server)
    done = run_load(server.url(), demo_shop, codes=CODES)
    assert done.returncode == 0, done.stderr
    yield server
    postgres_server.stop(server)
    shutil.rmtree(folder)


@contextlib.contextmanager
def locked(server: postgres_server.Server, table: str) -> Iterator[None]:
    """Whoever asks a table waits, in mid-read."""
    with contextlib.closing(psycopg.connect(server.url())) as blocker:
        blocker.execute(f"LOCK TABLE project.{table} IN ACCESS EXCLUSIVE MODE")  # type: ignore[arg-type]
        yield


def waiting_backend(server: postgres_server.Server) -> int:
    """The process of the server that waits for a lock."""
    query = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    until = time.monotonic() + LIMIT_S
    with psycopg.connect(server.url(), autocommit=True) as watcher:
        while (found := watcher.execute(query).fetchone()) is None:
            assert time.monotonic() < until
            time.sleep(0.05)
    return int(found[0])


def wait_until_it_answers(server: postgres_server.Server) -> None:
    until = time.monotonic() + LIMIT_S
    while True:
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(server.url()):
            return
        assert time.monotonic() < until
        time.sleep(0.1)


def test_a_backend_that_is_killed_while_products_are_read(
    own: postgres_server.Server, tmp_path: Path
) -> None:
    words = command(tmp_path, "train_pipeline.py", "--source", "postgres")
    env = {**os.environ, "DATABASE_URL": own.url()}
    with locked(own, "items"):
        training = subprocess.Popen(words, env=env, stderr=subprocess.PIPE, text=True)
        os.kill(waiting_backend(own), signal.SIGKILL)
        said = training.communicate()[1]
    assert training.returncode == 2
    assert "server closed the connection unexpectedly" in said
    assert "\nnext: " in said
    assert "Traceback" not in said
    assert not (tmp_path / "artifacts" / "served").exists()
    wait_until_it_answers(own)
    again = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert ArtifactStore(paths_of(tmp_path)).served_run().rows > 600


@contextlib.contextmanager
def service(paths: Paths, url: str, results: Path) -> Iterator[tuple[httpx.Client, int]]:
    """A real service of a workspace, and its process; its log may show no traceback."""
    port = find_free_port()
    own = {"workspace": paths.workspace, "results_dir": results, "feedback_dir": results / "f"}
    words = [w for name, path in own.items() for w in ("--set", f"paths.{name}={path}")]
    log = results.with_suffix(".log")
    script = str(REPOSITORY / "scripts" / "serve_api.py")
    with log.open("w") as said:
        process = subprocess.Popen(
            [sys.executable, script, *words, "--port", str(port)],
            env={**os.environ, "DATABASE_URL": url}, stderr=said,
        )  # fmt: skip
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=LIMIT_S) as client:
            until = time.monotonic() + LIMIT_S
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if client.get("/ready").status_code == 200:
                        break
                assert time.monotonic() < until
                assert process.poll() is None, log.read_text()
                time.sleep(0.1)
            yield client, process.pid
    finally:
        process.terminate()
        process.wait(60)
    assert "Traceback" not in log.read_text()


def correct(client: httpx.Client, title: str) -> str:
    asked = {"designation": title, "prdtypecode": 10, "author": "Ana"}
    answer = client.post("/feedback", json=asked)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["stored_in"])


def test_a_backend_that_is_killed_under_a_review_loses_nothing(
    own: postgres_server.Server, served_paths: Paths, tmp_path: Path
) -> None:
    with service(served_paths, own.url(), tmp_path / "results") as (client, _):
        assert correct(client, "before") == "database"
        found: list[httpx.Response] = []
        with locked(own, "review_items"):
            asking = threading.Thread(
                target=lambda: found.append(client.get("/review/next", params={"author": "Ana"}))
            )
            asking.start()
            os.kill(waiting_backend(own), signal.SIGKILL)
            asking.join(LIMIT_S)
        assert [answer.status_code for answer in found] in ([200], [204])
        assert correct(client, "meanwhile") in ("database", "file")
        wait_until_it_answers(own)
        assert correct(client, "after") in ("database", "file")
        listed = client.get("/feedback").json()["corrections"]
    assert [c["designation"] for c in listed] == ["before", "meanwhile", "after"]


@contextlib.contextmanager
def silent_port() -> Iterator[tuple[str, list[socket.socket]]]:
    """The address of a server that takes every connection and says nothing; the connections."""
    taken: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    taken.append(listener.accept()[0])

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"postgres://u:p@127.0.0.1:{listener.getsockname()[1]}/none", taken
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for line in taken:
                line.close()


def test_a_database_that_never_answers_costs_one_wait_and_no_answer(
    served_paths: Paths, tmp_path: Path
) -> None:
    """One request waits for it, the log of answers once more; then nobody does for a minute."""
    silent = silent_port()
    with silent as (url, taken), service(served_paths, url, tmp_path / "r") as (client, _):
        assert client.post("/predict", json={"designation": "Lampe LED"}).status_code == 200
        started = time.monotonic()
        assert correct(client, "Lampe LED") == "file"
        assert time.monotonic() - started < 60  # it was 5 s, and no limit
        item = client.get("/review/next", params={"author": "Ana"})
        assert item.status_code in (200, 204)
        if item.status_code == 200:
            said = {"author": "Ana", "code": 10}
            answer = client.post(f"/review/{item.json()['product']}", json=said)
            assert answer.json() == {"stored_in": "file"}
        assert client.get("/feedback").json()["total"] >= 1
        assert len(taken) <= 3
        until = time.monotonic() + LIMIT_S
        while "predictions_not_logged 1.0" not in client.get("/metrics").text:
            assert time.monotonic() < until
            time.sleep(0.2)


def test_a_server_that_stops_in_mid_answer_is_cut_off(own: postgres_server.Server) -> None:
    """A lock that nobody gives up, then a process that is stopped: neither keeps who waits."""
    with locked(own, "feedback"):
        with pytest.raises(postgres.DatabaseError, match="can't be reached"):
            postgres.read_feedback(own.url(), 0.5)
        with pytest.raises(postgres.DatabaseError, match="gave no answer in time"):
            postgres.read_feedback(own.url(), 0.5)
    assert postgres.read_feedback(own.url()) == []  # whoever sets no limit asks as ever
    postgres._silent_until.clear()
    with postgres.connect(own.url(), 0.5) as connection:
        stopped = connection.info.backend_pid
        os.kill(stopped, signal.SIGSTOP)
        try:
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
        finally:
            os.kill(stopped, signal.SIGCONT)
    postgres._silent_until.clear()
    assert postgres.read_feedback(own.url(), 60) == []


def test_two_loads_at_once_are_one_after_the_other(
    own: postgres_server.Server, tree: Path, demo_shop: Path
) -> None:
    (tree / "import").symlink_to(demo_shop)
    before = dump_tables(own.url())
    env = {**os.environ, "DATABASE_URL": own.url(), "PYTHON": sys.executable}
    env["PYTHONPATH"] = str(tree)
    words = ["bash", str(tree / "init.sh"), "--replace"]
    pipe = subprocess.PIPE
    loads = [subprocess.Popen(words, env=env, stdout=pipe, stderr=pipe, text=True) for _ in "ab"]
    said = [load.communicate() for load in loads]
    assert [load.returncode for load in loads] == [0, 0], said
    after = dump_tables(own.url())
    assert {k: v for k, v in after.items() if k != "datasets"} == {
        k: v for k, v in before.items() if k != "datasets"
    }
    assert after["datasets"].count("\n") == 1


def test_of_two_trainings_at_once_one_is_refused_and_one_is_whole(
    demo_shop: Path, tmp_path: Path
) -> None:
    (tmp_path / "import").symlink_to(demo_shop)
    words = command(tmp_path, "train_pipeline.py")
    first = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    assert first.stderr is not None
    while not first.stderr.readline().startswith("[1/5]"):
        assert first.poll() is None
    second = subprocess.run(words, capture_output=True, text=True, check=False)
    said = first.communicate()[1]
    assert first.returncode == 0, said
    assert second.returncode == 2
    assert "another run is writing here" in second.stderr
    store = ArtifactStore(paths_of(tmp_path)).pinned("served")
    store.verify()
    assert len(list((tmp_path / "artifacts" / "runs").iterdir())) == 1
