"""The cache tool deletes what it says, and no trained model without --yes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from src.artifacts import ArtifactStore
from src.cache import ExtractionCache, Namespace, content_key
from src.config import Paths, load_config
from tools.clear_cache import main


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    paths = load_config(overrides=[f"paths.workspace={tmp_path}"]).paths
    values = {"x": np.zeros((1, 250), np.float32)}
    ExtractionCache(paths.cache_dir).put_many(Namespace.of("demo", {}), [content_key(b"a")], values)
    for folder in (paths.results_dir, paths.artifacts_dir, paths.networks_dir):
        folder.mkdir(parents=True)
        (folder / "file").write_bytes(b"x" * 1000)
    return paths


def left(paths: Paths) -> dict[str, bool]:
    folders = {
        "cache": paths.cache_dir / Namespace.of("demo", {}).folder,
        "networks": paths.networks_dir,
        "results": paths.results_dir,
        "artifacts": paths.artifacts_dir / "file",
    }
    return {name: folder.exists() for name, folder in folders.items()}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], (False, False, True, True)),
        (["--all"], (False, False, False, True)),
        (["--all", "--yes"], (False, False, False, False)),
        (["--yes"], (False, False, True, True)),
        (["--all", "--yes", "--dry-run"], (True, True, True, True)),
    ],
)
def test_what_is_left(options: list[str], expected: tuple[bool, ...], paths: Paths) -> None:
    assert main([*options, "--set", f"paths.workspace={paths.workspace}"]) == 0
    assert tuple(left(paths).values()) == expected


def test_it_says_what_it_frees(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--all", "--dry-run", "--set", f"paths.workspace={paths.workspace}"])
    output = capsys.readouterr().out
    assert f"would delete {paths.results_dir} (0.0 MB)" in output
    assert output.splitlines()[-1].startswith(f"kept: {paths.artifacts_dir}")


def test_not_under_a_running_training(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    with ArtifactStore(paths).writing():
        assert main(["--set", f"paths.workspace={paths.workspace}"]) == 2
    assert "another run is writing here" in capsys.readouterr().err
    assert all(left(paths).values())
