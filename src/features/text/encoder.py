"""Embeddings of product texts by a pretrained encoder of Hugging Face, frozen or fine-tuned.

`TextEncoder` is an extractor: what it says of a product depends on its text and the network alone.
Its state is the network as ONNX bytes and the tokenizer's JSON; torch and transformers are loaded
only to make the bytes, once. `FineTunedEncoder` learns from many products: each fold tunes its own.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from src.errors import BackboneError, UsageError
from src.features.networks.export import build_text_onnx, content_digests
from src.features.networks.fine_tuning import FineTuned, content_digest
from src.features.networks.hub import model_files
from src.features.networks.runtime import Floats, NetworkFeaturizer
from src.features.networks.trainer import Rows, TrainingRows
from src.features.text.markup import plain_text
from src.files import encodable, sha256

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Tokens = NDArray[np.int64]
FILES = ("config.json", "tokenizer.json", "model*.safetensors*")
# Of a text that is too long, the share that is kept of its start; the rest is its end (Sun et al.
# 2019, "How to fine-tune BERT for text classification", sec. 5.3.1).
HEAD_SHARE = 0.75
# A text is filled up to the next multiple, which depends on it alone: the texts beside it in a
# batch change nothing, and a runtime sees few shapes.
PAD_STEP = 16
# Families whose first place has the number after that of the padding.
COUNTED_FROM_PADDING = ("roberta", "xlm-roberta", "camembert")
# Raise it when the same text and network give other values.
VERSION = 1


@dataclasses.dataclass(eq=False)
class TextEncoder(NetworkFeaturizer):
    """Turn title and description into one embedding.

    `model` is a folder of `save_pretrained` with a ``tokenizer.json``, or a name of Hugging Face,
    ``owner/name`` or ``owner/name@revision``; `pooling` is as in `build_text_network`; `prefix` is
    written before each text, as e5 asks for. Downloads and the exported network are kept in
    `networks_dir`. `prepare` sets `tokenizer_`, JSON, and `pad_id_`, too.
    """

    model: str | Path
    networks_dir: Path
    _: dataclasses.KW_ONLY
    pooling: str = "mean"
    prefix: str = "query: "
    max_tokens: int = 128

    def __getstate__(self) -> dict[str, Any]:
        """Leave the tokenizer behind, too: it is native memory."""
        state = super().__getstate__()
        state.pop("tokenizer", None)
        return state

    def prepare(self) -> TextEncoder:
        """Make or read network and tokenizer."""
        if not hasattr(self, "onnx_"):
            folder = self._folder()
            self.tokenizer_ = _read(folder, "tokenizer.json")
            config = json.loads(_read(folder, "config.json"))
            self.pad_id_ = int(config.get("pad_token_id") or 0)
            longest = config.get("max_position_embeddings", self.max_tokens)
            if config.get("model_type") in COUNTED_FROM_PADDING:
                longest -= self.pad_id_ + 1
            if self.max_tokens > longest:
                key = "features.text.encoder.max_tokens"
                raise UsageError(
                    f"{key} = {self.max_tokens}: {self.model} reads {longest} tokens",
                    next_command=f"--set {key}={longest}",
                )
            self.digests_ = content_digests(folder)
            highest = max(_load_tokenizer(self.tokenizer_).get_vocab().values())
            if highest >= config.get("vocab_size", highest + 1):
                raise BackboneError(
                    f"{folder}: tokenizer.json numbers tokens up to {highest}, the network knows "
                    f"{config['vocab_size']} (vocab_size of config.json); expected the tokenizer "
                    "that it was trained with",
                    next_command=f"ls {folder}",
                )
            self.onnx_ = build_text_onnx(folder, self.pooling, self.networks_dir)
        return self

    def _folder(self) -> Path:
        """Return the folder of the model, fetched where only its name is given."""
        folder, name = Path(self.model), str(self.model)
        if folder.is_dir() or folder.is_absolute() or name.startswith("."):
            return folder
        name, _, revision = name.partition("@")
        return model_files(name, revision or "main", FILES, self.networks_dir)

    def settings(self) -> dict[str, str | int]:
        """Return all that changes a value: part of the address of whatever is cached."""
        return {
            **self.network_settings(),
            "tokenizer": sha256(self.tokenizer_.encode())[:32],
            "prefix": self.prefix,
            "max_tokens": self.max_tokens,
            "version": VERSION,
        }

    def origin(self) -> dict[str, Any]:
        """Return the model, and which files it was made from."""
        return {"model": str(self.model), **super().origin()}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the values."""
        return tuple(str(i) for i in range(self.n_features))

    def blank(self) -> dict[str, Tokens]:
        """Return the special tokens alone."""
        return self.pad(self.tokenise([""], [""]))

    @functools.cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer, which neither fills up nor cuts."""
        return _load_tokenizer(self.prepare().tokenizer_)

    def tokenise(self, titles: Sequence[str], descriptions: Sequence[str]) -> list[Tokens]:
        """Return the token numbers of each product, at most `max_tokens`, special ones included.

        A title and a description are the tokenizer's pair; of what is too long the middle is cut.
        """
        inputs: list[str | tuple[str, str]] = []
        for title, description in zip(titles, descriptions, strict=True):
            first, second = (encodable(plain_text(text)) for text in (title, description))
            if first and second:
                inputs.append((self.prefix + first, second))
            else:
                inputs.append(self.prefix + (first or second))
        found = self.tokenizer.encode_batch_fast(inputs)
        # Of no token at all, as without special ones, a network can't say anything.
        numbers = (encoding.ids or [self.pad_id_] for encoding in found)
        return [self._cut(np.array(ids, dtype=np.int64)) for ids in numbers]

    def _cut(self, tokens: Tokens) -> Tokens:
        if len(tokens) <= self.max_tokens:
            return tokens
        head = round(HEAD_SHARE * self.max_tokens)
        return np.concatenate([tokens[:head], tokens[head - self.max_tokens :]])

    def pad(self, tokens: Sequence[Tokens]) -> dict[str, Tokens]:
        """Return the inputs of the network by name, shape (n, longest), filled up to `PAD_STEP`."""
        width = self._padded(max(map(len, tokens)))
        ids = np.full((len(tokens), width), self.pad_id_, dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, numbers in enumerate(tokens):
            ids[row, : len(numbers)] = numbers
            mask[row, : len(numbers)] = 1
        return {"input_ids": ids, "attention_mask": mask}

    def _padded(self, length: int) -> int:
        return min(-(-length // PAD_STEP) * PAD_STEP, self.max_tokens)

    def batches(self, tokens: Sequence[Tokens]) -> Iterator[tuple[Tokens, dict[str, Tokens]]]:
        """Yield positions of up to `batch_size` texts of one padded length, and their inputs."""
        widths = np.array([self._padded(len(numbers)) for numbers in tokens])
        for width in np.unique(widths):
            rows = np.flatnonzero(widths == width)
            for start in range(0, len(rows), self.batch_size):
                part = rows[start : start + self.batch_size]
                yield part, self.pad([tokens[row] for row in part])

    def extract(self, titles: Sequence[str], descriptions: Sequence[str]) -> Floats:
        """Return embeddings, shape (n, d), float32, of Euclidean length 1."""
        values = np.empty((len(titles), self.n_features), dtype=np.float32)
        for rows, inputs in self.batches(self.tokenise(titles, descriptions)):
            values[rows] = self.engine(inputs, False)[0]
        return values


class FineTunedEncoder(FineTuned):
    """Embeddings of a text encoder that was tuned on the rows of `fit`."""

    requires = "has_text"
    section = "features.text.encoder.fine_tune"

    def training_rows(self, X: pd.DataFrame, codes: NDArray[np.intp]) -> TrainingRows:
        """Return the tokens of the products."""
        tokens = self.featurizer.tokenise(X["designation"].tolist(), X["description"].tolist())

        def read(rows: Rows, batch_size: int) -> Iterator[tuple[Rows, tuple[Tokens, ...]]]:
            for start in range(0, len(rows), batch_size):
                part = rows[start : start + batch_size]
                yield part, tuple(self.featurizer.pad([tokens[row] for row in part]).values())

        lengths = np.array([len(numbers) for numbers in tokens])
        content = content_digest(numbers.tobytes() for numbers in tokens)
        return TrainingRows(read, codes, content, lengths=lengths, unit="texts")

    def transform(self, X: pd.DataFrame) -> Floats:
        """Return embeddings, shape (n, n_features), float32; zeros where there is no text."""
        found = self.featurizer_.extract(X["designation"].tolist(), X["description"].tolist())
        return np.where(X[["has_text"]].to_numpy(dtype=bool), found, np.float32(0.0))


def _read(folder: Path, name: str) -> str:
    try:
        return (folder / name).read_text(encoding="utf-8")
    except OSError as error:
        raise BackboneError(
            f"{folder / name}: can't be read ({error.strerror}); features.text.encoder.model is "
            "expected to be a folder of save_pretrained with a tokenizer.json",
            next_command=f"ls {folder}",
        ) from error


def _load_tokenizer(text: str) -> Tokenizer:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(text)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
