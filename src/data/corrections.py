"""What people say of labels: read from ``results/feedback.jsonl``, laid over the official ones.

The service keeps corrections in ``project.feedback``, or, where no database answers, in a file of
one JSON object a line with the same columns; `init.sh`, or the next use of a database that answers,
loads that file. Both only grow: a person who thinks again adds a correction, and undo adds one
without a class. Images lie under their SHA256 in ``data/feedback/``. Training takes corrections
when ``[data].use_corrections`` is on; products of the catalogue keep their official label, and
others become training rows.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import pydantic.dataclasses
from pydantic import AfterValidator, BeforeValidator, Field, computed_field

from src.data.csv_files import NO_ID
from src.errors import FileFault
from src.files import encodable, sha256

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

CONTENT = ("designation", "description", "image_sha256")
_BIGGEST = 2**63 - 1
_FIRST_NUMBER = 2**62  # of products outside the catalogue; official ids have 18 digits at most


def storable(text: str) -> str:
    """Return a text as PostgreSQL keeps it: no zero byte, no half of a surrogate pair."""
    return encodable(text.replace("\0", ""))


def author_name(text: str) -> str:
    """Return a person's name as corrections and leases have it: blanks make no other person."""
    return " ".join(storable(text).split())


def _time(value: str | datetime) -> datetime:
    """Read ISO 8601; a time without a zone is UTC. Python 3.10 knows no "Z"."""
    time = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)


UtcTime = Annotated[datetime, BeforeValidator(_time)]
_Integer = Annotated[int, Field(strict=True, ge=-_BIGGEST, le=_BIGGEST)]
_Text = Annotated[str, BeforeValidator(lambda text: storable(text or ""))]
_Digest = Annotated[str, Field(pattern="^[0-9a-f]{0,64}$")]
_Sha256 = Annotated[str, Field(pattern="^([0-9a-f]{64})?$")]
# Rounding leaves a probability a little above 1; the table takes none.
_Share = Annotated[float, Field(ge=0, le=1.0001), AfterValidator(lambda share: min(share, 1.0))]


@pydantic.dataclasses.dataclass(frozen=True)
class Correction:
    """One row of ``project.feedback``: what one person said of one product, at one time."""

    prdtypecode: _Integer | None  # None withdraws what its author said of the product before
    created_at: UtcTime
    productid: _Integer | None = None
    designation_hash: _Digest | None = None  # of the title: earlier versions kept no more
    predicted_code: _Integer | None = None  # the model's answer then, its probability and its run
    author: _Text = ""
    comment: _Text = ""
    designation: _Text = ""
    description: _Text = ""
    image_sha256: _Sha256 = ""
    probability: _Share | None = None
    run_id: _Text = ""
    source: _Text = ""  # where it was given: "app", "review", "batch" or "api"

    @computed_field  # type: ignore[prop-decorator]
    @functools.cached_property
    def item_hash(self) -> str:
        """The hash of the product's content; "" where none is kept."""
        return item_hash(self.designation, self.description, self.image_sha256)

    @property
    def product(self) -> str:
        """What names the product: its id, else its content, else the hash of its title."""
        if self.productid is not None:
            return str(self.productid)
        return self.item_hash or self.designation_hash or ""

    def to_line(self) -> str:
        """Return the JSON object of ``feedback.jsonl``: ASCII, keys sorted.

        What earlier versions did not know is left out where it is empty: their lines stay the same.
        """
        values = {**dataclasses.asdict(self), "item_hash": self.item_hash}
        values["created_at"] = self.created_at.isoformat()
        kept = {k: v for k, v in values.items() if k in _FIRST_COLUMNS or v not in (None, "")}
        return json.dumps(kept, sort_keys=True)


_FIRST_COLUMNS = [field.name for field in dataclasses.fields(Correction)][:7]


@dataclasses.dataclass(frozen=True)
class Corrected:
    """What the corrections did to the labels."""

    changed: int = 0  # products whose label is another one than the official one
    confirmed: int = 0  # products whose official label was given
    added: int = 0  # products outside the training data that are trained on
    unmatched: int = 0  # corrections of products that are not in the training data
    # How many corrections give each code outside the labels map; these were ignored.
    unknown: dict[int, int] = dataclasses.field(default_factory=dict)
    unreadable: int = 0  # lines of the file that hold no correction

    def __str__(self) -> str:
        parts = [f"{self.changed:,} labels changed by corrections"]
        more = {"confirmed": self.confirmed, "products added": self.added}
        more["of other products"] = self.unmatched
        parts += [f"{number:,} {what}" for what, number in more.items() if number]
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


def item_hash(designation: str, description: str, image_sha256: str) -> str:
    """Return the SHA256 that names a product by its content, in hex; "" where there is none.

    Blanks at the ends and between words don't count: forms and tables change them.
    """
    content = [" ".join(designation.split()), " ".join(description.split()), image_sha256]
    return sha256(json.dumps(content).encode()) if any(content) else ""


