"""The settings: one frozen, typed tree read from ``config/config.toml``.

Every key of the file is a field here and every field is a key of the file. The comments that tell
what a key means, its unit and why it has its value are in the file, where users read them; the
classes below hold types and ranges. An unknown or missing key is an error (see ``typed_toml``).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from src.config_model import Folds, Model, Sampling
from src.typed_toml import (
    NonNegative,
    Positive,
    Range,
    Share,
    TomlSource,
    Weight,
    build_tree,
    read_toml,
)

REPOSITORY = Path(__file__).resolve().parents[1]
INSTALLED = REPOSITORY.name in {"site-packages", "dist-packages"}
# Installed from a wheel, the code lies where nothing may be written: runs and data are then looked
# for where the user stands.
WORKSPACE_BASE = Path.cwd() if INSTALLED else REPOSITORY
DEFAULT_CONFIG = REPOSITORY / "config" / "config.toml"


@dataclasses.dataclass(frozen=True)
class Paths:
    """Where files lie; absolute after `load_config`."""

    workspace: Path
    import_dir: Path
    artifacts_dir: Path
    results_dir: Path
    cache_dir: Path
    networks_dir: Path
    models_dir: Path
    reports_dir: Path
    rapport_dir: Path
    demo_dir: Path
    demo_images_dir: Path
    labels_map: Path
    theme_map: Path
    translate_map: Path


@dataclasses.dataclass(frozen=True)
class DimReduction:
    """``[images.dim_reduction]``: of the raw pixels."""

    method: Literal["pca", "svd"]
    n_components: Positive


@dataclasses.dataclass(frozen=True)
class Images:
    """Folders of the product pictures, and how they are read."""

    train_dir: Path
    test_dir: Path
    size: Annotated[int, Range(0, 1024)]
    mode: Literal["letterbox", "stretch"]
    dim_reduction: DimReduction


@dataclasses.dataclass(frozen=True)
class Data:
    """Where the rows come from and how they are split."""

    source: Literal["postgres", "csv"]
    holdout: Annotated[float, Range(0.01, 0.5)]
    use_corrections: bool


@dataclasses.dataclass(frozen=True)
class Validation:
    """What is refused before training."""

    max_reject_rate: Share
    min_class_rows: Positive
    max_missing_description: Share


@dataclasses.dataclass(frozen=True)
class Cleaning:
    """``[features.text.clean]``: switches of the text cleaner."""

    html: bool
    normalize: bool
    emoji: bool
    casefold: bool
    units: bool
    translate: bool
    stop_words: bool
    stemming: bool


@dataclasses.dataclass(frozen=True)
class Chars:
    """``[features.text.char]``: character n-grams inside words."""

    max_features: Positive
    ngram_range: tuple[Positive, Positive]
    min_df: Positive


@dataclasses.dataclass(frozen=True)
class Lexicon:
    """``[features.text.lexicon]``: words that chi2 finds typical of a class."""

    top_k: Positive


@dataclasses.dataclass(frozen=True)
class TextSvd:
    """``[features.text.svd]``: sparse text branches reduced to a few columns."""

    enabled: bool
    n_components: Positive


@dataclasses.dataclass(frozen=True)
class TextFeatures:
    """``[features.text]``: word n-grams, and the weight of each text branch."""

    max_features: Positive
    ngram_range: tuple[Positive, Positive]
    min_df: Positive
    clean: Cleaning
    char: Chars
    lexicon: Lexicon
    svd: TextSvd
    weights: dict[str, Weight]


@dataclasses.dataclass(frozen=True)
class Pixels:
    """``[features.image.pixels]``."""

    enabled: bool
    size_px: Annotated[int, Range(4, 256)]


@dataclasses.dataclass(frozen=True)
class Stats:
    """``[features.image.stats]``."""

    enabled: bool


@dataclasses.dataclass(frozen=True)
class FineTune:
    """``[features.image.cnn.fine_tune]``."""

    enabled: bool
    n_blocks: Positive
    epochs: Positive
    mixup_alpha: Weight
    cutmix_alpha: Weight
    label_smoothing: Share


@dataclasses.dataclass(frozen=True)
class Cnn:
    """``[features.image.cnn]``."""

    enabled: bool
    backbone: Literal[
        "resnet18", "resnet50", "resnet101", "efficientnet_lite0", "efficientnet_lite2"
    ]
    weights: str
    device: Literal["auto", "cpu", "cuda"]
    batch_size: Positive
    runtime: Literal["auto", "torch", "onnxruntime", "openvino"]
    fine_tune: FineTune


@dataclasses.dataclass(frozen=True)
class Vit:
    """``[features.image.vit]``."""

    enabled: bool
    weights: str
    device: Literal["auto", "cpu", "cuda"]
    batch_size: Positive


@dataclasses.dataclass(frozen=True)
class ImageFeatures:
    """``[features.image]``."""

    pixels: Pixels
    stats: Stats
    cnn: Cnn
    vit: Vit


@dataclasses.dataclass(frozen=True)
class Features:
    """``[features]``."""

    text: TextFeatures
    image: ImageFeatures


@dataclasses.dataclass(frozen=True)
class Fusion:
    """``[fusion]``: weight of each modality in the stacked matrix."""

    weights: dict[str, Weight]


@dataclasses.dataclass(frozen=True)
class Cv:
    """``[cv]``: the cross-validation of ``--cv`` and of ``scripts/train.py``."""

    n_folds: Folds


@dataclasses.dataclass(frozen=True)
class Decision:
    """``[decision]``: when an answer needs a person's look."""

    target_accuracy: Annotated[float, Range(0.0, 1.0)]


