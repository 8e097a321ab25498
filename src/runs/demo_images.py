"""Some images to try the app with, and what was extracted of them.

``streamlit_app/demo_images/`` gets the images, ``data/demo_image_features.npz`` what every image
extractor gave for them, ``data/demo_image_index.json`` the row of each file name: with these the
app answers for them where no network can run (see ``streamlit_app/inference_lite.py``).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from src.artifacts.store import ArtifactStore, Run
from src.files import write_atomically
from src.pipelines.image_pipeline import ImageExtractor
from src.pipelines.table import block_values
from src.runs.types import Transformed

MAX_IMAGES = 24


def save_demo_images(store: ArtifactStore, run: Run, transformed: Transformed) -> None:
    """Copy some training images and save what was extracted of them.

    Without images, both files are written and name none.
    """
    table = transformed.train
    rows = choose_images(transformed.y, table["has_image"].to_numpy(), MAX_IMAGES)
    table = table.iloc[rows]
    paths = [Path(path) for path in table["image"]]
    names = [e.name for e in transformed.extractors if isinstance(e, ImageExtractor)]
    features = {name: block_values(table, name) for name in names}
    about = {"run_id": np.array(run.run_id)}
    _copy(paths, store.paths.demo_images_dir)
    store.save(store.demo_image_features, {**features, **about}, run=run, stage="train")
    index = {path.name: row for row, path in enumerate(paths)}
    store.save(store.demo_image_index, index, run=run, stage="train")


def choose_images(y: np.ndarray, has_image: np.ndarray, most: int) -> np.ndarray:
    """Return the rows of at most `most` images, of as many classes as there are.

    Returns
    -------
    ndarray of int64, ascending
        One of every class first, the largest class first, then a second one of each, and so on.
    """
    rows = np.flatnonzero(has_image)
    classes, codes, counts = np.unique(y[rows], return_inverse=True, return_counts=True)
    order = np.argsort(codes, kind="stable")
    turn = np.empty(len(rows), dtype=np.int64)
    starts = np.cumsum(counts) - counts
    turn[order] = np.arange(len(rows)) - np.repeat(starts, counts)
    chosen = np.lexsort((codes, -counts[codes], turn))[:most] if len(classes) else rows
    return np.sort(rows[chosen])


def _copy(paths: list[Path], folder: Path) -> None:
    """Make the folder hold these images and no others of an earlier run."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = {path.name for path in paths}
    for old in folder.glob("image_*_product_*.jpg"):
        if old.name not in kept:
            old.unlink()
    for path in paths:
        with write_atomically(folder / path.name, "wb") as copy:
            copy.write(path.read_bytes())
