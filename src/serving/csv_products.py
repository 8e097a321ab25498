"""Products out of a CSV and answers into one, chunk by chunk: no file is ever held whole.

Any comma-separated UTF-8 file with a header and a column ``designation`` will do, the official
format among them. The predict command and ``POST /predict/batch`` read and write through here.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import itertools
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from src.data.images import file_name
from src.errors import FileFault
from src.serving.prediction import Prediction
from src.serving.predictor import Product

TEXT_COLUMNS = ("designation", "description")
# Longest text of one cell; the module's own limit is 131,072.
MOST_CHARACTERS = 16_000_000
CHUNK_ROWS = 500
_OURS = re.compile(
    r"prdtypecode|label|probability|needs_review|known|used_image|(code|label|probability)_\d+"
)
_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "bars"}


@dataclasses.dataclass(frozen=True)
class Chunk:
    """Some consecutive products.

    Attributes
    ----------
    products : list of Product
    productids : list of (int or None)
        Where the file gives them.
    kept : list of list of str
        The cells of each row that are handed on: ids and whatever else the file holds.
    """

    products: list[Product]
    productids: list[int | None]
    kept: list[list[str]]


class ProductReader:
    """Read products from a text stream.

    Parameters
    ----------
    stream : text stream
        Opened with ``newline=""``.
    name : str
        What messages call it.
    images : Path or None
        Folder of pictures named as the official ones, by imageid and productid.

    Attributes
    ----------
    kept_columns : list of str
        Columns that are handed on: all but the texts, and those named as a column of the answers.

    Raises
    ------
    FileFault
        The header is missing, or has no column designation.
    """

    def __init__(self, stream: TextIO, name: str, images: Path | None = None) -> None:
        csv.field_size_limit(MOST_CHARACTERS)
        self.name = name
        self.images = images
        self._rows = csv.reader(_without_nul(stream, name), strict=True)
        header = self._next() or []
        self.header = [column.removeprefix("\ufeff") for column in header]
        if self.header.count("designation") != 1:
            raise self._fault(1, "a header with one column 'designation'", _seen(header))
        self._kept = [
            i
            for i, name in enumerate(self.header)
            if name not in TEXT_COLUMNS and not _OURS.fullmatch(name)
        ]
        self.kept_columns = [self.header[i] for i in self._kept]

    def chunks(self, rows: int = CHUNK_ROWS) -> Iterator[Chunk]:
        """Yield the products, at most `rows` at a time.

        Raises
        ------
        FileFault
            At the first row that can't be read.
        """
        while batch := list(itertools.islice(self._records(), rows)):
            yield self._chunk(batch)

    def _records(self) -> Iterator[list[str]]:
        while (row := self._next()) is not None:
            if not row:
                continue  # an empty line
            if len(row) != len(self.header):
                found = f"{len(row)}: {','.join(row)[:80]}"
                raise self._fault(self._rows.line_num, f"{len(self.header)} fields", found)
            yield row

    def _next(self) -> list[str] | None:
        try:
            return next(self._rows, None)
        except csv.Error as e:
            raise self._fault(self._rows.line_num, "comma-separated fields", str(e)) from e
        except UnicodeDecodeError as e:
            found = f"byte 0x{e.object[e.start]:02x}"
            raise self._fault(self._rows.line_num + 1, "UTF-8 at or after here", found) from e

    def _fault(self, line: int, expected: str, found: str) -> FileFault:
        show = f"head -n {line} {shlex.quote(self.name)} | tail -n 1 | cut -b 1-300"
        return FileFault(
            f"{self.name}, line {line}: expected {expected}, found {found}",
            next_command=show if Path(self.name).is_file() else "python scripts/predict.py --help",
        )

    def _chunk(self, rows: Sequence[list[str]]) -> Chunk:
        column = {name: i for i, name in enumerate(self.header)}
        products, ids = [], []
        for row in rows:
            title, body, productid, imageid = (
                row[column[name]] if name in column else ""
                for name in (*TEXT_COLUMNS, "productid", "imageid")
            )
            ids.append(_number(productid))
            products.append(Product(title, body, self._image(_number(imageid), ids[-1])))
        return Chunk(products, ids, [[row[i] for i in self._kept] for row in rows])

    def _image(self, imageid: int | None, productid: int | None) -> Path | None:
        if self.images is None or imageid is None or productid is None:
            return None
        path = self.images / file_name(imageid, productid)
        return path if path.is_file() else None


def answer_header(kept_columns: Sequence[str], top_k: int) -> list[str]:
    """Return the columns of the answers: those handed on, then ours."""
    more = [f"{name}_{k}" for k in range(2, top_k + 1) for name in ("code", "label", "probability")]
    ours = ["prdtypecode", "label", "probability", *more, "needs_review", "known", "used_image"]
    return [*kept_columns, *ours]


def answer_row(kept: Sequence[str], prediction: Prediction) -> list[str]:
    """Return one row of answers; probabilities with every digit."""
    candidates = [
        text for c in prediction.top_k for text in (str(c.code), c.label, repr(c.probability))
    ]
    flags = (prediction.needs_review, prediction.known, prediction.used_image)
    return [*kept, *candidates, *(str(flag).lower() for flag in flags)]


def to_csv(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as CSV text, lines ending in a newline."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _without_nul(stream: TextIO, name: str) -> Iterator[str]:
    for number, line in enumerate(stream, start=1):
        if "\0" in line:
            raise FileFault(
                f"{name}, line {number}: expected text, found a NUL byte",
                next_command="python scripts/predict.py --help",
            )
        yield line


def _seen(header: Sequence[str]) -> str:
    if not header:
        return "an empty file"
    other = next((n for d, n in _DELIMITERS.items() if len(header) == 1 and d in header[0]), "")
    shown = ",".join(header)[:80]
    return f"{shown!r}, which is separated by {other}" if other else repr(shown)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
