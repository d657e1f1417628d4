"""The real Temporal server that tests run on."""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path

from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client

from engine import processes
from engine.cache import Report
from engine.temporal_binary import locate
from engine.temporal_client import connect
from engine.temporal_command import command_line
from engine.temporal_server import (
    DevServer,
    ensure_search_attributes,
    spawn_dev_server,
    started,
)
from settings import Settings

START_SECONDS = 120.0
REGISTER_SECONDS = 60.0
COLLECTING_LESS = {"GOGC": "400", "GOMEMLIMIT": "1500MiB"}
"""Environment of a Go program that may use more memory for less of the processors: a sixth, seen here."""


@cache
def program() -> Path:
    """Path of the server; asking a server for its version takes as long as starting one."""
    return locate(_say_what_takes_time()).path


def _say_what_takes_time() -> Report:
    """Return what says on stderr, which tests do not capture, how a server comes that is not there."""
    said: list[str] = []

    def report(line: str) -> None:
        said.append(line)
        if len(said) == 2:
            print(said[0], file=sys.stderr, flush=True)
        if len(said) >= 2:
            print(line, file=sys.stderr, flush=True)

    return report


async def started_with(setting: str, log: Path) -> DevServer:
    """Return a server in memory, on a free port, that serves with one more dynamic setting."""

    def start() -> DevServer:
        port = processes.free_port()
        command = [*command_line(program(), port, None, None), "--dynamic-config-value", setting]
        return DevServer(processes.spawn(command, COLLECTING_LESS, log), port, None, log)

    return await started(start, START_SECONDS)


@asynccontextmanager
async def impatient(log: Path, namespace: str, events: int) -> AsyncIterator[Client]:
    """Yield a client of a server that suggests to continue as new after so many events."""
    server = await started_with(f"limit.historyCount.suggestContinueAsNew={events}", log)
    try:
        yield await new_namespace(server.address, namespace)
    finally:
        server.stop()


@dataclass
class SharedTemporal:
    """The run's one server, in memory: every test has a namespace of its own on it."""

    server: DevServer

    @classmethod
    def start(cls, directory: Path) -> "SharedTemporal":
        """Start it on a free port, without the workers that a server keeps for the schedules and batch
        operations of each namespace: hundreds of namespaces would keep it busy. Its log is in `directory`.
        """
        setting = "worker.perNamespaceWorkerCount=0"
        return cls(asyncio.run(started_with(setting, directory / "temporal.log")))

    def describe(self) -> dict[str, str]:
        return {"address": self.server.address}

    def stop(self) -> object:
        return self.server.stop()


@dataclass
class PrivateTemporal:
    """A server of one test's own, with its database in a file: to be killed and started again."""

    directory: Path
    port: int = 0
    server: DevServer | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start it, or start it again on the same port and database, and wait until it serves."""
        again = self.server is not None

        def start() -> DevServer:
            self.port = self.port if again else processes.free_port()
            return spawn_dev_server(
                program(),
                port=self.port,
                log=self.directory / "temporal.log",
                db_file=self.directory / "temporal.db",
            )

        self.server = await started(start, START_SECONDS)

    def kill(self) -> None:
        """SIGKILL it, as a power cut would."""
        assert self.server is not None
        self.server.process.send_signal(signal.SIGKILL)
        self.server.process.wait()

    def stop(self) -> None:
        """Stop it if it runs."""
        if self.server is not None:
            self.server.stop()


async def new_namespace(address: str, namespace: str) -> Client:
    """Create a namespace with Kameng's search attributes (about 30 ms) and return a client of it.

    Fixed workflow ids of one test can then never meet those of another.
    """
    default = await Client.connect(address)
    day = Duration(seconds=int(timedelta(days=1).total_seconds()))
    request = RegisterNamespaceRequest(namespace=namespace, workflow_execution_retention_period=day)
    # The server takes only so many a second.
    await default.workflow_service.register_namespace(request, retry=True)
    client = await connect(Settings(temporal_address=address, temporal_namespace=namespace))
    await _registered(client)
    return client


async def _registered(client: Client) -> None:
    """Register the search attributes; the new namespace may be unknown to the server's cache for a moment."""
    deadline = time.monotonic() + REGISTER_SECONDS
    while time.monotonic() < deadline:
        problems: list[str] = []
        if await ensure_search_attributes(client, problems.append):
            return
        await asyncio.sleep(0.05)
    raise RuntimeError(f"namespace {client.namespace}: {problems}")


if __name__ == "__main__":
    # `make test` gets the server before it starts pytest.
    program()
