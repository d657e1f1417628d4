"""A light HTTP client in a process of its own, so that it is never what is measured.

``python -m bench.load PORT CONNECTIONS FILE`` sends the requests of FILE over keep-alive connections, one
at a time on each, and prints the seconds from the first request to the last answer, how many answers had
which status, and the median and 99th percentile of latency in milliseconds, as JSON.
"""

import asyncio
import json
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

CONNECTIONS = 64
LONGEST_SECONDS = 300


@dataclass(frozen=True)
class Answers:
    """What came back."""

    seconds: float
    statuses: dict[int, int]
    p50_ms: float
    p99_ms: float

    def rate(self, status: int) -> float:
        """Return answers a second; raises if any answer had another status."""
        if set(self.statuses) != {status}:
            raise RuntimeError(f"answers by status: {self.statuses}")
        return self.statuses[status] / self.seconds


def request(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """Return one HTTP/1.1 request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body:
        lines += ["content-type: application/json", f"content-length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def send(port: int, requests: Sequence[bytes], file: Path, connections: int = CONNECTIONS) -> Answers:
    """Send ``requests`` from a process of its own (blocks); ``file`` is used to hand them over."""
    file.write_bytes(b"".join(struct.pack("!I", len(one)) + one for one in requests))
    command = [sys.executable, "-m", "bench.load", str(port), str(connections), str(file)]
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        check=True,
        cwd=Path(__file__).parent.parent,
        timeout=LONGEST_SECONDS,
    )
    found = json.loads(done.stdout)
    statuses = {int(status): count for status, count in found["statuses"].items()}
    return Answers(found["seconds"], statuses, found["p50_ms"], found["p99_ms"])


def _read(file: Path) -> Iterator[bytes]:
    content, at = file.read_bytes(), 0
    while at < len(content):
        (size,) = struct.unpack_from("!I", content, at)
        yield content[at + 4 : at + 4 + size]
        at += 4 + size


class _Connection(asyncio.Protocol):
    """Sends the next request when the answer to the last one is whole."""

    def __init__(self, requests: Iterator[bytes], statuses: Counter[int], latencies: list[float]) -> None:
        self._requests = requests
        self._statuses = statuses
        self._latencies = latencies
        self._buffer = b""
        self._sent_at = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def go(self) -> None:
        """Send the next request, if there is one."""
        following = next(self._requests, None)
        if following is None:
            self._transport.close()
            if not self.done.done():
                self.done.set_result(None)
            return
        self._sent_at = time.perf_counter()
        self._transport.write(following)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        length = self._buffer.find(b"content-length: ", 0, end)
        size = int(self._buffer[length + 16 : self._buffer.index(b"\r\n", length)]) if length >= 0 else 0
        if len(self._buffer) < end + 4 + size:
            return
        self._latencies.append(time.perf_counter() - self._sent_at)
        self._statuses[int(self._buffer[9:12])] += 1
        self._buffer = b""
        self.go()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("closed by the server"))


async def _main(port: int, connections: int, file: Path) -> None:
    requests, statuses = _read(file), Counter[int]()
    latencies: list[float] = []
    loop = asyncio.get_running_loop()
    opened = []
    for _ in range(connections):
        _, protocol = await loop.create_connection(
            lambda: _Connection(requests, statuses, latencies), "127.0.0.1", port
        )
        opened.append(protocol)
    started = time.perf_counter()
    for protocol in opened:
        protocol.go()
    await asyncio.gather(*(protocol.done for protocol in opened))
    seconds = time.perf_counter() - started
    ordered = sorted(latencies)
    percentiles = {
        f"p{share}_ms": round(ordered[len(ordered) * share // 100] * 1000, 2) for share in (50, 99)
    }
    print(json.dumps({"seconds": seconds, "statuses": statuses, **percentiles}))


if __name__ == "__main__":
    import uvloop

    uvloop.run(_main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
