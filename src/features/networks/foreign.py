"""ONNX files of other programs: wrapped, they take and give what ours do.

Beside `name.onnx` lies `name.toml` with what the graph doesn't say (docs/architecture.md). The
network takes float images (n, 3, h, w) or (n, h, w, 3), any n, at opset 13 or later.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError

from src.config import describe_fault
from src.errors import BackboneError
from src.features.networks.backbones import METADATA, ONNX, read_proto
from src.files import read_toml

_PREFIX = "net/"


class Description(BaseModel):
    """The file beside the network's."""

    model_config = ConfigDict(extra="forbid")

    image_size_px: PositiveInt
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    output: str = ""


def read_description(path: Path) -> Description:
    """Return what lies beside an ONNX file; BackboneError where nothing sound does."""
    beside = path.with_suffix(".toml")
    try:
        return Description(**read_toml(beside))
    except (OSError, ValueError) as error:
        found = str(error)
        if isinstance(error, ValidationError):
            faults = (describe_fault(dict(each), Description) for each in error.errors())
            found = ", ".join(f"key '{key}': {what}" for key, what in faults)
        raise BackboneError(
            f"{beside}: {found}; expected image_size_px, mean and std (three numbers of 0..1 each) "
            "and, where the embedding is not the first, output",
            next_command=f"ls {path.parent}",
        ) from error


def wrap_foreign(path: Path) -> bytes:
    """Return the network of a file with our scaling before it, roots and length 1 after it.

    Input `images` (n, size, size, 3) uint8, output `embedding` (n, d) float32. There are no maps,
    and so no heat maps.
    """
    from onnx import TensorProto, checker, compose, helper, numpy_helper

    about = read_description(path)
    try:
        model = compose.add_prefix(read_proto(path.read_bytes()), _PREFIX)
    except BackboneError as error:
        raise BackboneError(
            f"{path}: {error.message}; expected a file that onnx.save wrote",
            next_command=f"ls -l {path}",
        ) from error
    given, output = _ends(path, model, about.output)
    shape = [dim.dim_value for dim in given.type.tensor_type.shape.dim]
    by_channel = (1, 3, 1, 1) if shape[1] == 3 else (1, 1, 1, 3)
    constants = {
        "mean": 255 * np.array(about.mean, np.float32).reshape(by_channel),
        "std": 255 * np.array(about.std, np.float32).reshape(by_channel),
        "least": np.float32(1e-12),
        "last": np.array([-1]),
    }
    order = [0, 3, 1, 2] if shape[1] == 3 else [0, 1, 2, 3]
    node, kind = helper.make_node, given.type.tensor_type.elem_type
    before = [
        node("Cast", ["images"], ["numbers"], to=TensorProto.FLOAT),
        node("Transpose", ["numbers"], ["ordered"], perm=order),
        node("Sub", ["ordered", "mean"], ["centred"]),
        node("Div", ["centred", "std"], ["scaled"]),
        node("Cast", ["scaled"], [given.name], to=kind),
    ]
    after = [
        node("Cast", [output], ["raw"], to=TensorProto.FLOAT),
        node("Abs", ["raw"], ["squares"]),  # of the roots
        node("Sqrt", ["squares"], ["sizes"]),
        node("Sign", ["raw"], ["signs"]),
        node("Mul", ["sizes", "signs"], ["roots"]),
        node("ReduceSum", ["squares", "last"], ["sum"], keepdims=1),
        node("Sqrt", ["sum"], ["length"]),
        node("Max", ["length", "least"], ["divisor"]),
        node("Div", ["roots", "divisor"], ["embedding"]),
    ]
    graph, size_px = model.graph, about.image_size_px
    nodes = [*before, *graph.node, *after]
    del graph.node[:], graph.input[:], graph.output[:]
    graph.node.extend(nodes)
    graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in constants.items())
    uint8, floats = TensorProto.UINT8, TensorProto.FLOAT
    graph.input.append(helper.make_tensor_value_info("images", uint8, ["n", size_px, size_px, 3]))
    graph.output.append(helper.make_tensor_value_info("embedding", floats, ["n", "d"]))
    described = {"backbone": path.stem, "family": ONNX, "image_size_px": size_px}
    helper.set_model_props(model, {METADATA: json.dumps(described, sort_keys=True)})
    checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def _ends(path: Path, model: Any, wanted: str) -> tuple[Any, str]:  # noqa: ANN401 - protobuf
    """Return the input and the name of the output that is the embedding, or refuse the file."""
    outputs = [output.name.removeprefix(_PREFIX) for output in model.graph.output]
    weights = {item.name for item in model.graph.initializer}  # listed as inputs before IR 4
    given = [value for value in model.graph.input if value.name not in weights]
    versions = (item.version for item in model.opset_import if item.domain in ("", "ai.onnx"))
    version = next(versions, 0)
    shape = [dim.dim_value for value in given[:1] for dim in value.type.tensor_type.shape.dim]
    is_image = len(shape) == 4 and not shape[0] and 3 in (shape[1], shape[3])
    output = wanted or next(iter(outputs), "of an embedding")
    if version >= 13 and len(given) == 1 and is_image and output in outputs:
        return given[0], _PREFIX + output
    raise BackboneError(
        f"{path}: opset {version}, {len(given)} inputs, the first of shape {shape}, outputs "
        f"{', '.join(outputs)}; expected opset 13, one input (0, 3, h, w) or (0, h, w, 3), where 0 "
        f"is any number, and the output {output}",
        next_command=f"cat {path.with_suffix('.toml')}",
    )
