"""Reads a lot that somebody hands in: products, and labels where there are some.

The official X and Y formats, or any CSV with a column ``designation``; description, productid and
imageid are taken where they are.
"""

from __future__ import annotations

import io
import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from src.data.csv_files import NO_ID
from src.data.images import file_name
from src.errors import FileFault

# An official file's first column has no name, which pandas calls so.
_INDEX_NAMES = ("", "Unnamed: 0")
NO_LABEL = -1


def read_batch(path: Path, folders: Sequence[Path]) -> pd.DataFrame:
    """Return the products of a CSV.

    Parameters
    ----------
    path : Path
    folders : sequence of Path
        Where pictures are looked for, under their official names.

    Returns
    -------
    DataFrame
        row_index (the position where the file has none), productid, imageid (`NO_ID` where there
        is none), designation, description, image ("" where missing).

    Raises
    ------
    FileFault
        The file can't be read, has no column designation, or no row.
    """
    table = _read(path)
    if "designation" not in table.columns:
        raise _fault(path, f"no column designation, found {', '.join(table.columns[:8])}")
    if table.empty:
        raise _fault(path, "no product below the header")
    empty = pd.Series([""] * len(table), dtype=str)
    items = pd.DataFrame(
        {
            "row_index": _ids(table, table.columns[0]) if _has_index(table) else range(len(table)),
            "productid": _ids(table, "productid"),
            "imageid": _ids(table, "imageid"),
            "designation": table["designation"],
            "description": table.get("description", empty),
        }
    )
    return items.assign(image=_image_paths(items, folders))


def read_labels(path: Path, items: pd.DataFrame, classes: np.ndarray) -> np.ndarray:
    """Return the code of each product of a lot, `NO_LABEL` where the file has none.

    Rows are matched by the official row index, else by productid, else by order. A code that is
    none of the model's is no label: nothing can be compared with it.

    Parameters
    ----------
    path : Path
        A CSV with a column prdtypecode.
    items : DataFrame, n rows
        As `read_batch` gives them.
    classes : ndarray of int64
        Codes that the model knows.

    Raises
    ------
    FileFault
        The file can't be read, can't be matched with the lot or has no code of the model.
    """
    table = _read(path)
    if "prdtypecode" not in table.columns:
        raise _fault(path, f"no column prdtypecode, found {', '.join(table.columns[:8])}")
    codes = _whole_numbers(table["prdtypecode"])
    if not (known := codes.isin(classes)).any():
        raise _fault(path, f"no code of the model, found {', '.join(table['prdtypecode'][:8])}")
    codes = codes.where(known, NO_LABEL)
    if _has_index(table):
        keys, wanted = _ids(table, table.columns[0]), items["row_index"]
    elif "productid" in table.columns:
        keys, wanted = _ids(table, "productid"), items["productid"]
    elif len(table) == len(items):
        return codes.to_numpy()
    else:
        raise _fault(
            path,
            f"{len(table)} rows for {len(items)} products, and neither row index nor productid",
        )
    of_key = dict(zip(keys.tolist(), codes.tolist(), strict=True)) | {NO_ID: NO_LABEL}
    found = np.array([of_key.get(key, NO_LABEL) for key in wanted.tolist()], dtype=np.int64)
    if (found == NO_LABEL).all():
        raise _fault(path, "no row belongs to a product of the lot")
    return found


def _read(path: Path) -> pd.DataFrame:
    try:
        content = path.read_bytes()
        table = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)
    except OSError as e:
        raise _fault(path, "no such file" if isinstance(e, FileNotFoundError) else str(e)) from e
    except UnicodeDecodeError as e:
        raise _fault(path, f"not UTF-8 at byte {e.start}") from e
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as e:
        raise _fault(path, f"not readable as CSV ({str(e).strip()})") from e
    if (nul := content.find(b"\0")) >= 0:
        line = content.count(b"\n", 0, nul) + 1
        raise _fault(path, f"a NUL byte in line {line}")
    # pandas takes the first field of such rows for an index, and every other for its neighbour.
    if not isinstance(table.index, pd.RangeIndex):
        raise _fault(path, f"more fields below the header than its {len(table.columns)} columns")
    return table


def _fault(path: Path, problem: str) -> FileFault:
    return FileFault(
        f"{path}: {problem}; expected a comma-separated UTF-8 file with a header",
        next_command=f"ls -l {shlex.quote(str(path.parent))}",
    )


def _has_index(table: pd.DataFrame) -> bool:
    return table.columns[0] in _INDEX_NAMES


def _ids(table: pd.DataFrame, name: str) -> pd.Series:
    if name not in table.columns:
        return pd.Series([NO_ID] * len(table), dtype="int64")
    return _whole_numbers(table[name])


def _whole_numbers(texts: pd.Series) -> pd.Series:
    """Return texts as numbers, `NO_ID` where one is no whole number of 18 digits at the most."""
    digits = texts.str.extract(r"^\s*([0-9]{1,18})(?:\.0+)?\s*$", expand=False)
    return digits.fillna(str(NO_ID)).astype("int64")


def _image_paths(items: pd.DataFrame, folders: Sequence[Path]) -> list[str]:
    present = {
        path.name: str(path) for folder in folders if folder.is_dir() for path in folder.iterdir()
    }
    names = (
        file_name(imageid, productid)
        for imageid, productid in zip(items["imageid"], items["productid"], strict=True)
    )
    return [present.get(name, "") for name in names]
