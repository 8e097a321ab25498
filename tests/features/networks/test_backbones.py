"""The names of the networks that there are."""

import pytest

from src.config_model import NETWORKS
from src.errors import BackboneError
from src.features.networks.backbones import BACKBONES, backbone_spec, block_suffix


def test_the_backbones_that_are_promised() -> None:
    assert list(BACKBONES) == [
        "resnet18",
        "resnet50",
        "resnet101",
        "efficientnet_lite0",
        "efficientnet_lite2",
        "vit",
        "clip_vit_b16",
        "siglip2_base",
        "dinov2_small",
        "dinov2_base",
        "convnext_tiny",
        "convnext_base",
    ]
    assert backbone_spec("efficientnet_lite2").image_size_px == 260
    with pytest.raises(BackboneError, match="unknown backbone 'vgg16'; there are resnet18, "):
        backbone_spec("vgg16")
    assert (*BACKBONES,) == NETWORKS


@pytest.mark.parametrize(
    ("name", "family", "origin", "suffix"),
    [
        ("hf:facebook/dinov2-base@0123ab", "hugging_face", "facebook/dinov2-base", "dinov2_base"),
        ("hf:timm/ViT.b__x", "hugging_face", "timm/ViT.b__x", "vit_b_x"),
        ("/models/CLIP v2.onnx", "onnx", "/models/CLIP v2.onnx", "clip_v2"),
        ("saved/clip/", "hugging_face", "saved/clip/", "clip"),
    ],
)
def test_networks_are_named_by_where_they_are(
    name: str, family: str, origin: str, suffix: str
) -> None:
    spec = backbone_spec(name)
    assert (spec.family, spec.origin, block_suffix(name)) == (family, origin, suffix)
    assert spec.revision == ("0123ab" if "@" in name else "main")
