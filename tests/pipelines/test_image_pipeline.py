"""The image branches on real files: what is read once, what is missing, what is cached."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw
from sklearn.base import clone

from src.cache import ExtractionCache, Namespace
from src.config import Config, load_config
from src.data.image_decode import ImageSource
from src.errors import ConfigError
from src.features.image.loader import load_image, load_settings
from src.features.image.statistics import ImageStatsCombinedFeaturizer
from src.pipelines.branches import Branch, union_of
from src.pipelines.image_pipeline import (
    BUILDERS,
    ImageExtractor,
    build_cnn,
    build_pixels,
    build_stats,
    image_digests,
)
from src.pipelines.registry import branch_weights
from src.pipelines.table import block_values, extract_table

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
def products(tmp_path: Path) -> pd.DataFrame:
    """Six products: four images, one path without a file's content, one without an image."""
    paths = []
    for number, colour in enumerate(["red", "blue", "green", "black"]):
        picture = Image.new("RGB", (60, 40 + number), "white")
        ImageDraw.Draw(picture).ellipse((10, 5, 40, 35), fill=colour)
        paths.append(tmp_path / f"{number}.jpg")
        picture.save(paths[-1], quality=90)
    paths.append(tmp_path / "cut.jpg")
    paths[-1].write_bytes(paths[0].read_bytes()[:150])
    images = [*map(str, paths), ""]
    titles = [f"p{i}" for i in range(6)]
    return pd.DataFrame({"designation": titles, "description": "", "image": images})


def fit(
    branches: list[Branch], products: pd.DataFrame, cache: ExtractionCache | None = None
) -> tuple:
    table = extract_table(products, [b.extractor for b in branches], cache)
    union = union_of(branches, {}).fit(table, np.arange(len(products)) % 2)
    return table, union, union.transform_parts(table)


def test_unreadable_and_missing_images_are_marked(cfg: Config, products: pd.DataFrame) -> None:
    """NaN in the table, whose values are the featurizer's; zeros in what classifiers see."""
    branches = [*build_pixels(cfg), *build_stats(cfg), *build_cnn(cfg)]
    table, union, parts = fit(branches, products)
    assert table["has_image"].tolist() == [True] * 4 + [False] * 2
    for branch, part in zip(branches, parts, strict=True):
        values = block_values(table, branch.name)
        assert np.isnan(values[4:]).all()
        expected, _ = branch.extractor.featurizer.extract(products["image"][:4].tolist())
        np.testing.assert_array_equal(values[:4], expected)
        assert not part[4:].any(), branch.name
        assert part[:4].any(axis=1).all(), branch.name
    blocks = union.blocks_
    assert [b.branch for b in blocks] == ["image_pixels", "image_stats", "image_cnn"]
    assert (blocks[0].start, blocks[0].stop) == (0, 3)


def test_scaling_is_learned_from_images_alone(cfg: Config, products: pd.DataFrame) -> None:
    branches = build_stats(cfg)
    present = fit(branches, products)[2][0][:4]
    np.testing.assert_allclose(present.mean(axis=0), 0.0, atol=1e-4)
    alone = fit(branches, products.head(4))[2][0]
    np.testing.assert_array_equal(present, alone)


def test_images_are_cached_by_content(cfg: Config, products: pd.DataFrame, tmp_path: Path) -> None:
    cache, branches = ExtractionCache(tmp_path / "cache"), build_stats(cfg)
    first = fit(branches, products, cache)[2]
    moved = tmp_path / "moved.jpg"
    moved.write_bytes(Path(products["image"][0]).read_bytes())
    renamed = products.assign(image=[str(moved), *products["image"][1:]])
    extractor = branches[0].extractor
    space = Namespace.of(extractor.name, extractor.settings())
    assert cache.get_many(space, extractor.keys(renamed))[1].all()
    second = fit(branches, renamed, cache)[2]
    np.testing.assert_array_equal(first[0], second[0])


def with_hashes(products: pd.DataFrame) -> pd.DataFrame:
    """What stage 1 takes from the manifest: the SHA256 of each file, "" where it lists none."""
    hashes = [hashlib.sha256(Path(p).read_bytes()).hexdigest() for p in products["image"] if p]
    return products.assign(image_sha256=[*hashes, ""])


def test_keys_from_the_manifest_are_those_of_the_files(cfg: Config, products: pd.DataFrame) -> None:
    (branch,) = build_stats(cfg)
    known = with_hashes(products)
    assert branch.extractor.keys(known) == branch.extractor.keys(products)
    assert image_digests(products) == known["image_sha256"].tolist()
    # What the manifest does not list is read; a file that is not there counts as no image.
    partly = known.assign(image_sha256=["", *known["image_sha256"][1:]])
    assert image_digests(partly) == image_digests(products)
    gone = products.assign(image=["/not/there.jpg", *products["image"][1:]])
    assert image_digests(gone)[0] == ""


def test_with_known_hashes_no_file_is_opened(
    cfg: Config, products: pd.DataFrame, tmp_path: Path
) -> None:
    """All files are gone, and the table from the cache is the same."""
    cache, branches = ExtractionCache(tmp_path / "cache"), build_stats(cfg)
    known = with_hashes(products)
    first = fit(branches, known, cache)[0]
    for path in filter(None, products["image"]):
        Path(path).unlink()
    pd.testing.assert_frame_equal(fit(branches, known, cache)[0], first)


