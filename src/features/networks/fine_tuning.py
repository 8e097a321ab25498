"""Light fine-tuning: the last blocks of a network, on the rows handed in and on no others.

This is an estimator's work, so it belongs inside every fold. It sets its own inner validation rows
aside, stops when they no longer improve, and returns the best state as ONNX bytes. Batch
normalisation keeps its statistics: a few thousand images of one shop are too few to estimate them.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from src.data.image_decode import ImageSource, Pixels
from src.data.splits import split_holdout
from src.errors import UsageError, ValidationError
from src.features.networks.backbones import TorchModule
from src.features.networks.export import export_onnx
from src.features.networks.runtime import choose_device
from src.features.networks.weights import network_from_onnx

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

Loader = Callable[[Sequence[ImageSource], int], Iterator[tuple[slice, Pixels, NDArray[np.bool_]]]]
# Embeddings of length 1 differ by about 0.1 between classes; this makes logits of a few units.
INVERSE_TEMPERATURE = 30.0
LEAST_ROWS = 10


@dataclass(frozen=True)
class FineTuning:
    """Settings of fine-tuning; those of ``[features.image.cnn.fine_tune]``, and constants."""

    n_blocks: int = 2  # to train, counted from the output
    epochs: int = 8
    patience: int = 2  # epochs without a lower validation loss before training stops
    batch_size: int = 32
    learning_rate: float = 3e-4  # of the blocks; the new classifier learns ten times as fast
    weight_decay: float = 1e-4
    # Parameters of Beta distributions; with both above 0 a batch takes either with even odds.
    mixup_alpha: float = 0.2
    cutmix_alpha: float = 1.0
    label_smoothing: float = 0.1  # of the target, over all classes (Szegedy et al. 2016)
    validation_share: float = 0.15  # of the training rows, held out for early stopping
    device: str = "auto"
    random_state: int = 0


def fine_tune(
    onnx: bytes,
    load: Loader,
    sources: Sequence[ImageSource],
    y: NDArray[Any],
    *,
    settings: FineTuning,
    groups: NDArray[Any] | None = None,
) -> tuple[bytes, dict[str, Any]]:
    """Train the last blocks of an exported network.

    `load` is as `load_batches`, at the network's size; `sources` are the training rows, of classes
    `y`, shape (n,): those without an image are left out. Rows of one of the `groups`, shape (n,),
    stay on one side of the inner split.

    Returns the network of the best epoch, without the classifier, and the history: ``n_train``,
    images trained on; ``best_epoch``, from 1; ``epochs``, of each its ``train_loss`` (on mixed
    images with smoothed labels, so it stays above the other), and ``loss`` and ``accuracy`` on the
    rows held out.

    Raises
    ------
    ValidationError
        If fewer than two classes or too few images are left to learn from.
    """
    import torch

    train, held = inner_split(y, groups, settings.validation_share, settings.random_state)
    codes = np.unique(y, return_inverse=True)[1]
    cuda = [torch.cuda.current_device()] if choose_device(settings.device) == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        torch.manual_seed(settings.random_state)
        trainer = _Trainer(network_from_onnx(onnx), load, sources, codes, settings)
        history = trainer.fit(train, held)
    return export_onnx(trainer.network), history


def inner_split(
    y: NDArray[Any], groups: NDArray[Any] | None, share: float, random_state: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return training and validation rows, stratified, grouped; tiny classes stay in training."""
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


def check_blocks(network: TorchModule, n_blocks: int) -> None:
    """Refuse to train more blocks than there are."""
    n = len(network.blocks())
    if n_blocks > n:
        key = "features.image.cnn.fine_tune.n_blocks"
        raise UsageError(
            f"{key} = {n_blocks}: {network.spec.name} has {n} blocks",
            next_command=f"--set {key}={n}",
        )


class _Trainer:
    """The network with a classifier on top, the optimiser of what is trained, and the rows."""

    def __init__(
        self,
        network: TorchModule,
        load: Loader,
        sources: Sequence[ImageSource],
        codes: NDArray[np.intp],
        cfg: FineTuning,
    ) -> None:
        import torch

        check_blocks(network, cfg.n_blocks)
        self.load, self.sources, self.codes, self.cfg = load, sources, codes, cfg
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

    def fit(self, train: NDArray[np.intp], held: NDArray[np.intp]) -> dict[str, Any]:
        """Train until the loss on `held` stops falling; leave the best weights in the network."""
        epochs: list[dict[str, float]] = []
        n_train = self.warm_start(train)
        best, best_state = 0, copy.deepcopy(self.network.state_dict())
        for epoch in range(self.cfg.epochs):
            train_loss = self.train_epoch(self.rng.permutation(train))
            loss, accuracy = self.validate(held)
            epochs.append({"train_loss": train_loss, "loss": loss, "accuracy": accuracy})
            logger.debug(
                "fine-tuning, epoch %d: loss %.3f in training, %.3f in validation, accuracy %.3f",
                epoch + 1, train_loss, loss, accuracy,
            )  # fmt: skip
            if epoch == 0 or loss < epochs[best]["loss"]:
                best, best_state = epoch, copy.deepcopy(self.network.state_dict())
            elif epoch - best >= self.cfg.patience:
                break
        self.network.load_state_dict(best_state)
        logger.info(
            "fine-tuned on %d images: epoch %d of %d, validation loss %.3f, accuracy %.3f",
            n_train, best + 1, len(epochs), epochs[best]["loss"], epochs[best]["accuracy"],
        )  # fmt: skip
        return {"n_train": n_train, "best_epoch": best + 1, "epochs": epochs}

    def batches(self, rows: NDArray[np.intp]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield images and class codes of `rows` on the device, without those that have none."""
        import torch

        sources = [self.sources[row] for row in rows]
        for part, images, mask in self.load(sources, self.cfg.batch_size):
            if mask.any():
                codes = torch.from_numpy(self.codes[rows[part]][mask]).long()
                yield torch.from_numpy(images[mask]).to(self.device), codes.to(self.device)

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

        mix, total, n = self.mixing(), 0.0, 0
        for images, codes in self.batches(rows):
            mixed, targets = images, one_hot(codes, self.classifier.out_features).float()
            if mix is not None:
                # The transforms want channels first, and cut and fade in place.
                faded, targets = mix(images.permute(0, 3, 1, 2).float(), codes)
                mixed = faded.permute(0, 2, 3, 1)
            smoothing = self.cfg.label_smoothing
            loss = cross_entropy(self.logits(mixed), targets, label_smoothing=smoothing)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            total, n = total + loss.item() * len(codes), n + len(codes)
        return total / n

    def mixing(self) -> Any:  # noqa: ANN401 - torchvision's transforms have no such type
        """Return MixUp (Zhang et al. 2018), CutMix (Yun et al. 2019), either, or None."""
        from torchvision.transforms import v2

        kinds = ((v2.MixUp, self.cfg.mixup_alpha), (v2.CutMix, self.cfg.cutmix_alpha))
        classes = self.classifier.out_features
        chosen = [kind(alpha=alpha, num_classes=classes) for kind, alpha in kinds if alpha > 0]
        return v2.RandomChoice(chosen) if chosen else None

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
