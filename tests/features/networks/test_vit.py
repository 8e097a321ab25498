"""The transformer on a tiny configuration, saved and loaded as a real one is."""

import json
import pickle
import shutil
import socket
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from transformers import ViTConfig, ViTModel

from src.errors import BackboneError
from src.features.cnn_features import CNNFeaturizer
from src.features.networks.backbones import REACH_TIMEOUT_S
from src.features.networks.vit import attention_rollout
from src.features.networks.weights import build_network


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=48,
        image_size=32,
        patch_size=8,
        # Larger than usual, so that attention differs from place to place.
        initializer_range=0.5,
    )
    path = tmp_path_factory.mktemp("vit")
    ViTModel(config, add_pooling_layer=False).save_pretrained(path)
    return path


def draw_images(size_px: int = 32) -> torch.Tensor:
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.integers(0, 256, (2, size_px, size_px, 3), dtype=np.uint8))


def test_embedding_is_class_token_and_mean_patch_of_the_plain_model(folder: Path) -> None:
    network = build_network("vit", folder)
    plain = ViTModel.from_pretrained(folder, add_pooling_layer=False).eval()
    with torch.no_grad():
        embedding, heat = network(draw_images())
        scaled = draw_images().permute(0, 3, 1, 2).float() / 127.5 - 1
        tokens = plain(scaled).last_hidden_state
    pooled = torch.cat([tokens[:, 0], tokens[:, 1:].mean(dim=1)], dim=1).numpy()
    roots = np.sign(pooled) * np.sqrt(np.abs(pooled))
    expected = roots / np.linalg.norm(roots, axis=1, keepdims=True)
    np.testing.assert_allclose(embedding, expected, atol=1e-3)
    assert embedding.shape == (2, 64)
    assert heat.shape == (2, 1, 4, 4)


def test_rollout_is_the_product_of_all_layers(folder: Path) -> None:
    network = build_network("vit", folder)
    plain = ViTModel.from_pretrained(folder, attn_implementation="eager").eval()
    with torch.no_grad():
        _, heat = network(draw_images())
        scaled = draw_images().permute(0, 3, 1, 2).float() / 127.5 - 1
        layers = plain(scaled, output_attentions=True).attentions
    assert len(layers) == 3
    for image in range(2):
        product = np.eye(17)
        for layer in layers:
            mean = layer[image].mean(dim=0).numpy()
            product = (0.5 * mean + 0.5 * np.eye(17)) @ product
        np.testing.assert_allclose(product.sum(axis=1), 1, atol=1e-5)
        np.testing.assert_allclose(heat[image, 0].ravel(), product[0, 1:], atol=1e-6)


def test_rollout_without_layers_is_refused() -> None:
    with pytest.raises(ValueError, match="no attentions"):
        attention_rollout(())


def test_mean_and_deviation_come_from_the_image_processor(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    processor = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(processor))
    spec = build_network("vit", tmp_path).spec
    np.testing.assert_allclose(spec.mean, [25.5, 51, 76.5])
    np.testing.assert_allclose(spec.std, [102, 127.5, 153])
    (tmp_path / "preprocessor_config.json").write_text("{}")
    assert build_network("vit", tmp_path).spec.mean == (127.5,) * 3


def test_another_size_interpolates_the_positions(folder: Path) -> None:
    network = build_network("vit", folder, image_size_px=48)
    with torch.no_grad():
        embedding, heat = network(draw_images(48))
    assert embedding.shape == (2, 64)
    assert heat.shape == (2, 1, 6, 6)


def test_blocks_cover_every_parameter_once(folder: Path) -> None:
    network = build_network("vit", folder)
    listed = [id(p) for block in network.blocks() for p in block.parameters()]
    assert sorted(listed) == sorted(id(p) for p in network.parameters())
    assert len(network.blocks()) == 5


def test_folders_that_can_not_be_loaded_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match="no weights for vit .*there is no such folder"):
        build_network("vit", tmp_path / "no")
    with pytest.raises(BackboneError, match="no weights for vit .*loading .* failed"):
        build_network("vit", tmp_path)


def test_without_a_network_the_choices_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub is asked once before its own five tries; here nobody listens."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
        with pytest.raises(BackboneError, match=r"loading google/vit-base.*refused.*Choose one of"):
            build_network("vit", "pretrained")


def test_a_silent_hub_is_given_up_after_one_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
        assert REACH_TIMEOUT_S <= 10
        monkeypatch.setattr("src.features.networks.backbones.REACH_TIMEOUT_S", 0.2)
        with pytest.raises(BackboneError, match=r"loading google/vit-base.*timed out"):
            build_network("vit", "pretrained")


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_a_local_transformer_takes_images_of_its_own_size(
    folder: Path, tmp_path: Path, runtime: str
) -> None:
    pytest.importorskip(runtime)
    mine = tmp_path / "mine"
    shutil.copytree(folder, mine)
    network = CNNFeaturizer("vit", weights=mine, runtime=runtime, device="cpu")
    picture = cv2.imencode(".png", np.full((50, 40, 3), 90, dtype=np.uint8))[1].tobytes()
    values, mask = network.extract([picture, None])
    assert network.size_px == 32
    assert mask.tolist() == [True, False]
    assert values.shape == (2, 64)
    data = pickle.dumps(network)
    shutil.rmtree(mine)
    served = pickle.loads(data)  # noqa: S301
    np.testing.assert_array_equal(served.extract([picture, None])[0], values)
