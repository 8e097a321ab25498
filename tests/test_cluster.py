"""Tasks here and on a real Dask cluster: the same values, and a killed worker costs only time."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from src.cluster import connected, n_workers, run_tasks
from src.config import REPOSITORY, Paths, load_config
from src.errors import UsageError
from src.labels import load_labels
from src.pipeline_steps.runner import Options, run_pipeline
from tests.conftest import SERVED_SETTINGS, ServeFolder

pytest.importorskip("distributed", reason="pip install -e '.[cluster]' brings Dask")


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a scheduler with two worker processes of one thread each."""
    from distributed import LocalCluster

    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
    with LocalCluster(**options, silence_logs=50) as made:
        yield made.scheduler_address


def scale(factor: int, number: int) -> tuple[int, int]:
    return factor * number, os.getpid()


def die_once(marker: Path, number: int) -> int:
    """Kill the worker in the middle of the fourth task, the first time that it is computed."""
    if number == 3 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.01)
    return number


def test_here_one_task_after_the_other_is_taken_when_it_is_asked_for() -> None:
    taken = []

    def tasks() -> Iterator[tuple[int]]:
        for number in range(3):
            taken.append(number)
            yield (number,)

    found = run_tasks(scale, tasks(), shared=[10])
    assert n_workers() == 1
    assert next(found) == (0, os.getpid())
    assert taken == [0]
    assert [value for value, _ in found] == [10, 20]


def test_values_come_in_order_from_other_processes(cluster: str) -> None:
    with connected("dask", cluster):
        assert n_workers() == 2
        found = list(run_tasks(scale, ((number,) for number in range(20)), shared=[10]))
        assert not list(run_tasks(scale, []))
    assert [value for value, _ in found] == list(range(0, 200, 10))
    assert os.getpid() not in {pid for _, pid in found}
    assert n_workers() == 1


def test_a_killed_worker_costs_its_tasks_time_alone(tmp_path: Path) -> None:
    with connected("dask", "local"):
        found = list(run_tasks(die_once, ((n,) for n in range(12)), shared=[tmp_path / "died"]))
    assert (tmp_path / "died").exists()
    assert found == list(range(12))


def test_an_error_of_a_task_is_the_callers(cluster: str) -> None:
    with connected("dask", cluster), pytest.raises(ZeroDivisionError):
        list(run_tasks(divmod, [(1, 1), (1, 0)]))


def always_dies(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_a_task_that_kills_every_worker_is_a_sentence() -> None:
    with (
        pytest.raises(UsageError, match=r"local: the cluster was lost, .*always_dies"),
        connected("dask", "local"),
    ):
        list(run_tasks(always_dies, [(1,)]))
    assert n_workers() == 1


def test_a_scheduler_that_disappears_is_a_sentence(free_port: int) -> None:
    dask, address = str(Path(sys.executable).parent / "dask"), f"tcp://127.0.0.1:{free_port}"
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    words = [
        ["scheduler", "--host", "127.0.0.1", "--port", str(free_port), "--no-dashboard"],
        ["worker", address, "--nthreads", "1", "--no-nanny", "--death-timeout", "60"],
    ]
    started = [
        subprocess.Popen([dask, *given], env=env, cwd=REPOSITORY, stderr=subprocess.DEVNULL)
        for given in words
    ]
    try:
        with (
            pytest.raises(UsageError, match=rf"scheduler = {address}: the cluster was lost"),
            connected("dask", address),
        ):
            for value, _ in run_tasks(scale, ((n,) for n in range(10_000)), shared=[10]):
                if value == 100:
                    started[0].kill()
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_workers_of_another_version_are_refused(tmp_path: Path, cluster: str) -> None:
    """The same project with one more line, as the client of a cluster of this one."""
    shutil.copytree(REPOSITORY / "src", tmp_path / "src")
    with (tmp_path / "src" / "cluster.py").open("a") as file:
        file.write("# another version\n")
    asked = f"from src.cluster import connected\nwith connected('dask', {cluster!r}): pass"
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", asked], env=env, cwd=tmp_path, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert "UsageError" in done.stderr
    assert done.stderr.count("source ") == 2, done.stderr


def test_no_scheduler_is_a_sentence(free_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("src.cluster.CONNECT_S", 1)
    address = f"tcp://127.0.0.1:{free_port}"
    with (
        pytest.raises(UsageError, match=rf"compute.scheduler = {address}: no cluster answers"),
        connected("dask", address),
    ):
        pass


def test_a_training_and_its_answers_have_the_digits_that_they_have_here(
    cluster: str, served_paths: Paths, tmp_path: Path, serve_folder: ServeFolder
) -> None:
    """The images are read from a server, which stands for s3://."""
    pytest.importorskip("aiohttp", reason="fsspec reads http:// with it")
    shutil.copytree(served_paths.workspace / "import", tmp_path / "import")
    images = served_paths.workspace / "data/images/images"
    url = serve_folder(images)
    places = [f"paths.workspace={tmp_path}", "compute.backend=dask", f"compute.scheduler={cluster}"]
    places += [f"images.{part}_dir={url}/image_{part}" for part in ("train", "test")]
    cfg = load_config(REPOSITORY / "config" / "smoke.toml", [*SERVED_SETTINGS, *places])
    run_pipeline(cfg, load_labels(cfg.paths.labels_map, cfg.paths.theme_map), Options())
    name = "preds_oof_late_fusion.csv"
    here, there = served_paths.results_dir / name, cfg.paths.results_dir / name
    assert there.read_bytes() == here.read_bytes()
    answers = []
    there = f"{url}/image_test"
    for paths, options in ((served_paths, []), (cfg.paths, places[1:])):
        where = [f"paths.workspace={paths.workspace}", *options]
        command = [sys.executable, REPOSITORY / "scripts" / "predict.py"]
        command += [paths.import_dir / "X_test_update.csv"]
        command += ["--images", there if options else images / "image_test"]
        command += [word for setting in where for word in ("--set", setting)]
        done = subprocess.run(list(map(str, command)), capture_output=True, check=True)
        answers.append(done.stdout)
    assert answers[0] == answers[1]
    assert b",true\n" in answers[0]
