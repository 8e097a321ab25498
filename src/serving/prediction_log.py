"""What the service answered, written to ``project.predictions`` behind the requests' back.

A request puts its answers into a bounded queue and goes on; one thread writes them, many a
transaction. A full queue or a database that is down costs log lines, never a request: both are
counted, and the counts are in ``/metrics``.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

import numpy as np

from src.data import postgres
from src.data.corrections import designation_hash
from src.errors import DatabaseError
from src.models.late_fusion import LateFusion
from src.monitoring.signals import SignalReader, Signals, profile_of
from src.serving.predictor import Answered

logger = logging.getLogger(__name__)

JOBS_A_WRITE = 500
# A database that is down is asked again after this long, not for every row.
PAUSE_S = 60.0

Row = Mapping[str, Any]


class PredictionLog:
    """A queue and the thread that empties it.

    Parameters
    ----------
    write : callable
        Writes some rows of ``project.predictions``, or raises DatabaseError.
    observe : callable or None
        Told the run and the signals of every answer that is taken up.
    capacity : int
        Requests (chunks of a batch) that may wait.

    Attributes
    ----------
    written, lost : int
        Rows in the database; rows that found the queue full or the database down.

    Examples
    --------
    >>> log = PredictionLog([].extend)
    >>> log.close()
    >>> log.written, log.lost
    (0, 0)
    """

    def __init__(
        self,
        write: Callable[[Sequence[Row]], None],
        observe: Callable[[str, Signals], None] | None = None,
        capacity: int = 1_000,
    ) -> None:
        self._write = write
        self._observe = observe
        self._queue: queue.Queue[tuple[Answered, Sequence[int | None]] | None] = queue.Queue(
            capacity
        )
        self._lost_in_queue = self._lost_in_database = 0
        self._silent_until = 0.0
        self.written = 0
        self._counting = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)
        self._thread.start()

    @classmethod
    def to_database(
        cls, url: str, observe: Callable[[str, Signals], None] | None = None
    ) -> PredictionLog:
        """Return a log that writes to the database at `url`."""
        return cls(lambda rows: postgres.write_predictions(url, rows), observe)

    @property
    def lost(self) -> int:
        """Rows that were not written."""
        return self._lost_in_queue + self._lost_in_database

    def put(self, answered: Answered, productids: Sequence[int | None]) -> None:
        """Queue answers; those that find no room are counted as lost."""
        slim = dataclasses.replace(
            answered,
            # Pictures would fill the memory that waits; what was measured of them is enough.
            items=answered.items.drop(columns="image"),
            extracted=answered.extracted.with_column("image", np.full(len(productids), "")),
        )
        try:
            self._queue.put_nowait((slim, productids))
        except queue.Full:
            with self._counting:
                self._lost_in_queue += len(productids)

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
            jobs = [self._queue.get()]
            while len(jobs) < JOBS_A_WRITE and not self._queue.empty():
                jobs.append(self._queue.get_nowait())
            open_ = None not in jobs
            self._flush([row for job in jobs if job is not None for row in self._rows(*job)])

    def _rows(self, answered: Answered, productids: Sequence[int | None]) -> list[Row]:
        signals = _reader(answered.model).read(answered.items, answered.extracted, answered.proba)
        if self._observe is not None:
            self._observe(answered.predictions[0].model, signals)
        return rows_of(answered, productids, signals)

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


def rows_of(answered: Answered, productids: Sequence[int | None], signals: Signals) -> list[Row]:
    """Return the rows of ``project.predictions`` for some answers.

    Parameters
    ----------
    answered : Answered
        n answers.
    productids : sequence of (int or None), length n
        Where the request named one.
    signals : Signals
        What drift looks at in these products: the column ``profile``.
    """
    titles = answered.items["designation"]
    profiles = [profile_of(signals, row) for row in range(len(signals))]
    return [
        {
            "productid": productid,
            "designation_hash": designation_hash(title),
            "prdtypecode": prediction.code,
            "probability": min(max(prediction.probability, 0.0), 1.0),
            "needs_review": prediction.needs_review,
            "top_k": [{"code": c.code, "probability": c.probability} for c in prediction.top_k],
            "run_id": prediction.model,
            "profile": profile,
            "created_at": datetime.now(timezone.utc),
        }
        for prediction, title, productid, profile in zip(
            answered.predictions, titles, productids, profiles, strict=True
        )
    ]


@functools.lru_cache(maxsize=1)
def _reader(model: LateFusion) -> SignalReader:
    """Return what reads a model's signals; it takes a tenth of a second to make."""
    return SignalReader.of(model)
