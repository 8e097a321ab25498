"""Light fine-tuning: the last blocks of a network, on the rows handed in and on no others.

This is an estimator's work, so it belongs inside every fold. It sets its own inner validation rows
aside (by group where groups are given), stops when they no longer improve, and gives back the best
state as ONNX bytes. Batch normalisation keeps its statistics: a few thousand pictures of one shop
are too few to estimate them anew.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from src.data.image_decode import ImageSource
from src.errors import UsageError, ValidationError
from src.features.image.loader import ImageBatch, ImageLoader
from src.features.networks.backbones import TorchModule
from src.features.networks.export import export_onnx, network_from_onnx
from src.features.networks.mixing import mix
from src.features.networks.runtime import choose_device

if TYPE_CHECKING:
    import torch


# Embeddings of one length differ by about 0.1 between classes: logits of a few units.
SHARPNESS = 30.0


@dataclass(frozen=True)
class FineTuning:
    """How to fine-tune.

    Parameters
    ----------
    n_blocks : int
        Blocks to train, counted from the output.
    epochs : int
        At most so many passes.
    patience : int
        Stop after so many passes without a lower validation loss.
    batch_size : int
    learning_rate : float
        Of the blocks; the new classifier learns ten times as fast.
    weight_decay : float
    mixup_alpha, cutmix_alpha : float
        Parameters of the Beta distributions (Zhang et al. 2018; Yun et al. 2019); 0 switches one
        off, with both on a batch takes either with even odds.
    label_smoothing : float
        Share of the target spread over all classes (Szegedy et al. 2016).
    validation_share : float
        Of the rows, set aside inside.
    device : {"auto", "cpu", "cuda"}
    random_state : int

    Raises
    ------
    UsageError
        For a value out of range.
    """

    n_blocks: int = 2
    epochs: int = 8
    patience: int = 2
    batch_size: int = 32
    learning_rate: float = 3e-4
    weight_decay: float = 1e-4
    mixup_alpha: float = 0.2
    cutmix_alpha: float = 1.0
    label_smoothing: float = 0.1
    validation_share: float = 0.15
    device: str = "auto"
    random_state: int = 0

    def __post_init__(self) -> None:
        for name in ("n_blocks", "epochs", "patience", "batch_size"):
            if getattr(self, name) < 1:
                raise UsageError(f"fine-tuning: {name} = {getattr(self, name)}; at least 1")
        for name in ("validation_share", "learning_rate"):
            if not 0 < getattr(self, name) < 1:
                raise UsageError(f"fine-tuning: {name} = {getattr(self, name)}; between 0 and 1")
        for name in ("mixup_alpha", "cutmix_alpha", "label_smoothing", "weight_decay"):
            if getattr(self, name) < 0:
                raise UsageError(f"fine-tuning: {name} = {getattr(self, name)}; at least 0")


@dataclass(frozen=True)
class TuningHistory:
    """How it went.

    Parameters
    ----------
    train_loss, validation_loss, validation_accuracy : tuple of float
        One value a pass. Training loss is on mixed pictures with smoothed labels, so it stays
        above the other.
    best_epoch : int
        Whose weights were kept, from 0.
    n_train, n_validation, n_without_picture : int
    """

    train_loss: tuple[float, ...]
    validation_loss: tuple[float, ...]
    validation_accuracy: tuple[float, ...]
    best_epoch: int
    n_train: int
    n_validation: int
    n_without_picture: int


def fine_tune(
    onnx: bytes,
    loader: ImageLoader,
    sources: Sequence[ImageSource],
    y: NDArray[Any],
    *,
    settings: FineTuning | None = None,
    groups: NDArray[Any] | None = None,
) -> tuple[bytes, TuningHistory]:
    """Train the last blocks of an exported network.

    Parameters
    ----------
    onnx : bytes
    loader : ImageLoader
    sources : sequence of path, bytes or None
        Training rows.
    y : ndarray of shape (n,)
    settings : FineTuning or None
    groups : ndarray of shape (n,) or None

    Returns
    -------
    onnx : bytes
        The network of the best pass; the classifier is dropped.
    history : TuningHistory

    Raises
    ------
    ValidationError
        If fewer than two classes or too few pictures are left to learn from.
    """
    import torch

    cfg = settings or FineTuning()
    device = choose_device(cfg.device)
    rng = np.random.default_rng(cfg.random_state)
    train, held = inner_split(np.asarray(y), groups, cfg.validation_share, cfg.random_state)
    classes, codes = np.unique(y, return_inverse=True)
    cuda = [torch.cuda.current_device()] if device == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        torch.manual_seed(cfg.random_state)
        network = network_from_onnx(onnx)
        tuner = _Tuner(network, len(classes), cfg, device)
        data = _Rows(loader, sources, codes)
        history = _train(tuner, data, train, held, rng)
    return export_onnx(tuner.network), history


def inner_split(
    y: NDArray[Any], groups: NDArray[Any] | None, share: float, random_state: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Split rows into training and validation, stratified where there are no groups.

    Classes with a single row stay in training.

    Raises
    ------
    ValidationError
        If there are fewer than two classes, or fewer than ten rows.
    """
    from sklearn.model_selection import GroupShuffleSplit, train_test_split

    classes, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    if len(classes) < 2 or len(y) < 10:
        raise ValidationError(
            f"fine-tuning got {len(y)} rows of {len(classes)} classes; it needs 10 rows of 2"
        )
    rows = np.arange(len(y))
    if groups is not None:
        splitter = GroupShuffleSplit(1, test_size=share, random_state=random_state)
        train, held = next(splitter.split(rows, y, groups))
        return np.asarray(train), np.asarray(held)
    single = rows[counts[codes] < 2]
    several = rows[counts[codes] >= 2]
    size = max(round(share * len(several)), int((counts >= 2).sum()))
    train, held = train_test_split(
        several, test_size=size, stratify=codes[several], random_state=random_state
    )
    return np.sort(np.concatenate((train, single))), np.sort(held)


