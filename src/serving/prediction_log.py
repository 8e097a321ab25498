"""What the service answered, written to ``project.predictions`` behind the requests' back.

A request puts its answers into a bounded queue and goes on; one thread writes them, many a
transaction. A full queue or a database that is down costs log lines, never a request: both are
counted, and the counts are in ``/metrics``.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from src.data import postgres
from src.errors import DatabaseError
from src.serving.feedback import designation_hash
from src.serving.prediction import Prediction

logger = logging.getLogger(__name__)

ROWS_A_WRITE = 500
# A database that is down is asked again after this long, not for every row.
PAUSE_S = 10.0

Row = Mapping[str, Any]


class PredictionLog:
    """A queue and the thread that empties it.

    Parameters
    ----------
    write : callable
        Writes some rows of ``project.predictions``, or raises DatabaseError.
    capacity : int
        Rows that may wait.

    Attributes
    ----------
    written, lost : int
        Rows in the database; rows that found the queue full or the database down.

    Examples
    --------
    >>> rows = []
    >>> log = PredictionLog(rows.extend)
    >>> log.put([{"prdtypecode": 10}])
    >>> log.close()
    >>> rows, log.written, log.lost
    ([{'prdtypecode': 10}], 1, 0)
    """

    def __init__(self, write: Callable[[Sequence[Row]], None], capacity: int = 10_000) -> None:
        self._write = write
        self._queue: queue.Queue[Row | None] = queue.Queue(capacity)
        self._lost_in_queue = self._lost_in_database = 0
        self._silent_until = 0.0
        self.written = 0
        self._counting = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)
        self._thread.start()

    @classmethod
    def to_database(cls, url: str) -> PredictionLog:
        """Return a log that writes to the database at `url`."""
        return cls(lambda rows: postgres.write_predictions(url, rows))

    @property
    def lost(self) -> int:
        """Rows that were not written."""
        return self._lost_in_queue + self._lost_in_database

    def put(self, rows: Sequence[Row]) -> None:
        """Queue rows; those that find no room are counted as lost."""
        for done, row in enumerate(rows):
            try:
                self._queue.put_nowait(row)
            except queue.Full:
                with self._counting:
                    self._lost_in_queue += len(rows) - done
                return

    def close(self, timeout_s: float = 10.0) -> None:
        """Write what is queued and end the thread; give up after `timeout_s`."""
        try:
            self._queue.put(None, timeout=timeout_s)
        except queue.Full:
            return
        self._thread.join(timeout_s)

    def _run(self) -> None:
        open_ = True
        while open_:
            rows = [self._queue.get()]
            while len(rows) < ROWS_A_WRITE and not self._queue.empty():
                rows.append(self._queue.get_nowait())
            open_ = None not in rows
            self._flush([row for row in rows if row is not None])

    def _flush(self, rows: Sequence[Row]) -> None:
        if not rows:
            return
        if time.monotonic() < self._silent_until:
            self._lost_in_database += len(rows)
            return
        try:
            self._write(rows)
            self.written += len(rows)
        except DatabaseError as e:
            self._lost_in_database += len(rows)
            self._silent_until = time.monotonic() + PAUSE_S
            logger.warning("predictions are not logged for %.0f s: %s", PAUSE_S, e.message)


def row_of(
    prediction: Prediction, designation: str, productid: int | None, profile: Mapping[str, Any]
) -> dict[str, Any]:
    """Return one row of ``project.predictions``, answered now.

    Parameters
    ----------
    prediction : Prediction
        The answer.
    designation : str
        Title; only its SHA256 is kept.
    productid : int or None
        Where the request named one.
    profile : mapping
        Statistics of the request that drift looks at.
    """
    return {
        "productid": productid,
        "designation_hash": designation_hash(designation),
        "prdtypecode": prediction.code,
        "probability": min(max(prediction.probability, 0.0), 1.0),
        "needs_review": prediction.needs_review,
        "top_k": [{"code": c.code, "probability": c.probability} for c in prediction.top_k],
        "run_id": prediction.model,
        "profile": dict(profile),
        "created_at": datetime.now(timezone.utc),
    }
