"""`Predictor`: from a product's text and image to its likeliest classes, for every face.

The predict command, the HTTP service and the app all call `Predictor.predict` or its `answer`, so
that they give the same answer to the last digit. Networks run in onnxruntime or openvino; torch,
streamlit and shap are never imported.
"""

from __future__ import annotations

import dataclasses
import functools
import gc
import threading
from collections import defaultdict, deque
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from src.artifacts.store import ArtifactStore
from src.config import Paths
from src.errors import UsageError
from src.files import encodable
from src.i18n import LANGUAGES
from src.pipelines.image_pipeline import ImageExtractor
from src.pipelines.product_keys import product_keys

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from src.evaluation.shap.product import Contributions
    from src.models.late_fusion import LateFusion
    from src.pipelines.neighbours import Neighbours
    from src.pipelines.product_model import FullPipeline

Answered: TypeAlias = "tuple[list[Prediction], pd.DataFrame, np.ndarray, LateFusion]"
"""What `Predictor.answer` returns."""
# Products that go through the model together: bounds the memory of a large batch.
CHUNK_ROWS = 4_000
# The same of single ones that wait: bounds how long the first of them waits for the last.
WAITING_TOGETHER = 16
NOTHING_TO_READ = (
    "nothing to read: expected a title or description with a letter or digit, or an image"
)
COLUMNS = ("designation", "description", "image")


@dataclasses.dataclass(frozen=True)
class Product:
    """What is known of one product; either text may be empty.

    An image is a file, or what is in it; one that can't be read counts as missing.
    """

    designation: str
    description: str = ""
    image: Path | str | bytes | None = None


@dataclasses.dataclass(frozen=True)
class Prediction:
    """The answer for one product, the same value for every face of the platform."""

    code: int | None  # prdtypecode of the likeliest class; None where there is nothing to read
    label: str  # its name in the language that was asked for, or ""
    probability: float | None  # calibrated
    top_k: tuple[tuple[int, str, float], ...]  # the same of the likeliest classes, the first too
    # The probability is below the threshold that training chose for [decision].target_accuracy, or
    # there is a reason: how the product differs from all that training saw, see
    # `FullPipeline.review_reasons`.
    needs_review: bool
    review_reason: tuple[str, ...]
    known: bool  # a product with the same text and the same image was in the training data
    used_text: bool  # a letter or digit was there
    used_image: bool  # an image was there and could be read
    model: str  # run that trained the model
    snapshot: str  # data hash of the rows that it learned from
    synthetic: bool  # these were drawn by the demo shop