@dataclass(frozen=True)
class _Rows:
    loader: ImageLoader
    sources: Sequence[ImageSource]
    codes: NDArray[np.intp]

    def batches(
        self, rows: NDArray[np.intp], size: int
    ) -> Iterator[tuple[ImageBatch, NDArray[np.intp]]]:
        """Yield pictures and codes of `rows`, those without a picture left out of the codes."""
        for batch in self.loader.batches([self.sources[row] for row in rows], size):
            yield batch, self.codes[rows[batch.start : batch.stop]][batch.mask]


class _Tuner:
    """The network with a classifier on top, and the optimiser of what is trained."""

    def __init__(self, network: TorchModule, n_classes: int, cfg: FineTuning, device: str) -> None:
        import torch

        self.cfg, self.device = cfg, device
        self.network = network.to(device)
        for parameter in network.parameters():
            parameter.requires_grad_(False)
        tuned = [p for block in network.blocks()[-cfg.n_blocks :] for p in block.parameters()]
        for parameter in tuned:
            parameter.requires_grad_(True)
        size = network.image_size_px
        with torch.no_grad():
            blank = torch.zeros((1, size, size, 3), dtype=torch.uint8, device=device)
            n_features = network(blank)[0].shape[1]
        self.head = torch.nn.Linear(n_features, n_classes).to(device)
        rates = [
            {"params": tuned, "lr": cfg.learning_rate},
            {"params": list(self.head.parameters()), "lr": 10 * cfg.learning_rate},
        ]
        self.optimizer = torch.optim.AdamW(rates, weight_decay=cfg.weight_decay)

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        embedding, _ = self.network(images)
        logits: torch.Tensor = self.head(embedding)
        return logits

    def state(self) -> dict[str, Any]:
        return copy.deepcopy(self.network.state_dict())


