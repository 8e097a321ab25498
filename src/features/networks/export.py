"""Networks as ONNX bytes: the form in which they are kept, pickled and served.

The file holds the trained tensors under their own names (batch normalisation is not folded in; the
runtimes do that when they load it, at the same speed). So the bytes are also enough to build the
torch network again, on a graphics card or for more training, and nothing else needs keeping.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.errors import BackboneError, UsageError
from src.features.networks.backbones import METADATA, ONNX, TorchModule, block_suffix, first_line
from src.features.networks.foreign import wrap_foreign
from src.features.networks.text_network import TEXT, TEXT_INPUTS, build_text_network
from src.features.networks.weights import (
    build_network,
    network_spec,
    onnx_description,
    weights_file,
)
from src.files import sha256, write_atomically

if TYPE_CHECKING:
    import torch

OPSET = 17
# Raise it when a network's graph changes: it is part of every cached file's name.
GRAPH_VERSION = 2
INPUT = "images"
OUTPUTS = ("embedding", "maps")


def export_onnx(network: TorchModule) -> bytes:
    """Write a network as ONNX; the same network gives the same bytes.

    Of images: input `images` (n, size, size, 3) uint8; outputs `embedding` (n, d) float32 and,
    where the network gives them, `maps` (n, c, h, w) float32. Of text: inputs `input_ids` and
    `attention_mask`, (n, tokens) int64; output `embedding`. Any n, any number of tokens. A
    BackboneError where an operation has no ONNX form.
    """
    import onnx
    import torch

    inputs, outputs, about = _signature(network.cpu().eval())
    axes = {name: dict(enumerate(("n", "tokens")[: 1 + (name in TEXT_INPUTS)])) for name in inputs}
    fastpath = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # its fused attention has no ONNX form
    try:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            file = Path(folder) / "network.onnx"
            # The exporter of opset 17 is called old, and the size checks of ViT are traced.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                network,
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
    except torch.onnx.errors.OnnxExporterError as error:
        off = "text.encoder.enabled=false" if about["backbone"] == TEXT else "image.networks=[]"
        found = f"{about['backbone']}: can't be exported to ONNX ({first_line(error)})"
        raise BackboneError(found, next_command=f"--set features.{off}") from error
    finally:
        torch.backends.mha.set_fastpath_enabled(fastpath)
    onnx.helper.set_model_props(proto, {METADATA: json.dumps(about, sort_keys=True)})
    return bytes(proto.SerializeToString(deterministic=True))


def _signature(
    network: TorchModule,
) -> tuple[dict[str, torch.Tensor], tuple[str, ...], dict[str, Any]]:
    """Return example inputs by name, names of outputs, and what builds the network again."""
    import torch

    config = network.body.config.to_dict() if hasattr(network.body, "config") else None
    if config:
        config.pop("_name_or_path", None)  # where it was read changes nothing
    if hasattr(network, "pooling"):
        tokens = torch.ones((2, 8), dtype=torch.int64)
        about = {"backbone": TEXT, "pooling": network.pooling, "config": config}
        return dict.fromkeys(TEXT_INPUTS, tokens), OUTPUTS[:1], about
    spec, size_px = network.spec, network.image_size_px
    about = {
        "backbone": spec.name,
        "spec": dataclasses.asdict(spec),
        "image_size_px": size_px,
        "config": config,
    }
    images = torch.zeros((2, size_px, size_px, 3), dtype=torch.uint8)
    with torch.no_grad():
        n_outputs = len(network(images))
    return {INPUT: images}, OUTPUTS[:n_outputs], about


def build_onnx(
    backbone: str,
    weights: str | Path,
    *,
    image_size_px: int | None = None,
    random_state: int = 0,
    cache_dir: Path | None = None,
    int8: bool = False,
) -> bytes:
    """Return a backbone as ONNX bytes, from `cache_dir` if it was exported there before.

    Torch is only loaded where there is no such file, and never for an ONNX file of another program.
    """
    source = weights_file(backbone, weights, cache_dir)
    spec = network_spec(backbone, source)
    size_px = image_size_px or spec.image_size_px
    if spec.family == ONNX and size_px != spec.image_size_px:
        raise UsageError(
            f"images.size = {size_px}: {backbone} takes images of {spec.image_size_px} px",
            next_command="--set images.size=0",
        )
    settings = [GRAPH_VERSION, OPSET, backbone, image_size_px, random_state, str(weights)]
    digest = sha256(json.dumps([*settings, content_digests(source)]).encode())
    name = f"{block_suffix(backbone)}_{size_px}px_{digest[:16]}{'_int8' * int8}.onnx"
    options: dict[str, Any] = {"image_size_px": image_size_px, "random_state": random_state}

    def build() -> bytes:
        if int8:
            return quantise(build_onnx(backbone, weights, **options, cache_dir=cache_dir))
        if spec.family == ONNX:
            return wrap_foreign(Path(backbone))
        return export_onnx(build_network(backbone, weights, **options, networks_dir=cache_dir))

    return _made_once(cache_dir, name, build)


def build_text_onnx(folder: Path, pooling: str, cache_dir: Path) -> bytes:
    """Return the text encoder of a folder as ONNX bytes, as `build_onnx` does."""
    settings = [GRAPH_VERSION, OPSET, TEXT, pooling, content_digests(folder)]
    digest = sha256(json.dumps(settings).encode())
    return _made_once(
        cache_dir,
        f"{TEXT}_{digest[:16]}.onnx",
        lambda: export_onnx(build_text_network(folder, pooling)),
    )


def _made_once(cache_dir: Path | None, name: str, build: Callable[[], bytes]) -> bytes:
    if cache_dir is not None and (cache_dir / name).is_file():
        return (cache_dir / name).read_bytes()
    data = build()
    if cache_dir is not None:
        with write_atomically(cache_dir / name, "wb") as file:
            file.write(data)
    return data


def quantise(data: bytes) -> bytes:
    """Return an exported network with its matrix products in int8, inputs quantised as they come.

    Convolutions, which lose more and gain less so, stay as they are.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    kinds = {"op_types_to_quantize": ["MatMul", "Gemm"], "weight_type": QuantType.QInt8}
    with tempfile.TemporaryDirectory() as folder:
        given, folded, file = (Path(folder) / f"{i}.onnx" for i in range(3))
        given.write_bytes(data)
        # Transposed weights become constants, which alone are quantised.
        quant_pre_process(given, folded, skip_symbolic_shape=True)
        quantize_dynamic(folded, file, **kinds)
        quantised = onnx.load(file)
    if not any(node.op_type == "MatMulInteger" for node in quantised.graph.node):
        raise UsageError(
            "precision 'int8' is for transformers: this network has no matrix products of weights",
            next_command="--set features.image.cnn.precision=auto",
        )
    described = onnx_description(data) | {"precision": "int8"}
    onnx.helper.set_model_props(quantised, {METADATA: json.dumps(described, sort_keys=True)})
    return bytes(quantised.SerializeToString(deterministic=True))


def content_digests(path: Path | None) -> dict[str, str]:
    """Return the SHA256 of the weights themselves: a file may change under its name."""
    if path is None:
        return {}
    files = [path, path.with_suffix(".toml")] if path.is_file() else sorted(path.iterdir())
    return {file.name: sha256(file) for file in files if file.is_file()}
