"""Whether this process was asked to end: what would stand open for minutes ends then by itself."""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def told_when_asked_to_end(draining: asyncio.Event) -> Iterator[None]:
    """Set ``draining`` as soon as SIGINT or SIGTERM arrives, before the server's own answer to it.

    The server waits for open answers, and an event stream is one that does not end: without this every
    page that somebody watches holds up the end of the process for as long as the server waits at most.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: answer for number in _SIGNALS if callable(answer := signal.getsignal(number))}

    def asked(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(draining.set)
        before[signal.Signals(number)](number, frame)

    for number in before:
        signal.signal(number, asked)
    try:
        yield
    finally:
        for number, answer in before.items():
            # Whoever has taken the signal over since keeps it.
            if signal.getsignal(number) is asked:
                signal.signal(number, answer)
