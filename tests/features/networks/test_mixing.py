"""Blends of images, and targets that say how much of each is left."""

import numpy as np
import torch

from src.features.networks.mixing import cut_box, mix


def batch(n: int = 6, size: int = 20) -> tuple[torch.Tensor, torch.Tensor]:
    """Images of one grey each, so that a blend can be read off."""
    greys = torch.arange(n, dtype=torch.uint8) * 40
    return greys[:, None, None, None].expand(n, size, size, 3).clone(), torch.eye(n)


def test_mixup_fades_images_and_targets_alike() -> None:
    images, targets = batch()
    mixed, soft = mix(
        images, targets, mixup_alpha=0.5, cutmix_alpha=0, rng=np.random.default_rng(0)
    )
    assert mixed.dtype == torch.uint8
    np.testing.assert_allclose(soft.sum(dim=1), 1, atol=1e-6)
    expected = soft @ (torch.arange(6).float() * 40)
    np.testing.assert_allclose(mixed[:, 0, 0, 0], expected.round(), atol=1)
    assert (mixed == mixed[:, :1, :1]).all()
    assert (soft.max(dim=1).values < 1).any()
    assert images[1, 0, 0, 0] == 40  # the batch itself is left alone


def test_cutmix_pastes_a_rectangle_and_counts_its_pixels() -> None:
    seen_a_paste = False
    for seed in range(20):
        images, targets = batch()
        mixed, soft = mix(
            images, targets, mixup_alpha=0, cutmix_alpha=1, rng=np.random.default_rng(seed)
        )
        for row in range(6):
            for other in range(6):
                share = (mixed[row, :, :, 0] == 40 * other).float().mean()
                assert abs(float(share - soft[row, other])) < 1e-5
        seen_a_paste |= bool((soft > 0).sum() > 6)
        assert images[1].unique().tolist() == [40]
    assert seen_a_paste


def test_boxes_are_as_large_as_asked_and_inside() -> None:
    rng = np.random.default_rng(0)
    sizes = []
    for _ in range(300):
        top, bottom, left, right = cut_box(40, 80, 0.75, rng)
        assert 0 <= top <= bottom <= 40
        assert 0 <= left <= right <= 80
        sizes.append((bottom - top, right - left))
    assert max(sizes) == (20, 40)  # a quarter of the area, unless cut by the border


def test_both_are_drawn_and_none_is_none() -> None:
    kinds = set()
    for seed in range(20):
        images, targets = batch()
        mixed, _ = mix(
            images, targets, mixup_alpha=1, cutmix_alpha=1, rng=np.random.default_rng(seed)
        )
        faded = bool(((mixed % 40) != 0).any())
        kinds.add("mixup" if faded else "cutmix")
    assert kinds == {"mixup", "cutmix"}
    images, targets = batch()
    same, soft = mix(images, targets, mixup_alpha=0, cutmix_alpha=0, rng=np.random.default_rng(0))
    assert same is images
    assert soft is targets
