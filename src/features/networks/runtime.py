"""Run an exported network with whatever runs it fastest here.

Serving needs this module and an ONNX file, and never torch: torch runs networks only where a
graphics card is (or where asked for), and is imported there alone. Speeds: docs/experiments.md.
"""

from __future__ import annotations

import abc
import dataclasses
import functools
import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from src.data.image_decode import Pixels
from src.errors import BackboneError, UsageError
from src.features.networks.weights import network_from_onnx
from src.files import sha256
from src.utils.cores import available_cores

if TYPE_CHECKING:
    from openvino import AsyncInferQueue, InferRequest

Floats = NDArray[np.float32]
Inputs: TypeAlias = Pixels | Mapping[str, NDArray[np.int64]]
"""Images, or the inputs of another network by name, each of n rows."""
Engine = Callable[[Inputs, bool], tuple[Floats, Floats | None]]

RUNTIMES = ("auto", "torch", "onnxruntime", "openvino")
DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("auto", "fp32", "bf16", "int8")


@dataclasses.dataclass(kw_only=True, eq=False)
class NetworkFeaturizer(abc.ABC):
    """An extractor of embeddings: a network as ONNX bytes, and how it is run.

    Device, runtime and precision are as in `start_engine`. `prepare` sets `onnx_`, the bytes, and
    `digests_`, the SHA256 of the files that they were made from.
    """

    device: str = "auto"
    batch_size: int = 32
    runtime: str = "auto"
    precision: str = "auto"
    onnx_: bytes = dataclasses.field(init=False, repr=False)
    digests_: dict[str, str] = dataclasses.field(init=False, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the engine behind: it is threads and native memory, and is made again.

        A graphics card that was asked for may be missing where the copy runs.
        """
        state = {**self.__dict__, "device": "auto" if self.device == "cuda" else self.device}
        state.pop("engine", None)
        return state

    @abc.abstractmethod
    def prepare(self) -> NetworkFeaturizer:
        """Make or read the network, once; BackboneError if its files can't be had."""

    @abc.abstractmethod
    def blank(self) -> Inputs:
        """Return the inputs of one product of which nothing is known."""

    @functools.cached_property
    def engine(self) -> Engine:
        """The network in its runtime, loaded at first use."""
        return start_engine(
            self.prepare().onnx_,
            runtime=self.runtime,
            device=self.device,
            precision=self.precision,
        )

    @functools.cached_property
    def n_features(self) -> int:
        """Length of an embedding."""
        return int(self.engine(self.blank(), False)[0].shape[1])

    @property
    def used_precision(self) -> str:
        """What "auto" stands for here, or the one named."""
        device = choose_device(self.device)
        return choose_precision(self.precision, choose_runtime(self.runtime, device), device)

    def network_settings(self) -> dict[str, str]:
        """Return what changes a value of the network, for the address of whatever is cached.

        The runtime is not among them: at one precision all agree to a cosine of 0.999.
        """
        precision = self.used_precision  # refused before a network is fetched for it
        return {"network": sha256(self.prepare().onnx_)[:32], "precision": precision}

    def check(self) -> None:
        """Refuse what can't be had or doesn't go together, before any data is read."""
        self.network_settings()

    def origin(self) -> dict[str, Any]:
        """Return what the network is and which files it was made from, as JSON values."""
        return {
            "precision": self.used_precision,
            "onnx_sha256": sha256(self.prepare().onnx_),
            "files": self.digests_,
        }


def start_engine(
    onnx: bytes,
    *,
    runtime: str = "auto",
    device: str = "auto",
    precision: str = "auto",
) -> Engine:
    """Load an exported network into what runs it.

    The runtime "auto" is torch on a graphics card, else openvino, onnxruntime, torch, whichever is
    installed; the device "auto" is a graphics card where there is one; the precision "auto" is bf16
    in openvino on processors that have it, and on graphics cards, else fp32.

    Returns a callable: (images (n, size, size, 3) uint8, with_maps) -> embeddings (n, d), and the
    maps (n, c, h, w) that explanations start from, None unless asked for and there. A text encoder
    takes its inputs by name, and has no maps.

    Raises
    ------
    BackboneError
        If the runtime or device is missing, or the bytes are not such a network.
    """
    device = choose_device(device)
    runtime = choose_runtime(runtime, device)
    precision = choose_precision(precision, runtime, device)
    if runtime == "torch":
        return _torch_engine(onnx, device, precision)
    if runtime == "openvino":
        return _openvino_engine(onnx, precision, available_cores())
    return _onnxruntime_engine(onnx, available_cores())


def choose_device(device: str) -> str:
    """Return "cpu" or "cuda"."""
    if device not in DEVICES:
        raise UsageError(f"device {device!r} is not one of {', '.join(DEVICES)}")
    if device == "cpu" or (device == "auto" and not _has_driver()):
        return "cpu"
    if _installed("torch"):
        import torch

        if torch.cuda.is_available():
            return "cuda"
    if device == "cuda":
        raise BackboneError(
            "device = 'cuda', but torch finds no graphics card; expected 'auto' or 'cpu'",
            next_command="--set features.image.cnn.device=auto "
            "--set features.image.vit.device=auto --set features.text.encoder.device=auto",
        )
    return "cpu"


def _has_driver() -> bool:
    """Tell whether an NVIDIA driver is loaded, without the two seconds that torch takes."""
    return Path("/proc/driver/nvidia/version").exists()


def _installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def choose_runtime(runtime: str, device: str) -> str:
    """Return the runtime that "auto" stands for, or the one named."""
    if runtime not in RUNTIMES:
        raise UsageError(f"runtime {runtime!r} is not one of {', '.join(RUNTIMES)}")
    if runtime == "auto":
        order = ("torch",) if device == "cuda" else ("openvino", "onnxruntime", "torch")
        runtime = next((name for name in order if _installed(name)), "onnxruntime")
    if not _installed(runtime):
        raise BackboneError(
            f"runtime {runtime} is not installed",
            next_command=f"python -m pip install {runtime}",
        )
    return runtime


def choose_precision(precision: str, runtime: str, device: str) -> str:
    """Return "fp32", "bf16" or "int8"; onnxruntime has no bf16 kernels for processors."""
    if precision not in PRECISIONS:
        raise UsageError(f"precision {precision!r} is not one of {', '.join(PRECISIONS)}")
    if precision == "bf16" and runtime == "onnxruntime":
        raise UsageError("precision 'bf16' needs runtime openvino or torch")
    if precision == "int8" and runtime == "torch":
        raise UsageError("precision 'int8' needs runtime onnxruntime or openvino")
    if precision != "auto":
        return precision
    if runtime == "openvino":
        import openvino

        has_bf16 = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        return "bf16" if has_bf16 else "fp32"
    return "bf16" if device == "cuda" else "fp32"


def _by_name(inputs: Inputs) -> Mapping[str, NDArray[Any]]:
    return inputs if isinstance(inputs, Mapping) else {"images": inputs}


def _onnxruntime_engine(data: bytes, n_threads: int) -> Engine:
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as faults

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    options.log_severity_level = 3
    # Waiting threads sleep: the decoding threads need the cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except (faults.InvalidProtobuf, faults.InvalidGraph, faults.Fail) as error:
        raise BackboneError(f"onnxruntime can't read the network: {error}") from error

    names = [output.name for output in session.get_outputs()]

    def run(inputs: Inputs, with_maps: bool) -> tuple[Floats, Floats | None]:
        wanted = names if with_maps else names[:1]
        embeddings, *maps = session.run(wanted, dict(_by_name(inputs)))
        return embeddings, maps[0] if maps else None

    return run


def _openvino_engine(data: bytes, precision: str, n_threads: int) -> Engine:
    """Compile for throughput: one stream a core, each with a share of the batch."""
    import openvino

    core = openvino.Core()
    try:
        model = core.read_model(data)
    except RuntimeError as error:
        raise BackboneError(f"openvino can't read the network: {error}") from error
    hints = {
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
        "PERFORMANCE_HINT": "THROUGHPUT",
        "INFERENCE_NUM_THREADS": n_threads,
    }

    def queue(names: tuple[str, ...]) -> AsyncInferQueue:
        outputs = [model.output(name) for name in names]
        compiled = core.compile_model(openvino.Model(outputs, model.get_parameters()), "CPU", hints)
        return openvino.AsyncInferQueue(compiled)

    names = tuple(output.any_name for output in model.outputs)
    queues = {False: queue(names[:1])}

    def run(inputs: Inputs, with_maps: bool) -> tuple[Floats, Floats | None]:
        if with_maps and True not in queues:  # compiled when an explanation is first asked for
            queues[True] = queue(names)
        parts = _run_parts(queues[with_maps], _by_name(inputs), n_threads)
        embeddings, *maps = (np.concatenate(outputs) for outputs in zip(*parts, strict=True))
        return embeddings, maps[0] if maps else None

    return run


def _run_parts(
    queue: AsyncInferQueue, inputs: Mapping[str, NDArray[Any]], n_threads: int
) -> list[list[Floats]]:
    n = len(next(iter(inputs.values())))
    size = max(1, min(8, -(-n // n_threads)))
    parts: list[list[Floats]] = [[] for _ in range(0, n, size)]

    def keep(request: InferRequest, position: int) -> None:
        # Copied: the request's own memory is overwritten by its next part.
        parts[position] = [np.array(output.data) for output in request.output_tensors]

    queue.set_callback(keep)
    for position in range(len(parts)):
        rows = slice(position * size, (position + 1) * size)
        queue.start_async({name: values[rows] for name, values in inputs.items()}, position)
    queue.wait_all()
    return parts


def _torch_engine(data: bytes, device: str, precision: str) -> Engine:
    import torch

    network = network_from_onnx(data).to(device).to(memory_format=torch.channels_last)
    reduced = precision == "bf16"

    def run(inputs: Inputs, with_maps: bool) -> tuple[Floats, Floats | None]:
        arrays = map(np.ascontiguousarray, _by_name(inputs).values())
        batch = [torch.from_numpy(array).to(device) for array in arrays]
        with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=reduced):
            found = network(*batch)
        embeddings, *maps = found if isinstance(found, tuple) else (found,)
        return embeddings.cpu().numpy(), maps[0].cpu().numpy() if with_maps and maps else None

    return run
