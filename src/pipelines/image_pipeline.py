"""The image branches: pixels, statistics, embeddings of networks.

Each extractor reads an image once and is cached by the SHA256 of its file. What learns from many
images sees only products that have one; the others get zeros, the mean of the scaled columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from src.cache import content_key
from src.config import Config
from src.data.image_decode import ImageFault, ImageSource, read_source
from src.errors import ConfigError
from src.features.networks.backbones import PRETRAINED, RANDOM, block_suffix
from src.files import sha256
from src.pipelines.extractor import HAS_IMAGE, Extractor

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.base import BaseEstimator

    from src.config_model import Cnn, Vit
    from src.features.cnn_features import CNNFeaturizer
    from src.features.image.pixels import PixelExtractor
    from src.features.image.statistics import ImageStatsCombinedFeaturizer
    from src.pipelines.branches import Branch

MODALITY = "image"


ImageFeaturizer: TypeAlias = "CNNFeaturizer | ImageStatsCombinedFeaturizer | PixelExtractor"


class ImageExtractor(Extractor):
    """One block of values of every image."""

    def keys(self, products: pd.DataFrame) -> list[bytes]:
        """Return a key of the SHA256 of each image; products without one share a key."""
        return [content_key(digest.encode()) for digest in image_digests(products)]

    def extract(self, products: pd.DataFrame) -> dict[str, np.ndarray]:
        """Return the block, zeros where there is no image, and which images could be read.

        Products without an image cost nothing: of 8,000 texts they were a fifth of the time.
        """
        sources = products["image"].tolist()
        rows = [row for row, source in enumerate(sources) if source]
        found, read = self.featurizer.extract([sources[row] for row in rows])
        values = np.zeros((len(sources), *found.shape[1:]), dtype=found.dtype)
        readable = np.zeros(len(sources), dtype=bool)
        values[rows], readable[rows] = found, read
        return {self.name: values, HAS_IMAGE: readable}


def image_digests(products: pd.DataFrame) -> list[str]:
    """Return the SHA256 of each product's image, "" where there is none or it can't be read.

    A column "image_sha256", as stage 1 makes it from the manifest, is taken as it is; images of
    which it holds nothing are read and hashed.
    """
    sources = products["image"].tolist()
    known = "image_sha256" in products
    digests = products["image_sha256"].tolist() if known else [""] * len(sources)
    unknown = [row for row, source in enumerate(sources) if source and not digests[row]]
    if unknown:
        with ThreadPoolExecutor() as pool:
            found = pool.map(_digest, [sources[row] for row in unknown])
            for row, digest in zip(unknown, found, strict=True):
                digests[row] = digest
    return digests


def _digest(source: ImageSource) -> str:
    try:
        return sha256(read_source(source))
    except ImageFault:
        return ""


def build_pixels(cfg: Config) -> list[Branch]:
    """Return the branch ``image_pixels``."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from src.features.image.pixels import PixelExtractor, PixelReducer

    options, reduction = cfg.features.image.pixels, cfg.images.dim_reduction
    if not options.enabled:
        return []
    reducer = PixelReducer(method=reduction.method, n_components=reduction.n_components)
    featurizer = PixelExtractor(options.size_px, cfg.images.mode)
    return [_branch("image_pixels", featurizer, make_pipeline(reducer, StandardScaler()))]


def build_stats(cfg: Config) -> list[Branch]:
    """Return the branch ``image_stats``."""
    from src.features.image.statistics import ImageStatsCombinedFeaturizer
    from src.pipelines.branches import clipped_scaler

    if not cfg.features.image.stats.enabled:
        return []
    return [_branch("image_stats", ImageStatsCombinedFeaturizer(), clipped_scaler())]


def build_cnn(cfg: Config) -> list[Branch]:
    """Return a branch for each of `network_blocks`; fine-tuned where the configuration says so."""
    options = cfg.features.image.cnn
    return [_cnn(cfg, options, *block) for block in network_blocks(cfg).items() if options.enabled]


def network_blocks(cfg: Config) -> dict[str, str]:
    """Return the networks of ``image_cnn`` by their blocks: the first has that name alone.

    They are those of ``features.image.networks``, or ``features.image.cnn.backbone``.
    """
    listed, options = cfg.features.image.networks, cfg.features.image.cnn
    first, *others = listed or (options.backbone,)
    blocks = {"image_cnn": first, **{f"image_cnn_{block_suffix(name)}": name for name in others}}
    is_path = "/" in first and not first.startswith("hf:")
    if len(blocks) < len(listed) or len(set(listed)) < len(listed):
        problem = f"features.image.networks = {list(listed)}: two have the same name"
    elif (listed or is_path) and options.weights not in (PRETRAINED, RANDOM):
        problem = f"features.image.cnn.weights = {options.weights!r} is for a backbone with a name"
        problem += "; features.image.networks, and a path, name files and folders themselves"
    else:
        return blocks
    raise ConfigError(problem, next_command="cat config/config.toml")


def _cnn(cfg: Config, options: Cnn, name: str, backbone: str) -> Branch:
    featurizer = _network(cfg, options, backbone, cfg.images.size or None)
    if not options.fine_tune.enabled:
        return _branch(name, featurizer, None)
    from src.features.cnn_features import FineTunedCNN
    from src.features.image.statistics import ImageStatsCombinedFeaturizer
    from src.pipelines.branches import Branch, tuned_in_folds

    # The untuned network's embeddings are not read; which images can be, the statistics say.
    stats = ImageExtractor("image_stats", ImageStatsCombinedFeaturizer())
    tuned = tuned_in_folds(FineTunedCNN, featurizer, options, cfg)
    return Branch(name, MODALITY, stats, tuned, cross_fit=options.fine_tune.cross_fit)


def build_vit(cfg: Config) -> list[Branch]:
    """Return the branch ``image_vit``."""
    options = cfg.features.image.vit
    return [_branch("image_vit", _network(cfg, options, "vit"), None)] if options.enabled else []


def _network(
    cfg: Config, options: Cnn | Vit, backbone: str, size_px: int | None = None
) -> CNNFeaturizer:
    from src.features.cnn_features import CNNFeaturizer

    return CNNFeaturizer(
        backbone,
        image_size_px=size_px,
        mode=cfg.images.mode,
        trim=cfg.images.trim,
        cache_dir=cfg.paths.networks_dir,
        random_state=cfg.compute.seed,
        **options.model_dump(include={"weights", "device", "batch_size", "runtime", "precision"}),
    )


BUILDERS: Mapping[str, Callable[[Config], list[Branch]]] = {
    "image_pixels": build_pixels,
    "image_stats": build_stats,
    "image_cnn": build_cnn,
    "image_vit": build_vit,
}


def _branch(name: str, featurizer: ImageFeaturizer, transformer: BaseEstimator | None) -> Branch:
    """Return the branch of one block; a transformer is fitted on products with an image."""
    from sklearn.pipeline import make_pipeline

    from src.pipelines.branches import Branch, PresentRows, select_columns

    steps = make_pipeline(select_columns(name), PresentRows(transformer))
    return Branch(name, MODALITY, ImageExtractor(name, featurizer), steps)
