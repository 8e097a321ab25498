"""The settings as a tree: a class a table of ``config/config.toml``, a field a key.

Types, ranges and defaults are here. What a key means, its unit and why it has its value is told in
that file, where users read it.
"""

import difflib
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    Strict,
    ValidationInfo,
    field_validator,
)

from src.files import holds_password, is_url, place_of

REPOSITORY = Path(__file__).resolve().parents[1]
INSTALLED = REPOSITORY.name in {"site-packages", "dist-packages"}
# Installed from a wheel, the code lies where nothing may be written: runs and data are then looked
# for where the user stands.
WORKSPACE_BASE = Path.cwd() if INSTALLED else REPOSITORY

Share = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0)]
Strength = Annotated[float, Field(ge=1e-6, le=1e6)]
Rate = Annotated[float, Field(ge=0.001, le=1)]
Positive = Annotated[int, Field(ge=1)]
NonNegative = Annotated[int, Field(ge=0)]
Folds = Annotated[int, Field(ge=2, le=20)]
Bins = Annotated[int, Field(ge=8, le=255)]
FilePath = Annotated[Path, Strict(False)]  # TOML has texts, not paths ...
Device = Literal["auto", "cpu", "cuda"]
Runtime = Literal["auto", "torch", "onnxruntime", "openvino"]
ClassifierName = Literal["linear_svc", "logreg", "sgd", "xgboost", "lightgbm"]


def _folder(given: object) -> Path | str:
    if not isinstance(given, str | Path):
        raise ValueError(f"found {given!r}, expected a folder or the URL of one")
    if isinstance(given, str) and holds_password(given):
        raise ValueError("expected a URL without a password")
    return place_of(given) if isinstance(given, str) else given


Folder = Annotated[Path | str, PlainValidator(_folder)]


def _rising(pair: tuple[int, int]) -> tuple[int, int]:
    if pair[0] > pair[1]:
        raise ValueError(f"the first is above the second: {pair[0]}, {pair[1]}")
    return pair


# ... and lists, not tuples.
NgramRange = Annotated[tuple[Positive, Positive], Strict(False), AfterValidator(_rising)]


def _over(defaults: dict[str, float]) -> BeforeValidator:
    """Lay the given weights over the defaults: one that is not named keeps its value."""
    return BeforeValidator(lambda given: defaults | given if isinstance(given, dict) else given)


