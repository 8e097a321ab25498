"""`Predictor`: from a product's text and image to its likeliest classes, for every face.

The predict command, the HTTP service and the app all call `Predictor.predict` or its `answer`, so
that they give the same answer to the last digit. Networks run in onnxruntime or openvino; torch,
streamlit and shap are never imported.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from src.artifacts.store import ArtifactStore
from src.config import Paths
from src.errors import UsageError
from src.files import encodable
from src.i18n import LANGUAGES
from src.pipelines.image_pipeline import ImageExtractor
from src.pipelines.product_keys import product_keys
from src.serving.prediction import Candidate, Prediction

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from src.models.late_fusion import LateFusion
    from src.pipelines.product_model import FullPipeline
    from src.serving.explanation import Explanation

# Products that go through the model together: bounds the memory of a large batch.
CHUNK_ROWS = 4_000
COLUMNS = ("designation", "description", "image")


@dataclasses.dataclass(frozen=True)
class Product:
    """What is known of one product.

    Attributes
    ----------
    designation, description : str
        Title and text as the seller wrote them; either may be empty.
    image : Path, bytes or None
        The file, or what is in it. One that can't be read counts as missing.
    """

    designation: str
    description: str = ""
    image: Path | bytes | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class PredictionBatch:
    """Answers for n products, and what they rest on.

    Attributes
    ----------
    predictions : list of Prediction, length n
    table : DataFrame, n rows
        The product table.
    proba : ndarray, shape (n, n_classes)
    model : LateFusion
        Who answered.
    """

    predictions: list[Prediction]
    table: pd.DataFrame
    proba: np.ndarray
    model: LateFusion


class Predictor:
    """The served model.

    Parameters
    ----------
    pipeline : FullPipeline
        What training saved in one file.

    Examples
    --------
    >>> from src.config import load_config
    >>> predictor = load_predictor(load_config().paths)  # doctest: +SKIP
    >>> predictor.predict([Product("Harry Potter, tome 1")])[0].label  # doctest: +SKIP
    'Used books'
    """

    def __init__(self, pipeline: FullPipeline) -> None:
        self.pipeline = pipeline
        # openvino's queue and numba's threads each serve one caller at a time.
        self._lock = threading.Lock()

    @property
    def threshold(self) -> float:
        """Probability below which an answer needs a person's review."""
        return self.pipeline.threshold

    @property
    def classes(self) -> np.ndarray:
        """Known codes, shape (n_classes,), int64."""
        return self.pipeline.model.classes_

    @property
    def labels(self) -> Mapping[int, Mapping[str, str]]:
        """Label of each code by language."""
        return self.pipeline.labels

    @property
    def run_id(self) -> str:
        """Run that trained the model."""
        return self.pipeline.run_id

    @property
    def kind(self) -> str:
        """Kind of the model, as ``[model].name``."""
        return self.pipeline.kind

    @property
    def snapshot(self) -> str:
        """Data hash of the rows that it learned from."""
        return self.pipeline.data_hash

    @property
    def sees_images(self) -> bool:
        """Whether any branch of the model reads images."""
        return any(isinstance(e, ImageExtractor) for e in self.pipeline.extractors)

    @property
    def synthetic(self) -> bool:
        """Whether those were drawn by the demo shop."""
        return self.pipeline.synthetic

    def predict(
        self, products: Sequence[Product] | pd.DataFrame, *, top_k: int = 3, language: str = "en"
    ) -> list[Prediction]:
        """Answer for n products.

        Parameters
        ----------
        products : sequence of Product, or DataFrame
            A DataFrame has a column designation; description and image (path, bytes or "") where
            there are any. No product makes this fail, whatever its text or image.
        top_k : int
            Number of candidates, at least 1; more than there are classes gives all of them.
        language : {"fr", "en"}
            Of the labels.

        Raises
        ------
        UsageError
            For another language, or `top_k` below 1.
        """
        _check_options(top_k, language)
        answers: list[Prediction] = []
        for start in range(0, len(products), CHUNK_ROWS):
            chunk = products[start : start + CHUNK_ROWS]
            answers += self._answer(chunk, top_k, language, monitored=False).predictions
        return answers

    def answer(
        self, products: Sequence[Product] | pd.DataFrame, *, top_k: int = 3, language: str = "en"
    ) -> PredictionBatch:
        """Return the same for one chunk of products, with what the answers rest on."""
        _check_options(top_k, language)
        return self._answer(products, top_k, language, monitored=True)

    def _answer(
        self,
        products: Sequence[Product] | pd.DataFrame,
        top_k: int,
        language: str,
        *,
        monitored: bool,
    ) -> PredictionBatch:
        frame = as_frame(products)
        with self._lock:
            table = self.pipeline.table(frame, language=monitored)
            proba = self.pipeline.model.predict_proba(table)
        used = table["has_image"].to_numpy() & self.sees_images
        best = (-proba).argsort(axis=1, kind="stable")[:, :top_k]
        names = [self.labels.get(int(c), {}).get(language, str(c)) for c in self.classes]
        codes = self.classes.tolist()
        rows = zip(
            best.tolist(), proba, self._in_training(frame).tolist(), used.tolist(), strict=True
        )
        predictions = [
            self._prediction(
                tuple(Candidate(codes[c], names[c], float(row[c])) for c in order),
                known,
                used_image,
            )
            for order, row, known, used_image in rows
        ]
        return PredictionBatch(predictions, table, proba, self.pipeline.model)

    def explain(self, product: Product, code: int | None = None, top: int = 10) -> Explanation:
        """Say why a product gets a class.

        Parameters
        ----------
        code : int or None
            The class; None takes the likeliest.
        top : int
            N-grams for and against at the most.

        Raises
        ------
        UsageError
            The model does not know the class.
        """
        from src.evaluation.shap.product import explain_product
        from src.serving.explanation import Explanation, heat_map

        model = self.pipeline.model
        with self._lock:
            table = self.pipeline.table(as_frame([product]), language=False)
            chosen = int(model.predict(table)[0]) if code is None else code
            contributions = explain_product(model, table, chosen, top)
            image = table["image"].iloc[0] or None
            return Explanation(contributions, heat_map(self.pipeline, image, chosen))

    def _in_training(self, frame: pd.DataFrame) -> np.ndarray:
        """Tell which products were in the training data, text and image both; bool (n,)."""
        keys = product_keys(frame)
        known = self.pipeline.training_keys
        return known[known.searchsorted(keys).clip(max=len(known) - 1)] == keys

    def _prediction(
        self, candidates: tuple[Candidate, ...], known: bool, used_image: bool
    ) -> Prediction:
        first = candidates[0]
        return Prediction(
            code=first.code,
            label=first.label,
            probability=first.probability,
            top_k=candidates,
            needs_review=first.probability < self.threshold,
            known=known,
            used_image=used_image,
            model=self.run_id,
            snapshot=self.snapshot,
            synthetic=self.synthetic,
        )


