"""Counters of the service in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
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

    def watch(self, log: PredictionLog, drift: Callable[[], Mapping[str, float]]) -> None:
        """Export what a log has written and lost, and the drift of the last answers."""
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
        self.registry.register(_Drift(drift))

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

    def count_correction(self, stored_in: str) -> None:
        """Count a correction."""
        self._corrections.labels(stored_in).inc()

    def text(self) -> bytes:
        """Return all metrics."""
        return generate_latest(self.registry)


class _Drift(Collector):
    """One gauge a signal, read when Prometheus asks."""

    def __init__(self, drift: Callable[[], Mapping[str, float]]) -> None:
        self.drift = drift

    def collect(self) -> Iterator[Metric]:
        """Yield the gauges."""
        family = GaugeMetricFamily(
            "drift_psi",
            "Population stability index of the last answers against the reference, by signal.",
            labels=["signal"],
        )
        for signal, value in self.drift().items():
            family.add_metric([signal], value)
        yield family