@dataclasses.dataclass(frozen=True)
class Monitoring:
    """``[monitoring]``: the reference profile, and when a lot alarms."""

    false_alarm_rate: Annotated[float, Range(0.0001, 0.5)]
    resamples: Annotated[int, Range(19)]
    reference_rows: Annotated[int, Range(100, 20_000)]


@dataclasses.dataclass(frozen=True)
class Compute:
    """``[compute]``."""

    seed: NonNegative
    n_jobs: NonNegative


@dataclasses.dataclass(frozen=True)
class Explainability:
    """``[explainability]``: SHAP values of hold-out products."""

    enabled: bool
    rows: NonNegative
    top_features: Positive


@dataclasses.dataclass(frozen=True)
class Outputs:
    """``[outputs]``: which optional files a run writes."""

    full_pipeline: bool
    submission: bool
    figures: bool


@dataclasses.dataclass(frozen=True)
class Serving:
    """``[serving]``: what one request to the HTTP service may cost."""

    max_body_mb: Positive
    max_batch_mb: Positive
    max_image_megapixels: Annotated[int, Range(1, 50)]
    body_timeout_s: Positive


@dataclasses.dataclass(frozen=True)
class Debug:
    """``[debug]``."""

    sample_rows: NonNegative


@dataclasses.dataclass(frozen=True)
class Config:
    """The whole tree.

    Examples
    --------
    >>> load_config(overrides=["model.name=logreg"]).model.name
    'logreg'
    """

    paths: Paths
    images: Images
    data: Data
    validation: Validation
    features: Features
    fusion: Fusion
    model: Model
    sampling: Sampling
    cv: Cv
    decision: Decision
    monitoring: Monitoring
    compute: Compute
    explainability: Explainability
    outputs: Outputs
    serving: Serving
    debug: Debug

    def digest(self) -> str:
        """Return 16 hex digits that change with any setting but the paths."""
        tree = dataclasses.asdict(self)
        del tree["paths"], tree["images"]["train_dir"], tree["images"]["test_dir"]
        text = json.dumps(tree, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def load_config(path: Path | None = None, overrides: Sequence[str] = ()) -> Config:
    """Read a configuration file and lay ``section.key=value`` overrides over it.

    Parameters
    ----------
    path : Path or None
        The TOML file; None reads ``config/config.toml`` of the repository.
    overrides : sequence of str
        As given to ``--set``; values are TOML, bare words are strings.

    Raises
    ------
    ConfigError
        The file is missing or a key is unknown, missing, mistyped or out of range.
    """
    source = read_toml(path or DEFAULT_CONFIG, overrides)
    cfg = build_tree(Config, source)
    _check_ngrams(cfg, source)
    return _resolve_paths(cfg, source)


def _check_ngrams(cfg: Config, source: TomlSource) -> None:
    text = cfg.features.text
    ranges = {"ngram_range": text.ngram_range, "char.ngram_range": text.char.ngram_range}
    for key, (low, high) in ranges.items():
        if low > high:
            problem = f"the first is above the second: {low}, {high}"
            raise source.fault(f"features.text.{key}", problem)


def _resolve_paths(cfg: Config, source: TomlSource) -> Config:
    """Make paths absolute: maps below the repository, everything else below the workspace."""
    workspace = (WORKSPACE_BASE / cfg.paths.workspace).resolve()
    names = ("labels_map", "theme_map", "translate_map")
    maps = {name: REPOSITORY / getattr(cfg.paths, name) for name in names}
    folders = {
        field.name: workspace / getattr(cfg.paths, field.name)
        for field in dataclasses.fields(Paths)
        if field.name.endswith("_dir")
    }
    for name, folder in folders.items():
        if workspace.is_relative_to(folder.resolve()):
            raise source.fault(f"paths.{name}", f"{folder} holds the workspace itself")
    images = dataclasses.replace(
        cfg.images,
        train_dir=workspace / cfg.images.train_dir,
        test_dir=workspace / cfg.images.test_dir,
    )
    paths = Paths(workspace=workspace, **folders, **maps)
    return dataclasses.replace(cfg, paths=paths, images=images)
