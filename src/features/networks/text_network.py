"""Text encoders of Hugging Face, wrapped: token numbers go in, one embedding comes out."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.errors import BackboneError
from src.features.networks.architectures import wrap
from src.features.networks.backbones import TorchModule, first_line
from src.features.networks.hugging_face import EAGER, blocks_of, load_whole

if TYPE_CHECKING:
    import torch

TEXT = "text"
TEXT_INPUTS = ("input_ids", "attention_mask")


def build_text_network(folder: Path, pooling: str) -> TorchModule:
    """Build the encoder of a folder of `save_pretrained`, in evaluation mode, on the CPU.

    `forward(input_ids, attention_mask)`, both (n, tokens) int64, returns the embedding (n, d) of
    length 1: the mean of the last hidden states, or the first of them ("cls"). Segment numbers are
    0: title and description are told apart by the separator alone, as e5 and RoBERTa learned it.

    Raises
    ------
    BackboneError
        If the folder holds no such network, or not all of its weights.
    """
    from transformers import AutoModel

    try:
        body = load_whole(AutoModel, folder)
    except (OSError, ValueError, RuntimeError) as error:
        raise BackboneError(
            f"{folder}: the text encoder can't be loaded ({first_line(error)}); expected "
            "config.json and weights as save_pretrained of transformers writes them"
        ) from error
    return _embedder(body, pooling).eval()


def text_network_from_config(config: dict[str, Any], pooling: str) -> TorchModule:
    """Make an encoder with random weights from a configuration of transformers."""
    from transformers import AutoConfig, AutoModel

    made = AutoConfig.for_model(**config)
    return _embedder(AutoModel.from_config(made, attn_implementation=EAGER), pooling).eval()


def _embedder(body: TorchModule, pooling: str) -> TorchModule:
    import torch

    if hasattr(body, "pooler"):
        body.pooler = None  # learned for another task; nothing here reads it

    def embed(
        body: TorchModule, input_ids: torch.Tensor, attention_mask: torch.Tensor
    ) -> torch.Tensor:
        out = body(input_ids=input_ids, attention_mask=attention_mask)
        states = out.last_hidden_state.float()
        pooled = states[:, 0]
        if pooling == "mean":
            weights = attention_mask.unsqueeze(-1).float()
            pooled = (states * weights).sum(dim=1) / weights.sum(dim=1)
        return torch.nn.functional.normalize(pooled, dim=1)

    return wrap(body, embed, blocks=partial(blocks_of, body), pooling=pooling)
