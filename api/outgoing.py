"""How answers leave: what is written in the same turn of the event loop goes out together.

uvicorn writes the head of an answer, and then its body; each would be a call of the system and a packet of
its own, which took longer than everything else that the server does for a small answer.
"""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

AT_ONCE_BYTES: Final = 64 * 1024
"""What is not held back any longer: the transport knows best how to slow down whoever writes that much."""


class JoinedWrites(HttpToolsProtocol):
    """uvicorn's protocol, on a transport that joins what is written; for uvicorn's ``http`` setting."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection."""
        super().connection_made(_Joining(transport, self.loop))  # type: ignore[arg-type]


class _Joining:
    """A transport in front of another, which gets what was written once the loop comes round."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []
        self._bytes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._held:
            self._loop.call_soon(self._flush)
        self._held.append(data)
        self._bytes += len(data)
        if self._bytes >= AT_ONCE_BYTES:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        held, self._held, self._bytes = self._held, [], 0
        # Whoever left meanwhile gets nothing more.
        if held and not self._transport.is_closing():
            self._transport.write(b"".join(held))
