"""Which branches exist, which of them a configuration switches on, and with which weight.

A branch is switched on by its line in ``[features.<modality>.weights]`` while its modality has a
line in ``[fusion.weights]``; its columns are multiplied by both. A weight of 0 switches off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from src.config import Config
from src.errors import ConfigError
from src.pipelines import text_pipeline
from src.pipelines.registry_types import Branch
from src.typed_toml import nearest

BUILDERS: Mapping[str, Callable[[Config], list[Branch]]] = {
    text_pipeline.MODALITY: text_pipeline.build,
}
BRANCHES: Mapping[str, tuple[str, ...]] = {
    text_pipeline.MODALITY: tuple(text_pipeline.ESTIMATORS),
}


def branch_weights(cfg: Config) -> dict[str, float]:
    """Return the weight of every branch that is on.

    Raises
    ------
    ConfigError
        A weight names a modality or branch that nobody builds, or nothing is switched on.

    Examples
    --------
    >>> from src.config import load_config
    >>> branch_weights(load_config())["tfidf_word"]
    1.0
    """
    weights = {}
    for modality, factor in cfg.fusion.weights.items():
        if modality not in BUILDERS:
            raise _unknown(f"fusion.weights.{modality}", modality, tuple(BUILDERS))
        inner = getattr(cfg.features, modality).weights
        for name, weight in inner.items():
            if name not in BRANCHES[modality]:
                raise _unknown(f"features.{modality}.weights.{name}", name, BRANCHES[modality])
            if factor * weight > 0:
                weights[name] = factor * weight
    if not weights:
        raise ConfigError(
            "fusion.weights: no branch is switched on; expected at least one weight above 0",
            next_command="python scripts/train_pipeline.py --set fusion.weights.text=1.0",
        )
    return weights


def build_branches(cfg: Config) -> list[Branch]:
    """Return the branches that are on, extractors and unfitted estimators, in configured order."""
    weights = branch_weights(cfg)
    built = [branch for modality in cfg.fusion.weights for branch in BUILDERS[modality](cfg)]
    return [branch for branch in built if branch.name in weights]


def _unknown(key: str, name: str, choices: tuple[str, ...]) -> ConfigError:
    return ConfigError(
        f"key '{key}': a weight without a branch; {nearest(name, choices)}",
        next_command="cat config/config.toml",
    )
