"""A file of products scored in steps, for a page that shows how far it is."""

from __future__ import annotations

import dataclasses
import io
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from src.data.readers import ProductReader
from src.errors import FileFault
from src.i18n import Said
from src.serving.answers import answers_header, answers_rows
from src.serving.predictor import Prediction, Predictor
from src.serving.uploads import unpack_images

CHUNK_ROWS = 100
MAX_ROWS = 100_000
TOP_K = 3


@dataclasses.dataclass(frozen=True)
class ScoredFile:
    """Answers for a file, and what the reader says of it.

    `cells` are the input's own under `header`, `titles` and `predictions` one a row, `skipped` the
    files of the zip that are no images, None without a zip.
    """

    reader: ProductReader
    cells: list[list[str]]
    titles: list[str]
    predictions: list[Prediction]
    skipped: int | None

    @property
    def classes(self) -> Counter[int]:
        """Products of each predicted code; those that nobody can read have none."""
        return Counter(p.code for p in self.predictions if p.code is not None)

    def written(self, labels: Mapping[int, Mapping[str, str]], language: str, form: str) -> bytes:
        """Return what ``scripts/predict.py`` writes for the same file."""
        header = answers_header(self.reader.header, TOP_K, form)
        rows = answers_rows(self.cells, self.predictions, TOP_K, labels, language, form)
        return (header + rows).encode()


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
    with tempfile.TemporaryDirectory(prefix="images-") as place:
        images, skipped = unpack_images(zipped, Path(place)) if zipped else (None, None)
        source = io.BytesIO(data)
        reader = ProductReader(source, name, images=images)
        scored = ScoredFile(reader, [], [], [], skipped)
        for chunk in reader.chunks(CHUNK_ROWS):
            scored.predictions.extend(predictor.predict(chunk, top_k=TOP_K))
            scored.cells.extend(chunk["cells"])
            scored.titles.extend(chunk["designation"])
            rows = len(scored.predictions)
            done = 1.0 if source.closed else source.tell() / max(len(data), 1)
            progress(min(done, 1.0), rows)
            if rows > MAX_ROWS:
                problem = Said("reader.faults.most_rows", n=MAX_ROWS)
                command = "python scripts/predict.py FILE.csv --out scored.csv"
                raise FileFault.of(name, problem, next_command=command)
    return scored
