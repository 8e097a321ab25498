"""One training loop for every network: on the rows handed in and on no others.

A classifier stands on the network's embedding while it learns, and is left out afterwards. This is
an estimator's work, so it belongs inside every fold. It sets its own inner validation rows aside,
stops when they no longer improve, and leaves the weights of the best epoch in the network. Batch
normalisation keeps its statistics: a few thousand images of one shop are too few to estimate them.

A training that was killed goes on from its last checkpoint, and gives the same digits as one that
was not: the order of an epoch and what a batch draws (dropout, MixUp) follow from the seed and
their numbers, so that weights, the optimiser's state and the place are all there is to keep.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from src.config_model import FineTuneCnn, FineTuneEncoder
from src.errors import ValidationError
from src.features.networks.backbones import TorchModule
from src.features.networks.runtime import choose_device, choose_precision
from src.files import write_atomically

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

Rows: TypeAlias = NDArray[np.intp]
Arrays: TypeAlias = tuple[NDArray[Any], ...]
# Embeddings of length 1 differ by about 0.1 between classes; this makes logits of a few units.
INVERSE_TEMPERATURE = 30.0
# Rows that the first class means are taken of.
WARM_ROWS = 4_096


class FineTuning(FineTuneCnn, FineTuneEncoder):
    """Settings of fine-tuning: all of the sections ``fine_tune``, where it runs, and constants."""

    patience: int = 2  # epochs without a lower validation loss before training stops
    warmup: float = 0.1  # share of the steps over which the rates rise; then they fall to 0
    weight_decay: float = 1e-4
    max_norm: float = 1.0  # of the gradient of all weights together
    validation_share: float = 0.15  # of the training rows, held out for early stopping
    device: str = "auto"
    precision: str = "auto"  # bf16 is autocast: weights and optimiser stay float32
    random_state: int = 0
    # Seconds between checkpoints, and between lines that say how it goes.
    checkpoint_s: float = 60.0


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """Rows to learn from, which are read batch by batch."""

    # From positions of rows and a batch size: for each batch in order those that can be read, and
    # the inputs of the network for these.
    read: Callable[[Rows, int], Iterator[tuple[Rows, Arrays]]]
    codes: NDArray[np.intp]  # class of each row, from 0
    content: str  # a digest of all that `read` gives
    lengths: NDArray[np.intp] | None = None  # of texts: like ones share a batch
    # Mixes images of a batch: (images, codes) to (images, shares of the classes).
    mix: Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]] | None = None
    unit: str = "images"


def train(
    network: TorchModule,
    blocks: Sequence[TorchModule],
    rows: TrainingRows,
    split: tuple[Rows, Rows],
    settings: FineTuning,
    checkpoint: Path | None = None,
) -> dict[str, Any]:
    """Train what asks for a gradient in the blocks, from input to output, of a network, in place.

    `network(*inputs)` returns the embeddings (n, d), or they are the first of what it returns; it
    is left on the CPU in evaluation mode. `split` are the rows to train on and those to validate
    on; that none of either can be read is a ValidationError. `checkpoint` is the file to go on
    from, named after everything that changes the result; when training is done it holds the result,
    and the next call takes it from there.

    Returns the history: ``n_train``, rows trained on; ``best_epoch``, from 1; ``epochs``, of each
    its ``train_loss`` (on mixed images with smoothed labels, so it stays above the other), and
    ``loss`` and ``accuracy`` on the rows held out.
    """
    device = choose_device(settings.device)
    with _repeatable(device):
        trainer = _Trainer(network.to(device), blocks, rows, split, settings)
        trainer.fit(checkpoint)
    network.cpu().eval()
    place = trainer.place
    history = {"n_train": place["n_train"], "best_epoch": trainer.best + 1}
    return {**history, "epochs": place["epochs"]}


@contextlib.contextmanager
def _repeatable(device: str) -> Iterator[None]:
    """Leave the generators of others alone; have a graphics card repeat its sums to the digit.

    Torch warns of an operation that can't.
    """
    import torch

    cuda = device == "cuda"
    if cuda:  # read when cuBLAS is first used
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng(devices=[torch.cuda.current_device()] if cuda else []):
        torch.use_deterministic_algorithms(before or cuda, warn_only=True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before)


class _Trainer:
    """The network with a classifier on top, the optimiser of what is trained, and the place."""

    def __init__(
        self,
        network: TorchModule,
        blocks: Sequence[TorchModule],
        rows: TrainingRows,
        split: tuple[Rows, Rows],
        cfg: FineTuning,
    ) -> None:
        import torch

        self.network, self.rows, self.cfg = network, rows, cfg
        self.device = next(network.parameters()).device.type
        self.training, self.held = split
        self.n_batches = -(-len(self.training) // cfg.batch_size)
        self.n_steps = cfg.epochs * -(-self.n_batches // cfg.accumulate)
        # What was done: steps; batches of this epoch, their rows and the sum of their losses.
        self.place: dict[str, Any] = {
            "step": 0, "batch": 0, "n": 0, "total": 0.0, "n_train": 0, "epochs": [],
        }  # fmt: skip
        self.rate = 0.0
        self.classifier = self.nearest_mean().to(self.device)
        model = torch.nn.ModuleDict({"network": network, "classifier": self.classifier})
        self.trained = {k: p for k, p in model.named_parameters() if p.requires_grad}
        self.best_weights = self.weights()
        groups = [{"params": [*self.classifier.parameters()], "highest": 10 * cfg.learning_rate}]
        for depth, block in enumerate(reversed(blocks)):
            tuned = [parameter for parameter in block.parameters() if parameter.requires_grad]
            highest = cfg.learning_rate * cfg.layer_decay**depth
            groups += [{"params": tuned, "highest": highest}] if tuned else []
        fused = self.device == "cuda"
        self.optimizer = torch.optim.AdamW(groups, weight_decay=cfg.weight_decay, fused=fused)

    def nearest_mean(self) -> TorchModule:
        """Return the classifier of the nearest class mean.

        A random one on top would first push noise through the blocks below it.
        """
        import torch

        order = np.random.default_rng(self.cfg.random_state).permutation(self.training)[:WARM_ROWS]
        with torch.no_grad():
            found = [(codes, self.embed(inputs)) for _, codes, inputs in self.batches(order)]
            if not found:
                raise _unreadable(order, "training")
            codes, embeddings = (torch.cat(parts).cpu() for parts in zip(*found, strict=True))
            members = torch.nn.functional.one_hot(codes, int(self.rows.codes.max()) + 1).float()
            means = (members.T @ embeddings) / members.sum(dim=0).clamp(min=1)[:, None]
            means -= embeddings.mean(dim=0)
            classifier = torch.nn.Linear(means.shape[1], means.shape[0])
            classifier.weight.copy_(INVERSE_TEMPERATURE * means)
            classifier.bias.copy_(-0.5 * INVERSE_TEMPERATURE * (means**2).sum(dim=1))
        return classifier

    @property
    def best(self) -> int:
        """The epoch of the lowest loss on the rows held out, from 0."""
        return int(np.argmin([epoch["loss"] for epoch in self.place["epochs"]]))

    def is_done(self) -> bool:
        """Tell whether the loss on the rows held out stopped falling, or the epochs are over."""
        n = len(self.place["epochs"])
        return n == self.cfg.epochs or (n > 0 and n - 1 - self.best >= self.cfg.patience)

    def fit(self, checkpoint: Path | None) -> None:
        """Train until it is done; leave the best weights in the network."""
        self.restore(checkpoint)
        while not self.is_done():
            self.train_epoch(checkpoint)
            self.end_epoch()
            self.keep(checkpoint)
        self.load(self.best_weights)
        best = self.place["epochs"][self.best]
        logger.info(
            "fine-tuned on %d %s: epoch %d of %d, validation loss %.3f, accuracy %.3f",
            self.place["n_train"], self.rows.unit, self.best + 1, len(self.place["epochs"]),
            best["loss"], best["accuracy"],
        )  # fmt: skip

    def train_epoch(self, checkpoint: Path | None) -> None:
        """Train on what is left of the epoch."""
        import torch

        place, epoch = self.place, len(self.place["epochs"])
        total = torch.tensor(place["total"], dtype=torch.float64, device=self.device)
        started = kept = time.perf_counter()
        n_before = place["n"]
        self.set_mode(training=True)
        self.optimizer.zero_grad()
        for batch, codes, inputs in self.batches(self.order(epoch), place["batch"]):
            draws = np.random.default_rng((self.cfg.random_state, epoch, batch))
            torch.manual_seed(int(draws.integers(2**31)))
            loss = self.loss(codes, inputs)
            (loss / self.cfg.accumulate).backward()
            total += loss.detach() * len(codes)
            place.update(batch=batch, n=place["n"] + len(codes))
            if batch % self.cfg.accumulate and batch < self.n_batches:
                continue
            self.step()
            now = time.perf_counter()
            self.rate = (place["n"] - n_before) / (now - started)
            if now - kept >= self.cfg.checkpoint_s:
                place["total"], kept = float(total), now
                logger.info(
                    "fine-tuning, batch %d of %d: loss %.3f, %.0f %s/s",
                    batch, self.n_batches, place["total"] / place["n"], self.rate, self.rows.unit,
                )  # fmt: skip
                self.keep(checkpoint)
        place["total"] = float(total)

    def order(self, epoch: int) -> Rows:
        """Return the training rows as an epoch reads them: at random.

        Batches of texts are made of texts of about one length, so that few numbers only fill up.
        """
        rng, size = np.random.default_rng((self.cfg.random_state, epoch)), self.cfg.batch_size
        order: Rows = rng.permutation(self.training)
        if self.rows.lengths is None:
            return order
        full = order[: len(order) // size * size]
        near = self.rows.lengths[full] * rng.uniform(0.8, 1.25, len(full))
        batches = full[np.argsort(near, kind="stable")].reshape(-1, size)
        return np.concatenate([rng.permutation(batches).ravel(), order[len(full) :]])

    def batches(
        self, order: Rows, done: int = 0
    ) -> Iterator[tuple[int, torch.Tensor, list[torch.Tensor]]]:
        """Yield number, classes and inputs, on the device, of each batch that can be read."""
        import torch

        left, size = order[done * self.cfg.batch_size :], self.cfg.batch_size
        for number, (read, inputs) in enumerate(self.rows.read(left, size), done + 1):
            if len(read):
                arrays = [self.rows.codes[read], *map(np.ascontiguousarray, inputs)]
                codes, *tensors = (torch.from_numpy(array).to(self.device) for array in arrays)
                yield number, codes, tensors

    def embed(self, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the embeddings of a batch, float32."""
        import torch

        reduced = choose_precision(self.cfg.precision, "torch", self.device) == "bf16"
        with torch.autocast(self.device, torch.bfloat16, enabled=reduced):
            found = self.network(*inputs)
        embeddings: torch.Tensor = found[0] if isinstance(found, tuple) else found
        return embeddings.float()

    def loss(self, targets: torch.Tensor, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the mean loss of a batch, its images mixed where that is asked for."""
        from torch.nn.functional import cross_entropy

        if self.rows.mix is not None:
            mixed, targets = self.rows.mix(inputs[0], targets)
            inputs = [mixed]
        logits = self.classifier(self.embed(inputs))
        return cross_entropy(logits, targets, label_smoothing=self.cfg.label_smoothing)

    def step(self) -> None:
        """Move the weights against the gradient gathered so far."""
        from torch.nn.utils import clip_grad_norm_

        self.place["step"] += 1
        rising = self.place["step"] / max(1.0, self.cfg.warmup * self.n_steps)
        left = (self.n_steps + 1 - self.place["step"]) / self.n_steps
        for group in self.optimizer.param_groups:
            group["lr"] = group["highest"] * min(rising, left)
        clip_grad_norm_(self.trained.values(), self.cfg.max_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def set_mode(self, *, training: bool) -> None:
        """Have dropout drop in training; batch normalisation keeps its statistics."""
        from torch.nn.modules.batchnorm import _BatchNorm

        for module in self.network.modules():
            module.training = training and not isinstance(module, _BatchNorm)

    def end_epoch(self) -> None:
        """Validate, and keep the weights if they are the best."""
        import torch
        from torch.nn.functional import cross_entropy

        place, total, right, n = self.place, 0.0, 0, 0
        self.set_mode(training=False)
        for _, codes, inputs in self.batches(self.held):
            with torch.no_grad():
                logits = self.classifier(self.embed(inputs))
            total += cross_entropy(logits, codes, reduction="sum").item()
            right += int((logits.argmax(dim=1) == codes).sum())
            n += len(codes)
        if n == 0:
            raise _unreadable(self.held, "validation")
        train_loss = place["total"] / max(place["n"], 1)
        place["epochs"].append({"train_loss": train_loss, "loss": total / n, "accuracy": right / n})
        place.update(n_train=place["n"], batch=0, n=0, total=0.0)
        logger.info(
            "fine-tuning, epoch %d of %d: loss %.3f in training, %.3f in validation, "
            "accuracy %.3f, %.0f %s/s",
            len(place["epochs"]), self.cfg.epochs, train_loss, total / n, right / n,
            self.rate, self.rows.unit,
        )  # fmt: skip
        if self.best == len(place["epochs"]) - 1:
            self.best_weights = self.weights()

    def weights(self) -> dict[str, torch.Tensor]:
        """Return a copy of what is trained."""
        return {name: weight.detach().clone() for name, weight in self.trained.items()}

    def load(self, weights: dict[str, torch.Tensor]) -> None:
        """Copy weights into what is trained."""
        for name, weight in self.trained.items():
            weight.data.copy_(weights[name])

    def keep(self, checkpoint: Path | None) -> None:
        """Write all that the rest of the training depends on, or the result where it is done."""
        import torch

        if checkpoint is None:
            return
        state = {"place": self.place, "best": self.best_weights}
        if not self.is_done():
            state |= {"weights": self.weights(), "optimizer": self.optimizer.state_dict()}
        with write_atomically(checkpoint, "wb") as file:
            torch.save(state, file)

    def restore(self, checkpoint: Path | None) -> None:
        """Go on from a checkpoint, if there is one that can be read."""
        import torch

        if checkpoint is None or not checkpoint.is_file():
            return
        try:
            state = torch.load(checkpoint, map_location=self.device, weights_only=True)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            logger.warning("%s: can't be read, training starts anew (%s)", checkpoint, error)
            return
        self.place, self.best_weights = state["place"], state["best"]
        if "optimizer" in state:
            self.load(state["weights"])
            self.optimizer.load_state_dict(state["optimizer"])
        logger.info(
            "fine-tuning goes on from %s: %d epochs and %d batches are done",
            checkpoint, len(self.place["epochs"]), self.place["batch"],
        )  # fmt: skip


def _unreadable(rows: Rows, part: str) -> ValidationError:
    return ValidationError(f"fine-tuning: none of {len(rows)} {part} rows can be read")
