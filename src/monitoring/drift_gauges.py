"""How far the last answers are from the reference, as numbers for ``/metrics``.

The signals and bins are those of the drift report; over a moving window there is no false-alarm
rate to state, so these are gauges to watch, and the report is what alarms.
"""

import threading
from collections import deque

import numpy as np

from src.monitoring.reference import Reference
from src.monitoring.signals import Signals
from src.monitoring.statistics import population_stability

WINDOW = 1_000
# Of fewer answers a histogram of 20 bins says nothing.
LEAST = 100


class DriftGauges:
    """Population stability index of each signal over the last `WINDOW` answers.

    The reference is that of the run that answers.
    """

    def __init__(self, reference: Reference) -> None:
        self.run_id = reference.about.run_id
        self._discretizer = reference.discretizer
        known = reference.discretizer.indicators(reference.sample)
        self._reference = known.sum(axis=0, dtype=np.float64)
        self._reference_rows = len(known)
        self._window: deque[np.ndarray] = deque(maxlen=WINDOW)
        self._lock = threading.Lock()

    def add(self, signals: Signals) -> None:
        """Take the signals of some answers in."""
        rows = self._discretizer.indicators(signals)
        with self._lock:
            self._window.extend(rows)

    def values(self) -> dict[str, float]:
        """Return the index by signal; empty until `LEAST` answers were given.

        Below 0.1 is usual, above 0.25 is a shift worth a look (the credit industry's rule of
        thumb). The embedding has no histogram and is left out.
        """
        with self._lock:
            rows = list(self._window)
        if len(rows) < LEAST:
            return {}
        batch, index = np.asarray(rows, dtype=np.float64).sum(axis=0), {}
        for spec in self._discretizer.specs:
            b, r = batch[spec.columns], self._reference[spec.columns]
            if spec.kind == "flag":
                b = np.append(b, len(rows) - b)
                r = np.append(r, self._reference_rows - r)
            if spec.kind != "embedding":
                index[spec.name] = float(population_stability(b, r))
        return index
