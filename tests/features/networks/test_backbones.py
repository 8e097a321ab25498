"""The names of the networks that there are."""

import pytest

from src.errors import BackboneError
from src.features.networks.backbones import BACKBONES, backbone_spec


def test_the_backbones_that_are_promised() -> None:
    assert list(BACKBONES) == [
        "resnet18",
        "resnet50",
        "resnet101",
        "efficientnet_lite0",
        "efficientnet_lite2",
        "vit",
    ]
    assert backbone_spec("efficientnet_lite2").image_size_px == 260
    with pytest.raises(BackboneError, match="unknown backbone 'vgg16'; there are resnet18, "):
        backbone_spec("vgg16")
