"""Rows out of a table in any dress: CSV, packed or not, a workbook, Parquet.

Encoding, separator and sheet are recognised; what was assumed is noted, and what two readings would
fit is refused. Text streams: no more than a block of it is held.
"""

import gzip
import importlib.util
import io
import itertools
import re
import zipfile
import zlib
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, cast

import pandas as pd

from src.data.csv_files import (
    SEPARATORS,
    decode_block,
    describe_header,
    read_records,
    whole_number,
)
from src.data.duplicates import normalise_text
from src.errors import FileFault
from src.i18n import Said

COLUMNS = ("designation", "description", "productid", "imageid", "image", "prdtypecode")
"""Columns that mean something here, whatever the case, accents and spaces of their names."""

Records = Iterator[tuple[int, list[str]]]
Assumed = list[tuple[str, dict[str, str]]]

_SEPARATOR_LINE = re.compile(r'"?sep=([^"\r\n])"?\s*')
_INDEX = re.compile(r"(Unnamed: 0(\.[0-9]+)?)?")
_BLOCK_BYTES, _PARQUET_ROWS = 1 << 16, 4_000
_MOST_LINE_BYTES = 16_000_000
# A packed file that unpacks to more than this many times its size is a bomb, not a table.
_MOST_RATIO = 100
# Letters of French, German ... as UTF-8 has them, and the bytes that in Windows-1252 never stand
# within a word, where files of old Macs and DOS keep their accents.
_LIKE_UTF8 = re.compile(rb"\xc3[\x80-\xbf]|\xc2[\xa0-\xbf]|\xe2[\x80-\x84][\x80-\xbf]")
_LIKE_MAC_OR_DOS = re.compile(rb"[a-z][\x82-\x84\x86-\x8a\x8e][a-z]")
_PACKED_FAULTS = (
    OSError, EOFError, zlib.error, zipfile.BadZipFile, ValueError, KeyError, TypeError,
    AttributeError, IndexError, SyntaxError, NotImplementedError, RuntimeError,
)  # fmt: skip


def read_table(
    stream: IO[bytes], name: Path | str, wanted: str, assumed: Assumed
) -> tuple[list[str], Records]:
    """Return the header, which must have the wanted column once, and the rows with their lines."""
    head = _read(stream.read, 4, name)
    if head == b"PAR1":
        records = _parquet(head, stream, name)
    elif head in (b"PK\3\4", b"\xd0\xcf\x11\xe0"):
        records = _workbook(head + stream.read(), name, wanted, assumed)
    else:
        records = _text(head, stream, name, wanted, assumed)
    _, header = next(records, (1, []))
    if wanted not in places_of(header, name):
        problem = Said("reader.faults.no_column", wanted=wanted, header=describe_header(header))
        raise FileFault.of(name, problem, line=1)
    return header, records


def places_of(header: Sequence[str], name: Path | str) -> dict[str, int]:
    """Return where each of `COLUMNS` stands; two that could be meant are refused."""
    places = {}
    plain = [_plain(title) for title in header]
    for column in COLUMNS:
        exact = [place for place, title in enumerate(header) if title == column]
        found = exact or [place for place, title in enumerate(plain) if title == column]
        if len(found) > 1:
            found_header = describe_header(header)
            problem = Said("reader.faults.two_columns", column=column, header=found_header)
            raise FileFault.of(name, problem, line=1)
        if found:
            places[column] = found[0]
    return places


def index_column(header: Sequence[str]) -> int | None:
    """Return where the official row index stands; None where there is none.

    A table that pandas wrote again and again has several in front; the last is the oldest.
    """
    leading = len(list(itertools.takewhile(_INDEX.fullmatch, header)))
    return leading - 1 if leading else None


def read_id(text: str, column: str, name: Path | str, line: int) -> int:
    """Return an id as `whole_number` does; refuse one that has lost digits in a spreadsheet."""
    number = whole_number(text)
    if number is None:
        problem = Said("reader.faults.lost_digits", column=column, text=text)
        raise FileFault.of(name, problem, line=line)
    return number


