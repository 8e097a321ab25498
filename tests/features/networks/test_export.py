"""Networks as bytes: the same numbers, the same tensors, the same bytes."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from transformers import ViTConfig, ViTModel

from src.errors import ArtifactError, BackboneError
from src.features.networks.export import build_onnx, export_onnx
from src.features.networks.weights import (
    build_network,
    network_from_onnx,
    onnx_description,
    weights_from_onnx,
)


def draw_images(n: int, size_px: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (n, size_px, size_px, 3), dtype=np.uint8)


@pytest.fixture(scope="module", params=["resnet18", "efficientnet_lite0", "vit"])
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def] # noqa: ANN201
    if request.param != "vit":
        return build_network(request.param, "random", image_size_px=32)
    config = ViTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16,
        image_size=32, patch_size=8,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("vit")
    ViTModel(config, add_pooling_layer=False).save_pretrained(folder)
    return build_network("vit", folder)


@pytest.fixture(scope="module")
def data(network: torch.nn.Module) -> bytes:
    return export_onnx(network)


def test_the_same_network_gives_the_same_bytes() -> None:
    fastpath = torch.backends.mha.get_fastpath_enabled()
    network = build_network("resnet18", "random", image_size_px=32)
    assert export_onnx(network) == export_onnx(network)
    assert torch.backends.mha.get_fastpath_enabled() == fastpath


def test_export_and_back(network: torch.nn.Module, data: bytes) -> None:
    model = onnx.load_model_from_string(data)
    onnx.checker.check_model(model)
    assert model.opset_import[0].version == 17
    session = onnxruntime.InferenceSession(data)
    again = network_from_onnx(data)
    assert (again.spec, again.image_size_px) == (network.spec, 32)
    for n in (1, 3):  # the number of images is free
        images = draw_images(n, 32)
        with torch.no_grad():
            expected = [out.numpy() for out in network(torch.from_numpy(images))]
            back = [out.numpy() for out in again(torch.from_numpy(images))]
        for found in (session.run(["embedding", "maps"], {"images": images}), back):
            for one, other in zip(found, expected, strict=True):
                np.testing.assert_allclose(one, other, atol=2e-4, rtol=1e-3)


def test_every_tensor_is_kept_under_its_name(network: torch.nn.Module, data: bytes) -> None:
    found = weights_from_onnx(data)
    own = {k: v for k, v in network.state_dict().items() if not k.endswith("num_batches_tracked")}
    assert set(own) <= set(found)
    for name, tensor in own.items():
        np.testing.assert_array_equal(found[name], tensor.numpy())


def test_exported_files_are_local_weights_too(tmp_path: Path) -> None:
    first = build_network("resnet18", "random", image_size_px=32, random_state=4)
    (tmp_path / "mine.onnx").write_bytes(export_onnx(first))
    again = build_network("resnet18", tmp_path / "mine.onnx", image_size_px=32)
    images = torch.from_numpy(draw_images(2, 32))
    with torch.no_grad():
        torch.testing.assert_close(again(images)[0], first(images)[0])


def test_foreign_bytes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match="9 bytes that are not an ONNX model"):
        onnx_description(b"not bytes")
    graph = onnx.helper.make_graph([], "empty", [], [])
    data = onnx.helper.make_model(graph).SerializeToString()
    with pytest.raises(BackboneError, match="was not exported here"):
        onnx_description(data)
    (tmp_path / "a.onnx").write_bytes(data)
    with pytest.raises(BackboneError, match="100 of 100 tensors are missing"):
        build_network("resnet18", tmp_path / "a.onnx")


def test_exports_are_kept_by_settings_and_by_the_weights_themselves(tmp_path: Path) -> None:
    from torchvision.models import resnet18

    cache, mine = tmp_path / "deep" / "cache", tmp_path / "mine.pth"
    for seed in (0, 1):  # the file changes under its name
        torch.manual_seed(seed)
        torch.save(resnet18(weights=None).state_dict(), mine)
        first = build_onnx("resnet18", mine, image_size_px=32, cache_dir=cache)
        (kept,) = (path for path in cache.iterdir() if path.read_bytes() == first)
        kept.write_bytes(b"from the cache")
        again = build_onnx("resnet18", mine, image_size_px=32, cache_dir=cache)
        assert again == b"from the cache"
    build_onnx("resnet18", mine, image_size_px=48, cache_dir=cache)
    assert sorted(p.name.split("px_")[0] for p in cache.iterdir()) == [
        "resnet18_32", "resnet18_32", "resnet18_48",
    ]  # fmt: skip


def test_a_write_that_fails_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, target: Path) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(ArtifactError, match="no space left"):
        build_onnx("resnet18", "random", image_size_px=32, cache_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []
