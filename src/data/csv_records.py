"""Rows out of comma-separated UTF-8: the one scanner of every product file, standard library only.

A row is never guessed at: a NUL byte, another encoding, a quote that is not closed or another
number of fields than the header's is a *file fault* with its line. `read_records` streams.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from src.errors import FileFault

NO_ID = -1
"""In place of an id that is missing or no whole number; NULL in the database."""
INDEX_NAMES = ("", "Unnamed: 0")
"""How the official files, and pandas after them, name the column of the row index."""

# Longest text of one cell; the module's own limit is 131,072.
_MOST_CHARACTERS = 16_000_000
_BLOCK_BYTES = 1 << 16
_WHOLE_NUMBER = re.compile(r"\s*([0-9]{1,18})(?:\.0+)?\s*")
_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "bars"}
_CSV_FAULTS = {"unexpected end of data": "the end of the file before the closing quote"}


def read_records(
    stream: IO[bytes], name: Path | str, *, strict: bool = False
) -> Iterator[tuple[int, list[str]]]:
    """Yield the line on which each record begins and its fields, the header first.

    Parameters
    ----------
    stream : binary stream
    name : Path or str
        What messages call it; see `ProjectError.of`.
    strict : bool
        As COPY reads: a blank line is a record, a lone carriage return does not end one.

    Raises
    ------
    FileFault
        At the first record that can't be read.
    """
    csv.field_size_limit(_MOST_CHARACTERS)
    rows = csv.reader(_lines(stream, name, "\n" if strict else ""), strict=True)
    width = 0
    while True:
        line = rows.line_num + 1
        try:
            row = next(rows, None)
        except csv.Error as e:
            message = str(e).partition(" - ")[0]  # behind it is advice for programmers
            found = _CSV_FAULTS.get(message, message)
            problem = f"expected comma-separated fields, quotes around whole ones, found {found}"
            raise FileFault.of(name, problem, line=line) from e
        if row is None:
            return
        if row or strict:
            width = width or len(row)
            if len(row) != width:
                problem = f"expected {width} fields, found {max(1, len(row))}: {','.join(row)[:80]}"
                raise FileFault.of(name, problem, line=line)
            yield line, row


def _lines(stream: IO[bytes], name: Path | str, newline: str) -> Iterator[str]:
    """Yield the lines of a stream as text, decoded some thousands at a time."""
    before = 0
    while block := stream.read(_BLOCK_BYTES) + stream.readline():
        nul = block.find(b"\0")
        if nul >= 0:
            problem = "expected text, found a NUL byte (is it UTF-16, or damaged?)"
            raise FileFault.of(name, problem, line=before + block.count(b"\n", 0, nul) + 1)
        try:
            text = block.decode("utf-8")
        except UnicodeDecodeError as e:
            problem = f"expected UTF-8, found the byte 0x{block[e.start]:02X} (is it Latin-1?)"
            line = before + block.count(b"\n", 0, e.start) + 1
            raise FileFault.of(name, problem, line=line) from e
        yield from io.StringIO(text if before else text.removeprefix("\ufeff"), newline=newline)
        before += block.count(b"\n")


def describe_header(header: Sequence[str]) -> str:
    """Return a header as messages show it, with the delimiter that it seems to have."""
    if not header:
        return "an empty file"
    other = next((n for d, n in _DELIMITERS.items() if len(header) == 1 and d in header[0]), "")
    shown = repr(",".join(header)[:200])
    return f"{shown}, which is separated by {other}" if other else shown


def whole_number(text: str) -> int:
    """Return an id; `NO_ID` for what is no whole number of at most 18 digits.

    >>> [whole_number(text) for text in ("12", " 12.0", "-1", "1e3", "")]
    [12, 12, -1, -1, -1]
    """
    match = _WHOLE_NUMBER.fullmatch(text)
    return int(match[1]) if match else NO_ID
