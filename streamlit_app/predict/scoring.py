"""A file of products scored in steps, for a page that shows how far it is."""

import contextlib
import dataclasses
import io
import tempfile
import weakref
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from src.data.readers import ProductReader
from src.errors import FileFault
from src.i18n import Said
from src.serving.answers import answers_header, answers_rows, own_columns
from src.serving.predictor import COLUMNS, Prediction, Predictor, Product
from src.serving.uploads import unpack_images

CHUNK_ROWS = 100
MAX_ROWS = 100_000
TOP_K, CORRECTED = 3, "corrected_code"


@dataclasses.dataclass(frozen=True)
class ScoredFile:
    """Answers for a file, and what the reader says of it.

    `cells` are the input's own under `header`, the other lists have one entry a row, `skipped` are
    the files of the zip that are no images, None without a zip. The images of the products lie in a
    folder that is deleted with this object.
    """

    reader: ProductReader
    cells: list[list[str]]
    products: list[Product]
    productids: list[int]  # `NO_ID` where there is none
    predictions: list[Prediction]
    skipped: int | None

    @property
    def classes(self) -> Counter[int]:
        """Products of each predicted code; those that nobody can read have none."""
        return Counter(p.code for p in self.predictions if p.code is not None)

    def written(
        self,
        labels: Mapping[int, Mapping[str, str]],
        language: str,
        form: str,
        corrected: Mapping[int, int],
    ) -> bytes:
        """Return what ``scripts/predict.py`` writes for the same file, or the same as Parquet.

        `corrected` gives the classes that people gave to rows; with any there is a column of them.
        In Parquet the input's own columns are text, as they were read.
        """
        own, cells = list(self.reader.header), self.cells
        if corrected:
            own = [*own_columns(own, TOP_K, CORRECTED), CORRECTED]
            cells = [[*row, str(corrected.get(i, ""))] for i, row in enumerate(cells)]
        text_form = "csv" if form == "parquet" else form
        text = answers_header(own, TOP_K, text_form)
        text += answers_rows(cells, self.predictions, TOP_K, labels, language, text_form)
        if form != "parquet":
            return text.encode()
        names = pd.read_csv(io.StringIO(text), nrows=0).columns  # each once
        table = pd.read_csv(
            io.StringIO(text),
            dtype=dict.fromkeys(names[: len(own)], "str"),
            keep_default_na=False,
            na_values={name: [""] for name in names[len(own) :]},
        )
        return table.to_parquet(index=False)


def score_file(
    predictor: Predictor,
    data: bytes,
    name: str,
    zipped: bytes | None,
    *,
    progress: Callable[[float, int], None],
) -> ScoredFile:
    """Score the products of a file, which messages call `name`, with a zip of images or None.

    `progress` is called with the share that is done (by bytes read) and the rows so far. A file or
    zip that is not what it should be, without rows or with too many, is a FileFault.
    """
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(tempfile.TemporaryDirectory(prefix="images-"))
        images, skipped = unpack_images(zipped, Path(place)) if zipped else (None, None)
        source = io.BytesIO(data)
        reader = ProductReader(source, name, images=images)
        scored = ScoredFile(reader, [], [], [], [], skipped)
        for chunk in reader.chunks(CHUNK_ROWS):
            scored.predictions.extend(predictor.predict(chunk, top_k=TOP_K))
            scored.cells.extend(chunk["cells"])
            scored.productids.extend(chunk["productid"].tolist())
            for title, text, image in chunk[list(COLUMNS)].itertuples(index=False):
                scored.products.append(Product(title, text, Path(image) if image else None))
            rows = len(scored.predictions)
            done = 1.0 if source.closed else source.tell() / max(len(data), 1)
            progress(min(done, 1.0), rows)
            if rows > MAX_ROWS:
                problem = Said("reader.faults.most_rows", n=MAX_ROWS)
                command = "python scripts/predict.py FILE.csv --out scored.csv"
                raise FileFault.of(name, problem, next_command=command)
        weakref.finalize(scored, stack.pop_all().close)
    return scored
