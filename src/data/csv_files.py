"""The three official files: their names, their hash, and the one set of rules for their rows.

`take_snapshot` finds every *file fault* and hashes (standard library only: ``init.sh`` runs it
before psql). `read_csv_files` gives the tables that ``sql/11_upsert_items.sql`` gives, by the same
rules: a training row with a *row fault* is rejected with its reason and raw text, a test row is
flagged but kept, because the submission has every row. Text is never normalised here.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
import shlex
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from src.data.csv_scan import ScannedCsv, scan_csv
from src.errors import FileFault

if TYPE_CHECKING:
    import pandas as pd

X_TRAIN = "X_train_update.csv"
Y_TRAIN = "Y_train_CVw08PX.csv"
X_TEST = "X_test_update.csv"
_X_COLUMNS = ("designation", "description", "productid", "imageid")
FILES: Mapping[str, tuple[str, ...]] = {
    X_TRAIN: _X_COLUMNS,
    Y_TRAIN: ("prdtypecode",),
    X_TEST: _X_COLUMNS,
}
SYNTHETIC_MARKER = "SYNTHETIC"
ITEM_COLUMNS = ("row_index", "productid", "imageid", "designation", "description")
REJECT_COLUMNS = ("file", "line", "reason", "raw")
# A test row whose id is no number keeps its place with this id (NULL in the database).
NO_ID = -1
Source = Literal["official", "demo"]

_ID = re.compile(r"[0-9]{1,18}")
_CODE = re.compile(r"-?[0-9]{1,18}")
# ASCII white space, as in the SQL: what is blank must not depend on a locale.
_BLANK = " \t\n\r\f\v"


@dataclasses.dataclass(frozen=True)
class FileSnapshot:
    """What identifies one file."""

    sha256: str
    bytes: int
    rows: int


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """What identifies the three files together.

    Attributes
    ----------
    data_hash : str
        SHA256 of what ``sha256sum X_train... Y_train... X_test...`` prints in the import folder:
        content and names count, times and places do not.
    source : str
        "demo" where the marker lists one of the files (or lists none), else "official": a marker
        that was left beside files of somebody else's says nothing about them.
    files : dict of str to FileSnapshot
    """

    data_hash: str
    source: Source
    files: Mapping[str, FileSnapshot]


@dataclasses.dataclass(frozen=True)
class CsvTables:
    """The three files as tables.

    Attributes
    ----------
    train : DataFrame
        ITEM_COLUMNS and ``prdtypecode``, ordered by row_index; ids int64, texts str, "" = missing.
    test : DataFrame
        ITEM_COLUMNS, ordered by row_index.
    rejects : DataFrame
        REJECT_COLUMNS, ordered by file and line; rows of X_test are flagged, not left out.
    rejected_rows : int
        Rows of X_train that are not in `train`.
    snapshot : Snapshot
        Hash and source of the files that were read.
    """

    train: pd.DataFrame
    test: pd.DataFrame
    rejects: pd.DataFrame
    rejected_rows: int
    snapshot: Snapshot


@dataclasses.dataclass(frozen=True)
class _Reject:
    file: str
    line: int
    reason: str
    raw: str


def take_snapshot(import_dir: Path) -> Snapshot:
    """Check and hash the three files.

    Raises
    ------
    FileFault
        A file is missing or can't be read as what it should be, no row is there to train on, or a
        test row has no row index of its own.
    """
    return _snapshot(import_dir, _scan_all(import_dir))


def _snapshot(import_dir: Path, scans: Mapping[str, ScannedCsv]) -> Snapshot:
    files = {
        name: FileSnapshot(hashlib.sha256(scan.data).hexdigest(), len(scan.data), len(scan.starts))
        for name, scan in scans.items()
    }
    listing = "".join(f"{file.sha256}  {name}\n" for name, file in files.items())
    listed = drawn_hashes(import_dir)
    found = {name: file.sha256 for name, file in files.items()}
    synthetic = listed is not None and (not listed or bool(listed.items() & found.items()))
    source: Source = "demo" if synthetic else "official"
    return Snapshot(hashlib.sha256(listing.encode()).hexdigest(), source, files)


def drawn_hashes(import_dir: Path) -> dict[str, str] | None:
    """Return what the demo shop's marker lists: SHA256 by file name; None without a marker.

    The marker holds lines as ``sha256sum`` prints them; a marker without any is one that a person
    made, and speaks for whatever lies beside it.
    """
    try:
        text = (import_dir / SYNTHETIC_MARKER).read_text(encoding="utf-8")
    except OSError:
        return None
    found = re.findall(r"^([0-9a-f]{64})  (\S+)$", text, re.MULTILINE)
    return {name: digest for digest, name in found}


def _scan_all(import_dir: Path) -> dict[str, ScannedCsv]:
    scans = {name: scan_csv(import_dir / name, columns) for name, columns in FILES.items()}
    for name in (X_TRAIN, Y_TRAIN):
        if not scans[name].starts:
            path = import_dir / name
            raise FileFault(
                f"{path}, line 2: expected a row, found the end of the file",
                next_command=f"ls -l {shlex.quote(str(import_dir))}",
            )
    _check_test_index(scans[X_TEST])
    return scans


def read_csv_files(import_dir: Path, codes: Collection[int]) -> CsvTables:
    """Read the three files into tables.

    Parameters
    ----------
    import_dir : Path
        Folder of the files.
    codes : collection of int
        The codes of the labels map; a row with another one is rejected.

    Raises
    ------
    FileFault
        As `take_snapshot`, or X_train and Y_train do not belong together.
    """
    import pandas as pd

    scans = _scan_all(import_dir)
    train, train_rejects, rejected = _train_rows(scans[X_TRAIN], scans[Y_TRAIN], frozenset(codes))
    test, test_rejects = _test_rows(scans[X_TEST])
    rejects = sorted(train_rejects + test_rejects, key=lambda r: (r.file, r.line))
    reject_rows = [dataclasses.astuple(reject) for reject in rejects]
    return CsvTables(
        train=_frame(train, (*ITEM_COLUMNS, "prdtypecode")),
        test=_frame(test, ITEM_COLUMNS),
        rejects=pd.DataFrame(reject_rows, columns=list(REJECT_COLUMNS)),
        rejected_rows=rejected,
        snapshot=_snapshot(import_dir, scans),
    )


def _frame(rows: list[tuple[int | str, ...]], columns: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame(rows, columns=list(columns))
    kinds = {name: "str" if name.startswith("des") else "int64" for name in columns}
    return frame.astype(kinds).sort_values("row_index", ignore_index=True)


def _train_rows(
    scan_x: ScannedCsv, scan_y: ScannedCsv, codes: frozenset[int]
) -> tuple[list[tuple[int | str, ...]], list[_Reject], int]:
    products, labels = list(scan_x.records()), list(scan_y.records())
    x_index = _numbers((row[0] for row in products), _ID)
    y_index = _numbers((row[0] for row in labels), _ID)
    x_known, y_known = set(x_index), set(y_index)
    x_faults = _joined(
        _id_faults("row index", x_index),
        _product_faults(products),
        [_only(i is not None and i not in y_known, f"no row in {Y_TRAIN}") for i in x_index],
    )
    y_faults = _joined(
        _id_faults("row index", y_index),
        [_code_fault(row[1], codes) for row in labels],
        [_only(i is not None and i not in x_known, f"no row in {X_TRAIN}") for i in y_index],
    )
    _check_join(scan_x, x_faults, y_faults)
    code_of = {
        index: int(row[1])
        for index, row, fault in zip(y_index, labels, y_faults, strict=True)
        if index is not None and not fault
    }
    rows = [
        (*_item(index, row), code_of[index])
        for index, row, fault in zip(x_index, products, x_faults, strict=True)
        if index is not None and not fault and index in code_of
    ]
    rejects = _rejects(scan_x, products, x_faults) + _rejects(scan_y, labels, y_faults)
    return rows, rejects, len(products) - len(rows)


def _test_rows(scan: ScannedCsv) -> tuple[list[tuple[int | str, ...]], list[_Reject]]:
    rows = list(scan.records())
    items = [_item(int(row[0]), row) for row in rows]
    return items, _rejects(scan, rows, _product_faults(rows))


def _check_test_index(scan: ScannedCsv) -> None:
    """Refuse a test row whose index is no key: its prediction could not be handed in."""
    texts = [row[0] for row in scan.records()]
    index = _numbers(texts, _ID)
    bad = next((n for n, fault in enumerate(_id_faults("row index", index)) if fault), None)
    if bad is not None:
        line = scan.lines()[bad]
        raise FileFault(
            f"{scan.path}, line {line}: expected a row index of its own, found {texts[bad]!r}:"
            " the prediction for this row could not be handed in",
            next_command=f"sed -n {line}p {shlex.quote(str(scan.path))} | cut -b 1-300",
        )


def _item(index: int, row: tuple[str, ...]) -> tuple[int | str, ...]:
    _, designation, description, productid, imageid = row
    return index, _number(productid), _number(imageid), designation, description


def _number(text: str) -> int:
    return int(text) if _ID.fullmatch(text) else NO_ID


def _numbers(texts: Iterable[str], pattern: re.Pattern[str]) -> list[int | None]:
    return [int(text) if pattern.fullmatch(text) else None for text in texts]


def _product_faults(rows: list[tuple[str, ...]]) -> list[str]:
    return _joined(
        _id_faults("productid", _numbers((row[3] for row in rows), _ID)),
        [_only(not _ID.fullmatch(row[4]), "imageid is no number") for row in rows],
        [_only(not row[1].strip(_BLANK), "designation is empty") for row in rows],
    )


def _id_faults(name: str, ids: list[int | None]) -> list[str]:
    """No number, or a number that several rows have: then none of them can be trusted."""
    count = Counter(ids)
    return [
        f"{name} is no number" if i is None else _only(count[i] > 1, f"{name} is not unique")
        for i in ids
    ]


def _code_fault(text: str, codes: frozenset[int]) -> str:
    if not _CODE.fullmatch(text):
        return "prdtypecode is no number"
    return _only(int(text) not in codes, "prdtypecode is unknown")


def _only(condition: bool, reason: str) -> str:
    return reason if condition else ""


def _joined(*faults: list[str]) -> list[str]:
    return ["; ".join(filter(None, of_row)) for of_row in zip(*faults, strict=True)]


def _rejects(scan: ScannedCsv, rows: list[tuple[str, ...]], faults: list[str]) -> list[_Reject]:
    if not any(faults):
        return []
    return [
        _Reject(scan.path.name, line, fault, raw_row(row))
        for line, row, fault in zip(scan.lines(), rows, faults, strict=True)
        if fault
    ]


def raw_row(fields: Iterable[str]) -> str:
    """Return fields as one row of CSV, all quoted: as ``project.raw_row`` does in the database."""
    quoted: Callable[[str], str] = '"{}"'.format
    return ",".join(quoted(field.replace('"', '""')) for field in fields)


def _check_join(scan_x: ScannedCsv, x_faults: list[str], y_faults: list[str]) -> None:
    """Rows without a partner are faults of rows only as far as partners have a bad index."""
    for faults, others, name in ((x_faults, y_faults, Y_TRAIN), (y_faults, x_faults, X_TRAIN)):
        lonely = sum(f"no row in {name}" in fault for fault in faults)
        explained = sum("row index is" in fault for fault in others)
        if lonely > explained:
            raise FileFault(
                f"{scan_x.path.parent}: {lonely} rows have no row in {name}: expected {X_TRAIN} and"
                f" {Y_TRAIN} of one delivery, with the same row indices",
                next_command=f"wc -l {shlex.quote(str(scan_x.path.parent))}/*.csv",
            )
