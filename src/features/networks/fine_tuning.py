"""Fine-tuning: a network in, a better one for the rows handed in out, as ONNX bytes both.

What is trained (the last blocks, all, or low ranks added to them), how images are mixed, and the
estimator that all tuned networks are.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from src.data.splits import split_holdout
from src.errors import UsageError, ValidationError
from src.features.networks.backbones import TorchModule
from src.features.networks.export import export_onnx
from src.features.networks.runtime import choose_device
from src.features.networks.trainer import FineTuning, Rows, TrainingRows, train
from src.features.networks.weights import network_from_onnx
from src.files import sha256

if TYPE_CHECKING:
    import torch

LEAST_ROWS = 10
# Raise it when the same rows and settings give another network.
VERSION = 1
LORA_SCALE = 2.0


class FineTuned(TransformerMixin, BaseEstimator):
    """Embeddings of a network that is tuned on the rows of `fit`, in every fold its own copy.

    `featurizer` is the untuned network; checkpoints and results are kept in `folder`. After `fit`,
    `featurizer_` is the tuned copy and `history_` what `train` says of it.
    """

    requires: ClassVar[str]  # the column that says which products there is something to read of
    section: ClassVar[str]  # of the configuration

    def __init__(
        self,
        featurizer: Any,  # noqa: ANN401 - of images or texts
        tuning: FineTuning,
        folder: Path | None = None,
    ) -> None:
        self.featurizer = featurizer
        self.tuning = tuning
        self.folder = folder

    def __getstate__(self) -> dict[str, Any]:
        """Leave the bytes of the untuned network behind, which only `fit` reads."""
        state = super().__getstate__()
        untuned = copy.copy(self.featurizer)
        untuned.__dict__.pop("onnx_", None)
        return {**state, "featurizer": untuned}

    def check(self) -> None:
        """Make the network that tuning starts from; UsageError if it can't be tuned so."""
        self.featurizer.check()
        choose_trained(
            network_from_onnx(self.featurizer.prepare().onnx_), self.tuning, self.section
        )

    def fit(self, X: pd.DataFrame, y: NDArray[Any]) -> FineTuned:
        """Tune on the products that there is something to read of; duplicates stay on one side."""
        present = X[self.requires].to_numpy(dtype=bool)
        rows = self.training_rows(X[present], np.unique(y[present], return_inverse=True)[1])
        self.featurizer_ = copy.copy(self.featurizer.prepare())
        self.featurizer_.onnx_, self.history_ = fine_tune(
            self.featurizer.onnx_,
            rows,
            self.tuning,
            groups=X["group"].to_numpy()[present] if "group" in X else None,
            folder=self.folder,
        )
        return self

    def training_rows(self, X: pd.DataFrame, codes: NDArray[np.intp]) -> TrainingRows:
        """Return the products as the network reads them."""
        raise NotImplementedError

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Return the names of the embedding's values."""
        return np.array(self.featurizer_.names, dtype=object)


def fine_tune(
    onnx: bytes,
    rows: TrainingRows,
    settings: FineTuning,
    *,
    groups: NDArray[Any] | None = None,
    folder: Path | None = None,
) -> tuple[bytes, dict[str, Any]]:
    """Train an exported network; return the tuned one and the history, as `train` does.

    Rows of one of the `groups`, shape (n,), stay on one side of the inner split. Checkpoints and
    results are kept in `folder`. Too few rows or classes to learn from are a ValidationError.
    """
    import torch

    split = inner_split(rows.codes, groups, settings.validation_share, settings.random_state)
    network = network_from_onnx(onnx)
    blocks = choose_trained(network, settings)
    arrays = [array.tobytes() for array in (rows.codes, *split)]
    used = settings.model_dump(exclude={"enabled", "cross_fit", "checkpoint_s"})
    used["device"] = choose_device(settings.device)
    about = [VERSION, torch.__version__, used, rows.content]
    checkpoint = folder and folder / f"{content_digest([onnx, *arrays, repr(about)])[:32]}.pt"
    history = train(network, blocks, rows, split, settings, checkpoint)
    _merge_low_ranks(network)
    return export_onnx(network), history


def content_digest(values: Iterable[object]) -> str:
    """Return a digest of what rows are read from."""
    parts = [sha256(value) if isinstance(value, bytes) else str(value) for value in values]
    return sha256(json.dumps(parts).encode())


def inner_split(
    y: NDArray[Any], groups: NDArray[Any] | None, share: float, random_state: int
) -> tuple[Rows, Rows]:
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


def choose_trained(
    network: TorchModule, settings: FineTuning, section: str = "fine_tune"
) -> list[TorchModule]:
    """Mark what is trained in the last blocks, and return these from input to output.

    With a rank, each of their linear layers gets the product of two small matrices added, which
    alone are trained (Hu et al. 2022, LoRA); the sum changes nothing at first. More blocks than
    there are, or none with a linear layer, is a UsageError.
    """
    import torch

    blocks, n_blocks = network.blocks(), settings.n_blocks
    if n_blocks > len(blocks):
        raise UsageError(
            f"{section}.n_blocks = {n_blocks}: the network has {len(blocks)} blocks",
            next_command=f"--set {section}.n_blocks={len(blocks)}",
        )
    blocks = blocks[-n_blocks:]  # 0 takes all
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    if not settings.lora_rank:
        for block in blocks:
            block.requires_grad_(True)
        return blocks
    layers = [m for block in blocks for m in block.modules() if isinstance(m, torch.nn.Linear)]
    if not layers:
        raise UsageError(
            f"{section}.lora_rank = {settings.lora_rank}: the blocks have no linear layer",
            next_command=f"--set {section}.lora_rank=0",
        )
    draws = torch.Generator().manual_seed(settings.random_state)
    for layer in layers:
        n_out, n_in = layer.weight.shape
        low_rank = _low_rank(n_out, n_in, settings.lora_rank, draws)
        torch.nn.utils.parametrize.register_parametrization(layer, "weight", low_rank)
    return blocks


def _low_rank(n_out: int, n_in: int, rank: int, draws: torch.Generator) -> TorchModule:
    import torch

    class LowRank(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            down = torch.randn((rank, n_in), generator=draws) / math.sqrt(n_in)
            self.down = torch.nn.Parameter(down)
            self.up = torch.nn.Parameter(torch.zeros((n_out, rank)))

        def forward(self, weight: torch.Tensor) -> torch.Tensor:
            return weight + LORA_SCALE * (self.up @ self.down)

    return LowRank()


def _merge_low_ranks(network: TorchModule) -> None:
    """Make what was added part of the weights."""
    from torch.nn.utils import parametrize

    for module in list(network.modules()):
        if parametrize.is_parametrized(module):
            parametrize.remove_parametrizations(module, "weight")


def image_mixing(
    settings: FineTuning, n_classes: int
) -> Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]] | None:
    """Return MixUp (Zhang et al. 2018), CutMix (Yun et al. 2019), either, or None."""
    from torchvision.transforms import v2

    kinds = ((v2.MixUp, settings.mixup_alpha), (v2.CutMix, settings.cutmix_alpha))
    chosen = [kind(alpha=alpha, num_classes=n_classes) for kind, alpha in kinds if alpha > 0]
    if not chosen:
        return None
    either = v2.RandomChoice(chosen)

    def mix(images: torch.Tensor, codes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        # The transforms want channels first, and cut and fade in place.
        mixed, shares = either(images.permute(0, 3, 1, 2).float(), codes)
        return mixed.permute(0, 2, 3, 1), shares

    return mix