class Counting(ImageStatsCombinedFeaturizer):
    """Keeps what it was asked for."""

    asked: Sequence[ImageSource] = ()

    def extract(self, sources: Sequence[ImageSource]) -> tuple[np.ndarray, np.ndarray]:
        self.asked = sources
        return super().extract(sources)


def test_products_without_an_image_are_not_asked_for(products: pd.DataFrame) -> None:
    extractor = ImageExtractor("image_stats", Counting())
    extract_table(products, [extractor], None)
    assert extractor.featurizer.asked == products["image"][:5].tolist()


def test_no_image_at_all_is_zeros(cfg: Config, products: pd.DataFrame) -> None:
    _, union, parts = fit(build_stats(cfg), products.assign(image=""))
    assert not parts[0].any()
    assert clone(union).transformer_list[0][0] == "image_stats"


def test_switched_off_builds_nothing(tmp_path: Path) -> None:
    off = [f"features.image.{kind}.enabled=false" for kind in ("pixels", "stats", "cnn", "vit")]
    cfg = load_config(overrides=[f"paths.workspace={tmp_path}", *off])
    assert [build(cfg) for build in BUILDERS.values()] == [[], [], [], []]


@pytest.mark.slow
def test_fine_tuning_sees_training_rows_alone(tmp_path: Path, products: pd.DataFrame) -> None:
    tune = ["features.image.cnn.fine_tune.enabled=true", "features.image.cnn.fine_tune.epochs=1"]
    tune.append("features.image.cnn.precision=fp32")
    cfg = load_config(overrides=[f"paths.workspace={tmp_path}", *TINY, *tune])
    many = pd.concat([products.head(4)] * 6 + [products.tail(2)], ignore_index=True)
    branch = build_cnn(cfg)[0]
    assert branch.transformer.tuning.precision == "fp32"
    table = extract_table(many, [branch.extractor], None)
    assert not any(name.startswith("image_cnn__") for name in table)  # nothing untuned is read
    assert table["has_image"].tolist() == [True] * 24 + [False] * 2
    y = np.arange(len(many)) % 4
    tuned = clone(branch.transformer).fit(table.iloc[:20], y[:20])
    values = tuned.transform(table)
    assert values.shape == (26, len(tuned.get_feature_names_out()))
    assert np.isfinite(values).all()
    assert not values[24:].any()
    assert tuned.featurizer_.onnx_ != branch.transformer.featurizer.prepare().onnx_
    # Other images on the rows that are not in `fit`: the same network.
    others = table.assign(image=[*table["image"][:20], *table["image"][:6]])
    again = clone(branch.transformer).fit(others.iloc[:20], y[:20])
    assert again.featurizer_.onnx_ == tuned.featurizer_.onnx_


def test_several_networks_are_a_block_each(tmp_path: Path, products: pd.DataFrame) -> None:
    listed = 'features.image.networks=["resnet18", "efficientnet_lite0"]'
    cfg = load_config(overrides=[f"paths.workspace={tmp_path}", *TINY, listed])
    branches = build_cnn(cfg)
    assert [branch.name for branch in branches] == ["image_cnn", "image_cnn_efficientnet_lite0"]
    assert {branch_weights(cfg)[branch.name] for branch in branches} == {1.0}
    one = build_cnn(load_config(overrides=[f"paths.workspace={tmp_path}", *TINY]))
    table = extract_table(products, [branch.extractor for branch in branches], None)
    alone = extract_table(products, [one[0].extractor], None)
    first, second = (block_values(table, branch.name) for branch in branches)
    np.testing.assert_array_equal(first, block_values(alone, "image_cnn"))
    assert (first.shape, second.shape) == ((6, 896), (6, 1712))
    assert np.isnan(second[4:]).all()
    values = fit(branches, products)[2]
    assert [part.shape[1] for part in values] == [896, 1712]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ('networks=["vit", "resnet18", "hf:me/resnet18"]', "two have the same name"),
        ('networks=["resnet18", "resnet18"]', "two have the same name"),
        ('cnn.weights="mine.pth"', "cnn.weights = 'mine.pth' is for"),
        ('networks=["clip_vit_b61"]', "did you mean 'clip_vit_b16'"),
        ('networks=["alexnet"]', "valid: resnet18, .* hf:owner/model@revision"),
    ],
)
def test_lists_of_networks_that_can_not_be_are_refused(setting: str, said: str) -> None:
    networks = ['features.image.networks=["resnet18", "resnet50"]', f"features.image.{setting}"]
    with pytest.raises(ConfigError, match=said):
        build_cnn(load_config(overrides=networks))


def test_weights_beside_a_path_are_refused_and_not_overlooked() -> None:
    options = ["features.image.cnn.backbone=/mine/clip", "features.image.cnn.weights=mine.pth"]
    with pytest.raises(ConfigError, match=r"weights = 'mine.pth' is for a backbone with a name"):
        build_cnn(load_config(overrides=options))


@pytest.mark.parametrize("pixels", ["white", "red"])
def test_trimmed_images_are_what_is_left_of_them(pixels: str, tmp_path: Path) -> None:
    whole = Image.new("RGB", (90, 60), "white")
    product = Image.new("RGB", (20, 30), pixels)
    whole.paste(product, (50, 10))
    for image, name in ((whole, "whole"), (product, "product")):
        image.save(tmp_path / f"{name}.png")
    seen = load_image(tmp_path / "whole.png", 32, "letterbox", trim=True)
    np.testing.assert_array_equal(seen, load_image(tmp_path / "product.png", 32, "letterbox"))
    assert load_settings(32, "letterbox", True) != load_settings(32, "letterbox")