def _text(
    head: bytes, stream: IO[bytes], name: Path | str, wanted: str, assumed: Assumed
) -> Records:
    """Yield the records of a text, packed by gzip or not; the header tells the separator."""
    most = None
    if head.startswith(b"\x1f\x8b"):
        packed = head + stream.read()
        most = _MOST_RATIO * len(packed) + _MOST_LINE_BYTES
        name = str(name)  # no line of it can be shown
        stream = cast("IO[bytes]", gzip.GzipFile(fileobj=io.BytesIO(packed)))
        head = _read(stream.read, 4, name)
    lines = _lines(head, stream, name, assumed, most)
    first = next(lines, "")
    if stated := _SEPARATOR_LINE.fullmatch(first):  # as Excel reads and writes it
        separator, first = stated[1], "\n"
    else:
        separator = next(filter(lambda s: _has_column(first, s, wanted), SEPARATORS), ",")
    if separator in SEPARATORS and separator != ",":
        assumed.insert(0, (f"{SEPARATORS[separator]}s", {}))
    yield from read_records(itertools.chain([first], lines), name, separator=separator)


def _has_column(line: str, separator: str, wanted: str) -> bool:
    return any(_plain(title) == wanted for title in line.split(separator))


def _plain(title: str) -> str:
    """Return the name of a column as names are compared; "" for several, or for a page's tags."""
    several = any(sign in title for sign in (*SEPARATORS, "<"))
    return "" if several else normalise_text(title).replace(" ", "")


def _lines(
    head: bytes, stream: IO[bytes], name: Path | str, assumed: Assumed, most: int | None
) -> Iterator[str]:
    """Yield lines as text. The first bytes beyond ASCII tell the encoding."""
    before = n_bytes = 0
    encoding = _utf16(head)
    if encoding:
        assumed.append(("encoding", {"encoding": "UTF-16"}))
        head += _read(stream.read, -1 if most is None else most, name)
        _check_unpacked(len(head), most, name)
        head, stream, encoding = _from_utf16(head, encoding, name), io.BytesIO(), ""
    while block := head + _block(stream, name):
        head, n_bytes = b"", n_bytes + len(block)
        _check_unpacked(n_bytes, most, name)
        if not encoding and not block.isascii():
            encoding = _encoding(block)
            if encoding == "cp1252":
                assumed.append(("encoding", {"encoding": "Windows-1252"}))
        text = decode_block(
            block, encoding or "ascii", name, before, advice=Said("reader.faults.save_utf8")
        )
        yield from io.StringIO(text if before else text.lstrip("\ufeff"), newline="")
        before += block.count(b"\n")


def _block(stream: IO[bytes], name: Path | str) -> bytes:
    """Return some whole lines."""
    block = _read(stream.read, _BLOCK_BYTES, name)
    line = _read(stream.readline, _MOST_LINE_BYTES, name)
    if len(line) == _MOST_LINE_BYTES:
        raise FileFault.of(name, Said("reader.faults.long_line", n=_MOST_LINE_BYTES))
    return block + line


def _read(read: Callable[[int], bytes], n_bytes: int, name: Path | str) -> bytes:
    try:
        return read(n_bytes)
    except _PACKED_FAULTS as e:
        raise FileFault.of(name, Said("reader.faults.cut", reason=str(e))) from e


def _check_unpacked(n_bytes: int, most: int | None, name: Path | str) -> None:
    if most is not None and n_bytes > most:
        raise FileFault.of(name, Said("reader.faults.unpacks", n=_MOST_RATIO))


def _utf16(head: bytes) -> str:
    """Return the encoding of a text that begins so, "" where each character has one byte."""
    if head.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        return "utf-16"
    zeros = tuple(byte == 0 for byte in head)
    if zeros == (False, True) * 2:
        return "utf-16-le"
    return "utf-16-be" if zeros == (True, False) * 2 else ""


