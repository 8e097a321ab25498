"""A file of products scored in steps, for a page that shows how far it is."""

from __future__ import annotations

import dataclasses
import io
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from src.data.readers import ProductReader
from src.errors import FileFault
from src.serving.answers import answers_header, answers_rows
from src.serving.predictor import Prediction, Predictor
from src.serving.uploads import unpack_images

CHUNK_ROWS = 100
MAX_ROWS = 100_000
SHOWN_ROWS = 200
TOP_K = 3


@dataclasses.dataclass(frozen=True)
class ScoredFile:
    """Answers for a file.

    Attributes
    ----------
    csv : bytes
        The columns that were uploaded but for the texts, and the answers: what
        ``scripts/predict.py`` writes for the same file.
    shown : list of dict
        The first rows, for the screen: title, code, probability, needs_review, used_image.
    rows, to_review : int
    classes : Counter of int
        Products of each predicted code.
    unpacked : (int, int) or None
        Images that the zip gave, and files of it that were skipped.
    """

    csv: bytes
    shown: list[dict[str, object]]
    rows: int
    to_review: int
    classes: Counter[int]
    unpacked: tuple[int, int] | None


def score_file(
    predictor: Predictor,
    data: bytes,
    name: str,
    zipped: bytes | None,
    *,
    language: str,
    progress: Callable[[float, int], None],
) -> ScoredFile:
    """Score the products of a CSV.

    Parameters
    ----------
    predictor : Predictor
    data, name : bytes, str
        The CSV, and what messages call it.
    zipped : bytes or None
        A zip of images, named as the official ones.
    language : {"fr", "en"}
        Of the labels.
    progress : callable
        Called with the share that is done (by bytes read) and the rows so far.

    Raises
    ------
    FileFault
        The CSV or the zip is not what it should be, or has too many rows.
    """
    with tempfile.TemporaryDirectory(prefix="images-") as place:
        folder = Path(place)
        unpacked = None if zipped is None else unpack_images(zipped, folder)
        source = io.BytesIO(data)
        reader = ProductReader(source, name, [folder])
        tally = _Tally(reader.header)
        for chunk in reader.chunks(CHUNK_ROWS):
            tally.add(chunk, predictor.predict(chunk, top_k=TOP_K, language=language))
            progress(min(source.tell() / max(len(data), 1), 1.0), tally.rows)
            if tally.rows > MAX_ROWS:
                raise FileFault(
                    f"{name} has more than {MAX_ROWS:,} rows",
                    next_command="python scripts/predict.py FILE.csv --out scored.csv",
                )
    return tally.finished(unpacked)


@dataclasses.dataclass
class _Tally:
    """What the rows so far add up to."""

    header: list[str]
    lines: list[str] = dataclasses.field(default_factory=list)
    shown: list[dict[str, object]] = dataclasses.field(default_factory=list)
    classes: Counter[int] = dataclasses.field(default_factory=Counter)
    to_review: int = 0

    @property
    def rows(self) -> int:
        return self.classes.total()

    def add(self, chunk: pd.DataFrame, answers: list[Prediction]) -> None:
        self.lines.append(answers_rows(self.header, chunk["cells"], answers))
        self.classes.update(answer.code for answer in answers)
        self.to_review += sum(answer.needs_review for answer in answers)
        left = SHOWN_ROWS - len(self.shown)
        self.shown += map(_shown, chunk["designation"][:left], answers)

    def finished(self, unpacked: tuple[int, int] | None) -> ScoredFile:
        csv = "".join([answers_header(self.header, TOP_K), *self.lines]).encode()
        return ScoredFile(csv, self.shown, self.rows, self.to_review, self.classes, unpacked)


def _shown(title: str, answer: Prediction) -> dict[str, object]:
    return {
        "title": title,
        "code": answer.code,
        "probability": answer.probability,
        "needs_review": answer.needs_review,
        "used_image": answer.used_image,
    }
