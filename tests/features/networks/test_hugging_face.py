"""Image models of Hugging Face on tiny configurations, saved and loaded as real ones are."""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import transformers

from src.errors import BackboneError, UsageError
from src.features.cnn_features import CNNFeaturizer
from src.features.networks.export import export_onnx, quantise
from src.features.networks.hugging_face import attention_rollout
from src.features.networks.runtime import start_engine
from src.features.networks.weights import build_network, network_from_onnx

TINY = {
    "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "image_size": 32,
    "patch_size": 8,
    # Larger than usual, so that attention differs from place to place.
    "initializer_range": 0.5,
}  # fmt: skip
WIDE = {**TINY, "intermediate_size": 48}
TEXT = {
    "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 48,
    "vocab_size": 99, "projection_size": 32, "bos_token_id": 0, "eos_token_id": 1,
}  # fmt: skip


def make(kind: str) -> transformers.PreTrainedModel:
    torch.manual_seed(0)
    if kind == "clip":  # a whole model: the folder holds a text tower, too
        vision, text = {**WIDE, "projection_dim": 24}, {**TEXT, "projection_dim": 24}
        config = transformers.CLIPConfig(vision_config=vision, text_config=text, projection_dim=24)
        return transformers.CLIPModel(config)
    if kind == "siglip":
        config = transformers.SiglipConfig(vision_config=WIDE, text_config=TEXT)
        return transformers.SiglipModel(config)
    if kind == "dinov2":
        return transformers.Dinov2Model(transformers.Dinov2Config(**TINY))
    if kind == "vit":
        return transformers.ViTModel(transformers.ViTConfig(**WIDE), add_pooling_layer=False)
    if kind == "swin":
        return transformers.SwinModel(
            transformers.SwinConfig(
                image_size=32, patch_size=2, embed_dim=8, depths=[1, 1], num_heads=[2, 2],
                window_size=4,
            )
        )  # fmt: skip
    return transformers.ConvNextModel(
        transformers.ConvNextConfig(
            hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 2, 1], image_size=32,
            drop_path_rate=0.0, initializer_range=0.5,
        )
    )  # fmt: skip


KINDS = {"clip": 24, "siglip": 32, "dinov2": 64, "vit": 64, "convnext": 72, "swin": 16}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    found = {}
    for kind in KINDS:
        found[kind] = tmp_path_factory.mktemp(kind)
        make(kind).save_pretrained(found[kind])
    # The size of ConvNeXt's images is in its processor; it is 1/32 of it that the last map has.
    (found["convnext"] / "preprocessor_config.json").write_text('{"size": {"shortest_edge": 64}}')
    return found


@pytest.fixture(scope="module")
def folder(folders: dict[str, Path]) -> Path:
    return folders["vit"]


def draw_images(size_px: int = 32) -> torch.Tensor:
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.integers(0, 256, (2, size_px, size_px, 3), dtype=np.uint8))


def scaled(images: torch.Tensor, network: torch.nn.Module) -> torch.Tensor:
    mean, std = (
        torch.tensor(part)[:, None, None] for part in (network.spec.mean, network.spec.std)
    )
    return (images.permute(0, 3, 1, 2).float() - mean) / std


def of_length_1(values: torch.Tensor) -> torch.Tensor:
    return values / values.norm(dim=1, keepdim=True)


@pytest.mark.parametrize("kind", KINDS)
def test_every_family_is_loaded_exported_and_built_again(
    folders: dict[str, Path], kind: str
) -> None:
    network = build_network(str(folders[kind]))
    images = draw_images(network.image_size_px)
    with torch.no_grad():
        expected = [out.numpy() for out in network(images)]
    assert expected[0].shape == (2, KINDS[kind])
    np.testing.assert_allclose(np.linalg.norm(expected[0], axis=1), 1, atol=1e-5)
    # Attention in windows has no rollout.
    maps = {"convnext": (2, 32, 2, 2), "swin": None}.get(kind, (2, 1, 4, 4))
    assert (expected[1].shape if len(expected) > 1 else None) == maps
    data = export_onnx(network)
    for runtime in ("onnxruntime", "openvino", "torch"):
        run = start_engine(data, runtime=runtime, device="cpu", precision="fp32")
        found = [out for out in run(images.numpy(), True) if out is not None]
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-4)
    assert export_onnx(network_from_onnx(data)) == data


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_hold_every_parameter_that_an_embedding_needs(
    folders: dict[str, Path], kind: str
) -> None:
    network = build_network(str(folders[kind]))
    blocks = network.blocks()
    listed = [id(p) for block in blocks for p in block.parameters()]
    assert len(set(listed)) == len(listed)
    embedding = network(draw_images(network.image_size_px))[0]
    embedding.square().sum().backward()
    used = [id(p) for p in network.parameters() if p.grad is not None]
    assert set(used) <= set(listed)
    n_layers = {"convnext": 6, "swin": 4, "clip": 7, "siglip": 6}.get(kind, 5)
    assert len(blocks) == n_layers


