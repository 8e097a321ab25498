"""Products out of whatever table people have, with the images that belong to them.

The predict command, ``POST /predict/batch``, the app's upload and the drift report all read through
here, by one set of rules: ids are whole numbers ("12.0" is one), missing texts are "", what was
assumed of the file is said. Nothing is held whole unless the caller wants it so.
"""

import io
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd

from src.data.csv_files import NO_ID, describe_header, whole_number
from src.data.images import Folder, find_images, list_images
from src.data.images import file_name as image_name
from src.data.tables import (
    COLUMNS,
    Assumed,
    Records,
    index_column,
    places_of,
    read_id,
    read_table,
)
from src.errors import FileFault
from src.files import encodable
from src.i18n import Said, translator

CHUNK_ROWS = 500
NO_LABEL = -1
_SHOWN = 100
Upload = tuple[str, bytes]
"""Name and content of a file that was uploaded."""


class ProductReader:
    """Read products from a binary stream, chunk by chunk.

    Messages call it `name`; a str names what is no file, such as "stdin". The files of `more` go on
    with the same table. Images are searched in `folders` and below them; `images` are more: the
    path in a zip, and the file on disk. `header` holds the input's own columns; `rows` and
    `matched` count the products so far, and those of them whose image was found.

    Raises
    ------
    FileFault
        It is no table, or its header has not one column designation.
    """

    def __init__(
        self,
        stream: IO[bytes],
        name: Path | str,
        folders: Sequence[Folder] = (),
        images: Mapping[str, str] | None = None,
        more: Sequence[Path] = (),
    ) -> None:
        self.name, self._more = name, more
        self._assumed: Assumed = []
        self.header, self._records = read_table(stream, name, "designation", self._assumed)
        self._listed = {**list_images(folders), **(images or {})}
        self._has_images = bool(folders) or images is not None
        self._find = find_images(self._listed)
        self._missed: tuple[str, str, str] | None = None
        self.rows = self.matched = 0

    def chunks(self, rows: int = CHUNK_ROWS) -> Iterator[pd.DataFrame]:
        """Yield the products, at most `rows` of a file at a time; no product is a FileFault.

        Columns: row_index (the position where the file has none), productid, imageid (`NO_ID` where
        there is none), designation, description, image (path; "" where missing), cells (the row as
        it was read, a list of str in the order of `header`).
        """
        for all_records in itertools.chain([self._records], self._others()):
            while records := list(itertools.islice(all_records, rows)):
                yield self._table(records)
        if not self.rows:
            raise FileFault.of(self.name, Said("reader.faults.no_rows"))

    def _others(self) -> Iterator[Records]:
        for file in self._more:
            self.name = file
            with open_binary(file) as stream:
                header, records = read_table(stream, file, "designation", self._assumed)
                if header != self.header:
                    expected, found = describe_header(self.header), describe_header(header)
                    problem = Said("reader.faults.other_columns", expected=expected, found=found)
                    raise FileFault.of(file, problem, line=1)
                yield records

    def _table(self, records: list[tuple[int, list[str]]]) -> pd.DataFrame:
        start, self.rows = self.rows, self.rows + len(records)
        texts = _columns(self.header, records)
        index = _row_index(self.header, records)
        names = (texts["image"], texts["productid"], texts["imageid"])
        paths = self._find(*names)
        self.matched += sum(map(bool, paths))
        self._missed = self._missed or next(
            (row for row, path in zip(zip(*names, strict=True), paths, strict=True) if not path),
            None,
        )
        return pd.DataFrame(
            {
                "row_index": np.arange(start, self.rows) if index is None else index,
                "productid": _ids("productid", texts, records, self.name),
                "imageid": _ids("imageid", texts, records, self.name),
                "designation": pd.Series(texts["designation"], dtype=object),
                "description": pd.Series(texts["description"], dtype=object),
                "image": pd.Series(paths, dtype=object),
                "cells": pd.Series([cells for _, cells in records], dtype=object),
            }
        )

    def assumed(self, language: str) -> str:
        """Return a sentence on what was assumed of the file, "" for UTF-8 with commas.

        It is complete when the last chunk was read.
        """
        words = translator(language)
        parts = [words(f"reader.{key}", **values) for key, values in self._assumed]
        return words("reader.read_as", what=", ".join(dict.fromkeys(parts))) if parts else ""

    @property
    def none_matched(self) -> bool:
        """True where images were given and none is that of a product."""
        return self._has_images and bool(self.rows) and not self.matched

    def images_line(self, language: str) -> str:
        """Return how many products have their image; "" where no images were given.

        Where none has, an example of what was looked for and of what there is.
        """
        if not self._has_images:
            return ""
        words = translator(language)
        rows = words.number(self.rows)
        if not self.none_matched or self._missed is None:
            return words("reader.images", matched=words.number(self.matched), rows=rows)
        name, productid, imageid = (text.strip()[:_SHOWN] for text in self._missed)
        official = image_name(imageid, productid) if imageid and productid else ""
        wanted = name or official or productid or imageid or words("reader.no_keys")
        held = encodable(min(self._listed, default=words("reader.no_files")))[:_SHOWN]
        return words("reader.no_images", rows=rows, wanted=wanted, held=held)


