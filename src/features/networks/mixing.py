"""MixUp and CutMix: training images and targets blended with those of other rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def mix(
    images: torch.Tensor,
    targets: torch.Tensor,
    *,
    mixup_alpha: float,
    cutmix_alpha: float,
    rng: np.random.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mix each image and its target with those of another row of the batch.

    MixUp fades one image into the other, CutMix pastes a rectangle of it; the targets are mixed
    by the share of each that is left to see (Zhang et al. 2018, "mixup"; Yun et al. 2019,
    "CutMix").

    Parameters
    ----------
    images : tensor (n, h, w, 3), uint8
    targets : tensor (n, classes), float32
    mixup_alpha, cutmix_alpha : float
        Parameters of the Beta distributions that the share is drawn from; 0 switches one off, and
        with both on a batch takes either with even odds.
    rng : numpy Generator

    Returns
    -------
    images : tensor (n, h, w, 3), uint8
    targets : tensor (n, classes), float32
    """
    import torch

    alphas = {"mixup": mixup_alpha, "cutmix": cutmix_alpha}
    kinds = [kind for kind, alpha in alphas.items() if alpha > 0]
    if not kinds:
        return images, targets
    kind = kinds[int(rng.integers(len(kinds)))]
    alpha = alphas[kind]
    share = float(rng.beta(alpha, alpha))
    other = torch.from_numpy(rng.permutation(len(images))).to(images.device)
    if kind == "mixup":
        faded = share * images.float() + (1 - share) * images[other].float()
        images = faded.round().to(torch.uint8)
    else:
        top, bottom, left, right = cut_box(images.shape[1], images.shape[2], share, rng)
        images = images.clone()
        images[:, top:bottom, left:right] = images[other][:, top:bottom, left:right]
        share = 1 - (bottom - top) * (right - left) / (images.shape[1] * images.shape[2])
    return images, share * targets + (1 - share) * targets[other]


def cut_box(
    height: int, width: int, share: float, rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """Return top, bottom, left, right of a box of about (1 - share) of the area, cut to fit."""
    side = np.sqrt(1 - share)
    box_height, box_width = int(height * side), int(width * side)
    row, column = int(rng.integers(height)), int(rng.integers(width))
    top, left = max(0, row - box_height // 2), max(0, column - box_width // 2)
    bottom = min(height, row - box_height // 2 + box_height)
    right = min(width, column - box_width // 2 + box_width)
    return top, bottom, left, right
