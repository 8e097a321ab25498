"""What is made of feature maps: pooling at three depths, roots and length."""

import numpy as np
import pytest
import torch

from src.features.networks.architectures import root_and_length, scale_pixels
from src.features.networks.weights import build_network


def draw_images(size_px: int) -> torch.Tensor:
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.integers(0, 256, (2, size_px, size_px, 3), dtype=np.uint8))


def by_hand(depths: list[torch.Tensor]) -> np.ndarray:
    means = np.concatenate([depth.numpy().mean(axis=(2, 3)) for depth in depths], axis=1)
    roots = np.sign(means) * np.sqrt(np.abs(means))
    return np.asarray(roots / np.linalg.norm(roots, axis=1, keepdims=True))


def test_pixels_are_scaled_a_channel() -> None:
    images = torch.tensor([[[[0, 10, 20], [30, 40, 50]]]], dtype=torch.uint8)
    found = scale_pixels(images, (1.0, 2.0, 3.0), (2.0, 4.0, 8.0))
    assert found.tolist() == [[[[-0.5, 14.5]], [[2.0, 9.5]], [[17 / 8, 47 / 8]]]]


def test_root_and_length() -> None:
    found = root_and_length(torch.tensor([[4.0, -9.0, 0.0], [0.0, 0.0, 0.0]]))
    expected = torch.tensor([[2.0, -3.0, 0.0], [0.0, 0.0, 0.0]])
    expected[0] /= np.sqrt(13)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_a_silent_channel_has_a_finite_slope() -> None:
    pooled = torch.tensor([[0.0, 1.0]], requires_grad=True)
    root_and_length(pooled).sum().backward()
    assert pooled.grad is not None
    assert torch.isfinite(pooled.grad).all()


@pytest.mark.parametrize(
    ("name", "width"),
    [("resnet18", 896), pytest.param("resnet50", 3584, marks=pytest.mark.slow)],
)
def test_resnets_pool_three_stages(name: str, width: int) -> None:
    network = build_network(name, "random", image_size_px=32)
    body, images = network.body, draw_images(32)
    with torch.no_grad():
        embedding, maps = network(images)
        x = scale_pixels(images, network.spec.mean, network.spec.std)
        x = body.layer1(body.maxpool(body.relu(body.bn1(body.conv1(x)))))
        depths = [body.layer2(x)]
        depths.append(body.layer3(depths[0]))
        depths.append(body.layer4(depths[1]))
    np.testing.assert_allclose(embedding, by_hand(depths), atol=1e-3)
    torch.testing.assert_close(maps, depths[2])
    assert embedding.shape == (2, width)


def test_lite2_pools_two_stages_and_the_head() -> None:
    network = build_network("efficientnet_lite2", image_size_px=64)
    seen: list[torch.Tensor] = []
    for block in (network.body._blocks[14], network.body._blocks[20]):
        block.register_forward_hook(lambda module, inputs, output: seen.append(output))
    with torch.no_grad():
        embedding, maps = network(draw_images(64))
    assert [depth.shape[1:] for depth in (*seen, maps)] == [(120, 4, 4), (352, 2, 2), (1280, 2, 2)]
    np.testing.assert_allclose(embedding, by_hand([*seen, maps]), atol=1e-3)
    np.testing.assert_allclose(embedding.norm(dim=1), 1, atol=1e-6)


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_lite0"])
def test_blocks_cover_every_parameter_once_from_input_to_output(name: str) -> None:
    network = build_network(name, "random", image_size_px=32)
    listed = [id(p) for block in network.blocks() for p in block.parameters()]
    assert listed == [id(p) for p in network.parameters()]