class Predictor:
    """The served model, one caller at a time; `store` has the run's other files.

    >>> from src.config import load_config
    >>> predictor = load_predictor(load_config().paths)  # doctest: +SKIP
    >>> predictor.predict([Product("Harry Potter, tome 1")])[0].label  # doctest: +SKIP
    'Used books'
    """

    def __init__(self, pipeline: FullPipeline, store: ArtifactStore | None = None) -> None:
        self.pipeline = pipeline
        self._store = store
        # openvino's queue and numba's threads each serve one caller at a time.
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        # By top_k and language: single products whose callers wait for their turn.
        self._waiting: defaultdict[tuple[int, str], deque[tuple[Product, Future[Answered]]]]
        self._waiting = defaultdict(deque)

    @property
    def sees_images(self) -> bool:
        """Whether any branch of the model reads images."""
        return any(isinstance(e, ImageExtractor) for e in self.pipeline.extractors)

    def predict(
        self, products: Sequence[Product] | pd.DataFrame, *, top_k: int = 3, language: str = "en"
    ) -> list[Prediction]:
        """Answer for n products; one without a letter, a digit or an image gets no class.

        A DataFrame has a column designation; description and image (path, bytes or "") where there
        are any. No product makes this fail, whatever its text or image. `top_k` is at least 1; more
        than there are classes gives all of them. Labels are in `language`.
        """
        _check_options(top_k, language)
        answers: list[Prediction] = []
        for start in range(0, len(products), CHUNK_ROWS):
            chunk = products[start : start + CHUNK_ROWS]
            answers += self.answer(chunk, top_k=top_k, language=language)[0]
        return answers

    def answer(
        self, products: Sequence[Product] | pd.DataFrame, *, top_k: int = 3, language: str = "en"
    ) -> Answered:
        """Return the same for one chunk of n products, and what the answers rest on.

        That is the product table, the probabilities of shape (n, n_classes), and the model.
        """
        _check_options(top_k, language)
        with self._lock:
            table = self.pipeline.table(as_frame(products))
            proba = self.pipeline.model.predict_proba(table)
        answers = self._answers(table, proba, top_k, language)
        return answers, table, proba, self.pipeline.model

    def answer_one(self, product: Product, *, top_k: int = 3, language: str = "en") -> Answered:
        """Return the same for one product.

        Callers that wait for their turn are answered together, in a third of the time that they
        take one after the other; every product gets the digits that it gets alone.
        """
        _check_options(top_k, language)
        waiting, future = self._waiting[top_k, language], Future()  # type: ignore[var-annotated]
        waiting.append((product, future))
        with self._turn:
            while not future.done():
                size = min(len(waiting), WAITING_TOGETHER)
                self._settle([waiting.popleft() for _ in range(size)], top_k, language)
        return future.result()

    def _settle(
        self, asked: Sequence[tuple[Product, Future[Answered]]], top_k: int, language: str
    ) -> None:
        """Answer several callers; where that fails, each by itself."""
        try:
            products = [product for product, _ in asked]
            answers, table, proba, model = self.answer(products, top_k=top_k, language=language)
        except Exception as e:  # noqa: BLE001 - raised again where its caller waits
            if len(asked) == 1:
                asked[0][1].set_exception(e)
            else:
                for one in asked:
                    self._settle([one], top_k, language)
            return
        for row, (_, future) in enumerate(asked):
            future.set_result(([answers[row]], table.iloc[[row]], proba[[row]], model))

    def explain(
        self, product: Product, code: int | None = None, top: int = 10
    ) -> tuple[Contributions, bytes | None]:
        """Say why a product gets a class: what spoke for and against it, and where in the image.

        Without a `code` it is the likeliest class; `top` n-grams for and against at the most. The
        PNG is the image, and over it where the network found what speaks for the class; None
        without an image, and where no linear model reads a network's embedding.

        Raises
        ------
        UsageError
            The model does not know the class, or there is nothing to read.
        """
        from src.evaluation.shap.product import explain_product
        from src.pipelines.heat_map import heat_map

        model = self.pipeline.model
        with self._lock:
            table = self.pipeline.table(as_frame([product]))
            if not self.pipeline.readable(table)[0]:
                raise UsageError(NOTHING_TO_READ)
            chosen = int(model.predict(table)[0]) if code is None else code
            contributions = explain_product(model, table, chosen, top)
            image = table["image"].iloc[0] or None
            return contributions, heat_map(self.pipeline, image, chosen)

    def similar(self, product: Product, top: int = 5) -> tuple[pd.DataFrame, str]:
        """Return at most `top` training products that a product is most like, nearest first.

        The table has the columns of `Neighbours.most_similar` and of its products, and `same`: text
        and image are the product's own. Beside it, why it is empty: "not_kept" by the run,
        "nothing_to_read", "nothing_alike", or "".
        """
        import pandas as pd

        with self._lock:
            kept, table = self._neighbours, self.pipeline.table(as_frame([product]))
            if not self.pipeline.readable(table)[0]:
                return pd.DataFrame(), "nothing_to_read"
            if kept is None:
                return pd.DataFrame(), "not_kept"
            found = kept.most_similar(table, self.pipeline.model, top)
        products = kept.products.iloc[found["row"]].reset_index(drop=True)
        same = products.pop("key") == product_keys(table)[0]
        return found.join(products.assign(same=same)), "" if len(found) else "nothing_alike"

    @functools.cached_property
    def _neighbours(self) -> Neighbours | None:
        """The training products, loaded when first asked for; None where the run kept none."""
        if self._store is None or not self._store.neighbours.is_file():
            return None
        kept: Neighbours = self._store.load(self._store.neighbours)
        return kept

    def _answers(
        self, table: pd.DataFrame, proba: np.ndarray, top_k: int, language: str
    ) -> list[Prediction]:
        pipeline = self.pipeline
        codes = pipeline.model.classes_.tolist()
        names = [pipeline.labels.get(code, {}).get(language, str(code)) for code in codes]
        best = (-proba).argsort(axis=1, kind="stable")[:, :top_k].tolist()
        columns = {
            "known": self._known(table),
            "used_text": table["has_text"].tolist(),
            "used_image": (table["has_image"].to_numpy() & self.sees_images).tolist(),
            "readable": pipeline.readable(table).tolist(),
            "review_reason": pipeline.review_reasons(table),
        }
        answers = []
        for places, row, known, used_text, used_image, readable, reasons in zip(
            best, proba, *columns.values(), strict=True
        ):
            candidates = tuple((codes[c], names[c], float(row[c])) for c in places if readable)
            code, label, probability = candidates[0] if readable else (None, "", None)
            answer = Prediction(
                code=code,
                label=label,
                probability=probability,
                top_k=candidates,
                needs_review=bool(reasons) or (probability or 0.0) < pipeline.threshold,
                review_reason=reasons,
                known=known,
                used_text=used_text,
                used_image=used_image,
                model=pipeline.run_id,
                snapshot=pipeline.data_hash,
                synthetic=pipeline.synthetic,
            )
            answers.append(answer)
        return answers

    def _known(self, table: pd.DataFrame) -> list[bool]:
        """Tell which products were in the training data, text and image both."""
        keys, known = product_keys(table), self.pipeline.training_keys
        return (known[known.searchsorted(keys).clip(max=len(known) - 1)] == keys).tolist()


