"""The cache tool deletes what it says, and no trained model without --yes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from src.artifacts import runs
from src.artifacts.store import ArtifactStore, Run
from src.cache import ExtractionCache, Namespace, content_key
from src.config import Paths, load_config
from tools.clear_cache import main


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    paths = load_config(overrides=[f"paths.workspace={tmp_path}"]).paths
    values = {"x": np.zeros((1, 250), np.float32)}
    ExtractionCache(paths.cache_dir).put_many(Namespace.of("demo", {}), [content_key(b"a")], values)
    folders = (paths.results_dir, paths.artifacts_dir, paths.networks_dir)
    for folder in (*folders, paths.models_dir, paths.reports_dir, paths.rapport_dir):
        folder.mkdir(parents=True)
        (folder / "file").write_bytes(b"x" * 1000)
    return paths


def left(paths: Paths) -> dict[str, bool]:
    folders = {
        "cache": paths.cache_dir / Namespace.of("demo", {}).folder,
        "networks": paths.networks_dir,
        "results": paths.results_dir,
        "models": paths.models_dir,
        "reports": paths.reports_dir,
        "artifacts": paths.artifacts_dir / "file",
    }
    return {name: folder.exists() for name, folder in folders.items()}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], (False, False, True, True, True, True)),
        (["--all"], (False, False, False, False, False, True)),
        (["--all", "--yes"], (False,) * 6),
        (["--yes"], (False, False, True, True, True, True)),
        (["--all", "--yes", "--dry-run"], (True,) * 6),
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


def test_only_generated_files_of_the_rapport_go_and_no_correction(paths: Paths) -> None:
    for name in ("compare.py", "b2_diagnostics.csv", "2026-01-01_lot.json", "2026-01-01_lot.html"):
        (paths.rapport_dir / name).write_text("")
    ArtifactStore(paths).feedback.write_text("{}\n")
    main(["--all", "--set", f"paths.workspace={paths.workspace}"])
    assert sorted(path.name for path in paths.rapport_dir.iterdir()) == ["compare.py", "file"]
    assert list(paths.results_dir.iterdir()) == [ArtifactStore(paths).feedback]


def test_a_run_that_was_not_promoted_goes_and_the_served_ones_stay(paths: Paths) -> None:
    store = ArtifactStore(paths)
    for name in ("one", "two", "three"):
        run = Run(name, "d", synthetic=True, config="c")
        new = store.begin(run)
        new.save(new.serving, {"run_id": name}, run=run, stage="promote")
        if name != "three":
            runs.promote(new.paths)
    options = ["--set", f"paths.workspace={paths.workspace}"]
    main(["--all", "--dry-run", *options])
    assert runs.find(store.paths, "candidate") is not None
    main(["--all", *options])
    assert runs.find(store.paths, "candidate") is None
    assert store.load(store.serving) == {"run_id": "two"}
    assert store.load(store.pinned("previous").serving) == {"run_id": "one"}


def test_not_under_a_running_training(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    with ArtifactStore(paths).writing():
        assert main(["--set", f"paths.workspace={paths.workspace}"]) == 2
    assert "another run is writing here" in capsys.readouterr().err
    assert all(left(paths).values())