def open_binary(path: Path | Upload) -> IO[bytes]:
    """Open a file that somebody hands in; one that can't be read is a FileFault."""
    if not isinstance(path, Path):
        return io.BytesIO(path[1])
    try:
        return path.open("rb")
    except (OSError, ValueError) as e:  # ValueError: a NUL byte in the name
        problem = "no such file" if isinstance(e, FileNotFoundError) else str(e)
        raise FileFault.of(path, problem) from e


def read_products(
    path: Path | Upload,
    folders: Sequence[Folder] = (),
    say: Callable[[str], object] | None = None,
    images: Mapping[str, str] | None = None,
    language: str = "en",
) -> pd.DataFrame:
    """Return all products of a file, without their cells; `images` as a `ProductReader` takes them.

    `say` is told, in the language, what was assumed of the file and how many images were found.
    """
    with open_binary(path) as stream:
        reader = ProductReader(stream, file_name(path), folders, images)
        parts = [chunk.drop(columns="cells") for chunk in reader.chunks(4_000)]
    for line in filter(None, (reader.assumed(language), reader.images_line(language))):
        if say:
            say(line)
    return pd.concat(parts, ignore_index=True)


def read_labels(path: Path | Upload, items: pd.DataFrame, classes: np.ndarray) -> np.ndarray:
    """Return the code of each product of a batch, `NO_LABEL` where the file has none.

    Rows are matched by the official row index, else by productid, else by order. A code that is
    none of the model's `classes` is no label: nothing can be compared with it. `items` are as
    `read_products` gives them.

    Raises
    ------
    FileFault
        The file can't be read, can't be matched with the batch or has no code of the model.
    """
    name = file_name(path)
    with open_binary(path) as stream:
        header, rows = read_table(stream, name, "prdtypecode", [])
        records = list(rows)
    texts = _columns(header, records)
    codes = _ids("prdtypecode", texts, records, name)
    known = np.isin(codes, classes)
    if not known.any():
        found = ", ".join(texts["prdtypecode"][:8])
        raise FileFault.of(name, Said("reader.faults.no_code", found=found))
    codes[~known] = NO_LABEL
    keys, wanted = _row_index(header, records), items["row_index"]
    if keys is None and any(texts["productid"]):
        keys, wanted = _ids("productid", texts, records, name), items["productid"]
    if keys is None:
        if len(codes) == len(items):
            return codes
        problem = Said("reader.faults.no_match", n=len(codes), rows=len(items))
        raise FileFault.of(name, problem)
    code_of = dict(zip(keys.tolist(), codes.tolist(), strict=True)) | {NO_ID: NO_LABEL}
    labels = np.array([code_of.get(key, NO_LABEL) for key in wanted.tolist()], dtype=np.int64)
    if (labels == NO_LABEL).all():
        raise FileFault.of(name, Said("reader.faults.no_label"))
    return labels


def file_name(source: Path | Upload) -> Path | str:
    """Return what messages call a file."""
    return source if isinstance(source, Path) else source[0]


def _columns(
    header: Sequence[str], records: Sequence[tuple[int, list[str]]]
) -> dict[str, list[str]]:
    """Return the texts of each of `COLUMNS`, "" where the table has no such column."""
    places = places_of(header, "")
    return {
        name: [cells[places[name]] for _, cells in records]
        if name in places
        else [""] * len(records)
        for name in COLUMNS
    }


def _row_index(
    header: Sequence[str], records: Sequence[tuple[int, list[str]]]
) -> np.ndarray | None:
    """Return the official row index; None without one."""
    place = index_column(header)
    if place is None:
        return None
    texts = (cells[place] for _, cells in records)
    return np.array([whole_number(text) or 0 for text in texts], dtype=np.int64)


def _ids(
    column: str,
    texts: Mapping[str, Sequence[str]],
    records: Sequence[tuple[int, list[str]]],
    name: Path | str,
) -> np.ndarray:
    ids = [
        read_id(text, column, name, line)
        for text, (line, _) in zip(texts[column], records, strict=True)
    ]
    return np.array(ids, dtype=np.int64)
