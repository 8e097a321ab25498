"""`Predictor`: from a product's text and picture to its likeliest classes, for every face.

The predict command, the HTTP service and the app all call `Predictor.predict` or
`Predictor.predict_frame`, so that they give the same answer to the last digit. Networks run in
onnxruntime or openvino; torch, streamlit and shap are never imported.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.artifacts.store import ArtifactStore
from src.config import Paths
from src.errors import UsageError
from src.files import encodable
from src.labels import LANGUAGES
from src.pipelines.image_pipeline import ImageExtractor
from src.pipelines.product_keys import product_keys
from src.serving.prediction import Candidate, Prediction

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from src.features.extracted import Extracted
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
        The picture's file, or what is in it. One that can't be read counts as missing.
    """

    designation: str
    description: str = ""
    image: Path | bytes | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Answered:
    """Answers for n products, and what they rest on.

    Attributes
    ----------
    predictions : list of Prediction, length n
    items : DataFrame, n rows
        The products as the extractors read them.
    extracted : Extracted
        What the extractors gave.
    proba : ndarray, shape (n, n_classes)
    model : LateFusion
        Who answered.
    """

    predictions: list[Prediction]
    items: pd.DataFrame
    extracted: Extracted
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
        """Whether any branch of the model looks at pictures."""
        return any(isinstance(e, ImageExtractor) for e in self.pipeline.extractors)

    @property
    def synthetic(self) -> bool:
        """Whether those were drawn by the demo shop."""
        return self.pipeline.synthetic

    def predict(
        self, products: Sequence[Product], *, top_k: int = 3, language: str = "en"
    ) -> list[Prediction]:
        """Answer for some products.

        Parameters
        ----------
        products : sequence of Product, length n
            None of them makes this fail, whatever its text or picture.
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
            answers += self._answer(frame_of(chunk), top_k, language).predictions
        return answers

    def answer(
        self, products: Sequence[Product] | pd.DataFrame, *, top_k: int = 3, language: str = "en"
    ) -> Answered:
        """Return the same for one chunk of products, with what the answers rest on.

        A table holds them as for `predict_frame`.
        """
        _check_options(top_k, language)
        items = frame_of(products) if isinstance(products, Sequence) else tidy(products)
        return self._answer(items, top_k, language)

    def predict_frame(
        self, items: pd.DataFrame, *, top_k: int = 3, language: str = "en"
    ) -> list[Prediction]:
        """Answer for the products of a table.

        Parameters
        ----------
        items : DataFrame, n rows
            Column designation; description and image (path, bytes or "") where there are any.
        top_k, language
            As in `predict`.
        """
        _check_options(top_k, language)
        answers: list[Prediction] = []
        for start in range(0, len(items), CHUNK_ROWS):
            chunk = tidy(items.iloc[start : start + CHUNK_ROWS])
            answers += self._answer(chunk, top_k, language).predictions
        return answers

    def explain(self, product: Product, code: int | None = None, top: int = 10) -> Explanation:
        """Say why a product gets a class.

        Parameters
        ----------
        product : Product
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

        items = frame_of([product])
        model = self.pipeline.model
        with self._lock:
            extracted = self.pipeline.extract(items)
            chosen = int(model.predict(extracted)[0]) if code is None else code
            contributions = explain_product(model, extracted, chosen, top)
            picture = items["image"].iloc[0] or None
            return Explanation(contributions, heat_map(self.pipeline, picture, chosen))

    def _answer(self, items: pd.DataFrame, top_k: int, language: str) -> Answered:
        """Answer for one chunk of tidy items."""
        with self._lock:
            extracted = self.pipeline.extract(items)
            probabilities = self.pipeline.model.predict_proba(extracted)
        used = extracted.masks["image"] & self.sees_images
        known = self._were_seen(items)
        best = (-probabilities).argsort(axis=1, kind="stable")[:, :top_k]
        names = [self.labels.get(int(c), {}).get(language, str(c)) for c in self.classes]
        codes = self.classes.tolist()
        predictions = [
            self._prediction(
                tuple(Candidate(codes[c], names[c], float(row[c])) for c in order),
                bool(was_known),
                bool(was_used),
            )
            for order, row, was_known, was_used in zip(
                best.tolist(), probabilities, known, used, strict=True
            )
        ]
        return Answered(predictions, items, extracted, probabilities, self.pipeline.model)

    def _were_seen(self, items: pd.DataFrame) -> np.ndarray:
        """Tell which products were in the training data, text and picture both; bool (n,)."""
        keys = product_keys(*(items[name].tolist() for name in COLUMNS))
        seen = self.pipeline.seen
        return seen[seen.searchsorted(keys).clip(max=len(seen) - 1)] == keys

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
        As ``[model].name``; None takes the run in force.

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


def frame_of(products: Sequence[Product]) -> pd.DataFrame:
    """Return products as the table that extractors read, one row each."""
    return _frame(
        [product.designation for product in products],
        [product.description for product in products],
        [product.image for product in products],
    )


def tidy(items: pd.DataFrame) -> pd.DataFrame:
    """Return the three columns that extractors read; a missing column or cell is ""."""
    empty = [""] * len(items)
    return _frame(*(items[name].tolist() if name in items else empty for name in COLUMNS))


def _frame(titles: list[Any], descriptions: list[Any], images: list[Any]) -> pd.DataFrame:
    import pandas as pd

    pictures = [image if isinstance(image, bytes) else _text(image) for image in images]
    return pd.DataFrame(
        {
            "designation": [_text(title) for title in titles],
            "description": [_text(description) for description in descriptions],
            "image": pd.Series(pictures, dtype=object),
        },
        dtype=object,
    )


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