class Section(BaseModel):
    """Immutable; an unknown key, a wrong type ("1" for 1, true for 1.0) and NaN are refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True
    )


class Paths(Section):
    """Where files lie: maps below the repository, everything else below the workspace."""

    workspace: FilePath = Path()
    import_dir: FilePath = Path("import")
    artifacts_dir: FilePath = Path("artifacts")
    results_dir: FilePath = Path("results")
    cache_dir: FilePath = Path("data/cache")
    networks_dir: FilePath = Path("data/networks")
    feedback_dir: FilePath = Path("data/feedback")
    models_dir: FilePath = Path("models")
    reports_dir: FilePath = Path("reports")
    rapport_dir: FilePath = Path("streamlit_app/rapport")
    demo_dir: FilePath = Path("data")
    demo_images_dir: FilePath = Path("streamlit_app/demo_images")
    labels_map: FilePath = Path("config/labels_map.json")
    theme_map: FilePath = Path("config/theme_map.json")
    translate_map: FilePath = Path("config/translate_map_starter_from_cleaned.json")

    @field_validator("*")
    @classmethod
    def _make_absolute(cls, path: Path, info: ValidationInfo) -> Path:
        if info.field_name == "workspace":
            return (WORKSPACE_BASE / path).resolve()
        if str(info.field_name).endswith("_map"):
            return REPOSITORY / path
        workspace = info.data.get("workspace", WORKSPACE_BASE)
        if workspace.is_relative_to((workspace / path).resolve()):
            raise ValueError(f"{workspace / path} holds the workspace itself")
        return workspace / path


class DimReduction(Section):
    method: Literal["pca", "svd"] = "pca"
    n_components: Positive = 100


class Images(Section):
    train_dir: Folder = Path("data/images/images/image_train")
    test_dir: Folder = Path("data/images/images/image_test")
    size: Annotated[int, Field(ge=0, le=1024)] = 0
    mode: Literal["letterbox", "stretch"] = "letterbox"
    trim: bool = False
    dim_reduction: DimReduction = DimReduction()


class Data(Section):
    source: Literal["postgres", "csv"] = "postgres"
    holdout: Annotated[float, Field(ge=0.01, le=0.5)] = 0.15
    use_corrections: bool = False
    feedback_weight: Annotated[int, Field(ge=0, le=100)] = 1
    score_feedback: bool = False


class Validation(Section):
    max_reject_rate: Share = 0.001
    min_class_rows: Positive = 10
    max_missing_description: Share = 0.6


class Cleaning(Section):
    html: bool = True
    normalize: bool = True
    casefold: bool = True
    units: bool = True
    translate: bool = False
    stop_words: bool = False
    stemming: bool = False


class Chars(Section):
    max_features: Positive = 300_000
    ngram_range: NgramRange = (2, 5)
    min_df: Positive = 2


class Hashing(Section):
    enabled: bool = False
    n_features: Annotated[int, Field(ge=1024, le=2**26)] = 2**20


class Lexicon(Section):
    top_k: Positive = 100


class TextSvd(Section):
    enabled: bool = False
    n_components: Positive = 300


TEXT_WEIGHTS = {
    "tfidf_word": 1.0,
    "tfidf_char": 1.0,
    "tfidf_word_title": 0.6,
    "tfidf_char_title": 0.6,
    "has_description": 0.1,
    "title_length": 0.05,
    "text_stats": 0.0,
    "text_stats_pro": 0.0,
    "language": 0.0,
    "lexicon": 0.0,
}


class FineTune(Section):
    enabled: bool = False
    cross_fit: bool = True
    n_blocks: NonNegative = 0
    epochs: Positive = 3
    batch_size: Positive = 32
    accumulate: Positive = 1
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 3e-5
    layer_decay: Rate = 0.9
    label_smoothing: Share = 0.1


class FineTuneEncoder(FineTune):
    lora_rank: NonNegative = 0


class FineTuneCnn(FineTune):
    n_blocks: NonNegative = 2
    epochs: Positive = 8
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 3e-4
    layer_decay: Rate = 1.0
    mixup_alpha: Weight = 0.2
    cutmix_alpha: Weight = 1.0


class Encoder(Section):
    enabled: bool = False
    model: str = "intfloat/multilingual-e5-small"
    prefix: str = "query: "
    pooling: Literal["mean", "cls"] = "mean"
    max_tokens: Annotated[int, Field(ge=8, le=8192)] = 128
    batch_size: Positive = 32
    device: Device = "auto"
    runtime: Runtime = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    fine_tune: FineTuneEncoder = FineTuneEncoder()


class TextFeatures(Section):
    max_features: Positive = 300_000
    ngram_range: NgramRange = (1, 2)
    min_df: Positive = 2
    clean: Cleaning = Cleaning()
    char: Chars = Chars()
    hashing: Hashing = Hashing()
    lexicon: Lexicon = Lexicon()
    svd: TextSvd = TextSvd()
    encoder: Encoder = Encoder()
    weights: Annotated[dict[str, Weight], _over(TEXT_WEIGHTS)] = TEXT_WEIGHTS


NETWORKS = (
    "resnet18", "resnet50", "resnet101", "efficientnet_lite0", "efficientnet_lite2", "vit",
    "clip_vit_b16", "siglip2_base", "dinov2_small", "dinov2_base", "convnext_tiny", "convnext_base",
)  # fmt: skip
"""Image networks by name; others are named by where they are."""


def _known_network(name: str) -> str:
    if name in NETWORKS or "/" in name or name.endswith(".onnx"):
        return name
    close = difflib.get_close_matches(name, NETWORKS, n=1)
    hint = f"did you mean '{close[0]}'?" if close else f"valid: {', '.join(NETWORKS)}"
    raise ValueError(f"found {name!r}; {hint} (or hf:owner/model@revision, a folder, an .onnx)")


Network = Annotated[str, AfterValidator(_known_network)]


class Pixels(Section):
    enabled: bool = False
    size_px: Annotated[int, Field(ge=4, le=256)] = 32


class Stats(Section):
    enabled: bool = True


class Cnn(Section):
    enabled: bool = True
    backbone: Network = "efficientnet_lite2"
    weights: str = "pretrained"
    device: Device = "auto"
    batch_size: Positive = 32
    runtime: Runtime = "auto"
    precision: Literal["auto", "fp32", "bf16", "int8"] = "auto"
    fine_tune: FineTuneCnn = FineTuneCnn()


class Vit(Section):
    enabled: bool = False
    weights: str = "pretrained"
    device: Device = "auto"
    batch_size: Positive = 16


class ImageFeatures(Section):
    networks: Annotated[tuple[Network, ...], Strict(False)] = ()
    pixels: Pixels = Pixels()
    stats: Stats = Stats()
    cnn: Cnn = Cnn()
    vit: Vit = Vit()


class Features(Section):
    text: TextFeatures = TextFeatures()
    image: ImageFeatures = ImageFeatures()


MODALITY_WEIGHTS = {
    "text": 1.0,
    "text_encoder": 0.5,
    "image_pixels": 0.2,
    "image_stats": 0.25,
    "image_cnn": 1.0,
    "image_vit": 1.0,
}


class Fusion(Section):
    weights: Annotated[dict[str, Weight], _over(MODALITY_WEIGHTS)] = MODALITY_WEIGHTS


class LateFusionOptions(Section):
    text: ClassifierName = "linear_svc"
    text_encoder: ClassifierName = "logreg"
    image: ClassifierName = "logreg"


class LinearSvc(Section):
    C: Strength = 0.5
    balanced: bool = False
    max_iter: Positive = 1000


class Logreg(LinearSvc):
    C: Strength = 10.0
    max_iter: Positive = 300


class Sgd(Section):
    alpha: Annotated[float, Field(ge=1e-9, le=1)] = 1e-5
    learning_rate: Rate = 0.2
    balanced: bool = False
    passes: Positive = 3
    partition_rows: Annotated[int, Field(ge=100)] = 20_000


class Boosting(Section):
    n_estimators: Positive = 150
    subsample: Rate = 0.8
    colsample: Rate = 0.2
    early_stopping_rounds: Positive = 10


class XGBoost(Boosting):
    learning_rate: Rate = 0.3
    max_depth: Annotated[int, Field(ge=1, le=20)] = 5
    max_bin: Bins = 64


class LightGBM(Boosting):
    learning_rate: Rate = 0.1
    num_leaves: Annotated[int, Field(ge=2, le=1024)] = 15
    max_bin: Bins = 63


class Model(Section):
    name: Literal[ClassifierName, "late_fusion"] = "late_fusion"
    late_fusion: LateFusionOptions = LateFusionOptions()
    linear_svc: LinearSvc = LinearSvc()
    logreg: Logreg = Logreg()
    sgd: Sgd = Sgd()
    xgboost: XGBoost = XGBoost()
    lightgbm: LightGBM = LightGBM()


KINDS: tuple[str, ...] = get_args(Model.model_fields["name"].annotation)
"""Kinds of model."""


class Sampling(Section):
    enabled: bool = False
    cap: Annotated[float, Field(ge=1, le=1000)] = 2.0
    floor: Share = 0.5


class Cv(Section):
    n_folds: Folds = 5


class Decision(Section):
    target_accuracy: Share = 0.95
    label_precision: Share = 0.4


class Alert(Section):
    webhook: Annotated[str, Field(pattern=r"^(https?://\S+)?$")] = ""
    smtp_host: str = ""
    smtp_port: Annotated[int, Field(ge=1, le=65535)] = 587
    smtp_security: Literal["none", "starttls", "tls"] = "starttls"
    sender: str = ""
    recipients: Annotated[tuple[str, ...], Strict(False)] = ()

    @field_validator("recipients")
    @classmethod
    def _can_be_sent(cls, recipients: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if recipients and not (info.data.get("smtp_host") and info.data.get("sender")):
            raise ValueError("a mail needs smtp_host and sender, too")
        return recipients


class Monitoring(Section):
    false_alarm_rate: Annotated[float, Field(ge=0.0001, le=0.5)] = 0.01
    resamples: Annotated[int, Field(ge=19)] = 2000
    reference_rows: Annotated[int, Field(ge=100, le=20_000)] = 10_000
    alert: Alert = Alert()


class Compute(Section):
    seed: NonNegative = 42
    n_jobs: NonNegative = 0
    backend: Literal["local", "dask"] = "local"
    scheduler: str = "local"


class Explainability(Section):
    enabled: bool = True
    rows: NonNegative = 1000
    top_features: Positive = 10


class Outputs(Section):
    full_pipeline: bool = True
    neighbours: bool = True
    submission: bool = True
    figures: bool = True


class Serving(Section):
    max_body_mb: Positive = 16
    max_batch_mb: Positive = 64
    max_image_megapixels: Annotated[int, Field(ge=1, le=50)] = 25
    body_timeout_s: Positive = 30


class Review(Section):
    keep_answers: bool = True
    lease_minutes: Positive = 10
    retrain_after: Positive = 50


class Promotion(Section):
    margin: Annotated[float, Field(ge=0.001, le=0.1)] = 0.01


class Tracking(Section):
    uri: Annotated[str, Field(pattern="^[^@]*$")] = ""  # no password: it would be in every log
    experiment: Annotated[str, Field(pattern=r"^[^/:]+$")] = "rakuten-multimodal"


class Debug(Section):
    sample_rows: NonNegative = 0


class Config(Section):
    """The whole tree."""

    paths: Paths = Paths()
    images: Images = Images()
    data: Data = Data()
    validation: Validation = Validation()
    features: Features = Features()
    fusion: Fusion = Fusion()
    model: Model = Model()
    sampling: Sampling = Sampling()
    cv: Cv = Cv()
    decision: Decision = Decision()
    promotion: Promotion = Promotion()
    monitoring: Monitoring = Monitoring()
    compute: Compute = Compute()
    explainability: Explainability = Explainability()
    outputs: Outputs = Outputs()
    serving: Serving = Serving()
    review: Review = Review()
    tracking: Tracking = Tracking()
    debug: Debug = Debug()

    @field_validator("images")
    @classmethod
    def _find_images(cls, images: Images, info: ValidationInfo) -> Images:
        """Make the folders absolute: they lie below the workspace, which another section names."""
        workspace = info.data["paths"].workspace if "paths" in info.data else WORKSPACE_BASE
        folders = {name: getattr(images, name) for name in ("train_dir", "test_dir")}
        local = {name: workspace / place for name, place in folders.items() if not is_url(place)}
        return images.model_copy(update=local)

    def digest(self) -> str:
        """Return 16 hex digits that change with any setting of `flat`."""
        text = json.dumps(self.flat(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def flat(self) -> dict[str, Any]:
        """Return every setting by dotted key, as JSON values; no path, and no secret's place."""
        left_out: dict[str, Any] = {"paths": True, "tracking": True, "monitoring": {"alert"}}
        left_out["images"] = {"train_dir", "test_dir"}
        return dict(_leaves(self.model_dump(mode="json", exclude=left_out)))

    def changes(self) -> dict[str, Any]:
        """Return the settings that are not the defaults, as `flat` does."""
        defaults = Config().flat()
        return {key: value for key, value in self.flat().items() if value != defaults.get(key)}


def _leaves(tree: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value
