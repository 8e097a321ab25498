"""What an image's file is like says nothing of the product: one image, packed in several ways."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from src.features.cnn_features import CNNFeaturizer
from src.features.image.pixels import PixelExtractor
from src.features.image.statistics import ImageStatsCombinedFeaturizer
from tools.demo_shop.catalogue import draw_catalogue
from tools.demo_shop.picture_files import picture_bytes
from tools.demo_shop.picture_plan import plan_pictures

Repack = Callable[[bytes], bytes]


@pytest.fixture(scope="module")
def pictures() -> list[bytes]:
    return [picture_bytes(task) for task in plan_pictures(draw_catalogue(300, seed=5), 32)]


def extra_bytes(data: bytes) -> bytes:
    return data + bytes(500_000)


def metadata(data: bytes) -> bytes:
    """Put a comment of 60 kB before the tables."""
    return data[:2] + b"\xff\xfe" + (60_002).to_bytes(2, "big") + bytes(60_000) + data[2:]


def png(data: bytes) -> bytes:
    return _saved(Image.open(io.BytesIO(data)), "PNG")


def strongly_compressed(data: bytes) -> bytes:
    return _saved(Image.open(io.BytesIO(data)), "JPEG", quality=30)


def thumbnail(data: bytes) -> bytes:
    image = Image.open(io.BytesIO(data)).resize((150, 150), Image.Resampling.LANCZOS)
    return _saved(image, "JPEG", quality=90)


def _saved(image: Image.Image, form: str, **options: int) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


@pytest.mark.parametrize("repack", [extra_bytes, metadata])
@pytest.mark.parametrize("kind", [ImageStatsCombinedFeaturizer, PixelExtractor])
def test_bytes_that_hold_no_pixels_change_nothing(
    pictures: list[bytes], kind: type, repack: Repack
) -> None:
    found, mask = kind().extract([repack(data) for data in pictures])
    assert mask.all()
    np.testing.assert_array_equal(found, kind().extract(pictures)[0])


@pytest.mark.parametrize(
    ("repack", "most"), [(png, 0.04), (strongly_compressed, 0.06), (thumbnail, 0.09)]
)
def test_statistics_move_little_with_format_and_size(
    pictures: list[bytes], repack: Repack, most: float
) -> None:
    """In deviations between products, on average; bytes per pixel alone moved 6.4 with PNG."""
    before = ImageStatsCombinedFeaturizer().extract(pictures)[0]
    after = ImageStatsCombinedFeaturizer().extract([repack(data) for data in pictures])[0]
    spread = before.std(axis=0)
    moved = np.abs(after - before)[:, spread > 1e-3] / spread[spread > 1e-3]
    assert moved.mean() < most
    assert moved.mean(axis=0).max() < 0.8


@pytest.fixture(scope="module")
def network() -> CNNFeaturizer:
    return CNNFeaturizer(device="cpu", runtime="onnxruntime")


@pytest.fixture(scope="module")
def embeddings(network: CNNFeaturizer, pictures: list[bytes]) -> np.ndarray:
    return network.extract(pictures[:16])[0]


@pytest.mark.parametrize(
    ("repack", "least"),
    [(extra_bytes, 1.0), (png, 0.99), (strongly_compressed, 0.965), (thumbnail, 0.945)],
)
def test_embeddings_move_little_with_format_and_size(
    network: CNNFeaturizer,
    embeddings: np.ndarray,
    pictures: list[bytes],
    repack: Repack,
    least: float,
) -> None:
    after = network.extract([repack(data) for data in pictures[:16]])[0]
    assert (embeddings * after).sum(axis=1).mean() > least - 1e-5
