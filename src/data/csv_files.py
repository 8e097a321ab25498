"""The three official files: their names, their hash, and what PostgreSQL's COPY demands of them.

Standard library only: ``init.sh`` runs it before psql. A row is never guessed at: a NUL byte,
another encoding, a quote that is not closed, another number of fields than the header's is a *file
fault* with its line, and so is whatever COPY and `read_records` could read differently.
"""

import contextlib
import csv
import dataclasses
import hashlib
import io
import re
import shlex
from array import array
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Literal

from src.errors import FileFault
from src.files import sha256
from src.i18n import Said

X_TRAIN = "X_train_update.csv"
Y_TRAIN = "Y_train_CVw08PX.csv"
X_TEST = "X_test_update.csv"
X_COLUMNS = ("designation", "description", "productid", "imageid")
FILES: Mapping[str, tuple[str, ...]] = {
    X_TRAIN: X_COLUMNS,
    Y_TRAIN: ("prdtypecode",),
    X_TEST: X_COLUMNS,
}
SYNTHETIC_MARKER = "SYNTHETIC"
ITEM_COLUMNS = ("row_index", "productid", "imageid", "designation", "description")
Source = Literal["official", "demo"]

INDEX_NAMES = ("", "Unnamed: 0")
"""How the official files, and pandas after them, name the column of the row index."""
NO_ID = -1
"""In place of an id that is missing or no whole number; NULL in the database."""
ID_PATTERN = re.compile(r"[0-9]{1,18}")
BLANK = re.compile(
    r"[\u0001-\u0020\u007f-\u00a0\u00ad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f"
    r"\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0]*"
)
"""A text without anything to see: a list, as in the SQL, which must not depend on a locale."""
# Longest text of one cell; the csv module's own limit is 131,072.
_MOST_CHARACTERS = 16_000_000
_BLOCK_BYTES = 1 << 16
_WHOLE_NUMBER = re.compile(r"\s*([0-9]{1,18})(?:[.,]0*)?\s*")
_SHORTENED = re.compile(r"\s*([0-9])(?:[.,]([0-9]{1,17}))?[Ee]\+([0-9]{1,3})\s*")
SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_END_OF_COPY = re.compile(rb"^\\\.\r?$", re.MULTILINE)
_QUOTED = re.compile(rb'"[^"]*"')
# The same where a field begins, or goes on after a doubled quote. Starts with a byte, for speed.
_WELL_QUOTED = re.compile(rb'"(?<![^,\n"]")[^"]*"')
# What COPY and the csv module read differently, where quoted fields are left out: a quote inside a
# plain field, and a row end that is not the header's.
_STRAY = {
    b"\n": re.compile(rb'"(?<=[^,\n"\0]")|\r'),
    b"\r\n": re.compile(rb'"(?<=[^,\n"\0]")|\r(?!\n)|\n(?<!\r\n)'),
}


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """State of the data; it ends up in every artifact.

    `data_hash` is the SHA256 of what ``sha256sum X_train... Y_train... X_test...`` prints in the
    import folder: content and names count, times and places do not. `source` is "demo" where the
    marker lists one of the files (or lists none), else "official": a marker that was left beside
    files of somebody else's says nothing about them.
    """

    data_hash: str
    source: Source

    @property
    def synthetic(self) -> bool:
        """True for the demo shop, which marks every score as synthetic."""
        return self.source == "demo"


@dataclasses.dataclass(frozen=True)
class OfficialFile:
    """A file whose every byte has been checked."""

    path: Path
    sha256: str
    n_bytes: int
    lines: Sequence[int]  # where each record begins; the header is line 1
    rows: list[tuple[str, ...]]  # fields of each record, the row index first; missing ones are ""

    def column(self, at: int) -> list[str]:
        """Return one field of every record."""
        return [row[at] for row in self.rows]


def take_snapshot(import_dir: Path) -> dict[str, Any]:
    """Check and hash the three files: what ``snapshot.json`` says of them.

    Returns data_hash and source of the `Snapshot`, and files (name to sha256, bytes, rows).

    Raises
    ------
    FileFault
        A file is missing or can't be read as what it should be, no row is there to train on, or a
        test row has no row index of its own.
    """
    # Of the rows no more is needed than the index of those that a submission has.
    files = [read_official(import_dir / name, n_fields=int(name == X_TEST)) for name in FILES]
    stated = {
        file.path.name: {"sha256": file.sha256, "bytes": file.n_bytes, "rows": len(file.rows)}
        for file in files
    }
    return {**dataclasses.asdict(snapshot_of(files)), "files": stated}


def snapshot_of(files: Sequence[OfficialFile]) -> Snapshot:
    """Return what identifies the three files together."""
    hashes = {file.path.name: file.sha256 for file in files}
    listing = "".join(f"{digest}  {name}\n" for name, digest in hashes.items())
    listed = drawn_hashes(files[0].path.parent)
    synthetic = listed is not None and (not listed or bool(listed.items() & hashes.items()))
    return Snapshot(sha256(listing.encode()), "demo" if synthetic else "official")


