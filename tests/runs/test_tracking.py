"""Runs in MLflow: a folder, a real server, one that is down, and nothing of it where it is off."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from scripts import promote, rollback
from src.artifacts.store import ArtifactStore, Run
from src.config import REPOSITORY, Config, Paths, load_config
from src.runs.tracking import ENVIRONMENT, TrackedPipeline, follow_aliases, log_run
from src.serving.predictor import Product, load_predictor
from tests.conftest import find_free_port
from tests.runs.test_promotion import command

pytestmark = pytest.mark.slow
Configure = Callable[..., Config]
NAME = "rakuten-multimodal"
SMOKE = REPOSITORY / "config" / "smoke.toml"
BIN = Path(sys.executable).parent
ENV = {
    **{key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
    "MLFLOW_ALLOW_FILE_STORE": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
}
WORSE = [f"features.text.weights.tfidf_{n}=0" for n in ("word", "char", "char_title")]

# What another program sees: the aliases, what was logged, and what the model answers.
LOOK = """
import json, sys
import mlflow, pandas as pd
uri, name, alias, table = sys.argv[1:]
mlflow.set_tracking_uri(uri)
mlflow.set_registry_uri(uri)
client = mlflow.MlflowClient()
versions = {str(v.version): v for v in client.search_model_versions(f"name='{name}'")}
found = {"aliases": {}, "runs": {}}
for alias_, version in client.get_registered_model(name).aliases.items():
    found["aliases"][alias_] = versions[str(version)].tags["run_id"]
for version in versions.values():
    run = client.get_run(version.run_id)
    places = "", "figures"
    files = [f.path for place in places for f in client.list_artifacts(run.info.run_id, place)]
    found["runs"][run.info.run_name] = [run.data.params, run.data.metrics, files]
if table:
    model = mlflow.pyfunc.load_model(f"models:/{name}@{alias}")
    import src
    found["code"] = src.__file__
    products = pd.read_csv(table, dtype=str, keep_default_na=False)
    model.predict(products).to_pickle(table + ".pickle")
