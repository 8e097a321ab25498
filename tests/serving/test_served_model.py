"""The model in memory follows the one in force."""

from __future__ import annotations

import logging
import os
import shutil
import time
from pathlib import Path

import pytest

from src.artifacts.store import ArtifactStore
from src.config import Paths
from src.errors import ArtifactError
from src.serving.served_model import ServedModel


@pytest.fixture
def paths(served_paths: Paths, tmp_path: Path) -> Paths:
    """A copy of the served workspace's artifacts."""
    shutil.copytree(served_paths.artifacts_dir, tmp_path / "artifacts", symlinks=True)
    places = {"workspace": tmp_path, "artifacts_dir": tmp_path / "artifacts"}
    return served_paths.model_copy(update=places)


def test_another_run_in_force_is_loaded(paths: Paths) -> None:
    served = ServedModel(paths)
    served.refresh()
    first = served.get()
    served.refresh()
    assert served.get() is first
    os.utime(ArtifactStore(paths).serving.resolve(), ns=(1, 1))
    served.refresh()
    assert served.get() is not first
    assert served.get().pipeline.run_id == first.pipeline.run_id


def test_a_damaged_run_leaves_the_one_before(
    paths: Paths, caplog: pytest.LogCaptureFixture
) -> None:
    served = ServedModel(paths)
    served.refresh()
    first = served.get()
    store = ArtifactStore(paths)
    store.full_pipeline(first.pipeline.kind).resolve().write_bytes(b"no pipeline")
    os.utime(store.serving.resolve(), ns=(1, 1))
    with caplog.at_level(logging.WARNING, logger="src.serving"):
        served.refresh()
        served.refresh()
    assert served.get() is first
    assert len(caplog.messages) == 1
    assert "refused" in caplog.messages[0]


def test_a_run_that_comes_later_is_found(paths: Paths, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    paths.artifacts_dir.rename(hidden)
    served = ServedModel(paths)
    with pytest.raises(ArtifactError, match="the model is being loaded"):
        served.get()
    served.refresh()
    with pytest.raises(ArtifactError, match="no run is served"):
        served.get()
    served.follow(every_s=0.05)
    try:
        hidden.rename(paths.artifacts_dir)
        until = time.monotonic() + 30
        while time.monotonic() < until and served._predictor is None:
            time.sleep(0.05)
        assert served.get().pipeline.kind == "late_fusion"
    finally:
        served.close()


def test_a_kind_beside_the_served_one(paths: Paths) -> None:
    served = ServedModel(paths, "late_fusion")
    served.refresh()
    assert served.get().pipeline.kind == "late_fusion"
    first = served.get()
    served.refresh()
    assert served.get() is first
    other = ServedModel(paths, "xgboost")
    other.refresh()
    with pytest.raises(ArtifactError, match="no run of kind 'xgboost' was promoted"):
        other.get()
