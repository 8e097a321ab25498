"""Light fine-tuning: the last blocks of a network, on the rows handed in and on no others.

This is an estimator's work, so it belongs inside every fold. It sets its own inner validation rows
aside, stops when they no longer improve, and returns the best state as ONNX bytes. Batch
normalisation keeps its statistics: a few thousand images of one shop are too few to estimate them.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from src.data.image_decode import ImageSource
from src.data.splits import split_holdout
from src.errors import UsageError, ValidationError
from src.features.image.loader import ImageLoader
from src.features.networks.backbones import TorchModule
from src.features.networks.export import export_onnx
from src.features.networks.mixing import mix
from src.features.networks.runtime import choose_device
from src.features.networks.weights import network_from_onnx

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

# Embeddings of length 1 differ by about 0.1 between classes; this makes logits of a few units.
INVERSE_TEMPERATURE = 30.0
LEAST_ROWS = 10


@dataclass(frozen=True)
class FineTuning:
    """Settings of fine-tuning.

    Parameters
    ----------
    n_blocks : int
        Blocks to train, counted from the output.
    epochs : int
        Epochs at the most.
    patience : int
        Epochs without a lower validation loss before training stops.
    learning_rate : float
        Of the blocks; the new classifier learns ten times as fast.
    mixup_alpha, cutmix_alpha : float
        Parameters of the Beta distributions (Zhang et al. 2018; Yun et al. 2019); 0 switches one
        off, with both on a batch takes either with even odds.
    label_smoothing : float
        Share of the target spread over all classes (Szegedy et al. 2016).
    validation_share : float
        Of the training rows, held out for early stopping.
    device : {"auto", "cpu", "cuda"}

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
    """Losses of a fine-tuning.

    Attributes
    ----------
    train_loss, validation_loss : tuple of float
        One value an epoch. Training loss is on mixed images with smoothed labels, so it stays
        above the other.
    best_epoch : int
        Whose weights were kept, from 0.
    n_train : int
        Images that were trained on.
    """

    train_loss: tuple[float, ...]
    validation_loss: tuple[float, ...]
    best_epoch: int
    n_train: int


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
        From `export_onnx`.
    sources : sequence of path, bytes or None
        Training rows; those without an image are left out.
    y : ndarray of shape (n,)
        Their classes.
    settings : FineTuning or None
        None takes the defaults.
    groups : ndarray of int, shape (n,), or None
        Rows of one group stay on one side of the inner split.

    Returns
    -------
    onnx : bytes
        The network of the best epoch; the classifier is dropped.
    history : TuningHistory

    Raises
    ------
    ValidationError
        If fewer than two classes or too few images are left to learn from.
    """
    import torch

    cfg = settings or FineTuning()
    train, held = inner_split(np.asarray(y), groups, cfg.validation_share, cfg.random_state)
    codes = np.unique(y, return_inverse=True)[1]
    cuda = [torch.cuda.current_device()] if choose_device(cfg.device) == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        torch.manual_seed(cfg.random_state)
        trainer = _Trainer(network_from_onnx(onnx), loader, sources, codes, cfg)
        history = trainer.fit(train, held)
    return export_onnx(trainer.network), history


def inner_split(
    y: NDArray[Any], groups: NDArray[Any] | None, share: float, random_state: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return training and validation rows, stratified and grouped; tiny classes stay in training.

    Raises
    ------
    ValidationError
        If there are fewer than two classes, fewer than ten rows, or none can be held out.
    """
    n_classes = len(np.unique(y))
    if n_classes < 2 or len(y) < LEAST_ROWS:
        raise ValidationError(
            f"fine-tuning got {len(y)} rows of {n_classes} classes; it needs {LEAST_ROWS} rows of 2"
        )
    held = split_holdout(y, np.arange(len(y)) if groups is None else groups, share, random_state)
    if not held.any():
        raise ValidationError(
            f"fine-tuning got {len(y)} rows of {n_classes} classes; too few of each to hold any out"
        )
    return np.flatnonzero(~held), np.flatnonzero(held)


