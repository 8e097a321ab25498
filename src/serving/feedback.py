"""Corrections by people: into ``project.feedback``, or into a file where no database answers.

``results/feedback.jsonl`` holds one JSON object a line with the columns of the table; the next
``init.sh`` loads it. A line is written whole, under a lock, and is on the disk before the author
reads that it is stored.
"""

from __future__ import annotations

import dataclasses
import fcntl
import logging
import os
import shlex
from collections.abc import Callable, Collection
from datetime import datetime, timezone
from pathlib import Path

from src.data import postgres
from src.data.corrections import Correction, designation_hash, storable
from src.errors import ArtifactError, DatabaseError, UsageError

logger = logging.getLogger(__name__)

MOST_CHARACTERS = 2_000


def new_correction(
    prdtypecode: int,
    designation: str = "",
    productid: int | None = None,
    predicted_code: int | None = None,
    author: str = "",
    comment: str = "",
) -> Correction:
    """Return a correction made now; see `Correction`. Of the designation only the hash is kept."""
    return Correction(
        prdtypecode=prdtypecode,
        productid=productid,
        designation_hash=designation_hash(designation) if designation else None,
        created_at=datetime.now(timezone.utc),
        predicted_code=predicted_code,
        author=storable(author)[:MOST_CHARACTERS],
        comment=storable(comment)[:MOST_CHARACTERS],
    )


def store(
    correction: Correction, file: Path, address: Callable[[], str], codes: Collection[int]
) -> str:
    """Store a correction in the database, or in a file where none has an address or answers.

    Returns
    -------
    str
        "database" or "file": where it is stored.

    Raises
    ------
    UsageError
        The code is unknown, or nothing names the product.
    ArtifactError
        The file can't be written either.
    """
    if correction.prdtypecode not in codes:
        raise UsageError(
            f"prdtypecode {correction.prdtypecode} is not one of the {len(codes)} known codes",
            next_command="cat config/labels_map.json",
        )
    if correction.productid is None and correction.designation_hash is None:
        raise UsageError("a correction names its product: expected a productid or a designation")
    try:
        postgres.write_rows(address(), "feedback", [dataclasses.asdict(correction)])
    except DatabaseError as e:
        logger.info("correction stored in %s: %s", file, e.message)
        append_line(file, correction.to_line())
        return "file"
    return "database"


def append_line(file: Path, line: str) -> None:
    """Append one line that is on the disk when this returns; writers wait for each other.

    Raises
    ------
    ArtifactError
        The disk is full, or the folder can't be written to.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("ab+") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            handle.write(f"{_line_end(handle.fileno())}{line}\n".encode())
            handle.flush()
            os.fsync(handle.fileno())
    except OSError as e:
        folder = shlex.quote(str(file.parent))
        raise ArtifactError(
            f"{file}: the correction can't be written ({e})", next_command=f"df -h {folder}"
        ) from e


def _line_end(descriptor: int) -> str:
    """Return what ends the last line, if a kill left it without its end."""
    size = os.fstat(descriptor).st_size
    return "\n" if size and os.pread(descriptor, 1, size - 1) != b"\n" else ""
