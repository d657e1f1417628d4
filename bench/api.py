"""The product's own API and worker as processes, on a database and a Temporal server of a row's own."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from temporalio.client import Client

from bench.place import Place
from engine import processes


def environment(directory: Path, database: str, client: Client | None = None) -> dict[str, str]:
    """Return the settings of a process: everything by default, except where it is and how much it takes."""
    address = client.service_client.config.target_host if client else f"127.0.0.1:{processes.free_port()}"
    return {
        "KAMENG_DATA_DIR": str(directory / "data"),
        "DATABASE_URL": database,
        "TEMPORAL_ADDRESS": address,
        "TEMPORAL_NAMESPACE": client.namespace if client else "default",
        "KAMENG_LOG_LEVEL": "WARNING",
        "KAMENG_WRITES_PER_MINUTE": "1000000",
    }


async def serve(place: Place, database: str, client: Client | None = None) -> int:
    """Start the API in one process; return its port. Without ``client`` Temporal is away."""
    (place.directory / "data").mkdir(exist_ok=True)
    port = processes.free_port()
    settings = environment(place.directory, database, client)
    await place.python(["-m", "cli", "api", "--port", str(port)], environment=settings, port=port)
    return port


async def baseline(
    place: Place, kind: str, database: str = "", environment: Mapping[str, str] | None = None
) -> int:
    """Start a server to measure against; return its port."""
    port = processes.free_port()
    arguments = ["-m", "bench.servers", kind, str(port), database]
    await place.python(arguments, environment=environment, port=port)
    return port


async def work(place: Place, database: str, client: Client) -> subprocess.Popen[bytes]:
    """Start the product's worker process and return once it polls."""
    (place.directory / "data").mkdir(exist_ok=True)
    return await place.python(["-m", "worker"], environment=environment(place.directory, database, client))