def image_file(folder: Path, image_sha256: str) -> Path:
    """Return where the image of a corrected product lies below ``data/feedback/``."""
    return folder / image_sha256[:2] / image_sha256


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
    return parse_lines(lines)


def parse_lines(lines: Iterable[bytes]) -> tuple[list[Correction], int]:
    """Return the corrections of some lines, and the number of those that hold none."""
    read = [_parse(line) for line in lines if line.strip()]
    corrections = [correction for correction in read if correction is not None]
    return corrections, len(read) - len(corrections)


def _parse(line: bytes) -> Correction | None:
    try:
        correction = Correction(**json.loads(line))
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None
    return correction if correction.product else None


def latest(corrections: Iterable[Correction]) -> dict[tuple[str, str], Correction]:
    """Return the latest correction of each author about each product, in time.

    Of two with the same time the later one counts.
    """
    found: dict[tuple[str, str], Correction] = {}
    for correction in sorted(corrections, key=lambda correction: correction.created_at):
        name = correction.author, correction.product
        found.pop(name, None)  # its place is that of the latest
        found[name] = correction
    return found


def current(corrections: Iterable[Correction]) -> list[Correction]:
    """Return these without withdrawals: what ``project.current_feedback`` says."""
    return [c for c in latest(corrections).values() if c.prdtypecode is not None]


def correct_labels(
    items: pd.DataFrame, y: np.ndarray, corrections: Iterable[Correction], codes: Sequence[int]
) -> tuple[np.ndarray, list[dict[str, object]], Corrected]:
    """Lay corrections over official labels.

    A correction is about the product of its productid; without one that is here, about every
    product with its content (columns designation, description and image_sha256 of `items`), or its
    title where no more is known. Of several people's classes the one that most give counts, of
    these the one that was given last. `y`, shape (n,), is left as it is.

    Returns the labels; rows for the products that are not here, where their content is kept; and
    what was done.
    """
    given = list(corrections)
    codes_given = (c.prdtypecode for c in given if c.prdtypecode is not None)
    unknown = Counter(code for code in codes_given if code not in set(codes))
    said = current(c for c in given if c.prdtypecode not in unknown)
    places = _places(items, {name for c in said for name in _names(c)})
    votes: dict[int | str, list[Correction]] = defaultdict(list)
    unmatched = 0
    for correction in said:
        rows = next((places[name] for name in _names(correction) if name in places), [])
        targets: list[int | str] = [*rows] or list(filter(None, [correction.item_hash]))
        unmatched += not targets
        for target in targets:
            votes[target].append(correction)
    corrected = y.copy()
    added = []
    for target, about in votes.items():
        code = _most_given(about)
        if isinstance(target, int):
            corrected[target] = code
        else:
            added.append(_as_row(about[-1], code))
    changed = int((corrected != y).sum())
    confirmed = len(votes) - len(added) - changed
    return corrected, added, Corrected(changed, confirmed, len(added), unmatched, dict(unknown))


def _names(correction: Correction) -> list[str]:
    """Return what a correction's product may be known by, the surest first."""
    if correction.productid is not None:
        return [str(correction.productid), correction.item_hash]
    title = correction.designation_hash
    if correction.designation and not (correction.description or correction.image_sha256):
        title = designation_hash(correction.designation)
    return [name for name in (correction.item_hash, title) if name]


def _places(items: pd.DataFrame, wanted: Collection[str]) -> dict[str, list[int]]:
    """Return the rows of each wanted name: a productid, a hash of content or title."""
    places = defaultdict(list)
    columns = (items[name].tolist() for name in ("productid", *CONTENT))
    for row, (productid, *content) in enumerate(zip(*columns, strict=True)):
        for name in (str(productid), item_hash(*content), designation_hash(content[0])):
            if name in wanted:
                places[name].append(row)
    return places


def _most_given(about: Sequence[Correction]) -> int | None:
    """Return the class that most people give one product, of several the latest."""
    by_author = {correction.author: correction.prdtypecode for correction in about}
    counts = Counter(by_author.values())
    most = max(counts.values())
    now = (c.prdtypecode for c in reversed(about) if by_author[c.author] == c.prdtypecode)
    return next(code for code in now if counts[code] == most)


def _as_row(correction: Correction, code: int | None) -> dict[str, object]:
    """Return a row of the training data for a product outside the catalogue.

    Its number is beyond all official ones: it is the smallest of no group of duplicates. Blanks are
    single: of those that people gave, the database keeps the first, and a file all.
    """
    number = _FIRST_NUMBER + int(correction.item_hash[:15], 16)
    content = {name: " ".join(getattr(correction, name).split()) for name in CONTENT}
    ids = {"row_index": number, "productid": number, "imageid": NO_ID}
    return {**ids, **content, "prdtypecode": code}
