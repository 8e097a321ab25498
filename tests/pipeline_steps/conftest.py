"""A small demo shop, drawn once a worker, and a configuration that trains on it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from src.config import REPOSITORY, Config, load_config

ROWS = 800


@pytest.fixture(scope="session")
def demo_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The three CSVs of a shop of `ROWS` products."""
    folder = tmp_path_factory.mktemp("shop") / "import"
    tool = REPOSITORY / "tools" / "make_demo_data.py"
    command = [sys.executable, tool, "--rows", str(ROWS), "--seed", "3", "--out", folder]
    subprocess.run([str(word) for word in command], check=True, capture_output=True)
    return folder


@pytest.fixture
def configure(demo_shop: Path, tmp_path: Path) -> Callable[..., Config]:
    """Return a function that gives a configuration on the shop, in a workspace of its own."""

    def build(*overrides: str) -> Config:
        places = [f"paths.workspace={tmp_path}", f"paths.import_dir={demo_shop}"]
        small = ["data.source=csv", "debug.sample_rows=0"]
        smoke = REPOSITORY / "config" / "smoke.toml"
        return load_config(smoke, [*places, *small, *overrides])

    return build
