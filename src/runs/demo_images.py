"""Some images to try the app with, and what was extracted of them.

``streamlit_app/demo_images/`` shows the images, ``data/demo_image_features.npz`` what every image
extractor gave for them, ``data/demo_image_index.json`` the row of each file name: with these the
app answers for them where no network can run (see ``streamlit_app/inference_lite.py``).
"""

import numpy as np
import pandas as pd

from src.artifacts.store import ArtifactStore, Run
from src.data.image_decode import read_source
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
    files = [path.rpartition("/")[2] for path in table["image"]]
    names = [e.name for e in transformed.extractors if isinstance(e, ImageExtractor)]
    features = {name: block_values(table, name) for name in names}
    for name, source in zip(files, table["image"], strict=True):
        store.save(store.demo_images / name, read_source(source), run=run, stage="train")
    store.save(store.demo_image_features, features, run=run, stage="train")
    index = {name: row for row, name in enumerate(files)}
    store.save(store.demo_image_index, index, run=run, stage="train")


def choose_images(y: np.ndarray, has_image: np.ndarray, most: int) -> np.ndarray:
    """Return the rows of at most `most` images, ascending, of as many classes as there are.

    One of every class first, the largest class first, then a second one of each, and so on.
    """
    rows = np.flatnonzero(has_image)
    codes, counts = np.unique(y[rows], return_inverse=True, return_counts=True)[1:]
    turn = pd.Series(codes).groupby(codes).cumcount()
    return np.sort(rows[np.lexsort((codes, -counts[codes], turn))[:most]])
