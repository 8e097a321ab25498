"""Image models of Hugging Face: loading, one embedding, and where their attention goes."""

from __future__ import annotations

import dataclasses
import inspect
import json
import math
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.features.networks.architectures import root_and_length, scale_pixels, stage_embedding, wrap
from src.features.networks.backbones import BackboneSpec, TorchModule

if TYPE_CHECKING:
    import torch

FILES = ("config.json", "preprocessor_config.json", "*.safetensors", "*.safetensors.index.json")
# The only attention that hands out its weights, which the rollout needs.
EAGER = "eager"
# Of a model of images and texts the image tower alone; it ends in the embedding that was published.
_TOWERS = {
    "clip": "CLIPVisionModelWithProjection",
    "clip_vision_model": "CLIPVisionModelWithProjection",
    "siglip": "SiglipVisionModel",
    "siglip_vision_model": "SiglipVisionModel",
}


def saved_spec(spec: BackboneSpec, folder: Path) -> BackboneSpec:
    """Take size, mean and deviation from what `save_pretrained` left in the folder."""
    config = _read(folder / "config.json")
    tower = config.get("vision_config", config)
    found = _read(folder / "preprocessor_config.json")
    size = found.get("crop_size") or found.get("size") or tower.get("image_size")
    if isinstance(size, dict):
        size = size.get("height") or size.get("shortest_edge")
    mean, std = found.get("image_mean"), found.get("image_std")
    return dataclasses.replace(
        spec,
        image_size_px=int(size or spec.image_size_px),
        mean=tuple(255.0 * m for m in mean) if mean and std else spec.mean,
        std=tuple(255.0 * s for s in std) if mean and std else spec.std,
    )


def _read(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else {}


def load_body(folder: Path) -> TorchModule:
    """Load a model from a folder; OSError, ValueError or RuntimeError if that can't be done."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    return _bare(load_whole(_architecture(config.model_type), folder))


def load_whole(architecture: Any, folder: Path) -> TorchModule:  # noqa: ANN401 - of transformers
    """Load a model of which the folder holds every tensor but the pooler's; else a ValueError."""
    from safetensors import SafetensorError
    from transformers import logging

    options = {"attn_implementation": EAGER, "local_files_only": True, "output_loading_info": True}
    verbosity = logging.get_verbosity()
    logging.disable_progress_bar()  # of tensors, in a log too
    logging.set_verbosity_error()  # it lists every tensor of the text tower that is left out
    try:
        body, report = architecture.from_pretrained(folder, **options)
    except (KeyError, SafetensorError) as error:
        raise ValueError(str(error)) from error
    finally:
        logging.set_verbosity(verbosity)
    if missing := sorted(name for name in report["missing_keys"] if "pooler" not in name):
        raise ValueError(f"{len(missing)} tensors are missing, the first is {missing[0]}")
    return body


def make_body(config: dict[str, Any]) -> TorchModule:
    """Make a model with random weights from a configuration of transformers, "model_type" in it."""
    from transformers import AutoConfig

    made = AutoConfig.for_model(**config)
    made._attn_implementation = EAGER
    architecture = _architecture(made.model_type)
    build = getattr(architecture, "from_config", None) or architecture._from_config
    return _bare(build(made))


def _architecture(model_type: str) -> Any:  # noqa: ANN401 - a class of transformers
    import transformers

    return getattr(transformers, _TOWERS.get(model_type, "AutoModel"))


def _bare(body: TorchModule) -> TorchModule:
    if body.main_input_name != "pixel_values":
        raise ValueError(f"{type(body).__name__} is no image model")
    pooler = getattr(body, "pooler", None)
    if pooler is not None and list(pooler.parameters()):  # its output is not read
        body.pooler = None
    return body.float()


def hugging_face_embedder(body: TorchModule, spec: BackboneSpec, size_px: int) -> TorchModule:
    """Wrap a model as `architectures.embedder` does a convolutional one.

    Its embedding is, rooted, the published one of a tower of images and texts (CLIP, SigLIP); else
    the means of the last three stages of a convolutional network, or the class token and the mean
    of the patches of a transformer. The map is the last stage, or the attention
    rollout (n, 1, h, w); where attention stays in windows there is none, and `forward` returns the
    embedding alone.
    """
    import torch

    config = body.config
    attends = hasattr(config, "num_attention_heads") or hasattr(config, "num_heads")
    options = {"output_attentions": True} if attends else {"output_hidden_states": True}
    resizes = "interpolate_pos_encoding" in inspect.signature(body.forward).parameters
    if resizes and size_px != config.image_size:
        options["interpolate_pos_encoding"] = True

    def embed(body: TorchModule, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        out = body(pixel_values=scale_pixels(images, spec.mean, spec.std), **options)
        tokens = out.last_hidden_state.float()
        if tokens.ndim == 4:
            return stage_embedding(out.hidden_states[-3:])
        side = math.isqrt(tokens.shape[1])
        n_first = tokens.shape[1] - side * side  # class token, registers
        if config.model_type in _TOWERS:
            parts = [out.image_embeds if "image_embeds" in out else out.pooler_output]
        else:
            parts = [tokens[:, 0]] if n_first else []
            parts.append(tokens[:, n_first:].mean(dim=1))
        embedding = root_and_length(torch.cat(parts, dim=1).float())
        if out.attentions[0].shape[-1] != tokens.shape[1]:
            return (embedding,)
        heat = attention_rollout(out.attentions, n_first)
        return embedding, heat.reshape(-1, 1, side, side)

    return wrap(body, embed, blocks=partial(blocks_of, body), spec=spec, image_size_px=size_px)


def blocks_of(module: TorchModule) -> list[Any]:
    """Return the parts with parameters from input to output, and of lists of layers each layer."""
    from torch.nn import ModuleList

    found: list[Any] = []
    for child in module.children():
        if isinstance(child, ModuleList):
            found += child
        elif any(isinstance(part, ModuleList) for part in child.modules()):
            found += blocks_of(child)
        elif any(True for _ in child.parameters()):
            found.append(child)
    return found


def attention_rollout(attentions: tuple[torch.Tensor, ...], n_first: int) -> torch.Tensor:
    """Follow attention from the top back to every patch, shape (n, patches).

    Abnar & Zuidema 2020, "Quantifying attention flow in transformers", eq. 1: in each layer half
    of a token comes from itself (the residual) and half from what it attends to, averaged over
    heads; the product over layers says where the top comes from. The top is the class token, the
    first of `n_first` that are no patch, or the mean of all tokens where there is none.
    `attentions` are tensors (n, heads, tokens, tokens), from the first layer to the last.
    """
    import torch

    row = None
    # From the top down only one row of the product is needed: (1 x t)(t x t) a layer.
    for layer in reversed(attentions):
        mean = layer.float().mean(dim=1)
        step = 0.5 * mean + 0.5 * torch.eye(mean.shape[-1], device=mean.device)
        top = step[:, :1] if n_first else step.mean(dim=1, keepdim=True)
        row = top if row is None else row @ step
    if row is None:
        raise ValueError("no attentions: the transformer has no layer")
    return row[:, 0, n_first:]
