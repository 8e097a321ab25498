"""The image recipes on real files: what is read once, what is missing, what is cached."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw
from sklearn.base import clone
from src.pipelines.extraction import extract
from src.pipelines.fusion import WeightedFeatureUnion
from src.pipelines.registry_types import Branch

from src.cache import ExtractionCache, Namespace
from src.config import Config, load_config
from src.pipelines.image_pipeline import BUILDERS, build_cnn, build_pixels, build_stats

TINY = [
    "images.size=32",
    "images.dim_reduction.n_components=3",
    "features.image.pixels.enabled=true",
    "features.image.pixels.size_px=8",
    "features.image.cnn.enabled=true",
    "features.image.cnn.backbone=resnet18",
    "features.image.cnn.weights=random",
    "features.image.cnn.runtime=onnxruntime",
]


@pytest.fixture
def cfg(tmp_path: Path) -> Config:
    return load_config(overrides=[f"paths.workspace={tmp_path}", *TINY])


@pytest.fixture
def items(tmp_path: Path) -> pd.DataFrame:
    """Six products: four pictures, one path without a file's content, one without a picture."""
    paths = []
    for number, colour in enumerate(["red", "blue", "green", "black"]):
        picture = Image.new("RGB", (60, 40 + number), "white")
        ImageDraw.Draw(picture).ellipse((10, 5, 40, 35), fill=colour)
        paths.append(tmp_path / f"{number}.jpg")
        picture.save(paths[-1], quality=90)
    paths.append(tmp_path / "cut.jpg")
    paths[-1].write_bytes(paths[0].read_bytes()[:150])
    return pd.DataFrame(
        {
            "designation": [f"p{i}" for i in range(6)],
            "description": "",
            "image": [*map(str, paths), ""],
        }
    )


def fit(branches: list[Branch], items: pd.DataFrame, cache: ExtractionCache | None = None) -> tuple:
    extracted = extract(items, [e for b in branches for e in b.extractors], cache)
    union = WeightedFeatureUnion([(b.name, b.estimator) for b in branches], {})
    return extracted, union, union.fit_transform(extracted, np.arange(len(items)) % 2)


def test_unreadable_and_missing_pictures_are_masked(cfg: Config, items: pd.DataFrame) -> None:
    branches = [*build_pixels(cfg), *build_stats(cfg), *build_cnn(cfg)]
    extracted, _, matrix = fit(branches, items)
    assert extracted.masks["image"].tolist() == [True] * 4 + [False] * 2
    for part, block in zip(matrix.parts, matrix.blocks, strict=True):
        assert not part[4:].any(), block.branch
        assert part[:4].any(axis=1).all(), block.branch
    assert [b.branch for b in matrix.blocks] == ["image_pixels", "image_stats", "image_cnn"]
    assert matrix.blocks[0].width == 3


def test_scaling_is_learned_from_pictures_alone(cfg: Config, items: pd.DataFrame) -> None:
    branches = build_stats(cfg)
    _, _, matrix = fit(branches, items)
    present = matrix.parts[0][:4]
    np.testing.assert_allclose(present.mean(axis=0), 0.0, atol=1e-4)
    alone = fit(branches, items.head(4))[2].parts[0]
    np.testing.assert_array_equal(present, alone)


def test_pictures_are_cached_by_content(cfg: Config, items: pd.DataFrame, tmp_path: Path) -> None:
    cache, branches = ExtractionCache(tmp_path / "cache"), build_stats(cfg)
    first = fit(branches, items, cache)[2]
    moved = tmp_path / "moved.jpg"
    moved.write_bytes(Path(items["image"][0]).read_bytes())
    renamed = items.assign(image=[str(moved), *items["image"][1:]])
    extractor = branches[0].extractors[0]
    space = Namespace.of(extractor.name, extractor.settings())
    assert cache.get_many(space, extractor.keys(renamed))[1].all()
    second = fit(branches, renamed, cache)[2]
    np.testing.assert_array_equal(first.parts[0], second.parts[0])


def test_no_picture_at_all_is_zeros(cfg: Config, items: pd.DataFrame) -> None:
    _, union, matrix = fit(build_stats(cfg), items.assign(image=""))
    assert not matrix.parts[0].any()
    assert clone(union).transformer_list[0][0] == "image_stats"


def test_switched_off_builds_nothing(tmp_path: Path) -> None:
    off = [f"features.image.{kind}.enabled=false" for kind in ("pixels", "stats", "cnn", "vit")]
    cfg = load_config(overrides=[f"paths.workspace={tmp_path}", *off])
    assert [build(cfg) for build in BUILDERS.values()] == [[], [], [], []]


@pytest.mark.slow
def test_fine_tuning_sees_training_rows_alone(tmp_path: Path, items: pd.DataFrame) -> None:
    tune = ["features.image.cnn.fine_tune.enabled=true", "features.image.cnn.fine_tune.epochs=1"]
    cfg = load_config(overrides=[f"paths.workspace={tmp_path}", *TINY, *tune])
    many = pd.concat([items.head(4)] * 6, ignore_index=True)
    branch = build_cnn(cfg)[0]
    extracted = extract(many, branch.extractors, None)
    y = np.arange(len(many)) % 4
    train = np.arange(len(many)) < 20
    tuned = clone(branch.estimator).fit(extracted.take(train), y[train])
    values = tuned.transform(extracted)
    assert values.shape == (24, len(tuned.get_feature_names_out()))
    assert np.isfinite(values).all()
    assert tuned.featurizer_.onnx_ != branch.estimator.featurizer.prepare().onnx_
