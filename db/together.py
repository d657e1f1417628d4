"""Writes that many ask for in the same moment, done as one: a transaction, and statements for all of them.

A transaction of its own costs a vote several round trips and most of its processor time. What waits while
others are under way departs together, so that the busier it is the less each one costs.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from sqlalchemy import Connection

from db.errors import DatabaseUnavailable

A = TypeVar("A")
T = TypeVar("T")

Work = Callable[[Connection, Sequence[A]], Sequence[T | Exception]]
"""Does a kind of work for several items and returns each one's own outcome, in their order.

An item whose outcome is an exception has written nothing.
"""

MOST: Final = 128
UNDER_WAY: Final = 1
"""Transactions at once in each event loop: two of half the size take the processor from each other."""
WAIT_SECONDS: Final = 15.0


@dataclass(slots=True, eq=False)
class _Caller:
    """One who waits, and since when (seconds of the loop's clock)."""

    item: Any
    future: asyncio.Future[Any]
    since: float

    def settle(self, outcome: Any) -> None:
        if self.future.done():
            return
        if isinstance(outcome, Exception):
            self.future.set_exception(outcome)
        else:
            self.future.set_result(outcome)


@dataclass(slots=True, eq=False)
class _Line:
    """Those who wait for one kind of work in one event loop."""

    waiting: deque[_Caller] = field(default_factory=deque)
    carriers: set[asyncio.Task[None]] = field(default_factory=set)
    departing: bool = False
    shedding: asyncio.TimerHandle | None = None

    def board(self) -> list[_Caller]:
        """Take those who go next; who was cancelled meanwhile stays behind."""
        batch: list[_Caller] = []
        while self.waiting and len(batch) < MOST:
            caller = self.waiting.popleft()
            if not caller.future.done():
                batch.append(caller)
        return batch


class Together:
    """Collects callers of the same work in the same event loop; ``write`` runs a transaction."""

    def __init__(
        self,
        write: Callable[[Callable[[Connection], Any]], Awaitable[Any]],
        *,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self._write = write
        self._wait_seconds = wait_seconds
        self._lines: dict[tuple[asyncio.AbstractEventLoop, Work[Any, Any]], _Line] = {}

    async def do(self, work: Work[A, T], item: A) -> T:
        """Have ``work`` done for ``item`` and whoever else waits, and return or raise its own outcome.

        Raises ``DatabaseUnavailable`` for who waited ``wait_seconds`` without getting a turn.
        """
        loop = asyncio.get_running_loop()
        key = (loop, work)
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = _Line()
            line.shedding = loop.call_later(self._wait_seconds, self._shed, loop, line)
        caller = _Caller(item, loop.create_future(), loop.time())
        line.waiting.append(caller)
        if not line.departing and len(line.carriers) < UNDER_WAY:
            # It starts after everybody who is ready to wait by now.
            line.departing = True
            line.carriers.add(loop.create_task(self._carry(key, line)))
        return await caller.future  # type: ignore[no-any-return]

    async def drain(self) -> None:
        """Return when nobody waits any more in this event loop."""
        loop = asyncio.get_running_loop()
        while carriers := [
            task for (own, _), line in self._lines.items() if own is loop for task in line.carriers
        ]:
            await asyncio.wait(carriers)

    async def _carry(self, key: tuple[asyncio.AbstractEventLoop, Work[Any, Any]], line: _Line) -> None:
        line.departing = False
        try:
            while batch := line.board():
                await self._run(key[1], batch)
        finally:
            task = asyncio.current_task()
            assert task is not None
            line.carriers.discard(task)
            if not line.carriers:
                del self._lines[key]
                if line.shedding is not None:
                    line.shedding.cancel()

    async def _run(self, work: Work[Any, Any], batch: list[_Caller]) -> None:
        items = [caller.item for caller in batch]

        def run(conn: Connection) -> Sequence[Any]:
            outcomes = work(conn, items)
            if len(outcomes) != len(items):
                raise RuntimeError(f"{len(outcomes)} outcomes of {len(items)} items")
            return outcomes

        try:
            outcomes = await self._write(run)
        except DatabaseUnavailable as error:
            for caller in batch:
                caller.settle(DatabaseUnavailable(str(error), outcome_unknown=error.outcome_unknown))
        except Exception as error:
            if len(batch) == 1:
                batch[0].settle(error)
                return
            # One spoilt it for all, and nothing of it stands: alone, each shows its own outcome.
            for caller in batch:
                await self._run(work, [caller])
        else:
            for caller, outcome in zip(batch, outcomes, strict=True):
                caller.settle(outcome)

    def _shed(self, loop: asyncio.AbstractEventLoop, line: _Line) -> None:
        """Give up those whose turn does not come, while the ones before them hang."""
        overdue = loop.time() - self._wait_seconds
        while line.waiting and line.waiting[0].since <= overdue:
            line.waiting.popleft().settle(DatabaseUnavailable("the database does not keep up"))
        line.shedding = loop.call_later(self._wait_seconds / 5, self._shed, loop, line)
