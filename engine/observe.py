"""What a worker tells of itself: metrics of its activities, and log lines that carry process ids."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from engine.tracing import TracedWorkflow, request_of

log = structlog.get_logger()

_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0)


class WorkerMetrics:
    """The counters of one worker process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.activities = Counter(
            "kameng_activities",
            "Activities run, by name and outcome (done, refused, failed)",
            ("activity", "outcome"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "kameng_activity_seconds",
            "Time of one try of an activity",
            ("activity",),
            buckets=_BUCKETS,
            registry=self.registry,
        )

    def serve(self, host: str, port: int) -> None:
        """Serve the counters for Prometheus at ``http://host:port/metrics``; OSError if the port is taken."""
        start_http_server(port, addr=host, registry=self.registry)


class Observer(Interceptor):
    """Counts and times every try of an activity; its log lines name process, activity and request."""

    def __init__(self, metrics: WorkerMetrics) -> None:
        self._metrics = metrics

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Wrap the activity's inbound calls."""
        return _ObservedActivity(next, self._metrics)

    def workflow_interceptor_class(
        self, input: WorkflowInterceptorClassInput
    ) -> type[WorkflowInboundInterceptor]:
        """Return what a workflow's calls are wrapped in."""
        return TracedWorkflow


class _ObservedActivity(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, metrics: WorkerMetrics) -> None:
        super().__init__(next)
        self._metrics = metrics

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info = activity.info()
        context = {"process_id": info.workflow_id, "activity": info.activity_type, "attempt": info.attempt}
        context |= request_of(input.headers)
        with structlog.contextvars.bound_contextvars(**context), self._measured(info.activity_type):
            return await super().execute_activity(input)

    @contextmanager
    def _measured(self, name: str) -> Iterator[None]:
        started, outcome = time.perf_counter(), "failed"
        try:
            yield
            outcome = "done"
        except ApplicationError:
            outcome = "refused"
            raise
        except Exception as error:
            # The message could quote what people typed; the type is enough to look it up.
            log.warning("activity failed", error=type(error).__name__)
            raise
        finally:
            self._metrics.activities.labels(name, outcome).inc()
            self._metrics.seconds.labels(name).observe(time.perf_counter() - started)
