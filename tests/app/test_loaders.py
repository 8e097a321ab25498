"""Loaders: nothing for what is missing, the new file after a new run, one key for each state."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from src.artifacts.store import ArtifactStore
from src.config import Config, load_config
from src.errors import ArtifactError
from streamlit_app.exploration import aggregates
from streamlit_app.shared import loaders
from streamlit_app.shared.context import Context
from tests.app import finished_run


@pytest.fixture
def ctx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    file = finished_run.write_config(tmp_path, tmp_path)
    monkeypatch.setenv(loaders.CONFIG_VARIABLE, str(file))
    return loaders.context("en")


def save(ctx: Context, rows: int) -> None:
    table = pd.DataFrame({"split": ["train"] * rows, "has_image": True, "has_description": False})
    ctx.store.save(ctx.store.catalogue, table, run=finished_run.RUN, stage="ingest")


def test_nothing_is_there_before_the_first_run(ctx: Context) -> None:
    assert ctx.run is None
    assert loaders.catalogue(ctx) is None
    assert loaders.predictor(ctx) is None
    assert loaders.drift_reports(ctx) == {}
    with pytest.raises(ArtifactError, match=r"catalogue\.parquet: no such file"):
        loaders.derive(ctx, aggregates.overview)


def test_a_new_file_is_shown_without_a_restart(ctx: Context) -> None:
    save(ctx, 3)
    assert loaders.derive(ctx, aggregates.overview)["labelled"] == 3
    save(ctx, 5)
    assert loaders.derive(ctx, aggregates.overview)["labelled"] == 5
    assert len(loaders.load(ctx.store, ctx.store.catalogue)) == 5


def test_the_served_run_is_that_of_the_served_model(finished: Config) -> None:
    run = loaders.served_run(ArtifactStore(finished.paths))
    assert run is not None
    assert (run.kind, run.synthetic) == (finished_run.KIND, True)


def test_drift_reports_come_oldest_first(ctx: Context) -> None:
    names = ["2026-02-01_b2", "2026-01-05_b4"]
    for name in names:
        path = ctx.store.rapport(f"{name}.json")
        ctx.store.save(path, {"alert": name == names[0]}, run=finished_run.RUN, stage="drift")
    ctx.store.save(ctx.store.rapport("other.json"), {}, run=finished_run.RUN, stage="drift")
    assert list(loaders.drift_reports(ctx).items()) == [
        ("2026-01-05_b4", {"alert": False}),
        ("2026-02-01_b2", {"alert": True}),
    ]


def test_an_image_becomes_a_small_jpeg(tmp_path: Path) -> None:
    path = tmp_path / "wide.png"
    Image.new("RGB", (800, 400), "red").save(path)
    uri = loaders.data_uri(path, 100)
    assert uri is not None
    head, _, body = uri.partition(",")
    image = Image.open(io.BytesIO(base64.b64decode(body)))
    assert (head, image.format, image.size) == (
        "data:image/jpeg;base64",
        "JPEG",
        (100, 50),
    )
    assert loaders.data_uri(tmp_path / "none.jpg", 100) is None


def test_the_settings_are_read_again_when_their_file_changes(ctx: Context) -> None:
    file = ctx.cfg.paths.workspace / "app.toml"
    file.write_text(file.read_text() + "\n[compute]\nseed = 1234\n")
    assert loaders.context("en").cfg == load_config(file)
    assert loaders.context("en").cfg.compute.seed == 1234
