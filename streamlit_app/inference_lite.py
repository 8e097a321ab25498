"""Answers for the app where neither torch nor a database is: `predict(text_row, image_path)`.

The text model and the final model are in the one file that training saved. A demo image is not
decoded: what the network gave for it lies in ``data/demo_image_features.npz``, its row in
``data/demo_image_index.json``. Any other image is extracted by onnxruntime where that is
installed, and counts as missing where it is not.
"""

import dataclasses
import functools
import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from src.artifacts.store import ArtifactStore
from src.config import Paths, load_config
from src.errors import BackboneError
from src.pipelines.extractor import HAS_IMAGE
from src.pipelines.image_pipeline import ImageExtractor
from src.serving.predictor import Prediction, Predictor, Product

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, eq=False)
class StoredImages(ImageExtractor):
    """An image extractor that looks images up by file name before it decodes them.

    `rows` gives the row of each file name in `values`, shape (n_stored, width).
    """

    values: np.ndarray
    rows: Mapping[str, int]

    def extract(self, items: pd.DataFrame) -> dict[str, np.ndarray]:
        """Return the values under the extractor's name, and which images there are."""
        places = [
            self.rows.get(Path(path).name, -1) if isinstance(path, str) else -1
            for path in items["image"]
        ]
        place = np.array(places, dtype=np.int64)
        stored, other = place >= 0, np.flatnonzero(place < 0)
        values = np.zeros((len(items), self.values.shape[1]), dtype=np.float32)
        readable = stored.copy()
        values[stored] = self.values[place[stored]]
        if (items["image"].iloc[other] != "").any():
            values[other], readable[other] = self._computed(items.iloc[other])
        return {self.name: values, HAS_IMAGE: readable}

    def _computed(self, items: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        try:
            found = super().extract(items)
            return found[self.name], found[HAS_IMAGE]
        except (BackboneError, ImportError) as e:
            logger.warning("images count as missing: %s", e)
            shape = len(items), self.values.shape[1]
            return np.zeros(shape, dtype=np.float32), np.zeros(len(items), dtype=bool)


def predict(
    text_row: Mapping[str, str],
    image_path: str | Path | None = None,
    *,
    top_k: int = 3,
    language: str = "en",
) -> Prediction:
    """Answer for one product: "designation", "description" where there is one, and its image.

    A demo image need not be there: its name is enough. Before the first training it is an
    ArtifactError.
    """
    image = Path(image_path) if image_path else None
    product = Product(text_row.get("designation", ""), text_row.get("description", ""), image)
    return _default().predict([product], top_k=top_k, language=language)[0]


def load_lite(paths: Paths) -> Predictor:
    """Return the predictor of the served run, its demo images known by name."""
    store = ArtifactStore(paths).pinned()  # model and images of one run
    pipeline = store.load(store.full_pipeline(store.served_run().kind))
    stored, rows = store.load(store.demo_image_features), store.load(store.demo_image_index)
    extractors = tuple(
        StoredImages(e.name, e.featurizer, stored[e.name], rows)
        if isinstance(e, ImageExtractor)
        else e
        for e in pipeline.extractors
    )
    return Predictor(dataclasses.replace(pipeline, extractors=extractors))


@functools.cache
def _default() -> Predictor:
    return load_lite(load_config().paths)
