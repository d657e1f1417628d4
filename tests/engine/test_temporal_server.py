"""A dev server that ends at once is noticed at once, and one whose ports were taken is started again."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import processes
from engine.errors import EngineError
from engine.temporal_server import START_SECONDS, STARTS, DevServer, spawn_dev_server, started
from tests.support.temporal import program


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody else has."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


async def test_with_a_port_that_was_free_a_moment_ago_it_is_started_again(taken: int, tmp_path: Path) -> None:
    tried: list[int] = []

    def start() -> DevServer:
        tried.append(processes.free_port() if tried else taken)
        return spawn_dev_server(program(), port=tried[-1], log=tmp_path / "temporal.log")

    server = await started(start)
    try:
        assert [server.port, taken] == tried[::-1]
    finally:
        server.stop()


async def test_it_is_given_up_as_soon_as_it_has_ended(taken: int, tmp_path: Path) -> None:
    servers: list[DevServer] = []

    def start() -> DevServer:
        servers.append(spawn_dev_server(program(), port=taken, log=tmp_path / "temporal.log"))
        return servers[-1]

    began = time.monotonic()
    with pytest.raises(EngineError, match=r"Temporal ended at once .*temporal\.log ends with"):
        await started(start)
    assert time.monotonic() - began < START_SECONDS
    assert len(servers) == STARTS
    assert all(server.process.poll() is not None for server in servers)
