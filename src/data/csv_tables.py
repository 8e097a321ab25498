"""The official files as tables, by the rules of ``sql/11_upsert_items.sql``: same rows, same order.

A training row with a *row fault* is rejected with its reason and raw text, a test row is flagged
but kept, because the submission has every row. Text is never normalised here.
"""

import dataclasses
import math
import re
import shlex
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from src.data.csv_files import (
    BLANK,
    FILES,
    ID_PATTERN,
    ITEM_COLUMNS,
    NO_ID,
    X_COLUMNS,
    X_TEST,
    X_TRAIN,
    Y_TRAIN,
    OfficialFile,
    Snapshot,
    read_official,
    snapshot_of,
)
from src.errors import FileFault

_CODE = re.compile(r"-?[0-9]{1,18}")


@dataclasses.dataclass(frozen=True)
class CsvTables:
    """The three files as tables: ids are int64, texts str, "" = missing."""

    train: pd.DataFrame  # ITEM_COLUMNS and prdtypecode, ordered by row_index
    test: pd.DataFrame  # ITEM_COLUMNS, ordered by row_index
    faults: Mapping[str, np.ndarray]  # by file name: the reasons of each row, "" where it is sound
    rejected_rows: int  # of X_train, that are not in `train`
    snapshot: Snapshot


def read_csv_files(
    import_dir: Path, codes: Collection[int], max_reject_rate: float = 1.0
) -> CsvTables:
    """Read the three files into tables; a row with a code that is not in `codes` is rejected.

    Raises
    ------
    FileFault
        As `take_snapshot`, X_train and Y_train do not belong together, or a larger share of X_train
        is rejected.
    """
    files = {name: read_official(import_dir / name) for name in FILES}
    x, labels = files[X_TRAIN], files[Y_TRAIN].column(1)
    train, test = _items(x), _items(files[X_TEST])
    x_index = train["row_index"].to_numpy()
    y_index = _numbers(files[Y_TRAIN].column(0), ID_PATTERN)
    x_lonely = (x_index != NO_ID) & ~np.isin(x_index, y_index)
    y_lonely = (y_index != NO_ID) & ~np.isin(y_index, x_index)
    is_code = np.array([_CODE.fullmatch(text) is not None for text in labels], dtype=bool)
    y_codes = _numbers(labels, _CODE)
    x_id_faults, y_id_faults = _id_faults("row index", x_index), _id_faults("row index", y_index)
    _check_join(import_dir, int(x_lonely.sum()), y_id_faults, Y_TRAIN)
    _check_join(import_dir, int(y_lonely.sum()), x_id_faults, X_TRAIN)
    x_faults = _joined({**x_id_faults, **_product_faults(train), f"no row in {Y_TRAIN}": x_lonely})
    y_faults = _joined(
        {
            **y_id_faults,
            "prdtypecode is no number": ~is_code,
            "prdtypecode is unknown": is_code & ~np.isin(y_codes, list(codes)),
            f"no row in {X_TRAIN}": y_lonely,
        }
    )
    known = pd.DataFrame({"row_index": y_index, "prdtypecode": y_codes})[y_faults == ""]
    train = _sorted(train[x_faults == ""].merge(known, on="row_index"))
    faults = {X_TEST: _joined(_product_faults(test)), X_TRAIN: x_faults, Y_TRAIN: y_faults}
    rejected, allowed = len(x.rows) - len(train), math.floor(max_reject_rate * len(x.rows))
    if rejected > allowed:
        name = X_TRAIN if x_faults.any() else Y_TRAIN
        row = int((faults[name] != "").argmax())
        limit = f"at most {allowed} rejected rows (validation.max_reject_rate)"
        problem = f"{faults[name][row]}; expected {limit}, found {rejected}"
        raise FileFault.of(import_dir / name, problem, line=files[name].lines[row])
    return CsvTables(
        train=train,
        test=_sorted(test),
        faults=faults,
        rejected_rows=rejected,
        snapshot=snapshot_of(list(files.values())),
    )


def _items(file: OfficialFile) -> pd.DataFrame:
    """Return ITEM_COLUMNS in the order of the file; `NO_ID` where an id is no number."""
    at = {name: place for place, name in enumerate(("row_index", *X_COLUMNS))}
    return pd.DataFrame(
        {
            name: pd.Series(file.column(at[name]), dtype="str")
            if name.startswith("des")
            else _numbers(file.column(at[name]), ID_PATTERN)
            for name in ITEM_COLUMNS
        }
    )


def _sorted(items: pd.DataFrame) -> pd.DataFrame:
    return items.sort_values("row_index", ignore_index=True)


def _numbers(texts: Iterable[str], pattern: re.Pattern[str]) -> np.ndarray:
    numbers = [int(text) if pattern.fullmatch(text) else NO_ID for text in texts]
    return np.array(numbers, dtype=np.int64)


def _product_faults(items: pd.DataFrame) -> dict[str, np.ndarray]:
    blank = [BLANK.fullmatch(title) is not None for title in items["designation"]]
    return {
        **_id_faults("productid", items["productid"].to_numpy()),
        "imageid is no number": items["imageid"].to_numpy() == NO_ID,
        "designation is empty": np.array(blank, dtype=bool),
    }


def _id_faults(name: str, ids: np.ndarray) -> dict[str, np.ndarray]:
    """No number, or a number that several rows have: then none of them can be trusted."""
    repeated = pd.Series(ids).duplicated(keep=False).to_numpy()
    return {
        f"{name} is no number": ids == NO_ID,
        f"{name} is not unique": (ids != NO_ID) & repeated,
    }


def _joined(faults: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the reasons of each row, "" where it is sound; shape (n,), object."""
    reasons = np.full(len(next(iter(faults.values()))), "", dtype=object)
    for reason, at_fault in faults.items():
        for row in np.flatnonzero(at_fault):
            reasons[row] = f"{reasons[row]}; {reason}" if reasons[row] else reason
    return reasons


def _check_join(
    import_dir: Path, lonely: int, of_partners: Mapping[str, np.ndarray], name: str
) -> None:
    """Rows without a partner are faults of rows only as far as partners have a bad index."""
    if lonely > sum(int(at_fault.sum()) for at_fault in of_partners.values()):
        raise FileFault(
            f"{import_dir}: {lonely} rows have no row in {name}: expected {X_TRAIN} and"
            f" {Y_TRAIN} of one delivery, with the same row indices",
            next_command=f"wc -l {shlex.quote(str(import_dir))}/*.csv",
        )
