"""Connecting to Temporal: one way for every process, from settings and Temporal's own configuration."""

from collections.abc import Sequence
from typing import Any

from temporalio.client import Client, Interceptor
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.envconfig import ClientConfigProfile
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig

from settings import Settings


def metrics_runtime(host: str, port: int) -> Runtime:
    """Return an SDK runtime that serves its metrics for Prometheus at http://host:port/metrics.

    ``host`` is an IP address. One process has at most one. Durations are seconds. ValueError if it is none,
    or if the port is taken.
    """
    prometheus = PrometheusConfig(
        bind_address=f"{host}:{port}", counters_total_suffix=True, unit_suffix=True, durations_as_seconds=True
    )
    return Runtime(telemetry=TelemetryConfig(metrics=prometheus))


def connection_options(settings: Settings, profile: ClientConfigProfile) -> dict[str, Any]:
    """Return address, namespace, TLS, API key and metadata for `Client.connect`.

    What Kameng's settings name wins. The profile's credentials are used only for the profile's own
    address, or when no address was set: they must never be offered to another server.
    """
    named = settings.model_fields_set
    options: dict[str, Any] = {
        "target_host": settings.temporal_address,
        "namespace": settings.temporal_namespace,
    }
    own_address = "temporal_address" in named and settings.temporal_address != profile.address
    if own_address:
        return options
    from_profile = dict(profile.to_client_connect_config())
    if "temporal_namespace" in named:
        from_profile.pop("namespace", None)
    return options | from_profile


async def connect(
    settings: Settings,
    *,
    lazy: bool = False,
    runtime: Runtime | None = None,
    interceptors: Sequence[Interceptor] = (),
) -> Client:
    """Return a client with the pydantic data converter.

    TLS, API keys and profiles come from the SDK's standard environment configuration (`TEMPORAL_*`
    variables and its file). With `lazy`, nothing is sent until the first call, so that a process can
    start while Temporal is down; otherwise RuntimeError says that the server was not reached.
    """
    return await Client.connect(
        **connection_options(settings, ClientConfigProfile.load()),
        data_converter=pydantic_data_converter,
        interceptors=list(interceptors),
        runtime=runtime,
        lazy=lazy,
    )
