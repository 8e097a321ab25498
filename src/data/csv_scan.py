"""A strict reader of comma-separated files: PostgreSQL's COPY and this module see the same rows.

Whatever the two could read differently is a *file fault*, and stops everything before a row is
loaded: wrong encoding, NUL bytes, another delimiter, an unbalanced or a bare quote, mixed row ends,
a row that is cut, a line that COPY takes for the end of the data. One regular expression a file
describes a whole record, so 85,000 rows are checked in well under a second; only where it fails
is the record walked field by field to say what is wrong. Standard library only.
"""

from __future__ import annotations

import dataclasses
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from src.errors import FileFault

# A quoted field may hold everything, with doubled quotes; a plain one neither quotes nor row ends.
_QUOTED = rb'"[^"]*(?:""[^"]*)*"'
_PLAIN = rb'[^",\r\n]*'
_FIELD = b"(" + _QUOTED + b"|" + _PLAIN + b")"
_ONE_FIELD = re.compile(_FIELD)
_END_OF_COPY = re.compile(rb"^\\\.\r?$", re.MULTILINE)
_INDEX_HEADERS = ("", "Unnamed: 0")
_DELIMITERS = {b";": "semicolons", b"\t": "tabs", b"|": "bars"}


@dataclasses.dataclass(frozen=True)
class ScannedCsv:
    """A file whose every record has been checked.

    Attributes
    ----------
    path : Path
        Where it was read.
    data : bytes
        The whole file.
    starts : tuple of int
        Byte offset of each record, the header left out.
    columns : tuple of str
        Expected column names, without the index column.
    """

    path: Path
    data: bytes
    starts: tuple[int, ...]
    columns: tuple[str, ...]

    def records(self) -> Iterator[tuple[str, ...]]:
        """Yield the fields of each record as text, the row index first; missing ones are ""."""
        match = _record_pattern(len(self.columns) + 1, b"\r?\n").match
        for start in self.starts:
            found = match(self.data, start)
            if found is None:  # can't be: the scan matched the same bytes
                raise AssertionError(f"{self.path}: byte {start} was scanned but does not match")
            yield tuple(_text(field) for field in found.groups())

    def lines(self) -> list[int]:
        """Return the line on which each record begins; the header is line 1."""
        numbers, line, before = [], 1, 0
        for start in self.starts:
            line += self.data.count(b"\n", before, start)
            numbers.append(line)
            before = start
        return numbers


def scan_csv(path: Path, columns: Sequence[str]) -> ScannedCsv:
    r"""Read a file and check every byte of it.

    Parameters
    ----------
    path : Path
        The file: UTF-8, comma, double quotes doubled inside quoted fields, rows ended by one of
        ``\n`` or ``\r\n``, the last one too.
    columns : sequence of str
        Column names after the index column, whose own header is empty or ``Unnamed: 0``.

    Raises
    ------
    FileFault
        With file, line, what was expected and what was found.
    """
    data = _read(path)
    _check_bytes(path, data)
    position, row_end = _check_header(path, data, columns)
    match = _record_pattern(len(columns) + 1, row_end).match
    starts = []
    while position < len(data):
        found = match(data, position)
        if found is None:
            raise _diagnose(path, data, position, len(columns) + 1, row_end)
        starts.append(position)
        position = found.end()
    return ScannedCsv(path, data, tuple(starts), tuple(columns))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as e:
        there = sorted(p.name for p in path.parent.glob("*.csv")) if path.parent.is_dir() else []
        found = ", ".join(there) or "no CSV file at all"
        raise FileFault(
            f"{path}: the file is missing; expected exactly this name, found {found}",
            next_command=f"ls -l {shlex.quote(str(_existing(path.parent)))}",
        ) from e
    except OSError as e:
        raise FileFault(
            f"{path}: not readable ({e.strerror})",
            next_command=f"ls -ld {shlex.quote(str(path))}",
        ) from e


