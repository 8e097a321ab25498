"""Counters of the service in Prometheus' text format."""

from collections.abc import Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import Scope

from src.serving.predictor import Prediction

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)


class Metrics:
    """Counters of one application."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._requests = Counter(
            "requests", "Answers by route and status.", ["route", "status"], registry=registry
        )
        self._seconds = Histogram(
            "request_seconds",
            "Seconds from the request's head to the last byte of the answer.",
            ["route"],
            buckets=SECONDS,
            registry=registry,
        )
        self._predictions = Counter(
            "predictions",
            "Products answered for.",
            ["needs_review", "used_image"],
            registry=registry,
        )
        self.corrections = Counter(
            "corrections", "Corrected labels by where they are.", ["stored_in"], registry=registry
        )
        self._written = Gauge(
            "predictions_logged", "Rows written to project.predictions.", registry=registry
        )
        self._lost = Gauge(
            "predictions_not_logged",
            "Rows lost to a full queue or a database that was down.",
            registry=registry,
        )
        self._drift = Gauge(
            "drift_psi",
            "Population stability index of the last answers against the reference, by signal.",
            ["signal"],
            registry=registry,
        )

    def count_request(self, scope: Scope, status: int, elapsed_s: float) -> None:
        """Count an answer under its route; unknown paths share one name."""
        route = getattr(scope.get("route"), "path", "none")
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(elapsed_s)

    def count_predictions(self, predictions: Sequence[Prediction]) -> None:
        """Count products."""
        for prediction in predictions:
            flags = (str(prediction.needs_review).lower(), str(prediction.used_image).lower())
            self._predictions.labels(*flags).inc()

    def text(self, *, written: int, lost: int, drift: Mapping[str, float]) -> bytes:
        """Return all metrics, with what the log has done and the drift of the last answers."""
        self._written.set(written)
        self._lost.set(lost)
        self._drift.clear()  # another run may have other signals
        for signal, value in drift.items():
            self._drift.labels(signal).set(value)
        return generate_latest(self.registry)
