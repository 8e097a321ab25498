"""Reading exported networks: their tensors by name, and what `export_onnx` wrote about them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from src.errors import BackboneError

if TYPE_CHECKING:
    from onnx import ModelProto

METADATA = "embedder"
"""Key of the model's metadata that holds the description, as JSON."""


def weights_from_onnx(data: bytes) -> dict[str, NDArray[Any]]:
    """Return the trained tensors of an exported network by name.

    Raises
    ------
    BackboneError
        If the bytes are not an ONNX model.
    """
    import onnx

    graph = _read_proto(data).graph
    found = {item.name: onnx.numpy_helper.to_array(item) for item in graph.initializer}
    # The exporter keeps one of several equal tensors and points the others at it.
    for node in graph.node:
        if node.op_type == "Identity" and node.input[0] in found:
            found[node.output[0]] = found[node.input[0]]
    return {name: np.array(value) for name, value in found.items() if name.startswith("body.")}


def onnx_description(data: bytes) -> dict[str, Any]:
    """Return what `export_onnx` wrote about the network.

    Raises
    ------
    BackboneError
        If the bytes were not written by it.
    """
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
