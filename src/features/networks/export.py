"""Networks as ONNX bytes: the form in which they are kept, pickled and served.

The file holds the trained tensors under their own names (batch normalisation is not folded in; the
runtimes do that when they load it, at the same speed). So the bytes are also enough to build the
torch network again, on a graphics card or for more training, and nothing else needs keeping.
"""

from __future__ import annotations

import functools
import json
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.features.networks.backbones import TorchModule
from src.features.networks.text_network import TEXT, TEXT_INPUTS, build_text_network
from src.features.networks.weights import METADATA, build_network, network_size, weights_file
from src.files import sha256, write_atomically

if TYPE_CHECKING:
    import torch

OPSET = 17
# Raise it when a network's graph changes: it is part of every cached file's name.
GRAPH_VERSION = 1
INPUT = "images"
OUTPUTS = ("embedding", "maps")


def export_onnx(network: TorchModule) -> bytes:
    """Write a network as ONNX; the same network gives the same bytes.

    Of images: input `images` (n, size, size, 3) uint8; outputs `embedding` (n, d) float32 and
    `maps` (n, c, h, w) float32. Of text: inputs `input_ids` and `attention_mask`, (n, tokens)
    int64; output `embedding`. Any n, any number of tokens.
    """
    import onnx
    import torch

    inputs, outputs, about = _signature(network)
    axes = {name: dict(enumerate(("n", "tokens")[: 1 + (name in TEXT_INPUTS)])) for name in inputs}
    fastpath = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # its fused attention has no ONNX form
    try:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            file = Path(folder) / "network.onnx"
            # The exporter of opset 17 is called old, and the size checks of ViT are traced.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                network.cpu().eval(),
                tuple(inputs.values()),
                file,
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_axes={**axes, **dict.fromkeys(outputs, {0: "n"})},
                opset_version=OPSET,
                dynamo=False,
                # Keeps every tensor's own name: see the module's docstring.
                training=torch.onnx.TrainingMode.PRESERVE,
                do_constant_folding=False,
            )
            proto = onnx.load(file)
    finally:
        torch.backends.mha.set_fastpath_enabled(fastpath)
    onnx.helper.set_model_props(proto, {METADATA: json.dumps(about, sort_keys=True)})
    return bytes(proto.SerializeToString(deterministic=True))


def _signature(
    network: TorchModule,
) -> tuple[dict[str, torch.Tensor], tuple[str, ...], dict[str, Any]]:
    """Return example inputs by name, names of outputs, and what builds the network again."""
    import torch

    if hasattr(network, "pooling"):
        tokens = torch.ones((2, 8), dtype=torch.int64)
        config = network.body.config.to_dict()
        config.pop("_name_or_path", None)  # where it was read changes nothing
        about = {"backbone": TEXT, "pooling": network.pooling, "config": config}
        return dict.fromkeys(TEXT_INPUTS, tokens), OUTPUTS[:1], about
    spec, size_px = network.spec, network.image_size_px
    about = {
        "backbone": spec.name,
        "image_size_px": size_px,
        "mean": spec.mean,
        "std": spec.std,
        "config": network.body.config.to_dict() if spec.family == "vit" else None,
    }
    images = torch.zeros((2, size_px, size_px, 3), dtype=torch.uint8)
    return {INPUT: images}, OUTPUTS, about


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
    """
    size_px = network_size(backbone, weights, image_size_px)
    content = _content_digests(weights_file(backbone, weights))
    settings = [GRAPH_VERSION, OPSET, backbone, image_size_px, random_state, str(weights), content]
    digest = sha256(json.dumps(settings).encode())
    name = f"{backbone}_{size_px}px_{digest[:16]}.onnx"
    build = functools.partial(
        build_network, backbone, weights, image_size_px=image_size_px, random_state=random_state
    )
    return _export_once(cache_dir, name, build)


def build_text_onnx(folder: Path, pooling: str, cache_dir: Path) -> bytes:
    """Return the text encoder of a folder as ONNX bytes, as `build_onnx` does."""
    settings = [GRAPH_VERSION, OPSET, TEXT, pooling, _content_digests(folder)]
    digest = sha256(json.dumps(settings).encode())
    build = functools.partial(build_text_network, folder, pooling)
    return _export_once(cache_dir, f"{TEXT}_{digest[:16]}.onnx", build)


def _export_once(cache_dir: Path | None, name: str, build: Callable[[], TorchModule]) -> bytes:
    if cache_dir is not None and (cache_dir / name).is_file():
        return (cache_dir / name).read_bytes()
    data = export_onnx(build())
    if cache_dir is not None:
        with write_atomically(cache_dir / name, "wb") as file:
            file.write(data)
    return data


def _content_digests(path: Path | None) -> dict[str, str]:
    """Hash the weights themselves: a file may change under its name."""
    if path is None or not path.exists():
        return {}
    files = [path] if path.is_file() else sorted(file for file in path.iterdir() if file.is_file())
    return {file.name: sha256(file) for file in files}
