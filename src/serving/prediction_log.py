"""The service's predictions, written to ``project.predictions`` in the background.

A request puts its answers into a bounded queue and goes on; one thread writes them in batches, one
transaction each. A full queue or a database that is down loses rows, never a request: both are
counted, and the counts are in ``/metrics``.
"""

import functools
import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

import numpy as np
import pandas as pd

from src.data.corrections import designation_hash
from src.errors import DatabaseError
from src.models.late_fusion import LateFusion
from src.monitoring.signals import SignalReader, Signals, profile_of
from src.serving.predictor import COLUMNS, Answered, Prediction, Product

logger = logging.getLogger(__name__)

REQUESTS_PER_WRITE = 500
# Signals of one answer take 4 ms to read, half of them for whatever else is answered then; of fifty
# hardly more.
GATHER_S = 0.1
# A database that is down is tried again after this long, not for every row.
RETRY_AFTER_S = 60.0

Row = Mapping[str, Any]
Entry = tuple[Answered, Sequence[int | None], list[Row | None]]
"""What was answered, the products' numbers, and what is kept of each."""


class PredictionLog:
    """A queue of requests (chunks of a batch) and the thread that empties it.

    `write` takes rows of ``project.predictions``, each with what is `kept` of its product, or
    raises DatabaseError; `observe` is told the run and the signals of the answers of every request;
    `keep` says what is kept, before the request ends. `written` and `lost` count rows: those in the
    database, and those that found the queue full or the database down.

    >>> log = PredictionLog([].extend)
    >>> log.close()
    >>> log.written, log.lost
    (0, 0)
    """

    def __init__(
        self,
        write: Callable[[Sequence[Row]], None],
        observe: Callable[[str, Signals], None] | None = None,
        keep: Callable[[Prediction, Product], Row | None] | None = None,
        capacity: int = 1_000,
    ) -> None:
        self._write = write
        self._observe = observe
        self._keep = keep
        self._queue: queue.Queue[Entry | None] = queue.Queue(capacity)
        self._paused_until = 0.0
        self.written = self.lost = 0
        self._count_lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)
        self._thread.start()

    def put(self, answered: Answered, productids: Sequence[int | None]) -> None:
        """Queue answers; those that the full queue refuses are counted as lost."""
        predictions, table, proba, model = answered
        kept: list[Row | None] = [None] * len(predictions)
        if self._keep is not None and time.monotonic() >= self._paused_until:
            rows = zip(predictions, *(table[name] for name in COLUMNS), strict=True)
            kept = [self._keep(answer, Product(*product)) for answer, *product in rows]
        # Images would fill the memory of the queue; their features are enough. Columns that are not
        # copied share an array with them.
        without_images = (predictions, table.drop(columns="image").copy(), proba, model)
        try:
            self._queue.put_nowait((without_images, productids, kept))
        except queue.Full:
            self._lose(len(productids))

    def close(self, timeout_s: float = 10.0) -> None:
        """Write what is queued and end the thread; give up after `timeout_s`."""
        try:
            self._queue.put(None, timeout=timeout_s)
        except queue.Full:
            return
        self._thread.join(timeout_s)

    def _lose(self, rows: int) -> None:
        with self._count_lock:
            self.lost += rows

    def _run(self) -> None:
        is_open = True
        while is_open:
            batch = [self._queue.get()]
            time.sleep(GATHER_S)  # what comes meanwhile is measured in one go
            while len(batch) < REQUESTS_PER_WRITE and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            is_open = None not in batch
            entries = [entry for entry in batch if entry is not None]
            alike = itertools.groupby(entries, key=_measured_with)
            self._flush([row for _, some in alike for row in self._rows(list(some))])

    def _rows(self, entries: Sequence[Entry]) -> list[Row]:
        """Return the rows of requests that one model answered, or of a part of a batch."""
        answered, ids, kepts = zip(*entries, strict=True)
        parts, tables, probas, models = zip(*answered, strict=True)
        predictions, productids, kept = (
            list(itertools.chain.from_iterable(each)) for each in (parts, ids, kepts)
        )
        table, proba = pd.concat(tables, ignore_index=True), np.concatenate(probas)
        known = [number for number, answer in enumerate(predictions) if answer.code is not None]
        if not known:
            return []
        signals = _reader(models[0]).read(table.iloc[known], proba[known])
        if self._observe is not None:
            self._observe(predictions[0].model, signals)
        titles = table["designation"].tolist()
        return [
            _row(predictions[row], titles[row], productids[row], profile_of(signals, number))
            | {"kept": kept[row]}
            for number, row in enumerate(known)
        ]

    def _flush(self, rows: Sequence[Row]) -> None:
        if not rows:
            return
        if time.monotonic() < self._paused_until:
            self._lose(len(rows))
            return
        try:
            self._write(rows)
            self.written += len(rows)
        except DatabaseError as e:
            self._lose(len(rows))
            self._paused_until = time.monotonic() + RETRY_AFTER_S
            logger.warning("predictions are not logged for %.0f s: %s", RETRY_AFTER_S, e.message)


def _measured_with(entry: Entry) -> int:
    """Return what is equal for requests that are measured together: single ones of a model."""
    (*_, model), productids, _ = entry
    return id(model if len(productids) == 1 else entry)


def _row(
    prediction: Prediction, title: str, productid: int | None, profile: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the row of ``project.predictions`` for one answer."""
    return {
        "productid": productid,
        "designation_hash": designation_hash(title),
        "prdtypecode": prediction.code,
        "probability": min(max(prediction.probability or 0.0, 0.0), 1.0),
        "needs_review": prediction.needs_review,
        "top_k": [{"code": code, "probability": p} for code, _, p in prediction.top_k],
        "run_id": prediction.model,
        "profile": profile,
        "created_at": datetime.now(timezone.utc),
    }


@functools.lru_cache(maxsize=1)
def _reader(model: LateFusion) -> SignalReader:
    """Return the reader of a model's signals, made once: that takes a tenth of a second."""
    return SignalReader.of(model)
