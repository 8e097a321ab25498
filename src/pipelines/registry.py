"""Which branches exist, which of them a configuration switches on, and with which weight.

A modality takes part by its line in ``[fusion.weights]``; the text branches by their lines in
``[features.text.weights]`` too, and weigh the product of both. The text encoder and each image
branch are one modality of their own and are also switched by their ``enabled``. A weight of 0
switches off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from src.config import Config, nearest
from src.errors import ConfigError
from src.pipelines import image_pipeline, text_pipeline

if TYPE_CHECKING:
    from src.pipelines.branches import Branch
    from src.pipelines.extractor import Extractor

BUILDERS: Mapping[str, Callable[[Config], list[Branch]]] = {
    text_pipeline.MODALITY: text_pipeline.build,
    text_pipeline.ENCODER: text_pipeline.build_encoder,
    **image_pipeline.BUILDERS,
}


def branch_weights(cfg: Config) -> dict[str, float]:
    """Return the weight of every branch that is on; none, or one of no branch, is a ConfigError.

    >>> from src.config import load_config
    >>> branch_weights(load_config())["tfidf_word"]
    1.0
    """
    weights: dict[str, float] = {}
    for modality, factor in cfg.fusion.weights.items():
        if modality not in BUILDERS:
            raise _unknown(f"fusion.weights.{modality}", modality, tuple(BUILDERS))
        if modality == text_pipeline.MODALITY:
            weights |= {name: factor * w for name, w in _text_weights(cfg).items()}
        elif modality == "image_cnn" and cfg.features.image.cnn.enabled:
            weights |= dict.fromkeys(image_pipeline.network_blocks(cfg), factor)
        elif modality == text_pipeline.ENCODER:
            weights |= {modality: factor} if cfg.features.text.encoder.enabled else {}
        elif getattr(cfg.features.image, modality.removeprefix("image_")).enabled:
            weights[modality] = factor
    weights = {name: weight for name, weight in weights.items() if weight > 0}
    if not weights:
        raise ConfigError(
            "fusion.weights: no branch is switched on; expected at least one weight above 0",
            next_command="python scripts/train_pipeline.py --set fusion.weights.text=1.0",
        )
    return weights


def build_branches(cfg: Config) -> list[Branch]:
    """Return the branches that are on, in configured order."""
    weights = branch_weights(cfg)
    built = [branch for modality in cfg.fusion.weights for branch in BUILDERS[modality](cfg)]
    return [branch for branch in built if branch.name in weights]


def extractors_of(cfg: Config, branches: Sequence[Branch]) -> tuple[Extractor, ...]:
    """Return what makes the product table for some branches: the text's columns first."""
    blocks = {b.extractor.name: b.extractor for b in branches if b.extractor is not None}
    return (*text_pipeline.table_extractors(cfg), *blocks.values())


def check_networks(cfg: Config) -> None:
    """Refuse networks that can't be had or tuned, before any data is read."""
    for branch in build_branches(cfg):
        for part in (branch.transformer, getattr(branch.extractor, "featurizer", None)):
            if part is not None and hasattr(part, "check"):
                part.check()


def known_branches(cfg: Config) -> list[tuple[str, str]]:
    """Return (branch, modality) of everything that can be switched on, in order."""
    text = [(name, text_pipeline.MODALITY) for name in text_pipeline.TRANSFORMERS]
    encoder = (text_pipeline.ENCODER, text_pipeline.MODALITY)
    more = [(name, "image_cnn") for name in list(image_pipeline.network_blocks(cfg))[1:]]
    return [*text, encoder, *((name, name) for name in image_pipeline.BUILDERS), *more]


def _text_weights(cfg: Config) -> dict[str, float]:
    known = tuple(text_pipeline.TRANSFORMERS)
    for name in cfg.features.text.weights:
        if name not in known:
            raise _unknown(f"features.text.weights.{name}", name, known)
    return cfg.features.text.weights


def _unknown(key: str, name: str, choices: tuple[str, ...]) -> ConfigError:
    return ConfigError(
        f"key '{key}': a weight without a branch; {nearest(name, choices)}",
        next_command="cat config/config.toml",
    )
