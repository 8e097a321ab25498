"""Embeddings of product images by a pretrained network, frozen or fine-tuned.

`CNNFeaturizer` is an extractor: what it says of an image depends on that image and the network
alone. Its state is the network as ONNX bytes; torch is loaded only to make those (once, kept in
`cache_dir`), to fine-tune, or to run on a graphics card. `FineTunedCNN` learns from many products,
so it is an estimator: each fold tunes its own copy, and no row that is scored has been seen.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from src.data.image_decode import ImageSource, Pixels
from src.features.image.loader import load_batches, load_image, load_settings
from src.features.networks.backbones import PRETRAINED, backbone_spec, block_suffix
from src.features.networks.export import build_onnx, content_digests
from src.features.networks.fine_tuning import FineTuned, content_digest, image_mixing
from src.features.networks.runtime import (
    Engine,
    Floats,
    choose_device,
    choose_precision,
    choose_runtime,
    start_engine,
)
from src.features.networks.trainer import Rows, TrainingRows
from src.features.networks.weights import network_spec, packaged_file, weights_file
from src.files import sha256

# So that a thumbnail or strong compression changes an answer half as often (docs/experiments.md).
DETAIL = 0.75


class CNNFeaturizer:
    """Turn images into embeddings.

    `backbone` is as in `backbone_spec`; `weights` are "pretrained", a local file or folder, or
    "random" for tests, which `random_state` seeds. `image_size_px` None takes the network's own
    size, `mode` and `trim` are as in `load_image`; device, runtime, precision and n_threads are as
    in `start_engine`. Exported and downloaded networks are kept in `cache_dir`; None exports each
    time. `prepare` sets `onnx_`, the bytes of the network, and `digests_`, the SHA256 of the files
    that it was made from.

    >>> featurizer = CNNFeaturizer("efficientnet_lite2", device="cpu")
    >>> featurizer.backbone, featurizer.size_px
    ('efficientnet_lite2', 260)
    """

    def __init__(
        self,
        backbone: str = "efficientnet_lite2",
        *,
        weights: str | Path = PRETRAINED,
        image_size_px: int | None = None,
        mode: str = "letterbox",
        trim: bool = False,
        device: str = "auto",
        batch_size: int = 32,
        runtime: str = "auto",
        precision: str = "auto",
        n_threads: int | None = None,
        cache_dir: Path | None = None,
        random_state: int = 0,
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.image_size_px = image_size_px
        self.mode = mode
        self.trim = trim
        self.device = device
        self.batch_size = batch_size
        self.runtime = runtime
        self.precision = precision
        self.n_threads = n_threads
        self.cache_dir = cache_dir
        self.random_state = random_state
        self._engine: Engine | None = None
        self._n_features: int | None = None
        self._size_px: int | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave the engine behind: it is threads and native memory, and is made again.

        A graphics card that was asked for may be missing where the copy runs.
        """
        device = "auto" if self.device == "cuda" else self.device
        return {**self.__dict__, "_engine": None, "device": device}

    @property
    def size_px(self) -> int:
        """Side of the images that the network takes."""
        if self._size_px is None:
            source = weights_file(self.backbone, self.weights, self.cache_dir)
            own_px = network_spec(self.backbone, source).image_size_px
            self._size_px = self.image_size_px or own_px
        return self._size_px

    @property
    def engine(self) -> Engine:
        """The network in its runtime, loaded at first use."""
        if self._engine is None:
            self._engine = start_engine(
                self.prepare().onnx_,
                runtime=self.runtime,
                device=self._device,
                precision=self.precision,
                n_threads=self.n_threads,
            )
        return self._engine

    @property
    def _device(self) -> str:
        """Torch can't run int8 nor a file of another program: such a network stays off the card."""
        fixed = self.precision == "int8" or self.backbone.endswith(".onnx")
        return "cpu" if fixed and self.device == "auto" else self.device

    @property
    def used_precision(self) -> str:
        """What "auto" stands for here, or the one named."""
        device = choose_device(self._device)
        return choose_precision(self.precision, choose_runtime(self.runtime, device), device)

    @property
    def settings(self) -> dict[str, str | int | float]:
        """All that changes a value: part of the address of whatever is cached.

        The runtime is not among them: at one precision all agree to a cosine of 0.999.
        """
        return {
            **load_settings(self.size_px, self.mode, self.trim),
            "features": f"cnn_{block_suffix(self.backbone)}",
            "detail": DETAIL,
            "network": sha256(self.prepare().onnx_)[:32],
            "precision": self.used_precision,
        }

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(f"cnn_{block_suffix(self.backbone)}_{i}" for i in range(self.n_features))

    @property
    def n_features(self) -> int:
        """Length of an embedding."""
        if self._n_features is None:
            blank = np.zeros((1, self.size_px, self.size_px, 3), dtype=np.uint8)
            self._n_features = int(self.engine(blank, False)[0].shape[1])
        return self._n_features

    def prepare(self) -> CNNFeaturizer:
        """Make or read the ONNX bytes; BackboneError if the weights can't be had."""
        if not hasattr(self, "onnx_"):
            source = weights_file(self.backbone, self.weights, self.cache_dir)
            self.digests_ = content_digests(source)
            self.onnx_ = build_onnx(
                self.backbone,
                self.weights,
                image_size_px=self.image_size_px,
                random_state=self.random_state,
                cache_dir=self.cache_dir,
                int8=self.precision == "int8",
            )
        return self

    def agreement(self, sources: Sequence[ImageSource]) -> float:
        """Return the mean cosine of embeddings with those of fp32; one can be read at least."""
        exact = copy.copy(self)
        exact.precision = "fp32"
        if self.precision == "int8":
            del exact.onnx_
        (values, found), (others, _) = self.extract(sources), exact.extract(sources)
        return float((values * others)[found].sum(axis=1).mean())

    def origin(self) -> dict[str, Any]:
        """Return what the network is and which files it was made from, as JSON values."""
        return {
            "backbone": self.backbone,
            "precision": self.used_precision,
            "onnx_sha256": sha256(self.prepare().onnx_),
            "files": self.digests_,
        }

    def check(self) -> None:
        """Refuse what can't be had, before any data is read; installed weights are there."""
        choose_device(self.device)
        packaged = packaged_file(backbone_spec(self.backbone)) is not None
        if str(self.weights) != PRETRAINED or self.precision == "int8" or not packaged:
            self.prepare()

    def load(self, source: ImageSource) -> Pixels:
        """Return the square that the network sees, (size, size, 3) uint8."""
        return load_image(source, self.size_px, self.mode, DETAIL, self.trim)

    def load_batches(
        self, sources: Sequence[ImageSource], batch_size: int
    ) -> Iterator[tuple[slice, Pixels, NDArray[np.bool_]]]:
        """Yield the squares that the network sees, as `src.features.image.loader` does."""
        return load_batches(
            sources,
            batch_size,
            size_px=self.size_px,
            mode=self.mode,
            detail=DETAIL,
            trim=self.trim,
            n_threads=self.n_threads,
        )

    def extract(self, sources: Sequence[ImageSource]) -> tuple[Floats, NDArray[np.bool_]]:
        """Return embeddings, shape (n, d), float32, and which images there are, shape (n,).

        Rows have Euclidean length 1, or are zeros where there is no image. The next batches are
        decoded while the network computes.
        """
        values = np.zeros((len(sources), self.n_features), dtype=np.float32)
        mask = np.zeros(len(sources), dtype=bool)
        for rows, images, found in self.load_batches(sources, self.batch_size):
            mask[rows] = found
            if found.any():
                values[rows][found] = self.engine(images[found], False)[0]
        return values, mask


