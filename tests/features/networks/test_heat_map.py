"""Heat maps: equal to torch's own differentiation, and on the object."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from src.features.networks.export import build_onnx
from src.features.networks.heat_map import explain, grad_cam, overlay, overlay_png
from src.features.networks.runtime import Engine, start_engine
from src.features.networks.weights import network_from_onnx

SIZE_PX = 160


@pytest.fixture(scope="module", params=["efficientnet_lite0", "resnet18"])
def onnx(request: pytest.FixtureRequest) -> bytes:
    weights = "random" if request.param == "resnet18" else "pretrained"
    return build_onnx(request.param, weights, image_size_px=SIZE_PX)


@pytest.fixture(scope="module")
def lite() -> Engine:
    data = build_onnx("efficientnet_lite0", "pretrained", image_size_px=SIZE_PX)
    return start_engine(data, device="cpu", precision="fp32")


def scene(column: int, row: int) -> tuple[np.ndarray, tuple[slice, slice]]:
    """A red fruit on white, and the box around it."""
    image = np.full((SIZE_PX, SIZE_PX, 3), 255, dtype=np.uint8)
    cv2.circle(image, (column, row), 25, (200, 60, 30), -1)
    cv2.circle(image, (column - 8, row - 8), 6, (240, 160, 130), -1)
    cv2.rectangle(image, (column - 4, row - 33), (column + 4, row - 22), (90, 60, 20), -1)
    return image, (slice(row - 33, row + 26), slice(column - 25, column + 26))


def by_torch(onnx: bytes, images: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Grad-CAM as its authors write it: a hook on the map, and backward from the score."""
    network = network_from_onnx(onnx)
    embeddings, maps = network(torch.from_numpy(images))
    score = (embeddings * torch.from_numpy(directions)).sum()
    (gradient,) = torch.autograd.grad(score, maps)
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    heat = torch.relu((weights * maps).sum(dim=1)).detach().numpy()
    return np.asarray(heat / heat.max(axis=(1, 2), keepdims=True))


def test_the_closed_form_is_the_gradient(onnx: bytes) -> None:
    rng = np.random.default_rng(0)
    images = np.stack([scene(40, 50)[0], scene(110, 100)[0], scene(60, 100)[0]])
    engine = start_engine(onnx, runtime="onnxruntime", device="cpu")
    d = engine(images[:1], False)[0].shape[1]
    directions = rng.normal(size=(3, d)).astype(np.float32)
    expected = by_torch(onnx, images, directions)
    found = explain(engine, images, directions)
    np.testing.assert_allclose(found, expected, atol=5e-3)
    one = explain(engine, images, directions[0])
    np.testing.assert_allclose(one[0], found[0], atol=1e-4)


@pytest.mark.parametrize("place", [(115, 45), (45, 115), (45, 45)])
def test_the_heat_lies_on_the_object(lite: Engine, place: tuple[int, int]) -> None:
    image, box = scene(*place)
    blank = np.full_like(image, 255)
    with_it, without = lite(np.stack([image, blank]), False)[0]
    for directions, least in ((with_it - without, 0.65), (None, 0.5)):
        heat = explain(lite, image[None], directions)[0]
        large = np.clip(cv2.resize(heat, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_CUBIC), 0, 1)
        # One place of the map stands for 32 pixels, so its half may stick out of the box.
        rows, columns = (slice(max(0, s.start - 16), s.stop + 16) for s in box)
        area = large[rows, columns].size / large.size
        share = large[rows, columns].sum() / large.sum()
        assert share > max(least, 1.5 * area)
        top = np.unravel_index(large.argmax(), large.shape)
        assert rows.start <= top[0] < rows.stop
        assert columns.start <= top[1] < columns.stop


def test_what_speaks_against_a_class_is_cold(lite: Engine) -> None:
    image, box = scene(115, 45)
    with_it, without = lite(np.stack([image, np.full_like(image, 255)]), False)[0]
    heat = explain(lite, image[None], without - with_it)[0]
    large = np.clip(cv2.resize(heat, (SIZE_PX, SIZE_PX)), 0, 1)
    assert large[box].sum() < 0.1 * large.sum()


def test_nothing_for_the_class_is_all_zero() -> None:
    maps = np.ones((1, 2, 3, 3), dtype=np.float32)
    embeddings = np.full((1, 4), 0.5, dtype=np.float32)
    for directions in (np.array([1.0, 1.0, -1.0, -1.0]), np.zeros(4)):
        assert not grad_cam(embeddings, maps, directions).any()
    assert not grad_cam(embeddings, 0 * maps, np.ones(4)).any()


def test_rollout_comes_out_between_nought_and_one(tmp_path: Path) -> None:
    from transformers import ViTConfig, ViTModel

    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16,
        image_size=32, patch_size=8, initializer_range=0.5,
    )  # fmt: skip
    ViTModel(config, add_pooling_layer=False).save_pretrained(tmp_path)
    engine = start_engine(build_onnx("vit", tmp_path), device="cpu", precision="fp32")
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    heat = explain(engine, images)
    maps = engine(images, True)[1][:, 0]
    assert heat.shape == (2, 4, 4)
    np.testing.assert_allclose(heat.min(axis=(1, 2)), 0, atol=1e-7)
    np.testing.assert_allclose(heat.max(axis=(1, 2)), 1, atol=1e-6)
    for found, rolled in zip(heat, maps, strict=True):
        assert np.corrcoef(found.ravel(), rolled.ravel())[0, 1] == pytest.approx(1)


def test_overlays_leave_cold_places_as_they_are() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    np.testing.assert_array_equal(overlay(image, np.zeros((4, 6), np.float32)), image)
    heat = np.zeros((4, 6), dtype=np.float32)
    heat[:, 3:] = 1
    shown = overlay(image, heat)
    np.testing.assert_array_equal(shown[:, :20], image[:, :20])
    assert np.abs(shown[:, 40:].astype(int) - image[:, 40:]).mean() > 20
    hot = overlay(np.zeros((9, 9, 3), np.uint8), np.ones((2, 2), np.float32))
    assert hot[4, 4, 0] > 4 * hot[4, 4, 1]


@pytest.mark.parametrize("ground", [255, 60])
def test_the_ground_around_the_product_stays_as_it_is(ground: int) -> None:
    image = np.full((80, 80, 3), ground, dtype=np.uint8)
    image[20:60, 30:70] = (40, 90, 200)
    image[35:45, 45:55] = ground  # a hole: ground's colour, but inside the product
    image = (image + np.random.default_rng(0).integers(-3, 1, image.shape)).astype(np.uint8)
    shown = overlay(image, np.ones((3, 3), np.float32))
    changed = (shown != image).any(axis=2)
    assert changed[20:60, 30:70].all()
    changed[20:60, 30:70] = False
    assert not changed.any()


def test_heat_beside_the_product_does_not_pale_the_product() -> None:
    image = np.full((60, 60, 3), 255, dtype=np.uint8)
    image[20:40, 5:25] = (40, 90, 200)
    heat = np.tile(np.linspace(0.2, 1, 6, dtype=np.float32), (6, 1))  # hottest on the ground
    assert overlay(image, heat)[30, 24, 0] > 150


def test_overlays_are_png_files() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    heat = np.linspace(0, 1, 24, dtype=np.float32).reshape(4, 6)
    opened = Image.open(io.BytesIO(overlay_png(image, heat)))
    assert opened.format == "PNG"
    np.testing.assert_array_equal(np.asarray(opened), overlay(image, heat))