def _from_utf16(data: bytes, encoding: str, name: Path | str) -> bytes:
    try:
        return BOM_UTF8 + data.decode(encoding).encode()
    except UnicodeError as e:
        problem = Said("reader.faults.no_utf16", reason=str(e))
        raise FileFault.of(name, problem, line=1) from e


def _encoding(block: bytes) -> str:
    """Return "utf-8" or "cp1252"; a text that may be both, or neither, will not decode."""
    try:
        block.decode("utf-8")
    except UnicodeDecodeError:
        doubtful = _LIKE_UTF8.search(block) or _LIKE_MAC_OR_DOS.search(block)
        return "utf-8" if doubtful else "cp1252"
    return "utf-8"


def _parquet(head: bytes, stream: IO[bytes], name: Path | str) -> Records:
    """Yield the records of a Parquet file, some thousands at a time; a pipe is held whole."""
    from pyarrow.parquet import ParquetFile

    try:
        file = ParquetFile(stream if stream.seekable() else io.BytesIO(head + stream.read()))
        # The index of a table of pandas, where it has no name, is none of its columns.
        titles = file.schema_arrow.names
        kept = [n for n, title in enumerate(titles) if not title.startswith("__index_level_")]
        yield 1, [titles[n] for n in kept]
        first = 2
        for batch in file.iter_batches(_PARQUET_ROWS):
            columns = [batch.column(n).to_pylist() for n in kept]
            yield from _texts(zip(*columns, strict=True), first)
            first += len(batch)
    except _PACKED_FAULTS as e:
        raise FileFault.of(str(name), Said("reader.faults.no_parquet", reason=str(e))) from e


def _workbook(data: bytes, name: Path | str, wanted: str, assumed: Assumed) -> Records:
    """Yield the rows of the one sheet that has the wanted column."""
    name = str(name)  # no line of it can be shown
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            files = archive.infolist()
    except _PACKED_FAULTS as e:
        if data.startswith(b"PK"):
            raise FileFault.of(name, Said("reader.faults.damaged", reason=str(e))) from e
        files = []
    is_table = any(file.filename in ("xl/workbook.xml", "content.xml") for file in files)
    if data.startswith(b"PK") and not is_table:
        raise FileFault.of(name, Said("reader.faults.zip"))
    unpacked = sum(file.file_size for file in files)
    _check_unpacked(unpacked, _MOST_RATIO * len(data) + _MOST_LINE_BYTES, name)
    if not any(file.filename == "xl/workbook.xml" for file in files):
        raise FileFault.of(name, Said("reader.faults.workbook"))
    if importlib.util.find_spec("openpyxl") is None:
        command = "python -m pip install openpyxl"
        raise FileFault.of(name, Said("reader.faults.excel"), next_command=command)
    try:
        sheets = pd.read_excel(
            io.BytesIO(data), sheet_name=None, header=None, na_filter=False, dtype=object
        )
    except _PACKED_FAULTS as e:
        raise FileFault.of(name, Said("reader.faults.bad_workbook", reason=str(e))) from e
    rows = {
        title: list(_texts(sheet.itertuples(index=False, name=None), first=1))
        for title, sheet in sheets.items()
    }
    found = [t for t, r in rows.items() if r and wanted in places_of(r[0][1], name)]
    if len(found) != 1:
        shown = ", ".join(map(str, found or rows))
        raise FileFault.of(name, Said("reader.faults.sheets", wanted=wanted, sheets=shown))
    assumed.append(("sheet", {"sheet": str(found[0])}))
    yield from (row for row in rows[found[0]] if any(row[1]))


def _texts(rows: Iterable[Sequence[object]], first: int) -> Records:
    """Return the cells of rows as text: missing ones and bytes are ""."""
    for line, row in enumerate(rows, first):
        yield line, ["" if _no_text(cell) else str(cell) for cell in row]


def _no_text(cell: object) -> bool:
    return (
        cell is None or cell is pd.NaT or cell is pd.NA or cell != cell or isinstance(cell, bytes)
    )
