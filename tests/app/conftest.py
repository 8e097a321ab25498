"""A finished run, an empty workspace, and one page of the app in either."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from src.config import REPOSITORY, Config, load_config
from src.labels import Labels, load_labels
from tests.app import finished_run

ROWS, IMAGES = 420, 260
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
LIMIT_S = 300  # however busy the machine is
Page = Callable[..., AppTest]


@pytest.fixture(scope="session")
def labels() -> Labels:
    return load_labels(
        REPOSITORY / "config" / "labels_map.json", REPOSITORY / "config" / "theme_map.json"
    )


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, labels: Labels) -> Config:
    """A workspace in which a small shop was drawn and trained on, and a worse run waits."""
    workspace = tmp_path_factory.mktemp("finished")
    tool = REPOSITORY / "tools" / "make_demo_data.py"
    size = ["--rows", str(ROWS), "--images", str(IMAGES), "--seed", "5"]
    command = [sys.executable, str(tool), *size, "--out", str(workspace / "import")]
    subprocess.run(command, check=True, capture_output=True)
    cfg = load_config(finished_run.write_config(workspace, workspace))
    finished_run.write_results(cfg, finished_run.train(cfg, labels), labels)
    finished_run.add_candidate(cfg)
    return cfg


@pytest.fixture(autouse=True)
def no_corrections_of_others(request: pytest.FixtureRequest) -> Iterator[None]:
    """Leave no correction to the next test: the page of a database takes in those of the file."""
    yield
    if "finished" in request.fixturenames:
        cfg: Config = request.getfixturevalue("finished")
        (cfg.paths.results_dir / "feedback.jsonl").unlink(missing_ok=True)


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """The settings of a workspace in which nothing was done yet."""
    workspace = tmp_path_factory.mktemp("empty")
    return load_config(finished_run.write_config(workspace, workspace))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    if not Path(CHROMIUM).exists():
        pytest.skip("no chromium: sudo apt-get install -y chromium")
    with playwright.sync_playwright() as runtime:
        opened = runtime.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    """Return a function that opens one page of the app and gives it after its first run."""

    # AppTest puts a script of its own there, which a new process of Dask's would run.
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])

    def open_page(cfg: Config, name: str, language: str = "en", **state: object) -> AppTest:
        monkeypatch.setenv("RAKUTEN_CONFIG", str(cfg.paths.workspace / "app.toml"))
        kwargs = {"name": name, "language": language}
        test = AppTest.from_function(_show, default_timeout=LIMIT_S, kwargs=kwargs)
        for key, value in state.items():
            test.session_state[key] = value
        return test.run()

    yield open_page


def _show(name: str, language: str) -> None:
    """Run one page as the entry does; AppTest takes the source of this function."""
    import importlib

    import streamlit as st

    from src.errors import ProjectError
    from streamlit_app.shared import components, loaders

    # Navigation is no part of a page: tests write another page or language into the session.
    name = st.session_state.setdefault("page", name)
    ctx = loaders.context(st.session_state.setdefault("language", language))
    if st.session_state.get("with_sidebar"):
        components.sidebar(ctx)
    components.banner(ctx)
    try:
        importlib.import_module(f"streamlit_app.{name}.page").show(ctx)
    except ProjectError as error:
        components.problem(error, ctx.language)
