"""Where a row is measured: fresh servers, databases and processes on loopback, all stopped afterwards."""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from temporalio.client import Client

from bench.ground import Ground
from db.migrate import upgrade
from engine import processes
from engine.temporal_binary import locate
from engine.temporal_server import spawn_dev_server, started
from tests.support.postgres import DURABLE, Postgres, create_database
from tests.support.temporal import new_namespace

START_SECONDS = 60.0
CHECKOUT = Path(__file__).parent.parent


def _silent(_line: str) -> None:
    return


class Place:
    """Everything that one row starts. Use it as a context manager, in the main thread.

    ``ground`` holds what rows share, and outlives it.
    """

    def __init__(self, ground: Ground, *, quick: bool = False) -> None:
        self.ground = ground
        self.quick = quick
        self._stack = ExitStack()
        self.directory = Path()
        self._postgres: Postgres | None = None
        self._template: Path | None = None
        self._started: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        self.directory = Path(tempfile.mkdtemp(prefix="kameng-bench-"))
        self._stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def pairs(self, full: int = 5) -> int:
        """How many pairs to measure."""
        return 2 if self.quick else full

    async def temporal(self) -> Client:
        """Start a Temporal server with its database in a file; return a client of a fresh namespace on it."""
        name = uuid.uuid4().hex[:8]
        server = await started(
            lambda: spawn_dev_server(
                locate(_silent).path,
                port=processes.free_port(),
                log=self.directory / f"temporal-{name}.log",
                db_file=self.directory / f"temporal-{name}.db",
            )
        )
        self._stack.callback(server.stop)
        return await new_namespace(server.address, f"bench-{name}")

    def database(self, kind: str) -> str:
        """Return the URL of a fresh, migrated database that keeps what it commits. Raises PostgresMissing."""
        return self._sqlite() if kind == "sqlite" else self._postgresql()

    def _sqlite(self) -> str:
        if self._template is None:
            self._template = self.directory / "template.db"
            upgrade(f"sqlite:///{self._template}")
        path = self.directory / f"{uuid.uuid4().hex[:8]}.db"
        shutil.copy(self._template, path)
        return f"sqlite:///{path}"

    def _postgresql(self) -> str:
        if self._postgres is None:
            self._postgres = Postgres.start(DURABLE)
            self._stack.callback(self._postgres.stop)
        url = create_database(self._postgres.admin_url, f"bench_{uuid.uuid4().hex[:8]}")
        upgrade(url)
        return url

    async def python(
        self,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        port: int | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start ``python arguments…``; return once it answers on ``port``, or touches KAMENG_READY_FILE."""
        name = uuid.uuid4().hex[:8]
        log, ready = self.directory / f"{name}.log", self.directory / f"{name}.ready"
        process = processes.spawn(
            [sys.executable, *arguments],
            {
                **clean_environment(),
                **(environment or {}),
                "KAMENG_READY_FILE": str(ready),
                "PYTHONPYCACHEPREFIX": str(self.directory / "pyc"),
            },
            log,
        )
        self._started.append(process)
        self._stack.callback(processes.stop, process, 20)
        await self._answering(process, arguments, log, ready, port)
        return process

    async def stop_processes(self) -> None:
        """Stop what ``python`` has started so far: a database that it uses is about to be dropped."""
        while self._started:
            await asyncio.to_thread(processes.stop, self._started.pop(), 20)

    @asynccontextmanager
    async def running(
        self, arguments: Sequence[str], *, environment: Mapping[str, str] | None = None
    ) -> AsyncIterator[subprocess.Popen[bytes]]:
        """Have a worker process run for the length of a block."""
        process = await self.python(arguments, environment=environment)
        try:
            yield process
        finally:
            await asyncio.to_thread(processes.stop, process, 30)

    @staticmethod
    async def _answering(
        process: subprocess.Popen[bytes], arguments: Sequence[str], log: Path, ready: Path, port: int | None
    ) -> None:
        if port is not None:
            processes.wait_for_port(port, process, arguments[1], log, START_SECONDS)
            return
        deadline = time.monotonic() + START_SECONDS
        while not ready.exists():
            processes.require_alive(process, " ".join(arguments), log)
            if time.monotonic() > deadline:
                raise RuntimeError(f"{arguments} not ready after {START_SECONDS:.0f} s; see {log}")
            await asyncio.sleep(0.02)


def clean_environment() -> dict[str, str]:
    """Return the shell's environment without what points Kameng elsewhere, able to import the checkout.

    Compiled modules are kept, as they are where Kameng runs: the sandbox of workflows loads some anew for
    each process, and would compile them each time.
    """
    ours = ("KAMENG_", "TEMPORAL_", "SENDGRID_", "PYTHONDONTWRITEBYTECODE")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(ours) and name != "DATABASE_URL"
    }
    return {**kept, "PYTHONPATH": str(CHECKOUT)}
