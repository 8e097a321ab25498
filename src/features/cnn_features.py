"""Embeddings of product images by a pretrained network, frozen or fine-tuned.

`CNNFeaturizer` is an extractor: what it says of an image depends on that image and the network
alone. Its state is the network as ONNX bytes; torch is loaded only to make those (once, kept in
`cache_dir`), to fine-tune, or to run on a graphics card. `FineTunedCNN` learns from many products,
so it is an estimator: each fold tunes its own copy, and no row that is scored has been seen.
"""

from __future__ import annotations

import dataclasses
import functools
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
from src.features.networks.runtime import Floats, NetworkFeaturizer
from src.features.networks.trainer import Rows, TrainingRows
from src.features.networks.weights import network_spec, packaged_file, weights_file

# So that a thumbnail or strong compression changes an answer half as often (docs/experiments.md).
DETAIL = 0.75


@dataclasses.dataclass(eq=False)
class CNNFeaturizer(NetworkFeaturizer):
    """Turn images into embeddings.

    `backbone` is as in `backbone_spec`; `weights` are "pretrained", a local file or folder, or
    "random" for tests, which `random_state` seeds. `image_size_px` None takes the network's own
    size, `mode` and `trim` are as in `load_image`. Exported and downloaded networks are kept in
    `cache_dir`; None exports each time.

    >>> featurizer = CNNFeaturizer("efficientnet_lite2", device="cpu")
    >>> featurizer.backbone, featurizer.size_px
    ('efficientnet_lite2', 260)
    """

    backbone: str = "efficientnet_lite2"
    _: dataclasses.KW_ONLY
    weights: str | Path = PRETRAINED
    image_size_px: int | None = None
    mode: str = "letterbox"
    trim: bool = False
    cache_dir: Path | None = None
    random_state: int = 0

    def __post_init__(self) -> None:
        """Stay off the card where torch can't run the network: in int8, or of another program."""
        if self.device == "auto" and (self.precision == "int8" or self.backbone.endswith(".onnx")):
            self.device = "cpu"

    @functools.cached_property
    def size_px(self) -> int:
        """Side of the images that the network takes."""
        source = weights_file(self.backbone, self.weights, self.cache_dir)
        return self.image_size_px or network_spec(self.backbone, source).image_size_px

    def settings(self) -> dict[str, str | int | float]:
        """Return all that changes a value: part of the address of whatever is cached."""
        return {
            **load_settings(self.size_px, self.mode, self.trim),
            "features": f"cnn_{block_suffix(self.backbone)}",
            "detail": DETAIL,
            **self.network_settings(),
        }

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(f"cnn_{block_suffix(self.backbone)}_{i}" for i in range(self.n_features))

    def prepare(self) -> CNNFeaturizer:
        """Make or read the ONNX bytes."""
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

    def origin(self) -> dict[str, Any]:
        """Return the backbone, and which files it was made from."""
        return {"backbone": self.backbone, **super().origin()}

    def check(self) -> None:
        """Refuse what can't be had or doesn't go together; installed weights are there."""
        packaged = packaged_file(backbone_spec(self.backbone)) is not None
        if self.used_precision == "int8" or str(self.weights) != PRETRAINED or not packaged:
            super().check()

    def blank(self) -> Pixels:
        """Return a black square."""
        return np.zeros((1, self.size_px, self.size_px, 3), dtype=np.uint8)

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
