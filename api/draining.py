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
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def asked(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(draining.set)
        answer = before[signal.Signals(number)]
        if callable(answer):
            answer(number, frame)

    own = {number: answer for number, answer in before.items() if callable(answer)}
    for number in own:
        signal.signal(number, asked)
    try:
        yield
    finally:
        for number, answer in own.items():
            # Whoever has taken the signal over since keeps it.
            if signal.getsignal(number) is asked:
                signal.signal(number, answer)
