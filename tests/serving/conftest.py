"""A served model, and products of the shop that it was trained on."""

from __future__ import annotations

import pandas as pd
import pytest

from src.config import Paths
from src.data.images import file_name
from src.serving.predictor import Predictor, Product, load_predictor


@pytest.fixture(scope="session")
def predictor(served_paths: Paths) -> Predictor:
    return load_predictor(served_paths, "late_fusion")


@pytest.fixture(scope="session")
def products(served_paths: Paths) -> list[Product]:
    """The labelled products, with their pictures where they have one."""
    table = pd.read_csv(served_paths.import_dir / "X_train_update.csv", keep_default_na=False)
    folder = served_paths.workspace / "data" / "images" / "images" / "image_train"
    paths = [folder / file_name(*ids) for ids in zip(table.imageid, table.productid, strict=True)]
    return [
        Product(title, body, path if path.is_file() else None)
        for title, body, path in zip(table.designation, table.description, paths, strict=True)
    ]
