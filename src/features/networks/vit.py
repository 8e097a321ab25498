"""Vision transformers from Hugging Face: loading, embedding, and where their attention goes."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.features.networks.architectures import root_and_length, scale_pixels
from src.features.networks.backbones import (
    PRETRAINED,
    RANDOM,
    BackboneSpec,
    TorchModule,
    first_line,
    no_weights,
    reach,
)

if TYPE_CHECKING:
    import torch


# The only attention that hands out its weights, which the rollout needs.
EAGER = "eager"


def build_vit(spec: BackboneSpec, weights: str, image_size_px: int | None) -> TorchModule:
    """Load or make a vision transformer, wrapped as by `architectures.embedder`.

    The map is the attention rollout, (n, 1, h, w). `weights` are "pretrained", "random" or a folder
    written by `save_pretrained`; another `image_size_px` than theirs interpolates the position
    embeddings.
    """
    if weights == RANDOM:
        size_px = image_size_px or spec.image_size_px
        return vit_from_config(spec, {"image_size": size_px}, size_px)
    if weights != PRETRAINED and not Path(weights).is_dir():
        raise no_weights("vit", weights, "there is no such folder")
    name = spec.origin if weights == PRETRAINED else weights
    try:
        try:
            body = _load(name, local_files_only=True)
        except (OSError, ValueError):
            if weights != PRETRAINED:
                raise
            from huggingface_hub.constants import ENDPOINT

            reach(f"{ENDPOINT}/{name}/resolve/main/config.json")
            body = _load(name, local_files_only=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise no_weights("vit", weights, f"loading {name} failed ({first_line(error)})") from error
    size_px = image_size_px or body.config.image_size
    return _embedder(body, _with_processor(spec, Path(weights)), size_px)


def _load(name: str, *, local_files_only: bool) -> TorchModule:
    from transformers import ViTModel

    return ViTModel.from_pretrained(
        name,
        add_pooling_layer=False,
        attn_implementation=EAGER,
        local_files_only=local_files_only,
    )


def vit_from_config(spec: BackboneSpec, config: dict[str, Any], size_px: int) -> TorchModule:
    """Make a transformer with random weights from a configuration of transformers."""
    from transformers import ViTConfig, ViTModel

    made = ViTConfig.from_dict(config)
    made._attn_implementation = EAGER
    return _embedder(ViTModel(made, add_pooling_layer=False), spec, size_px)


def _with_processor(spec: BackboneSpec, folder: Path) -> BackboneSpec:
    """Take mean and deviation from the folder's image processor, where it has one."""
    import json

    file = folder / "preprocessor_config.json"
    if not file.is_file():
        return spec
    found = json.loads(file.read_text(encoding="utf-8"))
    mean, std = found.get("image_mean"), found.get("image_std")
    if not mean or not std:
        return spec
    return dataclasses.replace(
        spec, mean=tuple(255.0 * m for m in mean), std=tuple(255.0 * s for s in std)
    )


def _embedder(body: TorchModule, spec: BackboneSpec, size_px: int) -> TorchModule:
    """Wrap a transformer: class token and mean of the patches, rooted and scaled to length 1."""
    import torch

    interpolate = size_px != body.config.image_size
    side = size_px // body.config.patch_size

    class VitEmbedder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = body
            self.spec = spec
            self.image_size_px = size_px

        def blocks(self) -> list[Any]:
            return [self.body.embeddings, *_layers(self.body), self.body.layernorm]

        def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            out = self.body(
                scale_pixels(images, spec.mean, spec.std),
                output_attentions=True,
                interpolate_pos_encoding=interpolate,
            )
            tokens = out.last_hidden_state.float()
            pooled = torch.cat([tokens[:, 0], tokens[:, 1:].mean(dim=1)], dim=1)
            heat = attention_rollout(out.attentions)[:, 1:]
            return root_and_length(pooled), heat.reshape(-1, 1, side, side)

    return VitEmbedder()


def _layers(body: TorchModule) -> list[Any]:
    """Return the blocks; transformers 5 moved them from `encoder.layer` to `layers`."""
    return list(body.layers) if hasattr(body, "layers") else list(body.encoder.layer)


def attention_rollout(attentions: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """Follow attention from the class token back to every token, shape (n, tokens).

    Abnar & Zuidema 2020, "Quantifying attention flow in transformers", eq. 1: in each layer half
    of a token comes from itself (the residual) and half from what it attends to, averaged over
    heads; the product over layers says where the top comes from. `attentions` are tensors
    (n, heads, tokens, tokens), from the first layer to the last.
    """
    import torch

    row = None
    # From the top down only one row of the product is needed: (1 x t)(t x t) a layer.
    for layer in reversed(attentions):
        mean = layer.float().mean(dim=1)
        step = 0.5 * mean + 0.5 * torch.eye(mean.shape[-1], device=mean.device)
        row = step[:, :1] if row is None else row @ step
    if row is None:
        raise ValueError("no attentions: the transformer has no layer")
    return row[:, 0]
