"""Embeddings of product images by a pretrained network.

`CNNFeaturizer` is an extractor: what it says of an image depends on that image and the network
alone. Its state is the network as ONNX bytes; torch is loaded only to make those (once, kept in
`cache_dir`), to fine-tune, or to run on a graphics card.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src.data.image_decode import ImageSource
from src.features.image.loader import ImageLoader
from src.features.networks.backbones import PRETRAINED, backbone_spec
from src.features.networks.export import build_onnx
from src.features.networks.fine_tuning import FineTuning, TuningHistory, fine_tune
from src.features.networks.runtime import EmbeddingSession, Floats
from src.files import sha256


class CNNFeaturizer:
    """Turn images into embeddings.

    Parameters
    ----------
    backbone : str
        "resnet18", "resnet50", "resnet101", "efficientnet_lite0", "efficientnet_lite2", "vit".
    weights : str or Path
        "pretrained", a local file (for "vit" a folder), or "random" for tests.
    image_size_px : int or None
        None takes the size the network was trained at.
    mode : {"letterbox", "stretch"}
        As in `ImageLoader`.
    device, runtime, precision : str
        As in `EmbeddingSession`.
    batch_size : int
        Images that the network sees at a time.
    n_threads : int or None
        None takes every core.
    cache_dir : Path or None
        Where exported networks are kept; None exports each time.
    random_state : int
        Seeds random weights.

    Attributes
    ----------
    onnx_ : bytes
        The network, after `prepare`.
    history_ : TuningHistory or None
        Losses of the fine-tuning, if it is a tuned copy.

    Examples
    --------
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
        self.device = device
        self.batch_size = batch_size
        self.runtime = runtime
        self.precision = precision
        self.n_threads = n_threads
        self.cache_dir = cache_dir
        self.random_state = random_state
        self.history_: TuningHistory | None = None
        self._session: EmbeddingSession | None = None
        self._n_features: int | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave the session behind: it is threads and native memory, and is made again."""
        return {**self.__dict__, "_session": None}

    @property
    def size_px(self) -> int:
        """Side of the images that the network takes."""
        return self.image_size_px or backbone_spec(self.backbone).image_size_px

    @property
    def session(self) -> EmbeddingSession:
        """The network in its runtime, loaded at first use."""
        if self._session is None:
            self._session = EmbeddingSession(
                self.prepare().onnx_,
                runtime=self.runtime,
                device=self.device,
                precision=self.precision,
                n_threads=self.n_threads,
            )
        return self._session

    @property
    def loader(self) -> ImageLoader:
        """What decodes the images."""
        return ImageLoader(self.size_px, self.mode, n_threads=self.n_threads)

    @property
    def settings(self) -> dict[str, str | int]:
        """All that changes a value: part of the address of whatever is cached.

        The runtime is not among them: at one precision all agree to a cosine of 0.999.
        """
        digest = sha256(self.prepare().onnx_)
        return {
            **self.loader.settings,
            "features": f"cnn_{self.backbone}",
            "network": digest[:32],
            "precision": self.session.precision,
        }

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(f"cnn_{self.backbone}_{i}" for i in range(self.n_features))

    @property
    def n_features(self) -> int:
        """Length of an embedding."""
        if self._n_features is None:
            blank = np.zeros((1, self.size_px, self.size_px, 3), dtype=np.uint8)
            self._n_features = int(self.session.run(blank).shape[1])
        return self._n_features

    def prepare(self) -> CNNFeaturizer:
        """Make or read the ONNX bytes; nothing to do after the first time.

        Raises
        ------
        BackboneError
            If the weights can't be had.
        """
        if not hasattr(self, "onnx_"):
            self.onnx_ = build_onnx(
                self.backbone,
                self.weights,
                image_size_px=self.image_size_px,
                random_state=self.random_state,
                cache_dir=self.cache_dir,
            )
        return self

    def extract(self, sources: Sequence[ImageSource]) -> tuple[Floats, NDArray[np.bool_]]:
        """Embed images; the next batches are decoded while the network computes.

        Parameters
        ----------
        sources : sequence of path, bytes or None

        Returns
        -------
        values : ndarray of shape (n, d), float32
            Rows of Euclidean length 1; zeros where there is no image.
        mask : ndarray of shape (n,), bool
            True where there is one.
        """
        values = np.zeros((len(sources), self.n_features), dtype=np.float32)
        mask = np.zeros(len(sources), dtype=bool)
        for batch in self.loader.batches(sources, self.batch_size):
            rows = slice(batch.start, batch.stop)
            mask[rows] = batch.mask
            if batch.mask.all():
                values[rows] = self.session.run(batch.images)
            elif batch.mask.any():
                values[rows][batch.mask] = self.session.run(batch.images[batch.mask])
        return values, mask

    def fine_tune(
        self,
        sources: Sequence[ImageSource],
        y: NDArray[Any],
        settings: FineTuning | None = None,
        *,
        groups: NDArray[Any] | None = None,
    ) -> CNNFeaturizer:
        """Return a copy whose last blocks were trained on these rows, and on these alone.

        Parameters
        ----------
        sources : sequence of path, bytes or None
            Training rows; those without an image are left out.
        y : ndarray of shape (n,)
            Their classes.
        settings : FineTuning or None
            None takes the defaults.
        groups : ndarray of shape (n,) or None
            Rows of one group stay on one side of the inner validation split.

        Returns
        -------
        CNNFeaturizer
        """
        tuned = copy.copy(self)
        tuned.onnx_, tuned.history_ = fine_tune(
            self.prepare().onnx_, self.loader, sources, y, settings=settings, groups=groups
        )
        return tuned