def load_predictor(paths: Paths, kind: str | None = None) -> Predictor:
    """Load the model of a kind, as ``[model].name``; None takes the served run's.

    Raises
    ------
    ArtifactError
        Nothing was trained yet, or the file is not what the manifest lists.
    """
    store = ArtifactStore(paths).pinned(kind=kind)  # one run, even if another is promoted meanwhile
    pipeline = store.load(store.full_pipeline(store.served_run().kind))
    # It stays: a collection that walks it takes 0.1 s, in the midst of an answer.
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    return Predictor(pipeline, store)


def as_frame(products: Sequence[Product] | pd.DataFrame) -> pd.DataFrame:
    """Return the columns designation, description and image; a missing column or cell is ""."""
    import numpy as np
    import pandas as pd

    if isinstance(products, pd.DataFrame):
        empty = [""] * len(products)
        columns = {n: products[n].tolist() if n in products else empty for n in COLUMNS}
    else:
        columns = {name: [getattr(product, name) for product in products] for name in COLUMNS}
    frame = np.empty((len(products), len(COLUMNS)), dtype=object)
    for place, name in enumerate(COLUMNS):
        cells = columns[name]
        frame[:, place] = [
            c if isinstance(c, bytes) and name == "image" else _text(c) for c in cells
        ]
    return pd.DataFrame(frame, columns=_frame_columns(), dtype=object)


@functools.cache
def _frame_columns() -> pd.Index:
    import pandas as pd

    return pd.Index(COLUMNS, dtype=object)


def _text(value: object) -> str:
    """Return a text that UTF-8 can hold; "" for None and the NaN of an empty cell."""
    if isinstance(value, str):
        return encodable(value)
    import pandas as pd

    return "" if value is None or pd.isna(value) else str(value)  # type: ignore[call-overload]


def _check_options(top_k: int, language: str) -> None:
    if top_k < 1:
        raise UsageError(f"top_k = {top_k}: expected 1 or more")
    if language not in LANGUAGES:
        raise UsageError(f"language {language!r} is not one of {', '.join(LANGUAGES)}")
