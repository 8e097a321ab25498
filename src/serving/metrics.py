"""What the service counts, in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import Scope

from src.serving.prediction import Prediction
from src.serving.prediction_log import PredictionLog

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)


class Metrics:
    """Counters of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "requests", "Answers by route and status.", ["route", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "request_seconds",
            "Seconds from the request's head to the last byte of the answer.",
            ["route"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self._predictions = Counter(
            "predictions",
            "Products answered for.",
            ["needs_review", "used_image"],
            registry=self.registry,
        )
        self._corrections = Counter(
            "corrections", "Corrected labels by where they are.", ["stored_in"],
            registry=self.registry,
        )  # fmt: skip

    def watch(self, log: PredictionLog) -> None:
        """Show what a log has written and lost."""
        written = Gauge(
            "predictions_logged", "Rows written to project.predictions.", registry=self.registry
        )
        lost = Gauge(
            "predictions_not_logged",
            "Rows lost to a full queue or a database that was down.",
            registry=self.registry,
        )
        written.set_function(lambda: log.written)
        lost.set_function(lambda: log.lost)

    def count_request(self, scope: Scope, status: int, elapsed_s: float) -> None:
        """Count an answer under its route; paths that are none share one name."""
        route = getattr(scope.get("route"), "path", "none")
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(elapsed_s)

    def count_predictions(self, predictions: Sequence[Prediction]) -> None:
        """Count products."""
        for prediction in predictions:
            flags = (str(prediction.needs_review).lower(), str(prediction.used_image).lower())
            self._predictions.labels(*flags).inc()

    def count_correction(self, stored_in: str) -> None:
        """Count a correction."""
        self._corrections.labels(stored_in).inc()

    def text(self) -> bytes:
        """Return all of it."""
        return generate_latest(self.registry)