def load_predictor(paths: Paths, kind: str | None = None) -> Predictor:
    """Load the model of a kind.

    Parameters
    ----------
    paths : Paths
        Folders of the configuration.
    kind : str or None
        As ``[model].name``; None takes the served run's.

    Raises
    ------
    ArtifactError
        Nothing was trained yet, or the file is not what the manifest lists.
    """
    store = ArtifactStore(paths)
    if kind is None:
        store = store.pinned()  # one run, even if another is promoted meanwhile
        kind = store.served_run().kind
    return Predictor(store.load(store.full_pipeline(kind)))


def as_frame(products: Sequence[Product] | pd.DataFrame) -> pd.DataFrame:
    """Return the columns designation, description and image; a missing column or cell is ""."""
    import pandas as pd

    if isinstance(products, pd.DataFrame):
        empty = [""] * len(products)
        columns = {n: products[n].tolist() if n in products else empty for n in COLUMNS}
    else:
        columns = {name: [getattr(product, name) for product in products] for name in COLUMNS}
    texts = {name: [_text(text) for text in columns[name]] for name in COLUMNS[:2]}
    images = [image if isinstance(image, bytes) else _text(image) for image in columns["image"]]
    return pd.DataFrame({**texts, "image": pd.Series(images, dtype=object)}, dtype=object)


def _text(value: object) -> str:
    """Return a text that UTF-8 can hold; "" for None and the NaN of an empty cell."""
    import pandas as pd

    if not isinstance(value, str):
        return "" if pd.isna(value) else str(value)  # type: ignore[call-overload]
    return encodable(value)


def _check_options(top_k: int, language: str) -> None:
    if top_k < 1:
        raise UsageError(f"top_k = {top_k}: expected 1 or more")
    if language not in LANGUAGES:
        raise UsageError(f"language {language!r} is not one of {', '.join(LANGUAGES)}")