def _warm_start(tuner: _Tuner, data: _Rows, rows: NDArray[np.intp]) -> int:
    """Set the classifier to the nearest class mean of the embeddings; return rows with a picture.

    A random classifier on top would first push noise through the blocks below it.
    """
    import torch

    sums = np.zeros(tuner.head.weight.shape)
    counts = np.zeros(len(sums))
    for batch, codes in data.batches(rows, tuner.cfg.batch_size):
        if len(codes):
            with torch.no_grad():
                images = torch.from_numpy(batch.images[batch.mask]).to(tuner.device)
                embeddings = tuner.network(images)[0].cpu().numpy()
            np.add.at(sums, codes, embeddings)
            np.add.at(counts, codes, 1)
    n = int(counts.sum())
    if n == 0:
        raise ValidationError(f"fine-tuning: none of {len(rows)} training rows has a picture")
    means = sums / np.maximum(counts, 1)[:, None] - sums.sum(axis=0) / n
    bias = -0.5 * (means**2).sum(axis=1)
    with torch.no_grad():
        tuner.head.weight.copy_(torch.from_numpy(SHARPNESS * means))
        tuner.head.bias.copy_(torch.from_numpy(SHARPNESS * bias))
    return n


def _train(
    tuner: _Tuner,
    data: _Rows,
    train: NDArray[np.intp],
    held: NDArray[np.intp],
    rng: np.random.Generator,
) -> TuningHistory:
    losses: list[float] = []
    held_losses: list[float] = []
    accuracies: list[float] = []
    best, n_held = tuner.state(), 0
    n_train = _warm_start(tuner, data, train)
    for epoch in range(tuner.cfg.epochs):
        losses.append(_one_pass(tuner, data, rng.permutation(train), rng))
        loss, accuracy, n_held = _validate(tuner, data, held)
        held_losses.append(loss)
        accuracies.append(accuracy)
        best_epoch = int(np.argmin(held_losses))
        if best_epoch == epoch:
            best = tuner.state()
        elif epoch - best_epoch >= tuner.cfg.patience:
            break
    tuner.network.load_state_dict(best)
    return TuningHistory(
        tuple(losses), tuple(held_losses), tuple(accuracies), int(np.argmin(held_losses)),
        len(train), len(held), len(train) - n_train + len(held) - n_held,
    )  # fmt: skip


def _one_pass(
    tuner: _Tuner, data: _Rows, rows: NDArray[np.intp], rng: np.random.Generator
) -> float:
    """Train on `rows` once and return the mean loss."""
    import torch
    from torch.nn.functional import cross_entropy, one_hot

    total, n = 0.0, 0
    tuner.network.eval()  # batch normalisation and stochastic depth stay as they were trained
    for batch, codes in data.batches(rows, tuner.cfg.batch_size):
        if not len(codes):
            continue
        images = torch.from_numpy(batch.images[batch.mask]).to(tuner.device)
        n_classes = tuner.head.out_features
        targets = one_hot(torch.from_numpy(codes).long(), n_classes).float().to(tuner.device)
        images, targets = mix(
            images,
            targets,
            mixup_alpha=tuner.cfg.mixup_alpha,
            cutmix_alpha=tuner.cfg.cutmix_alpha,
            rng=rng,
        )
        loss = cross_entropy(
            tuner.logits(images), targets, label_smoothing=tuner.cfg.label_smoothing
        )
        tuner.optimizer.zero_grad()
        loss.backward()
        tuner.optimizer.step()
        total, n = total + loss.item() * len(codes), n + len(codes)
    return total / n


def _validate(tuner: _Tuner, data: _Rows, rows: NDArray[np.intp]) -> tuple[float, float, int]:
    """Return mean loss, accuracy, and how many rows had a picture."""
    import torch
    from torch.nn.functional import cross_entropy

    total, right, n = 0.0, 0, 0
    tuner.network.eval()
    with torch.no_grad():
        for batch, codes in data.batches(rows, tuner.cfg.batch_size):
            if not len(codes):
                continue
            targets = torch.from_numpy(codes).long().to(tuner.device)
            logits = tuner.logits(torch.from_numpy(batch.images[batch.mask]).to(tuner.device))
            total += cross_entropy(logits, targets, reduction="sum").item()
            right += int((logits.argmax(dim=1) == targets).sum())
            n += len(codes)
    if n == 0:
        raise ValidationError(f"fine-tuning: none of {len(rows)} validation rows has a picture")
    return total / n, right / n, n
