"""Which branches a configuration switches on."""

from __future__ import annotations

import pytest

from src.config import Config, load_config
from src.errors import ConfigError
from src.pipelines import text_pipeline
from src.pipelines.registry import (
    BUILDERS,
    branch_weights,
    build_branches,
    extractors_of,
    known_branches,
)


def config(*overrides: str) -> Config:
    return load_config(overrides=overrides)


def test_weights_multiply() -> None:
    cfg = config("fusion.weights.text=0.5", "features.text.weights.title_length=0.2")
    weights = branch_weights(cfg)
    assert weights["title_length"] == pytest.approx(0.1)
    assert weights["tfidf_word"] == 0.5


def test_zero_switches_off() -> None:
    cfg = config("features.text.weights.title_length=0")
    assert "title_length" not in branch_weights(cfg)
    assert "title_length" not in [branch.name for branch in build_branches(cfg)]


def test_every_branch_of_the_registry_builds() -> None:
    text = [f"features.text.weights.{name}=1.0" for name in text_pipeline.TRANSFORMERS]
    kinds = ("pixels", "stats", "cnn", "vit")
    images = [f"features.image.{kind}.enabled=true" for kind in kinds]
    built = build_branches(config(*text, *images))
    expected = [*text_pipeline.TRANSFORMERS, *(f"image_{kind}" for kind in kinds)]
    assert [branch.name for branch in built] == expected
    modalities = ["text"] * len(text_pipeline.TRANSFORMERS) + ["image"] * len(kinds)
    assert [branch.modality for branch in built] == modalities
    assert all(hasattr(branch.transformer, "fit") for branch in built)


def test_extractors_are_the_texts_first_then_one_a_block() -> None:
    """What needs no columns of its own adds no extractor."""
    blocks = ("text_stats", "text_stats_pro")
    on = [f"features.text.weights.{name}=0.1" for name in blocks]
    switches = "features.image.stats.enabled=true", "features.image.cnn.enabled=false"
    cfg = config(*on, *switches)
    extractors = extractors_of(cfg, build_branches(cfg))
    assert [extractor.name for extractor in extractors] == [
        "text",
        "language",
        *blocks,
        "image_stats",
    ]


def test_every_known_branch_has_its_modality() -> None:
    known = dict(known_branches(config()))
    assert known["tfidf_word"] == "text"
    assert list(known) == [*text_pipeline.TRANSFORMERS, *list(BUILDERS)[1:]]
    assert known["text_encoder"] == "text"
    several = config('features.image.networks=["resnet18", "vit"]')
    assert known_branches(several) == [*known.items(), ("image_cnn_vit", "image_cnn")]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("fusion.weights.txt=1", r"'fusion\.weights\.txt': a weight without a branch.*'text'"),
        (
            "features.text.weights.tfidf_wrd=1",
            r"'features\.text\.weights\.tfidf_wrd': a weight without a branch.*'tfidf_word'",
        ),
    ],
)
def test_a_weight_without_a_branch(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        branch_weights(config(override))


def test_nothing_switched_on() -> None:
    with pytest.raises(ConfigError, match="no branch is switched on"):
        branch_weights(config(*(f"fusion.weights.{name}=0" for name in BUILDERS)))
