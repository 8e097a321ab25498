"""A lot that a visitor uploads gets the report that the command makes of the same files."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from src.config import Config
from src.data.images import file_name
from src.errors import FileFault
from src.serving.predictor import Predictor, load_predictor
from streamlit_app.diagnostics import lot
from streamlit_app.shared import loaders
from streamlit_app.shared.context import Context
from tools import drift_report


@pytest.fixture(scope="module")
def predictor(finished: Config) -> Predictor:
    return load_predictor(finished.paths)


@pytest.fixture
def ctx(finished: Config, monkeypatch: pytest.MonkeyPatch) -> Context:
    monkeypatch.setenv("RAKUTEN_CONFIG", str(finished.paths.workspace / "app.toml"))
    return loaders.context("en")


def by_command(finished: Config, out: Path, *words: object) -> dict[str, object]:
    """Return the report that the command writes."""
    settings = ["--config", str(finished.paths.workspace / "app.toml"), "--out", str(out)]
    assert drift_report.main([*map(str, words), *settings, "--set", "data.source=csv"]) == 1
    (written,) = out.glob("*.json")
    return json.loads(written.read_text())


def test_with_labels(finished: Config, ctx: Context, predictor: Predictor, tmp_path: Path) -> None:
    goods = ["baguette tradition", "beurre doux 250 g", "comté affiné 18 mois"]
    table, codes = tmp_path / "food.csv", tmp_path / "codes.csv"
    pd.DataFrame({"designation": goods * 30, "productid": range(90)}).to_csv(table, index=False)
    pd.DataFrame({"prdtypecode": [2462, 10, 2583] * 30}).to_csv(codes, index=False)
    expected = by_command(finished, tmp_path / "out", table, "--labels", codes)
    uploads = [(path.name, path.read_bytes()) for path in (table, codes)]
    report = lot.compare(ctx, predictor, *uploads, None)
    expected["created_at"] = report["created_at"]
    assert json.loads(json.dumps(report)) == expected
    moved = {f["signal"]: f for f in report["findings"] if f["alert"]}
    assert "unknown_words" in moved
    catalogue = loaders.catalogue(ctx)
    assert catalogue is not None
    titles = set(catalogue.loc[catalogue["split"] == "train", "designation"])
    before = moved["unknown_words"]["examples_before"]
    assert len(before) == 3
    assert {example["designation"].rstrip("…") for example in before} <= titles
    assert {p["designation"] for p in report["products"]} == set(goods)


def test_with_images(finished: Config, ctx: Context, predictor: Predictor, tmp_path: Path) -> None:
    """Out of a zip, as the command reads them from a folder."""
    catalogue = loaders.catalogue(ctx)
    assert catalogue is not None
    table = catalogue[catalogue["has_image"] & (catalogue["split"] == "train")]
    columns = ["designation", "description", "productid", "imageid"]
    table[columns].to_csv(tmp_path / "pictured.csv", index=False)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for row in table.itertuples():
            archive.write(row.image, f"img/{file_name(row.imageid, row.productid)}")
    folder = finished.images.train_dir
    words = (tmp_path / "pictured.csv", "--images", folder)
    expected = by_command(finished, tmp_path / "out", *words)
    data = (tmp_path / "pictured.csv").read_bytes()
    report = lot.compare(ctx, predictor, ("pictured.csv", data), None, buffer.getvalue())
    assert report["images_given"]
    assert report["findings"] == expected["findings"]


def test_what_is_no_lot_is_refused(ctx: Context, predictor: Predictor) -> None:
    rows = ("x.csv", b"designation\na\nb\n")
    with pytest.raises(FileFault, match=r"y\.csv: no code of the model, found 99"):
        lot.compare(ctx, predictor, rows, ("y.csv", b"prdtypecode\n99\n"), None)
    with pytest.raises(FileFault, match=r"x\.csv: expected products"):
        lot.compare(ctx, predictor, ("x.csv", b"designation\n"), None, None)