class FineTunedCNN(FineTuned):
    """Embeddings of an image network that was tuned on the rows of `fit`."""

    requires = "has_image"
    section = "features.image.cnn.fine_tune"

    def training_rows(self, X: pd.DataFrame, codes: NDArray[np.intp]) -> TrainingRows:
        """Return the images of the products."""
        sources: list[ImageSource] = X["image"].tolist()
        known = X["image_sha256"].tolist() if "image_sha256" in X else [""] * len(X)
        shown = load_settings(self.featurizer.size_px, self.featurizer.mode, self.featurizer.trim)
        images = (digest or source for digest, source in zip(known, sources, strict=True))
        content = content_digest([shown, DETAIL, *images])

        def read(rows: Rows, batch_size: int) -> Iterator[tuple[Rows, tuple[Pixels]]]:
            chosen = [sources[row] for row in rows]
            for part, images, found in self.featurizer.load_batches(chosen, batch_size):
                yield rows[part][found], (images[found],)

        return TrainingRows(read, codes, content, mix=image_mixing(self.tuning, codes.max() + 1))

    def transform(self, X: pd.DataFrame) -> Floats:
        """Return embeddings, shape (n, n_features), float32; zeros where there is no image."""
        return self.featurizer_.extract([source or None for source in X["image"]])[0]