def drawn_hashes(import_dir: Path) -> dict[str, str] | None:
    """Return what the demo shop's marker lists: SHA256 by file name; None without a marker.

    The marker holds lines as ``sha256sum`` prints them; a marker without any is one that a person
    made, and speaks for whatever lies beside it.
    """
    try:
        text = (import_dir / SYNTHETIC_MARKER).read_text(encoding="utf-8-sig", errors="replace")
    except OSError:
        return None
    lines = re.findall(r"^([0-9a-f]{64})  (\S+)$", text, re.MULTILINE)
    return {name: digest for digest, name in lines}


def read_official(
    path: Path, columns: Sequence[str] | None = None, *, n_fields: int | None = None
) -> OfficialFile:
    r"""Read a file and check every byte of it.

    It is UTF-8 with commas, double quotes doubled inside quoted fields, rows ended by one of ``\n``
    or ``\r\n``, the last one too; all else is a FileFault. `columns` are the names after the index
    column's, by default those of the official file of this name; `n_fields` of each record are
    kept, by default all.
    """
    columns = FILES[path.name] if columns is None else columns
    lines, rows = array("q"), []
    with _open(path) as stream:
        head = stream.read(len(BOM_UTF8))
        stream.seek(0)
        records = read_records(_lines(stream, path), path, strict=True)
        _, header = next(records, (1, [""]))
        mark = " (a byte order mark stands before it)" if head == BOM_UTF8 else ""
        if mark or header[0] not in INDEX_NAMES or header[1:] != list(columns):
            found = describe_header(header if head else [])
            expected = ",".join(("", *columns))
            problem = f"expected the header {expected!r} and its rows, found {found}{mark}"
            raise FileFault.of(path, problem + _conversion(path), line=1)
        for line, row in records:
            lines.append(line)
            rows.append(tuple(row[:n_fields]))  # which the garbage collector need not follow
        stream.seek(0)
        digest, n_bytes = _check_for_copy(path, stream)
    file = OfficialFile(path, digest, n_bytes, lines, rows)
    if path.name == X_TEST:
        _check_index(file)
    elif not rows:
        raise FileFault.of(path, "expected a row, found the end of the file", line=2)
    return file


@contextlib.contextmanager
def _open(path: Path) -> Iterator[IO[bytes]]:
    try:
        with path.open("rb") as stream:
            yield stream
    except FileNotFoundError as e:
        there = sorted(p.name for p in path.parent.glob("*.csv")) if path.parent.is_dir() else []
        found = ", ".join(there) or "no CSV file at all"
        problem = f"the file is missing; expected exactly this name, found {found}"
        raise FileFault.of(path, problem) from e
    except OSError as e:
        raise FileFault.of(path, f"not readable ({e.strerror})") from e


def _check_for_copy(path: Path, stream: IO[bytes]) -> tuple[str, int]:
    """Refuse what COPY would read otherwise than the csv module, which took all of it.

    Returns SHA256 and bytes of the file, of which no more than some records are held at a time.
    """
    digest, n_bytes, row_end, sound = hashlib.sha256(), 0, b"", True
    for block in _whole_records(stream):
        digest.update(block)
        n_bytes += len(block)
        row_end = row_end or _row_end(block)
        rest = _WELL_QUOTED.sub(b"-", block).replace(row_end, b"")
        ends = b"\\." in block and _END_OF_COPY.search(block) is not None
        stray = any(byte in rest for byte in (b'"', b"\r", b"\n"))
        sound = sound and not ends and not stray and block.endswith(b"\n")
    if not sound:
        stream.seek(0)
        _say_where(path, stream.read())
    return digest.hexdigest(), n_bytes