def test_towers_of_images_and_texts_give_what_was_published(folders: dict[str, Path]) -> None:
    clip = transformers.CLIPModel.from_pretrained(folders["clip"]).eval()
    siglip = transformers.SiglipModel.from_pretrained(folders["siglip"]).eval()
    for kind, model in (("clip", clip), ("siglip", siglip)):
        network = build_network(str(folders[kind]))
        with torch.no_grad():
            published = model.get_image_features(pixel_values=scaled(draw_images(), network))
            values = getattr(published, "pooler_output", published)
            expected = of_length_1(values.sign() * values.abs().sqrt())
            torch.testing.assert_close(network(draw_images())[0], expected, atol=1e-3, rtol=0)


def test_embedding_is_class_token_and_mean_patch_of_the_plain_model(folder: Path) -> None:
    network = build_network("vit", folder)
    plain = transformers.ViTModel.from_pretrained(folder, add_pooling_layer=False).eval()
    with torch.no_grad():
        embedding, heat = network(draw_images())
        tokens = plain(draw_images().permute(0, 3, 1, 2).float() / 127.5 - 1).last_hidden_state
    pooled = torch.cat([tokens[:, 0], tokens[:, 1:].mean(dim=1)], dim=1)
    expected = of_length_1(pooled.sign() * pooled.abs().sqrt())
    torch.testing.assert_close(embedding, expected, atol=1e-3, rtol=0)
    assert heat.shape == (2, 1, 4, 4)


def test_rollout_is_the_product_of_all_layers(folder: Path) -> None:
    network = build_network("vit", folder)
    plain = transformers.ViTModel.from_pretrained(folder, attn_implementation="eager").eval()
    with torch.no_grad():
        _, heat = network(draw_images())
        layers = plain(scaled(draw_images(), network), output_attentions=True).attentions
    assert len(layers) == 3
    for image in range(2):
        product = np.eye(17)
        for layer in layers:
            mean = layer[image].mean(dim=0).numpy()
            product = (0.5 * mean + 0.5 * np.eye(17)) @ product
        np.testing.assert_allclose(product.sum(axis=1), 1, atol=1e-5)
        np.testing.assert_allclose(heat[image, 0].ravel(), product[0, 1:], atol=1e-6)
        whole = attention_rollout(tuple(layers), 0)  # without a class token, of all tokens
        np.testing.assert_allclose(whole[image], product.mean(axis=0), atol=1e-6)


def test_rollout_without_layers_is_refused() -> None:
    with pytest.raises(ValueError, match="no attentions"):
        attention_rollout((), 1)


def test_size_mean_and_deviation_come_from_the_image_processor(
    folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    processor = {
        "image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6], "size": {"shortest_edge": 50},
        "crop_size": {"height": 40, "width": 40},
    }  # fmt: skip
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(processor))
    network = build_network("vit", tmp_path)
    np.testing.assert_allclose(network.spec.mean, [25.5, 51, 76.5])
    np.testing.assert_allclose(network.spec.std, [102, 127.5, 153])
    assert network.image_size_px == 40
    (tmp_path / "preprocessor_config.json").write_text("{}")
    assert build_network("vit", tmp_path).spec.mean == (127.5,) * 3


@pytest.mark.parametrize("kind", ["vit", "clip", "siglip", "dinov2"])
def test_another_size_interpolates_the_positions(folders: dict[str, Path], kind: str) -> None:
    network = build_network(str(folders[kind]), image_size_px=48)
    with torch.no_grad():
        embedding, heat = network(draw_images(48))
    assert heat.shape == (2, 1, 6, 6)
    run = start_engine(export_onnx(network), runtime="onnxruntime", precision="fp32", device="cpu")
    np.testing.assert_allclose(run(draw_images(48).numpy(), False)[0], embedding, atol=1e-4)


