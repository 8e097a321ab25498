"""The app's only cached loaders: every file it reads comes through here.

A cache entry is keyed by the time and size of what it reads (a parameter whose name begins with an
underscore is no part of the key), so a page shows a new run without a restart.
Values are shared between visitors and never written to. A missing file is None: the page then says
which command makes it. A file that is not what the manifest lists is an `ArtifactError`, settings
at fault are a `ConfigError`: `streamlit_app.config` shows both.
"""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from src.artifacts.store import ArtifactStore, ServedRun
from src.config import Config, Paths, load_config
from src.errors import DataError
from src.labels import load_labels
from streamlit_app.shared.context import Context

if TYPE_CHECKING:
    from src.serving.feedback import FeedbackStore
    from src.serving.predictor import Predictor
    from src.serving.review import ReviewQueue

APP = Path(__file__).parents[1]
# Another settings file than config/config.toml, for an app on a workspace of its own.
CONFIG_VARIABLE = "RAKUTEN_CONFIG"
THUMBNAIL_PX = 240
JPEG_QUALITY = 82
Stamp = tuple[int, int]


def asset(name: str) -> Path:
    """Return the path of a file of ``assets/``."""
    return APP / "assets" / name


def context(language: str) -> Context:
    """Return what pages need, for the current settings."""
    given = os.environ.get(CONFIG_VARIABLE)
    file = Path(given) if given else None
    cfg: Config = _kept("config", (given, file and _stamp(file)), lambda: load_config(file))
    maps = cfg.paths.labels_map, cfg.paths.theme_map
    labels = _kept("labels", (*maps, *map(_stamp, maps)), lambda: load_labels(*maps))
    store = ArtifactStore(cfg.paths)
    return Context(language, cfg, store, labels, served_run(store))


def load(store: ArtifactStore, path: Path) -> Any | None:  # noqa: ANN401 - as the suffix says
    """Return what a file of the run holds, or None where there is none."""
    stamp = _stamp(path)
    return stamp and _kept("file", (path, stamp), lambda: store.load(path))


def run_id(store: ArtifactStore, path: Path) -> str:
    """Return the run that wrote a file, as the manifest says; "" where there is no file."""
    stamp = _stamp(path)
    if stamp is None:
        return ""
    return _kept("run", (path, stamp), lambda: str(store.describe(path)["run_id"]))


def catalogue(ctx: Context) -> pd.DataFrame | None:
    """Return the products that stage 1 kept, one row each, or None before the first run."""
    table: pd.DataFrame | None = load(ctx.store, ctx.store.catalogue)
    return table


def derive(ctx: Context, function: Callable[..., Any], *args: object) -> Any:  # noqa: ANN401
    """Return ``function(catalogue, *args)``, computed once for each state of the catalogue.

    A catalogue that is missing is an ArtifactError.
    """
    path, name = ctx.store.catalogue, f"{function.__module__}.{function.__qualname__}"

    def make() -> Any:  # noqa: ANN401
        table = catalogue(ctx)
        return function(ctx.store.load(path) if table is None else table, *args)

    return _kept(name, (path, _stamp(path), args), make)


def data_uri(source: Path | str | bytes, side_px: int = THUMBNAIL_PX) -> str | None:
    """Return an image of at most `side_px` as a data URI; None where none can be read."""
    if not source:
        return None
    stamp = None if isinstance(source, bytes) else _stamp(Path(source))
    return _data_uri(source if isinstance(source, bytes) else str(source), side_px, stamp)


@st.cache_data(max_entries=1_000, show_spinner=False)
def _data_uri(source: str | bytes, side_px: int, stamp: Stamp | None) -> str | None:  # noqa: ARG001
    from PIL import Image

    from src.data.image_decode import decode_image

    try:
        image = Image.fromarray(decode_image(source, min_side_px=side_px))
    except DataError:
        return None
    image.thumbnail((side_px, side_px))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