def _existing(folder: Path) -> Path:
    return next(parent for parent in (folder, *folder.parents) if parent.is_dir())


def _check_bytes(path: Path, data: bytes) -> None:
    if (nul := data.find(b"\0")) >= 0:
        raise _fault(path, data, nul, "UTF-8 text", "a NUL byte (is it UTF-16, or damaged?)")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as e:
        byte = f"the byte 0x{data[e.start]:02X} (is it Latin-1?)"
        raise _fault(path, data, e.start, "UTF-8 text", byte) from e
    if (end := _END_OF_COPY.search(data)) is not None:
        found = r"a line of \. alone, which ends the data for COPY"
        raise _fault(path, data, end.start(), "a row", found)


def _check_header(path: Path, data: bytes, columns: Sequence[str]) -> tuple[int, bytes]:
    """Return the offset of the first record and the row end that the file uses."""
    expected = ",".join(("", *columns))
    line, newline, _ = data.partition(b"\n")
    if not newline:
        found = "an empty file" if not line else "one line without an end"
        raise _fault(path, data, 0, f"the header {expected!r} and its rows", found)
    row_end = b"\r\n" if line.endswith(b"\r") else b"\n"
    header = line.removesuffix(b"\r")
    names = [_text(field) for field in header.split(b",")]
    if names[0] not in _INDEX_HEADERS or names[1:] != list(columns):
        raise _fault(path, data, 0, f"the header {expected!r}", _describe_header(header, columns))
    return len(line) + 1, row_end


def _describe_header(header: bytes, columns: Sequence[str]) -> str:
    shown = repr(header[:200].decode("utf-8", "replace"))
    if header.startswith(b"\xef\xbb\xbf"):
        return f"{shown} (a byte order mark stands before it)"
    for delimiter, name in _DELIMITERS.items():
        if header.count(delimiter) == len(columns):
            return f"{shown} (fields divided by {name})"
    return shown


def _record_pattern(fields: int, row_end: bytes) -> re.Pattern[bytes]:
    return re.compile(b",".join([_FIELD] * fields) + row_end)


def _text(field: bytes) -> str:
    if field.startswith(b'"'):
        field = field[1:-1].replace(b'""', b'"')
    return field.decode("utf-8")


def _diagnose(path: Path, data: bytes, start: int, fields: int, row_end: bytes) -> FileFault:
    """Walk the record that does not match and say what is wrong with it."""
    position, seen = start, 0
    while True:
        field = _ONE_FIELD.match(data, position)
        end = field.end() if field else position
        seen += 1
        after = data[end : end + 1]
        if after == b'"':
            return _quote_fault(path, data, position, end)
        if not after:
            found = f"the end of the file after field {seen} of {fields}, without a row end"
            return _fault(path, data, start, "a complete row (is the file cut?)", found)
        if data.startswith(row_end, end):
            return _fault(path, data, start, f"{fields} fields", f"{seen}")
        if after in b"\r\n":
            other = b"\r\n" if data.startswith(b"\r\n", end) else after
            return _fault(path, data, end, f"row ends {row_end!r} as in the header", repr(other))
        if after != b",":
            return _fault(path, data, end, "a comma or a row end after a quoted field", repr(after))
        position = end + 1


def _quote_fault(path: Path, data: bytes, position: int, quote: int) -> FileFault:
    if data[position : position + 1] == b'"':
        found = "the end of the file before the closing quote (cut in mid-row, or a stray quote)"
        return _fault(path, data, position, "a quoted field to be closed", found)
    return _fault(path, data, quote, "quotes around the whole field", "a quote inside a plain one")


def _line(data: bytes, offset: int) -> int:
    return data.count(b"\n", 0, offset) + 1


def _fault(path: Path, data: bytes, offset: int, expected: str, found: str) -> FileFault:
    line = _line(data, offset)
    return FileFault(
        f"{path}, line {line}: expected {expected}, found {found}",
        next_command=f"sed -n {line}p {shlex.quote(str(path))} | cut -b 1-300",
    )