class _Trainer:
    """The network with a classifier on top, the optimiser of what is trained, and the rows."""

    def __init__(
        self,
        network: TorchModule,
        loader: ImageLoader,
        sources: Sequence[ImageSource],
        codes: NDArray[np.intp],
        cfg: FineTuning,
    ) -> None:
        import torch

        self.loader, self.sources, self.codes, self.cfg = loader, sources, codes, cfg
        self.device = device = choose_device(cfg.device)
        self.rng = np.random.default_rng(cfg.random_state)
        self.network = network.to(device)
        # Batch normalisation and stochastic depth stay as they were trained.
        self.network.eval()
        for parameter in network.parameters():
            parameter.requires_grad_(False)
        tuned = [p for block in network.blocks()[-cfg.n_blocks :] for p in block.parameters()]
        for parameter in tuned:
            parameter.requires_grad_(True)
        size = network.image_size_px
        with torch.no_grad():
            blank = torch.zeros((1, size, size, 3), dtype=torch.uint8, device=device)
            n_features = network(blank)[0].shape[1]
        self.classifier = torch.nn.Linear(n_features, int(codes.max()) + 1).to(device)
        rates = [
            {"params": tuned, "lr": cfg.learning_rate},
            {"params": list(self.classifier.parameters()), "lr": 10 * cfg.learning_rate},
        ]
        self.optimizer = torch.optim.AdamW(rates, weight_decay=cfg.weight_decay)

    def fit(self, train: NDArray[np.intp], held: NDArray[np.intp]) -> TuningHistory:
        """Train until the loss on `held` stops falling; leave the best weights in the network."""
        epochs: list[tuple[float, float, float]] = []
        n_train = self.warm_start(train)
        best_epoch, best_state = 0, copy.deepcopy(self.network.state_dict())
        for epoch in range(self.cfg.epochs):
            train_loss = self.train_epoch(self.rng.permutation(train))
            loss, accuracy = self.validate(held)
            epochs.append((train_loss, loss, accuracy))
            if epoch == 0 or loss < epochs[best_epoch][1]:
                best_epoch, best_state = epoch, copy.deepcopy(self.network.state_dict())
            elif epoch - best_epoch >= self.cfg.patience:
                break
        self.network.load_state_dict(best_state)
        train_losses, losses, accuracies = zip(*epochs, strict=True)
        logger.info(
            "fine-tuned on %d images: epoch %d of %d, validation loss %.3f, accuracy %.3f",
            n_train, best_epoch + 1, len(epochs), losses[best_epoch], accuracies[best_epoch],
        )  # fmt: skip
        return TuningHistory(train_losses, losses, best_epoch, n_train)

    def batches(self, rows: NDArray[np.intp]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield images and class codes of `rows` on the device, without those that have none."""
        import torch

        sources = [self.sources[row] for row in rows]
        for batch in self.loader.batches(sources, self.cfg.batch_size):
            if batch.mask.any():
                codes = self.codes[rows[batch.start : batch.stop]][batch.mask]
                images = torch.from_numpy(batch.images[batch.mask])
                yield images.to(self.device), torch.from_numpy(codes).long().to(self.device)

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """Return the classifier's logits, shape (n, n_classes)."""
        logits: torch.Tensor = self.classifier(self.network(images)[0])
        return logits

    def warm_start(self, rows: NDArray[np.intp]) -> int:
        """Set the classifier to the nearest class mean; return the number of rows with an image.

        A random classifier on top would first push noise through the blocks below it.
        """
        import torch

        sums = np.zeros(self.classifier.weight.shape)
        counts = np.zeros(len(sums))
        for images, codes in self.batches(rows):
            with torch.no_grad():
                embeddings = self.network(images)[0]
            np.add.at(sums, codes.cpu().numpy(), embeddings.cpu().numpy())
            np.add.at(counts, codes.cpu().numpy(), 1)
        n = int(counts.sum())
        if n == 0:
            raise ValidationError(f"fine-tuning: none of {len(rows)} training rows has an image")
        means = sums / np.maximum(counts, 1)[:, None] - sums.sum(axis=0) / n
        bias = -0.5 * (means**2).sum(axis=1)
        with torch.no_grad():
            self.classifier.weight.copy_(torch.from_numpy(INVERSE_TEMPERATURE * means))
            self.classifier.bias.copy_(torch.from_numpy(INVERSE_TEMPERATURE * bias))
        return n

    def train_epoch(self, rows: NDArray[np.intp]) -> float:
        """Train on `rows` once and return the mean loss."""
        from torch.nn.functional import cross_entropy, one_hot

        total, n = 0.0, 0
        for images, codes in self.batches(rows):
            mixed, targets = mix(
                images,
                one_hot(codes, self.classifier.out_features).float(),
                mixup_alpha=self.cfg.mixup_alpha,
                cutmix_alpha=self.cfg.cutmix_alpha,
                rng=self.rng,
            )
            smoothing = self.cfg.label_smoothing
            loss = cross_entropy(self.logits(mixed), targets, label_smoothing=smoothing)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            total, n = total + loss.item() * len(codes), n + len(codes)
        return total / n

    def validate(self, rows: NDArray[np.intp]) -> tuple[float, float]:
        """Return mean loss and accuracy over the rows with an image."""
        import torch
        from torch.nn.functional import cross_entropy

        total, right, n = 0.0, 0, 0
        for images, codes in self.batches(rows):
            with torch.no_grad():
                logits = self.logits(images)
            total += cross_entropy(logits, codes, reduction="sum").item()
            right += int((logits.argmax(dim=1) == codes).sum())
            n += len(codes)
        if n == 0:
            raise ValidationError(f"fine-tuning: none of {len(rows)} validation rows has an image")
        return total / n, right / n
