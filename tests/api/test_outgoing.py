"""Answers on the wire: head and body in one piece, and nothing lost of what is long, slow or left."""

import asyncio
import contextlib
import socket
import struct
import sys
from collections.abc import AsyncIterator, Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from api.outgoing import AT_ONCE_BYTES
from tests.support.served import Served

LONG = b"0123456789abcdef" * 512
PIECES = 200


async def _short(_request: Request) -> Response:
    return PlainTextResponse("all of it")


async def _long(_request: Request) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(PIECES):
            yield LONG

    return StreamingResponse(pieces())


async def _slow(_request: Request) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"first"
        await asyncio.sleep(3600)

    return StreamingResponse(pieces())


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    routes = [Route("/short", _short), Route("/long", _long), Route("/slow", _slow)]
    with Served(Starlette(routes=routes)) as served:
        yield int(served.url.rpartition(":")[2])


def _connect(port: int, path: str, more: str = "") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: here\r\n{more}\r\n".encode())
    return connection


def _packets(connection: socket.socket) -> int:
    """Return how many packets with data came in: ``tcpi_data_segs_in`` of the kernel's ``tcp_info``."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
    return int(struct.unpack_from("I", info, 152)[0])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts the packets of a connection")
def test_head_and_body_of_a_short_answer_come_in_one_piece(port: int):
    with _connect(port, "/short") as connection:
        assert connection.recv(65536).endswith(b"\r\n\r\nall of it")
        assert _packets(connection) == 1


def test_the_next_request_of_a_connection_is_answered_as_well(port: int):
    with _connect(port, "/short") as connection:
        for _ in range(3):
            assert connection.recv(65536).endswith(b"all of it")
            connection.sendall(b"GET /short HTTP/1.1\r\nHost: here\r\n\r\n")


def test_an_answer_after_which_the_connection_is_closed_is_whole(port: int):
    with _connect(port, "/short", "Connection: close\r\n") as connection:
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert received.endswith(b"all of it")


def test_a_long_answer_is_whole_and_slows_down_with_its_reader(port: int):
    assert len(LONG) * PIECES > 10 * AT_ONCE_BYTES
    with _connect(port, "/long", "Connection: close\r\n") as connection:
        received = b"".join(iter(lambda: connection.recv(4096), b""))
    assert received.count(LONG) == PIECES


def test_the_first_piece_of_an_answer_that_goes_on_does_not_wait_for_the_next(port: int):
    with _connect(port, "/slow") as connection:
        received = b""
        while b"first" not in received:
            received += connection.recv(65536)


def test_who_leaves_before_the_answer_disturbs_nobody(port: int):
    for path in ("/long", "/short", "/slow"):
        with contextlib.closing(_connect(port, path)) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    with _connect(port, "/short") as connection:
        assert connection.recv(65536).endswith(b"all of it")
