"""Metrics of the API: what was asked and how long it took."""

from typing import Final

from fastapi.telemetry import TelemetryConfig
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

NO_TELEMETRY: Final[TelemetryConfig] = {"tracing": False, "metrics": False, "logs": False}
"""For ``FastAPI(telemetry=...)``: metrics are our own. Left on, it asks the environment three times in every
request whether somebody has configured OpenTelemetry, which was about 3 % of a check-in."""

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The counters of one API process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.requests = Counter(
            "kameng_http_requests",
            "Requests answered, by method, route template and status",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "kameng_http_request_seconds",
            "Time from a request's head to the end of its answer",
            ("method", "route"),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.in_flight = 0
        in_flight = Gauge(
            "kameng_http_requests_in_flight", "Requests being answered now", registry=self.registry
        )
        in_flight.set_function(lambda: self.in_flight)
        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer. Labels are looked up once: every request comes through here."""
        key = (method, route, status)
        known = self._known.get(key)
        if known is None:
            known = self.requests.labels(method, route, status), self.seconds.labels(method, route)
            self._known[key] = known
        known[0].inc()
        known[1].observe(seconds)