print(json.dumps(found))
"""


def look(uri: str, place: Path, alias: str = "", table: Path | str = "") -> dict[str, Any]:
    words = [sys.executable, "-W", "ignore", "-c", LOOK, uri, NAME, alias, str(table)]
    done = subprocess.run(words, cwd=place, env=ENV, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@contextlib.contextmanager
def listening(words: list[str], url: str, place: Path, **env: str) -> Iterator[None]:
    """Run a server until it answers, and then while the block runs."""
    with (place / "server.log").open("wb") as log:
        server = subprocess.Popen(
            words, cwd=place, env=ENV | env, stdout=log, stderr=log, start_new_session=True
        )
        try:
            until = time.monotonic() + 300
            while server.poll() is None and time.monotonic() < until:
                with contextlib.suppress(OSError), urllib.request.urlopen(url) as answer:  # noqa: S310
                    if answer.status == 200:
                        break
                time.sleep(0.2)
            else:
                pytest.fail((place / "server.log").read_text())
            yield
        finally:
            os.killpg(server.pid, signal.SIGTERM)  # its workers too
            server.wait()


@pytest.fixture
def server_uri(tmp_path: Path) -> Iterator[str]:
    """A real server on this machine."""
    pytest.importorskip("sqlalchemy")
    url = f"http://127.0.0.1:{(port := find_free_port())}"
    place = tmp_path / "server"
    place.mkdir()
    options = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    stores = ["--backend-store-uri", "sqlite:///runs.db", "--artifacts-destination", "files"]
    words = [str(BIN / "mlflow"), "server", *options, *stores]
    with listening(words, f"{url}/health", place):
        yield url


def shop_table(cfg: Config, n: int = 40) -> pd.DataFrame:
    table = pd.read_csv(cfg.paths.import_dir / "X_test_update.csv", keep_default_na=False)
    return table[["designation", "description"]].head(n)


def options(*overrides: str) -> list[str]:
    given = ("data.source=csv", "debug.sample_rows=0", *overrides)
    return [word for override in given for word in ("--set", override)]


@dataclasses.dataclass(frozen=True)
class Trained:
    """A workspace with a served run and a worse candidate, both logged in its folder "mlruns"."""

    workspace: Path
    import_dir: Path
    stderr: str  # of the first training
    answers: pd.DataFrame  # of predict.py, the first run, to the products of shop.csv

    def configure(self, uri: str) -> Config:
        places = f"paths.workspace={self.workspace}", f"paths.import_dir={self.import_dir}"
        return load_config(SMOKE, [*places, f"tracking.uri={uri}"])


@pytest.fixture(scope="module")
def trained(demo_shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    workspace = tmp_path_factory.mktemp("trained") / "workspace"
    made = Trained(workspace, demo_shop, "", pd.DataFrame())
    cfg = made.configure("mlruns")
    first = command(
        "train_pipeline.py", cfg, *options("tracking.uri=mlruns", "outputs.figures=true")
    )
    assert first.returncode == 0, first.stderr
    worse = command("train_pipeline.py", cfg, *options("tracking.uri=mlruns", *WORSE))
    assert worse.returncode == 1, worse.stderr
    table, answers = workspace / "shop.csv", workspace / "answers.csv"
    shop_table(cfg).to_csv(table, index=False)
    done = command("predict.py", cfg, str(table), "--out", str(answers))
    assert done.returncode == 0, done.stderr
    said = pd.read_csv(answers, keep_default_na=False, dtype=str)
    ignored = shutil.ignore_patterns("mlruns")
    shutil.copytree(workspace, workspace.with_name("copy"), symlinks=True, ignore=ignored)
    return dataclasses.replace(made, stderr=first.stderr, answers=said)


@pytest.fixture
def copied(trained: Trained) -> Trained:
    """The same in another place, where nothing was logged or promoted since."""
    return dataclasses.replace(trained, workspace=trained.workspace.with_name("copy"))


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the commands set for MLflow stays with the test."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


def aliases(uri: str) -> dict[str, str]:
    """Return the run that each alias of the registered model stands for."""
    from mlflow import MlflowClient

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client = MlflowClient(uri, uri)
        found = client.get_registered_model(NAME).aliases
        versions = {alias: client.get_model_version(NAME, v) for alias, v in found.items()}
    return {alias: version.tags["run_id"] for alias, version in versions.items()}


def test_what_a_training_logs_is_registered_and_served(trained: Trained, tmp_path: Path) -> None:
    cfg, place = trained.configure("mlruns"), (trained.workspace / "mlruns").as_uri()
    assert f"at {place}" in trained.stderr
    check_logged(trained, place, tmp_path)
    check_served_by_mlflow(trained.answers, place, tmp_path)
    check_aliases_follow(cfg, place)


def test_a_server_is_told_the_same(copied: Trained, server_uri: str, tmp_path: Path) -> None:
    cfg = copied.configure(server_uri)
    for alias in ("served", "candidate"):
        store = ArtifactStore(cfg.paths).pinned(alias)
        log_run(cfg, store, Run.of(store.describe(store.serving)))
    check_logged(copied, server_uri, tmp_path)
    check_aliases_follow(cfg, server_uri)


def check_aliases_follow(cfg: Config, place: str) -> None:
    """Promotion and rollback by their commands move the aliases."""
    stores = [ArtifactStore(cfg.paths).pinned(alias) for alias in ("served", "candidate")]
    first, second = (store.served_run().run_id for store in stores)
    words = options(f"paths.workspace={cfg.paths.workspace}", f"tracking.uri={cfg.tracking.uri}")
    assert promote.main(["--force", "--reason", "seen with the team", *words]) == 0
    assert aliases(place) == {"champion": second}
    assert rollback.main(words) == 0
    assert aliases(place) == {"champion": first}


def check_logged(trained: Trained, place: str, folder: Path) -> None:
    """Settings, scores, files, aliases and answers, as another program finds them."""
    cfg = trained.configure(place)
    first = ArtifactStore(cfg.paths).served_run()
    table = folder / "shop.csv"
    shop_table(cfg).to_csv(table, index=False)
    found = look(place, folder, "champion", table)
    candidate = ArtifactStore(cfg.paths).pinned("candidate").served_run()
    assert found["aliases"] == {"champion": first.run_id, "candidate": candidate.run_id}
    params, metrics, files = found["runs"][first.run_id]
    assert params["model.name"] == "linear_svc"
    assert params["cv.n_folds"] == "3"
    assert len(params) == len(cfg.flat())
    assert metrics["holdout.f1_weighted"] == first.f1_weighted
    assert metrics["oof.accuracy_low"] < metrics["oof.accuracy"] < metrics["oof.accuracy_high"]
    assert {"MODEL_CARD.md", "figures/linear_svc_holdout_confusion_fr.png"} <= set(files)
    # The model brings its own code, and answers the digits of predict.py.
    assert not found["code"].startswith(str(REPOSITORY))
    expected = trained.answers
    answered = pd.read_pickle(f"{table}.pickle")  # noqa: S301
    for k, suffix in enumerate(("", "_2", "_3")):
        code = "prdtypecode" if k == 0 else f"code{suffix}"
        wanted = expected[[code, f"label{suffix}", f"probability{suffix}"]].values.tolist()
        assert [[str(value) for value in row[k]] for row in answered["top_k"]] == wanted
    for name in ("prdtypecode", "label", "probability"):
        assert answered[name].map(str).tolist() == expected[name].tolist()
    for name in ("needs_review", "known", "used_image"):
        assert (
            answered[name].map(lambda flag: str(flag).lower()).tolist() == expected[name].tolist()
        )
    assert answered["review_reason"].map(" ".join).tolist() == expected["review_reason"].tolist()


def check_served_by_mlflow(expected: pd.DataFrame, place: str, folder: Path) -> None:
    """`mlflow models serve` gives the same answers over HTTP."""
    url = f"http://127.0.0.1:{(port := find_free_port())}"
    model = ["-m", f"models:/{NAME}@champion", "--env-manager", "local"]
    words = [str(BIN / "mlflow"), "models", "serve", *model, "--port", str(port)]
    records = expected[["designation", "description"]].head(3).to_dict("records")
    with listening(words, f"{url}/ping", folder, MLFLOW_TRACKING_URI=place):
        request = urllib.request.Request(  # noqa: S310
            f"{url}/invocations",
            json.dumps({"dataframe_records": records}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            rows = json.load(answer)["predictions"]
    for name in ("prdtypecode", "probability", "label"):
        assert [str(row[name]) for row in rows] == expected[name].head(3).tolist()


def test_an_image_comes_in_base64(served_paths: Paths) -> None:
    predictor = load_predictor(served_paths)
    folder = served_paths.workspace / "data" / "images" / "images" / "image_train"
    image = min(folder.glob("*.jpg")).read_bytes()
    given = {"designation": ["Lampe", "Livre", ""], "image_base64": [None, None, None]}
    given["image_base64"][0] = base64.b64encode(image).decode()
    answered = TrackedPipeline(predictor.pipeline)(pd.DataFrame(given, index=[3, 4, 5]))
    lamp, book, nothing = predictor.predict(
        [Product("Lampe", "", image), Product("Livre"), Product("")]
    )
    assert answered["used_image"].tolist() == [True, False, False]
    assert answered["probability"].tolist()[:2] == [lamp.probability, book.probability]
    assert answered["prdtypecode"].tolist()[:2] == [lamp.code, book.code]
    assert nothing.code is None
    assert answered.loc[2, ["prdtypecode", "probability"]].isna().all()


def test_a_server_that_is_down_is_a_warning(configure: Configure, free_port: int) -> None:
    cfg = configure()
    down = f"tracking.uri=http://127.0.0.1:{free_port}"
    done = command("train_pipeline.py", cfg, *options(down))
    assert done.returncode == 0, done.stderr
    assert "served now" in done.stdout
    assert f"http://127.0.0.1:{free_port}: the run was not logged (" in done.stderr


def test_a_server_that_never_answers_is_asked_twice(
    tmp_path: Path, served_paths: Paths, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """A training waits for two answers, not for two of each of what it would do."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    store = ArtifactStore(served_paths)
    with socket.create_server(("127.0.0.1", 0), backlog=50) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        cfg = load_config(overrides=[f"paths.workspace={tmp_path}", f"tracking.uri={uri}"])
        log_run(cfg, store, Run.of(store.describe(store.serving)))
        silent.setblocking(False)
        asked = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                silent.accept()[0].close()
                asked += 1
    assert asked == 2
    warned = [record.message for record in caplog.records if record.name == "src.runs.tracking"]
    assert [text.startswith(f"{uri}: the run was not logged (") for text in warned] == [True]


def test_where_mlflow_is_not_installed_that_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    cfg = load_config(overrides=[f"paths.workspace={tmp_path}", "tracking.uri=mlruns"])
    follow_aliases(cfg)
    assert "mlruns: the aliases of the registered model do not follow (" in caplog.text


OFF = """
import sys
from scripts import promote, rollback, train_pipeline
assert train_pipeline.main(sys.argv[1:]) == 0
assert promote.main(sys.argv[1:]) == 2
assert rollback.main(sys.argv[1:]) == 2
assert not [name for name in sys.modules if name.partition(".")[0] == "mlflow"]
"""


def test_with_tracking_off_nothing_of_it_is_imported(configure: Configure) -> None:
    cfg = configure()
    places = [f"paths.workspace={cfg.paths.workspace}", f"paths.import_dir={cfg.paths.import_dir}"]
    words = [sys.executable, "-c", OFF, "--config", str(SMOKE), *options(*places)]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
