"""A configuration that trains on the small demo shop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from src.config import REPOSITORY, Config, load_config


@pytest.fixture
def configure(demo_shop: Path, tmp_path: Path) -> Callable[..., Config]:
    """Return a function that gives a configuration on the shop, in a workspace of its own."""

    def build(*overrides: str) -> Config:
        places = [f"paths.workspace={tmp_path}", f"paths.import_dir={demo_shop}"]
        small = ["data.source=csv", "debug.sample_rows=0"]
        smoke = REPOSITORY / "config" / "smoke.toml"
        return load_config(smoke, [*places, *small, *overrides])

    return build