def _whole_records(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield some lines at a time, so that every quoted field ends where it begins."""
    while block := stream.read(_BLOCK_BYTES) + stream.readline():
        parts, is_open = [block], block.count(b'"') % 2
        while is_open and (line := stream.readline()):
            parts.append(line)
            is_open ^= line.count(b'"') % 2
        yield b"".join(parts)


def _row_end(data: bytes) -> bytes:
    return b"\r\n" if data[: data.find(b"\n")].endswith(b"\r") else b"\n"


def _say_where(path: Path, data: bytes) -> None:
    """Raise what `_check_for_copy` found, with its line."""
    if end := _END_OF_COPY.search(data):
        problem = r"expected a row, found a line of \. alone, which ends the data for COPY"
        raise FileFault.of(path, problem, line=data.count(b"\n", 0, end.start()) + 1)
    if not data.endswith(b"\n"):
        problem = "expected a complete row (is the file cut?), found the end of the file"
        raise FileFault.of(path, problem, line=data.count(b"\n") + 1)
    row_end = _row_end(data)
    # Where is it? With a NUL in place of each line of a quoted field, lines can be counted.
    marked = _QUOTED.sub(lambda field: b'"%b"' % (b"\0" * field[0].count(b"\n")), data)
    stray = next(_STRAY[row_end].finditer(marked))
    before = marked[: stray.start()]
    line = before.count(b"\n") + before.count(b"\0") + 1
    problem = f"expected row ends {row_end!r} as in the header, found others"
    if stray[0] == b'"':
        problem = "expected quotes around the whole field, found a quote inside a plain one"
    raise FileFault.of(path, problem + _conversion(path), line=line)


def _conversion(path: Path) -> str:
    """Return what to do about an official file that is readable, and not as it should be."""
    command = f"python etl/convert_csv.py {shlex.quote(str(path))}"
    return f"; to rewrite it: {command}" if path.name in FILES else ""


def _check_index(file: OfficialFile) -> None:
    """Refuse a test row whose index is no key: its prediction could not be handed in."""
    texts = file.column(0)
    numbers = [int(text) if ID_PATTERN.fullmatch(text) else None for text in texts]
    count = Counter(numbers)
    for line, text, number in zip(file.lines, texts, numbers, strict=True):
        if number is None or count[number] > 1:
            problem = (
                f"expected a row index of its own, found {text!r}: the prediction for this row"
                " could not be handed in"
            )
            raise FileFault.of(file.path, problem, line=line)


def read_records(
    lines: Iterable[str], name: Path | str, *, separator: str = ",", strict: bool = False
) -> Iterator[tuple[int, list[str]]]:
    """Yield the line on which each record begins and its fields, the header first.

    `lines` have their ends; messages call them `name` (see `ProjectError.of`). `strict` reads as
    COPY does: a blank line is a record. The first record that can't be read is a FileFault.
    """
    csv.field_size_limit(_MOST_CHARACTERS)
    rows = csv.reader(lines, delimiter=separator, strict=True)
    width = 0
    while True:
        line = rows.line_num + 1
        try:
            row = next(rows, None)
        except csv.Error as e:
            found = str(e).partition(" - ")[0]  # behind it is advice for programmers
            if found == "unexpected end of data":
                found = Said("reader.faults.open_quote")
            sign = SEPARATORS.get(separator, separator)
            problem = Said("reader.faults.quotes", sign=sign, found=found)
            raise FileFault.of(name, problem, line=line) from e
        if row is None:
            return
        if row or strict:
            width = width or len(row)
            if len(row) != width:
                shown, found_width = ",".join(row)[:80], max(1, len(row))
                problem = Said("reader.faults.width", n=width, found=found_width, row=shown)
                raise FileFault.of(name, problem, line=line)
            yield line, row


def _lines(stream: IO[bytes], path: Path) -> Iterator[str]:
    """Yield the lines of UTF-8, decoded some thousands at a time."""
    before = 0
    while block := stream.read(_BLOCK_BYTES) + stream.readline():
        text = decode_block(block, "utf-8", path, before, advice=_conversion(path))
        yield from io.StringIO(text if before else text.removeprefix("\ufeff"), newline="\n")
        before += block.count(b"\n")


def decode_block(block: bytes, encoding: str, name: Path | str, before: int, *, advice: str) -> str:
    """Return some lines, after `before` others, as text; NUL or another encoding is a FileFault."""
    at = block.find(b"\0")
    problem = Said("reader.faults.nul", advice=advice)
    if at < 0:
        try:
            return block.decode(encoding)
        except UnicodeDecodeError as e:
            at = e.start
            problem = Said("reader.faults.no_utf8", byte=f"0x{block[at]:02X}", advice=advice)
    raise FileFault.of(name, problem, line=before + block.count(b"\n", 0, at) + 1)


def describe_header(header: Sequence[str]) -> str:
    """Return a header as messages show it, with the delimiter that it seems to have."""
    if not header:
        return Said("reader.faults.empty_file")
    other = next((n for s, n in SEPARATORS.items() if len(header) == 1 and s in header[0]), "")
    shown = repr(",".join(header)[:200])
    signs = other and Said(f"reader.faults.{other}s")
    return Said("reader.faults.separated", header=shown, signs=signs) if other else shown


def whole_number(text: str) -> int | None:
    """Return an id; `NO_ID` for what is no whole number of at most 18 digits.

    None where a spreadsheet has shortened it to fewer digits than it had.

    >>> [whole_number(text) for text in ("12", " 12.0", "1.2e+01", "1.2E+03", "-1", "1e3", "")]
    [12, 12, 12, None, -1, -1, -1]
    """
    if match := _WHOLE_NUMBER.fullmatch(text):
        return int(match[1])
    if match := _SHORTENED.fullmatch(text):
        digits, power = match[1] + (match[2] or ""), int(match[3])
        if len(digits) <= power:
            return None
        return int(digits) if len(digits) == power + 1 else NO_ID
    return NO_ID