def test_tensors_that_are_missing_are_not_made_up(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "config.json").read_text())
    deeper = {**config, "num_hidden_layers": config["num_hidden_layers"] + 1}
    (tmp_path / "config.json").write_text(json.dumps(deeper))
    with pytest.raises(BackboneError, match="16 tensors are missing, the first is .*layers?[.]3"):
        build_network("vit", tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(BackboneError, match="no weights for vit .*loading .* failed"):
        build_network("vit", tmp_path)


def test_folders_that_can_not_be_loaded_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match="no weights for vit .*there is no such folder"):
        build_network("vit", tmp_path / "no")
    with pytest.raises(BackboneError, match="no weights for vit .*loading .* failed"):
        build_network("vit", tmp_path)
    config = transformers.BertConfig(**TEXT, max_position_embeddings=8)
    transformers.BertModel(config).save_pretrained(tmp_path)
    with pytest.raises(BackboneError, match="BertModel is no image model"):
        build_network(str(tmp_path))


def test_a_hub_that_can_not_be_reached_leaves_the_choices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    for name, origin in (("clip_vit_b16", "openai/clip-vit-base-patch16"), ("hf:a/b@c1", "a/b")):
        with pytest.raises(BackboneError, match=f"no files of {origin}: .*refused.*Choose one of"):
            CNNFeaturizer(name, cache_dir=tmp_path).check()
    with pytest.raises(BackboneError, match="no folder to download"):
        build_network("vit")


def test_int8_stays_close_is_smaller_and_can_not_be_tuned(folder: Path) -> None:
    data = export_onnx(build_network("vit", folder))
    small = quantise(data)
    assert small == quantise(data)
    assert len(small) < 0.9 * len(data)  # the graph is most of it here
    images = draw_images().numpy()
    exact = start_engine(data, runtime="onnxruntime", precision="fp32", device="cpu")
    for runtime in ("onnxruntime", "openvino"):
        run = start_engine(small, runtime=runtime, precision="int8", device="cpu")
        cosine = (run(images, False)[0] * exact(images, False)[0]).sum(axis=1)
        assert 0.98 < cosine.min() < 1 - 1e-7
    with pytest.raises(BackboneError, match="is in int8.*can't be tuned"):
        network_from_onnx(small)
    convolutions = export_onnx(build_network("resnet18", "random", image_size_px=32))
    with pytest.raises(UsageError, match="'int8' is for transformers"):
        quantise(convolutions)


SERVE = """
import pickle, sys
from pathlib import Path
import numpy as np
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "transformers", "onnx", "huggingface_hub"):
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
image = Path(sys.argv[2]).read_bytes()
for name in sys.argv[3:]:
    network = pickle.loads(Path(sys.argv[1], name + ".pkl").read_bytes())
    np.save(Path(sys.argv[1], name + ".npy"), network.extract([image, None])[0])
"""


def test_every_family_is_served_without_torch(folders: dict[str, Path], tmp_path: Path) -> None:
    """Pickled, with its folder gone, in a process that can import none of what made it."""
    import pickle

    image = tmp_path / "image.png"
    cv2.imwrite(str(image), np.random.default_rng(0).integers(0, 255, (50, 40, 3)))
    expected, precisions = {}, {"onnxruntime": "fp32", "int8": "int8"}
    for kind in KINDS:
        mine = tmp_path / kind
        shutil.copytree(folders[kind], mine)
        for name, precision in precisions.items():
            if name == "int8" and kind != "clip":
                continue
            network = CNNFeaturizer(
                str(mine), runtime="onnxruntime", device="cpu", precision=precision
            )
            values, mask = network.extract([image, None])
            assert mask.tolist() == [True, False]
            expected[f"{kind}_{name}"] = values
            (tmp_path / f"{kind}_{name}.pkl").write_bytes(pickle.dumps(network))
        exact = dataclasses.replace(network, precision="fp32").extract([image])[0]
        assert exact[0] @ values[0] > 0.98
        assert list(network.origin()["files"]) == sorted(p.name for p in mine.iterdir())
        shutil.rmtree(mine)
    command = [sys.executable, "-c", SERVE, str(tmp_path), str(image), *expected]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name, values in expected.items():
        np.testing.assert_allclose(np.load(tmp_path / f"{name}.npy"), values, atol=1e-4)
