"""Products out of any CSV with a column ``designation``, the official format among them.

The predict command, ``POST /predict/batch``, the app's upload and the drift report all read through
here, by one set of rules: ids are whole numbers ("12.0" is one), missing texts are "", images
are searched under their official names. Nothing is held whole unless the caller wants it so.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd

from src.data.csv_files import (
    INDEX_NAMES,
    NO_ID,
    describe_header,
    read_records,
    whole_number,
)
from src.data.images import image_paths, list_images
from src.errors import FileFault

CHUNK_ROWS = 500
NO_LABEL = -1


class ProductReader:
    """Read products from a binary stream, chunk by chunk.

    Parameters
    ----------
    stream : binary stream
        UTF-8, comma-separated, with a header.
    name : Path or str
        What messages call it; a str names what is no file, such as "stdin".
    folders : sequence of Path
        Where images are searched, under their official names; each is listed once.

    Attributes
    ----------
    header : list of str
        The input's own columns.

    Raises
    ------
    FileFault
        The header is missing, or has not one column designation.
    """

    def __init__(self, stream: IO[bytes], name: Path | str, folders: Sequence[Path] = ()) -> None:
        self.name = name
        self.header, self._rows = _read(stream, name, "designation")
        self._images = list_images(folders)
        self._position = 0

    def chunks(self, rows: int = CHUNK_ROWS) -> Iterator[pd.DataFrame]:
        """Yield the products, at most `rows` at a time.

        Yields
        ------
        DataFrame
            row_index (the position where the file has none), productid, imageid (`NO_ID` where
            there is none), designation, description, image (path; "" where missing), cells (the
            row as it was read, a list of str in the order of `header`).

        Raises
        ------
        FileFault
            At the first row that can't be read.
        """
        while cells := list(itertools.islice(self._rows, rows)):
            yield self._table(cells)

    def _table(self, cells: list[list[str]]) -> pd.DataFrame:
        columns = _columns(self.header, cells)
        start, self._position = self._position, self._position + len(cells)
        index = _row_index(self.header, columns)
        empty = [""] * len(cells)
        products = pd.DataFrame(
            {
                "row_index": np.arange(start, self._position) if index is None else index,
                "productid": _ids(columns.get("productid", empty)),
                "imageid": _ids(columns.get("imageid", empty)),
                "designation": pd.Series(columns["designation"], dtype=object),
                "description": pd.Series(columns.get("description", empty), dtype=object),
            }
        )
        return products.assign(
            image=pd.Series(image_paths(products, self._images), dtype=object),
            cells=pd.Series(cells, dtype=object),
        )


def open_binary(path: Path) -> IO[bytes]:
    """Open a file that somebody hands in.

    Raises
    ------
    FileFault
        It is missing or can't be read.
    """
    try:
        return path.open("rb")
    except (OSError, ValueError) as e:  # ValueError: a NUL byte in the name
        problem = "no such file" if isinstance(e, FileNotFoundError) else str(e)
        raise FileFault.of(path, problem) from e


def read_products(path: Path, folders: Sequence[Path] = ()) -> pd.DataFrame:
    """Return all products of a file: columns as `ProductReader.chunks`, without the cells.

    Raises
    ------
    FileFault
        The file can't be read, has no column designation, or no row.
    """
    with open_binary(path) as stream:
        chunks = ProductReader(stream, path, folders).chunks(4_000)
        parts = [chunk.drop(columns="cells") for chunk in chunks]
    if not parts:
        raise FileFault.of(path, "expected products, found none below the header")
    return pd.concat(parts, ignore_index=True)


def read_labels(path: Path, items: pd.DataFrame, classes: np.ndarray) -> np.ndarray:
    """Return the code of each product of a batch, `NO_LABEL` where the file has none.

    Rows are matched by the official row index, else by productid, else by order. A code that is
    none of the model's is no label: nothing can be compared with it.

    Parameters
    ----------
    path : Path
        A CSV with a column prdtypecode.
    items : DataFrame, n rows
        As `read_products` gives them.
    classes : ndarray of int64
        Codes that the model knows.

    Raises
    ------
    FileFault
        The file can't be read, can't be matched with the batch or has no code of the model.
    """
    with open_binary(path) as stream:
        header, rows = _read(stream, path, "prdtypecode")
        columns = _columns(header, list(rows))
    texts = columns["prdtypecode"]
    codes = _ids(texts)
    known = np.isin(codes, classes)
    if not known.any():
        raise FileFault.of(path, f"no code of the model, found {', '.join(texts[:8])}")
    codes[~known] = NO_LABEL
    keys, wanted = _row_index(header, columns), items["row_index"]
    if keys is None and "productid" in columns:
        keys, wanted = _ids(columns["productid"]), items["productid"]
    if keys is None:
        if len(codes) == len(items):
            return codes
        problem = (
            f"{len(codes)} rows for {len(items)} products, and neither row index nor productid"
        )
        raise FileFault.of(path, problem)
    code_of = dict(zip(keys.tolist(), codes.tolist(), strict=True)) | {NO_ID: NO_LABEL}
    labels = np.array([code_of.get(key, NO_LABEL) for key in wanted.tolist()], dtype=np.int64)
    if (labels == NO_LABEL).all():
        raise FileFault.of(path, "no row belongs to a product of the batch")
    return labels


def _read(
    stream: IO[bytes], name: Path | str, column: str
) -> tuple[list[str], Iterator[list[str]]]:
    """Return the header, which must have a column once, and the rows below it."""
    records = read_records(stream, name)
    _, header = next(records, (1, []))
    if header.count(column) != 1:
        problem = f"expected a header with one column {column!r}, found {describe_header(header)}"
        raise FileFault.of(name, problem, line=1)
    return header, (row for _, row in records)


def _columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> dict[str, Sequence[str]]:
    return {name: [row[i] for row in rows] for i, name in enumerate(header)}


def _row_index(header: Sequence[str], columns: dict[str, Sequence[str]]) -> np.ndarray | None:
    return _ids(columns[header[0]]) if header[0] in INDEX_NAMES else None


def _ids(texts: Iterable[str]) -> np.ndarray:
    return np.array([whole_number(text) for text in texts], dtype=np.int64)