@st.cache_data(max_entries=100, show_spinner=False)
def word_cloud(
    weights: tuple[tuple[str, int], ...], color: str, size_px: tuple[int, int], *, dark: bool
) -> bytes:
    """Return a PNG of words in shades of one color, larger where the weight is larger.

    Laid out at half the size and drawn at the whole, which takes a third of the time.
    """
    from PIL import ImageColor
    from wordcloud import WordCloud

    def shade(word: str, **_: object) -> tuple[int, ...]:
        share = 0.2 * (len(word) % 3 + 2 * dark)
        return tuple(round(part + (255 - part) * share) for part in ImageColor.getrgb(color))

    cloud = WordCloud(
        width=size_px[0] // 2,
        height=size_px[1] // 2,
        scale=2,
        mode="RGBA",
        background_color=None,
        prefer_horizontal=0.95,
        random_state=0,
        color_func=shade,
    ).generate_from_frequencies(dict(weights))
    buffer = io.BytesIO()
    cloud.to_image().save(buffer, "PNG")
    return buffer.getvalue()


def predictor(ctx: Context) -> Predictor | None:
    """Return the served model, loaded once and shared; None before the first training."""
    if ctx.run is None:
        return None
    path = ctx.store.full_pipeline(ctx.run.kind)
    return _predictor(ctx.cfg.paths, ctx.run.kind, _stamp(path))


def feedback_store(ctx: Context) -> FeedbackStore:
    """Return where corrections are read and written, one for all visitors."""
    from src.serving.feedback import FeedbackStore

    paths, codes = ctx.cfg.paths, tuple(ctx.labels.codes)
    state = paths.workspace, paths.results_dir, paths.feedback_dir, codes
    return _kept("corrections", state, lambda: FeedbackStore.of(paths, codes))


def review_queue(ctx: Context) -> ReviewQueue:
    """Return the review queue, one for all visitors."""
    from src.serving.review import ReviewQueue

    paths, minutes = ctx.cfg.paths, ctx.cfg.review.lease_minutes
    state = paths.workspace, minutes
    return _kept("review", state, lambda: ReviewQueue(paths, feedback_store(ctx), minutes))


def drift_reports(ctx: Context) -> dict[str, dict[str, Any]]:
    """Return the drift reports by "{date}_{batch}", oldest first."""
    paths = sorted(ctx.cfg.paths.rapport_dir.glob("????-??-??*_*.json"))
    reports = ((path.stem, load(ctx.store, path)) for path in paths)
    return {name: report for name, report in reports if report is not None}


def drift_files(ctx: Context, name: str) -> list[Path]:
    """Return the files of a drift report that are there: page, table, JSON."""
    paths = (ctx.store.rapport(name + suffix) for suffix in (".html", ".csv", ".json"))
    return [path for path in paths if path.is_file()]


def compared(ctx: Context, before: str, after: str) -> tuple[pd.DataFrame, ...]:
    """Return two runs' answers to the same products, and what `src.evaluation.paired` says of them.

    That is the pair, the differences of the scores and of the classes, and the answers that differ.
    """
    from src.evaluation import paired

    stores = [ArtifactStore(ctx.cfg.paths, run_id) for run_id in (before, after)]

    def make() -> tuple[pd.DataFrame, ...]:
        pair = paired.pair_answers(*(store.load(store.unseen) for store in stores))
        if pair.empty:
            return pair, pair, pair, pair
        scores, classes = paired.score_differences(pair), paired.class_differences(pair)
        return pair, scores, classes, paired.changed_answers(pair)

    return _kept("compared", tuple((store.unseen, _stamp(store.unseen)) for store in stores), make)


def demo_images(ctx: Context) -> list[Path]:
    """Return the images to try the app with; none before a run with images."""
    return sorted(ctx.cfg.paths.demo_images_dir.glob("*.jpg"))


def served_run(store: ArtifactStore) -> ServedRun | None:
    """Return the run that is served; None before the first training."""
    stamp = _stamp(store.serving)
    return stamp and _kept("served", (store.serving, stamp), store.served_run)


def _stamp(path: Path) -> Stamp | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size) if path.is_file() else None


@st.cache_resource(max_entries=300, show_spinner=False)
def _kept(what: str, state: tuple[object, ...], _make: Callable[[], Any]) -> Any:  # noqa: ANN401, ARG001
    """Return what `_make` gives, made once for each `state` of what it reads."""
    return _make()


@st.cache_resource(max_entries=1, show_spinner=False)
def _predictor(_paths: Paths, kind: str, stamp: Stamp | None) -> Predictor:
    from src.serving.predictor import load_predictor

    return load_predictor(_paths, kind)
