"""Networks as ONNX bytes: the form in which they are kept, pickled and served.

The file holds the trained tensors under their own names (batch normalisation is not folded in; the
runtimes do that when they load it, at the same speed). So the bytes are also enough to build the
torch network again, on a graphics card or for more training, and nothing else needs keeping.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from src.errors import BackboneError
from src.features.networks.backbones import (
    BackboneSpec,
    TorchModule,
    backbone_spec,
    build_network,
    weights_file,
)

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET = 17
# Raise it when a network's graph changes: it is part of every cached file's name.
GRAPH_VERSION = 1
INPUT = "images"
OUTPUTS = ("embedding", "maps")
_METADATA = "embedder"


def export_onnx(network: TorchModule) -> bytes:
    """Write a network as ONNX.

    Parameters
    ----------
    network : torch.nn.Module
        From `build_network` or fine-tuning.

    Returns
    -------
    bytes
        Input `images` (n, size, size, 3) uint8; outputs `embedding` (n, d) float32 and `maps`
        (n, c, h, w) float32; any n. The same network gives the same bytes.
    """
    import onnx
    import torch

    size_px = network.image_size_px
    example = torch.zeros((2, size_px, size_px, 3), dtype=torch.uint8)
    fastpath = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # its fused attention has no ONNX form
    try:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            file = Path(folder) / "network.onnx"
            # The exporter of opset 17 is called old, and the size checks of ViT are traced.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                network.cpu().eval(),
                (example,),
                file,
                input_names=[INPUT],
                output_names=list(OUTPUTS),
                dynamic_axes={name: {0: "n"} for name in (INPUT, *OUTPUTS)},
                opset_version=OPSET,
                dynamo=False,
                # Keeps every tensor's own name: see the module's docstring.
                training=torch.onnx.TrainingMode.PRESERVE,
                do_constant_folding=False,
            )
            proto = onnx.load(file)
    finally:
        torch.backends.mha.set_fastpath_enabled(fastpath)
    onnx.helper.set_model_props(proto, {_METADATA: json.dumps(_describe(network), sort_keys=True)})
    return bytes(proto.SerializeToString(deterministic=True))


def _describe(network: TorchModule) -> dict[str, Any]:
    spec = network.spec
    config = network.body.config.to_dict() if spec.family == "vit" else None
    return {
        "backbone": spec.name,
        "image_size_px": network.image_size_px,
        "mean": spec.mean,
        "std": spec.std,
        "config": config,
    }


def weights_from_onnx(data: bytes) -> dict[str, NDArray[Any]]:
    """Return the trained tensors of an exported network by name.

    Raises
    ------
    BackboneError
        If the bytes are no ONNX model.
    """
    import onnx

    graph = _read_proto(data).graph
    found = {item.name: onnx.numpy_helper.to_array(item) for item in graph.initializer}
    # The exporter keeps one of several equal tensors and points the others at it.
    for node in graph.node:
        if node.op_type == "Identity" and node.input[0] in found:
            found[node.output[0]] = found[node.input[0]]
    return {name: np.array(value) for name, value in found.items() if name.startswith("body.")}


def network_from_onnx(data: bytes) -> TorchModule:
    """Build the torch network of an exported file again, in evaluation mode.

    Raises
    ------
    BackboneError
        If the bytes were not written by `export_onnx`.
    """
    import dataclasses

    import torch

    from src.features.networks.architectures import FAMILIES, embedder
    from src.features.networks.backbones import load_weights

    about = onnx_description(data)
    spec = backbone_spec(about["backbone"])
    spec = dataclasses.replace(spec, mean=tuple(about["mean"]), std=tuple(about["std"]))
    size_px = about["image_size_px"]
    with torch.random.fork_rng(devices=[]):
        if spec.family == "vit":
            network = _empty_vit(spec, about["config"], size_px)
        else:
            network = embedder(FAMILIES[spec.family].build(spec.name, size_px), spec, size_px)
    tensors = {name: torch.from_numpy(value) for name, value in weights_from_onnx(data).items()}
    load_weights(network.body, tensors, spec.name, "ONNX bytes")
    return network.eval()


def _empty_vit(spec: BackboneSpec, config: dict[str, Any], size_px: int) -> TorchModule:
    from transformers import ViTConfig, ViTModel

    from src.features.networks.vit import vit_embedder

    made = ViTConfig.from_dict(config)
    made._attn_implementation = "eager"
    return vit_embedder(ViTModel(made, add_pooling_layer=False), spec, size_px)


def onnx_description(data: bytes) -> dict[str, Any]:
    """Return what `export_onnx` wrote about the network.

    Raises
    ------
    BackboneError
        If the bytes were not written by it.
    """
    found = {item.key: item.value for item in _read_proto(data).metadata_props}
    if _METADATA not in found:
        raise BackboneError("an ONNX model that was not exported here: it lacks its description")
    described: dict[str, Any] = json.loads(found[_METADATA])
    return described


def _read_proto(data: bytes) -> ModelProto:
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        return onnx.load_model_from_string(data)
    except DecodeError as error:
        raise BackboneError(f"{len(data):,} bytes that are no ONNX model") from error


def build_onnx(
    backbone: str,
    weights: str | Path,
    *,
    image_size_px: int | None = None,
    random_state: int = 0,
    cache_dir: Path | None = None,
) -> bytes:
    """Return a backbone as ONNX bytes, from `cache_dir` if it was exported there before.

    Torch is only loaded where there is no such file.

    Raises
    ------
    BackboneError
        If the name is unknown or the weights can't be had.
    """
    size_px = image_size_px or backbone_spec(backbone).image_size_px
    settings = [GRAPH_VERSION, OPSET, backbone, image_size_px, random_state, str(weights)]
    digest = hashlib.sha256(json.dumps(settings).encode())
    digest.update(_content_digest(weights_file(backbone, weights)))
    name = f"{backbone}_{size_px}px_{digest.hexdigest()[:16]}.onnx"
    if cache_dir is not None and (cache_dir / name).is_file():
        return (cache_dir / name).read_bytes()
    network = build_network(
        backbone, weights, image_size_px=image_size_px, random_state=random_state
    )
    data = export_onnx(network)
    if cache_dir is not None:
        _write_whole(cache_dir / name, data)
    return data


def _content_digest(path: Path | None) -> bytes:
    """Hash the weights themselves: a file may change under its name."""
    digest = hashlib.sha256()
    if path is not None and path.is_file():
        digest.update(path.read_bytes())
    elif path is not None and path.is_dir():
        for file in sorted(path.iterdir()):
            if file.is_file():
                digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.digest()


def _write_whole(path: Path, data: bytes) -> None:
    """Write beside the target, then rename: a kill leaves no half file under the final name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(beside).replace(path)
    finally:
        Path(beside).unlink(missing_ok=True)
