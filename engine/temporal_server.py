"""Starting a Temporal dev server on loopback, and the search attributes that Kameng needs of any server."""

import asyncio
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from engine import processes
from engine.cache import Report
from engine.errors import EngineError
from engine.temporal_command import SEARCH_ATTRIBUTES, command_line

_KINDS = {
    "Keyword": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "Datetime": IndexedValueType.INDEXED_VALUE_TYPE_DATETIME,
}
START_SECONDS = 30.0
TRY_SECONDS = 5.0
STARTS = 3
STOP_SECONDS = 10.0


@dataclass(frozen=True)
class DevServer:
    """A running dev server that this process started and stops."""

    process: subprocess.Popen[bytes]
    port: int
    ui_port: int | None
    log: Path

    @property
    def address(self) -> str:
        """host:port for clients."""
        return f"127.0.0.1:{self.port}"

    @property
    def ui_url(self) -> str:
        """Address of the web UI, or nothing if it was started without."""
        return f"http://127.0.0.1:{self.ui_port}" if self.ui_port else ""

    async def serving(self, seconds: float = START_SECONDS) -> None:
        """Return once it serves. Raises EngineError after `seconds`, or as soon as it has ended."""
        deadline = time.monotonic() + seconds
        while True:
            answers = await _answers(self.address)
            # It may be another server that answers there, which is why this one has ended.
            processes.require_alive(self.process, "Temporal", self.log)
            if answers:
                return
            if time.monotonic() > deadline:
                raise EngineError(
                    f"Temporal at {self.address} does not serve after {seconds:.0f} s; "
                    f"{self.log} ends with:\n{processes.tail(self.log)}"
                )
            await asyncio.sleep(0.05)

    def stop(self) -> bool:
        """Stop it by its pid; returns False if it had to be killed. What it stored is safe either way."""
        return processes.stop(self.process, STOP_SECONDS)


async def _answers(address: str) -> bool:
    request = DescribeNamespaceRequest(namespace="default")
    try:
        # Another program that listens there may take the call and never answer it.
        async with asyncio.timeout(TRY_SECONDS):
            client = await Client.connect(address)
            await client.workflow_service.describe_namespace(request)
    except (RPCError, RuntimeError, TimeoutError):
        return False
    return True


async def started(start: Callable[[], DevServer], seconds: float = START_SECONDS) -> DevServer:
    """Return a server that `start` starts, once it serves. Raises EngineError as `serving` does.

    It looks for further ports by itself; if another program takes one of them meanwhile it ends at once,
    and is started again.
    """
    for left in reversed(range(STARTS)):
        server = start()
        try:
            await server.serving(seconds)
            return server
        except BaseException:
            ended = server.process.poll() is not None
            server.stop()
            if not (ended and left):
                raise
    raise AssertionError("unreachable")


def spawn_dev_server(
    binary: Path, *, port: int, log: Path, ui_port: int | None = None, db_file: Path | None = None
) -> DevServer:
    """Start a dev server from the main thread and return at once; `serving` waits for it."""
    # A profile for another cluster in the environment is none of the dev server's business.
    env = {name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")}
    process = processes.spawn(command_line(binary, port, ui_port, db_file), env, log)
    return DevServer(process, port, ui_port, log)


async def missing_search_attributes(client: Client) -> list[str]:
    """Return the names of Kameng's search attributes that the client's namespace does not have."""
    answer = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )
    return [name for name in SEARCH_ATTRIBUTES if name not in answer.custom_attributes]


async def ensure_search_attributes(client: Client, report: Report) -> bool:
    """Register Kameng's search attributes in the client's namespace; registered ones are left alone.

    Returns whether all are there. Where this client may not register them (Temporal Cloud, locked
    clusters), `report` gets the names to register by hand, and nothing is raised.
    """
    try:
        missing = await missing_search_attributes(client)
        if not missing:
            return True
        request = AddSearchAttributesRequest(
            namespace=client.namespace,
            search_attributes={name: _KINDS[SEARCH_ATTRIBUTES[name]] for name in missing},
        )
        await client.operator_service.add_search_attributes(request)
        return True
    except RPCError as error:
        if error.status == RPCStatusCode.ALREADY_EXISTS:
            return True
        names = ", ".join(f"{name} ({kind})" for name, kind in SEARCH_ATTRIBUTES.items())
        report(f"search attributes could not be registered ({error.message}); register by hand: {names}")
        return False
