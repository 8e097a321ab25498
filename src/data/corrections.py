"""Labels that people corrected: read from ``results/feedback.jsonl``, laid over the official ones.

The service keeps corrections in ``project.feedback``, or, where no database answers, in a file of
one JSON object a line with the same columns; `init.sh` loads that file later. Training takes them
when ``[data].use_corrections`` is on. The products themselves keep their official label.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.errors import FileFault
from src.files import encodable, sha256

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_BIGGEST = 2**63 - 1


@dataclasses.dataclass(frozen=True)
class Correction:
    """One row of ``project.feedback``; without a productid its title's hash names the product."""

    prdtypecode: int
    productid: int | None
    designation_hash: str | None
    created_at: datetime
    predicted_code: int | None = None
    author: str = ""
    comment: str = ""

    def to_line(self) -> str:
        """Return the JSON object of ``feedback.jsonl``: ASCII, keys sorted."""
        values = {**dataclasses.asdict(self), "created_at": self.created_at.isoformat()}
        return json.dumps(values, sort_keys=True)


@dataclasses.dataclass(frozen=True)
class Corrected:
    """What the corrections did to the labels."""

    changed: int = 0  # products whose label is another one than the official one
    confirmed: int = 0  # products whose official label was given
    unmatched: int = 0  # corrections of products that are not in the training data
    # How many corrections give each code outside the labels map; these were ignored.
    unknown: dict[int, int] = dataclasses.field(default_factory=dict)
    unreadable: int = 0  # lines of the file that hold no correction

    def __str__(self) -> str:
        parts = [f"{self.changed:,} labels changed by corrections"]
        if self.confirmed:
            parts.append(f"{self.confirmed:,} confirmed")
        if self.unmatched:
            parts.append(f"{self.unmatched:,} of other products")
        if self.unknown:
            codes = ", ".join(f"{code} ({n}x)" for code, n in sorted(self.unknown.items()))
            parts.append(f"ignored as unknown codes: {codes}")
        if self.unreadable:
            parts.append(f"{self.unreadable:,} lines unreadable")
        return ", ".join(parts)


def designation_hash(title: str) -> str:
    """Return the SHA256 of a title as it stands in the data, in hex.

    >>> designation_hash("Livre")[:12]
    '81411148dc9c'
    """
    return sha256(title.encode("utf-8", "surrogatepass"))


def read_feedback(path: Path) -> tuple[list[Correction], int]:
    """Return the corrections of a file, and the number of lines that hold none.

    The last line of a file whose writer was killed is such a line; it is no reason to stop.
    """
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return [], 0
    except OSError as e:
        raise FileFault.of(path, f"can't be read ({e})") from e
    read = [_parse(line) for line in lines if line.strip()]
    corrections = [correction for correction in read if correction is not None]
    return corrections, len(read) - len(corrections)


def _parse(line: bytes) -> Correction | None:
    try:
        values = json.loads(line)
        correction = Correction(
            _integer(values["prdtypecode"]),
            _or_none(values.get("productid")),
            storable(values["designation_hash"]) if values.get("designation_hash") else None,
            _time(values["created_at"]),
            _or_none(values.get("predicted_code")),
            storable(values.get("author") or ""),
            storable(values.get("comment") or ""),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    named = correction.productid is not None or correction.designation_hash is not None
    return correction if named else None


def _integer(value: Any) -> int:  # noqa: ANN401
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _BIGGEST:
        raise ValueError(f"{value!r} is no id or code")
    return value


def _or_none(value: Any) -> int | None:  # noqa: ANN401
    return None if value is None else _integer(value)


def storable(text: str) -> str:
    """Return a text as PostgreSQL keeps it: no zero byte, no half of a surrogate pair."""
    return encodable(text.replace("\0", ""))


def _time(value: str) -> datetime:
    """Read ISO 8601; a time without a zone is UTC. Python 3.10 knows no "Z"."""
    time = datetime.fromisoformat(value.replace("Z", "+00:00"))
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)


def correct_labels(
    items: pd.DataFrame, y: np.ndarray, corrections: Iterable[Correction], codes: Sequence[int]
) -> tuple[np.ndarray, Corrected]:
    """Lay corrections over official labels.

    A correction is about the product of its productid, or, without one, about every product with
    its title (columns productid and designation of `items`). The latest one about a product wins;
    of two with the same time, the later in the iterable. `y`, shape (n,), is left as it is.
    """
    import numpy as np

    in_time = sorted(corrections, key=lambda correction: correction.created_at)
    known = set(codes)
    unknown = Counter(c.prdtypecode for c in in_time if c.prdtypecode not in known)
    in_time = [correction for correction in in_time if correction.prdtypecode in known]
    place = {_about(correction): at for at, correction in enumerate(in_time)}
    by_title = any(correction.productid is None for correction in in_time)
    products = items["productid"].tolist()
    titles = [designation_hash(title) for title in items["designation"]] if by_title else products
    latest = np.array(
        [
            max(place.get(productid, -1), place.get(title, -1))
            for productid, title in zip(products, titles, strict=True)
        ],
        dtype=np.int64,
    )
    named = np.flatnonzero(latest >= 0)
    corrected = y.copy()
    corrected[named] = [in_time[at].prdtypecode for at in latest[named]]
    changed = int((corrected != y).sum())
    everywhere = {*products, *titles}
    unmatched = sum(_about(c) not in everywhere for c in in_time)
    return corrected, Corrected(changed, len(named) - changed, unmatched, dict(unknown))


def _about(correction: Correction) -> int | str | None:
    """Return what a correction names its product by."""
    productid = correction.productid
    return correction.designation_hash if productid is None else productid
