"""The demo pictures: which are chosen, and what is saved of them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from src.artifacts.store import ArtifactStore
from src.config import Paths
from src.features.image.statistics import ImageStatsCombinedFeaturizer
from src.runs.demo_images import MAX_IMAGES, choose_images


@pytest.mark.parametrize("most", [1, 5, 24, 200])
def test_classes_take_turns(most: int) -> None:
    rng = np.random.default_rng(0)
    y, pictured = rng.choice([10, 40, 50, 60], 120, p=[0.6, 0.3, 0.08, 0.02]), rng.random(120) < 0.5
    rows = choose_images(y, pictured, most)
    assert rows.tolist() == sorted(set(rows.tolist()))
    assert pictured[rows].all()
    assert len(rows) == min(most, pictured.sum())
    left = Counter(y[pictured].tolist())
    expected: Counter[int] = Counter()
    order = sorted(left, key=lambda code: (-left[code], code))
    while sum(expected.values()) < len(rows):  # one of each in turn
        for code in order:
            if expected[code] < left[code] and sum(expected.values()) < len(rows):
                expected[code] += 1
    assert Counter(y[rows].tolist()) == expected


def test_no_picture_is_an_empty_choice() -> None:
    assert choose_images(np.array([10, 40]), np.zeros(2, dtype=bool), 5).tolist() == []


def test_files_of_a_run(served_paths: Paths) -> None:
    store = ArtifactStore(served_paths)
    stored, rows = store.load(store.demo_image_features), store.load(store.demo_image_index)
    files = sorted(served_paths.demo_images_dir.glob("*.jpg"))
    assert [path.name for path in files] == sorted(rows)
    assert len(files) == MAX_IMAGES
    original = served_paths.workspace / "data" / "images" / "images" / "image_train"
    assert all(path.read_bytes() == (original / path.name).read_bytes() for path in files)
    values, readable = ImageStatsCombinedFeaturizer().extract(files)
    assert readable.all()
    np.testing.assert_array_equal(stored["image_stats"][[rows[p.name] for p in files]], values)
    train = pd.read_csv(served_paths.import_dir / "Y_train_CVw08PX.csv")
    x = pd.read_csv(served_paths.import_dir / "X_train_update.csv")
    names = [f"image_{i}_product_{p}.jpg" for i, p in zip(x.imageid, x.productid, strict=True)]
    code_of = dict(zip(names, train.prdtypecode, strict=True))
    pictured = {code_of[path.name] for path in original.glob("*.jpg")}
    assert {code_of[path.name] for path in files} >= pictured or len(pictured) > MAX_IMAGES
