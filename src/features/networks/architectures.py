"""Bodies of the convolutional networks, and the wrapper that makes one embedding of any of them.

The classes are made inside functions because their base is torch's, and torch is only loaded where
a network is trained or exported.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from src.features.networks.backbones import BackboneSpec, TorchModule

if TYPE_CHECKING:
    import torch

# Keeps the slope of the square root finite where a channel is silent.
ROOT_EPSILON = 1e-8


def _build_resnet(name: str, size_px: int) -> TorchModule:  # noqa: ARG001 - one signature
    from torch import nn
    from torchvision.models import get_model

    body = get_model(name, weights=None)
    body.fc = nn.Identity()
    return body


def _resnet_maps(body: TorchModule, x: torch.Tensor) -> list[torch.Tensor]:
    x = body.layer1(body.maxpool(body.relu(body.bn1(body.conv1(x)))))
    middle = body.layer2(x)
    upper = body.layer3(middle)
    return [middle, upper, body.layer4(upper)]


def _resnet_blocks(body: TorchModule) -> list[Any]:
    stem = [body.conv1, body.bn1]
    layers = (body.layer1, body.layer2, body.layer3, body.layer4)
    return stem + [block for layer in layers for block in layer]


def _build_lite(name: str, size_px: int) -> TorchModule:
    from efficientnet_lite_pytorch import EfficientNet
    from torch import nn

    number = name.removeprefix("efficientnet_lite")
    body = EfficientNet.from_name(f"efficientnet-lite{number}", image_size=size_px)
    body._fc = nn.Identity()
    return body


def _lite_maps(body: TorchModule, x: torch.Tensor) -> list[torch.Tensor]:
    """Return the ends of the fifth and of the last stage, and the head (docs/experiments.md)."""
    x = body._swish(body._bn0(body._conv_stem(x)))
    widths = [block._block_args.output_filters for block in body._blocks]
    ends = [i for i, width in enumerate(widths[:-1]) if widths[i + 1] != width]
    kept = []
    for position, block in enumerate(body._blocks):
        x = block(x)
        if position == ends[4]:
            kept.append(x)
    return [*kept, x, body._swish(body._bn1(body._conv_head(x)))]


def _lite_blocks(body: TorchModule) -> list[Any]:
    from torch import nn

    stem = nn.ModuleList([body._conv_stem, body._bn0])
    return [stem, *body._blocks, nn.ModuleList([body._conv_head, body._bn1])]


# How to build a body with random weights, (name, size_px), classifier cut off; its feature maps
# (n, c, h, w) at three depths, (body, x), the last one last; its blocks from input to output.
FAMILIES = {
    "resnet": (_build_resnet, _resnet_maps, _resnet_blocks),
    "efficientnet_lite": (_build_lite, _lite_maps, _lite_blocks),
}


def scale_pixels(images: torch.Tensor, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """Return uint8 images (n, h, w, 3) as scaled float32 (n, 3, h, w)."""
    x = images.permute(0, 3, 1, 2).float()
    return (x - x.new_tensor(mean)[:, None, None]) / x.new_tensor(std)[:, None, None]


def root_and_length(pooled: torch.Tensor) -> torch.Tensor:
    """Return signed square roots, scaled to Euclidean length 1 (Perronnin et al. 2010, sec. 3).

    The root tames the few channels with large means (docs/experiments.md).
    """
    import torch

    roots = torch.sign(pooled) * torch.sqrt(torch.abs(pooled) + ROOT_EPSILON)
    length = torch.sqrt((roots * roots).sum(dim=1, keepdim=True))
    return roots / torch.clamp(length, min=1e-12)


def stage_embedding(maps: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return maps (n, c, h, w) averaged over places, side by side and rooted; and the last map."""
    import torch

    pooled = torch.cat([depth.float().mean(dim=(2, 3)) for depth in maps], dim=1)
    return root_and_length(pooled), maps[-1].float()


def wrap(body: TorchModule, embed: Callable[..., Any], **about: Any) -> TorchModule:  # noqa: ANN401
    """Return the module that every network here is: a body, and `about` as attributes.

    `forward(*inputs)` is `embed(body, *inputs)`. One of the attributes is `blocks`, a function of
    no argument: the parts of the body from input to output.
    """
    import torch

    class Embedder(torch.nn.Module):
        def forward(self, *inputs: torch.Tensor) -> Any:  # noqa: ANN401
            return embed(self.body, *inputs)

    network = Embedder()
    network.body = body  # tensors are named after it
    network.__dict__.update(about)
    return network


def embedder(spec: BackboneSpec, size_px: int) -> TorchModule:
    """Build a convolutional network with random weights for images of `size_px`.

    Its `forward(images)` takes (n, size, size, 3) uint8 and returns the embedding (n, d) of three
    depths and the last feature map (n, c, h, w).
    """
    build, maps_of, blocks_of = FAMILIES[spec.family]
    body = build(spec.name, size_px)

    def embed(body: TorchModule, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return stage_embedding(maps_of(body, scale_pixels(images, spec.mean, spec.std)))

    return wrap(body, embed, blocks=partial(blocks_of, body), spec=spec, image_size_px=size_px)
