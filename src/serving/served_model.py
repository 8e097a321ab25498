"""The served model, kept in memory and exchanged when another is promoted."""

import logging
import threading
from pathlib import Path

from src.artifacts.store import ArtifactStore
from src.config import Paths
from src.errors import ArtifactError
from src.monitoring.drift_gauges import DriftGauges
from src.monitoring.reference import from_json
from src.monitoring.signals import Signals
from src.serving.predictor import Predictor, load_predictor
from src.serving.review import class_values

logger = logging.getLogger(__name__)


class ServedModel:
    """Holds the `Predictor` of the served run, or of the last one of a kind; follows the files."""

    def __init__(self, paths: Paths, kind: str | None = None) -> None:
        self.paths, self._kind = paths, kind
        self._store = ArtifactStore(paths)
        self._predictor: Predictor | None = None
        self._problem: ArtifactError | None = None
        self._signature: tuple[Path, int, int] | None = None
        self._gauges: DriftGauges | None = None
        self.values: dict[int, float] = {}  # what a review is worth, by class
        self._stop = threading.Event()

    def get(self) -> Predictor:
        """Return the model; an ArtifactError where none could be loaded yet."""
        if self._predictor is None:
            raise self._problem or ArtifactError("the model is being loaded")
        return self._predictor

    def refresh(self) -> None:
        """Load the served model if it is another than the one held; keep that if it fails."""
        try:
            signature = self._current_signature()
            if signature is not None and signature == self._signature:
                return
            self._predictor = load_predictor(self.paths, self._kind)
            store = self._store.pinned(kind=self._kind)
            self._gauges = None
            if store.reference_profile.is_file():
                self._gauges = DriftGauges(from_json(store.load(store.reference_profile)))
            self.values = class_values(store, store.served_run().kind)
            self._signature, self._problem = signature, None
            pipeline = self._predictor.pipeline
            logger.info("serving run %s, %s", pipeline.run_id, pipeline.kind)
        except ArtifactError as e:
            if self._problem is None or self._problem.message != e.message:
                logger.warning("%s", e)
            self._problem = e

    def observe(self, run_id: str, signals: Signals) -> None:
        """Take signals of answers in; those of a run that is no longer served are passed over."""
        gauges = self._gauges
        if gauges is not None and gauges.run_id == run_id:
            gauges.add(signals)

    def drift(self) -> dict[str, float]:
        """Return the drift of the last answers by signal; empty without a reference."""
        return {} if self._gauges is None else self._gauges.values()

    def follow(self, every_s: float = 5.0) -> None:
        """Refresh from time to time in a thread, until `close`."""

        def watch() -> None:
            while not self._stop.wait(every_s):
                self.refresh()

        threading.Thread(target=watch, name="served-model", daemon=True).start()

    def close(self) -> None:
        """Stop following."""
        self._stop.set()

    def _current_signature(self) -> tuple[Path, int, int] | None:
        """Return what tells one promoted file from another."""
        store = self._store.pinned(kind=self._kind) if self._kind else self._store
        try:
            path = store.serving.resolve()
            status = path.stat()
        except OSError:
            return None
        return path, status.st_ino, status.st_mtime_ns
