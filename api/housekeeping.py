"""What an API process does beside answering: notes of use are written, what has no effect any more goes."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog

from api.parts import Parts
from api.security.limits import WINDOW_SECONDS
from db.errors import DatabaseError
from db.repositories import access, invitation_mails, rehearsals, requests

FLUSH_SECONDS: Final = 30.0
PRUNE_EVERY: Final = timedelta(minutes=10)
KEEP_ANSWERS: Final = timedelta(hours=24)
"""How long an ``Idempotency-Key`` gives the same answer again."""

KEEP_ADDRESSES: Final = timedelta(days=30)
"""How long the address of an invitation that is over is kept."""

log: Any = structlog.get_logger("kameng.api")


class Housekeeping:
    """A background task of one process; failures are logged and tried again, nobody waits for it."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; needs a running loop."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End, writing what is still to be noted."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self.flush()

    async def _run(self) -> None:
        pruned = datetime.min.replace(tzinfo=UTC)
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await self.flush()
            if datetime.now(UTC) - pruned > PRUNE_EVERY:
                pruned = datetime.now(UTC)
                await self.prune()

    async def flush(self) -> None:
        """Write when sessions and tokens were last used."""
        gate = self._parts.gate
        seen, gate.seen = gate.seen, {}
        if not seen:
            return
        try:
            await self._parts.db.write(lambda conn: access.touch(conn, seen))
        except DatabaseError as error:
            log.warning("uses of sessions not noted", exc_info=error)
            gate.seen = seen | gate.seen

    async def prune(self) -> None:
        """Delete what has ended or is old: sessions, answers, counters, rehearsals, addresses, files."""
        now = datetime.now(UTC)
        window = int(now.timestamp()) // WINDOW_SECONDS
        try:
            await self._parts.db.write(lambda conn: requests.prune(conn, now, now - KEEP_ANSWERS, window - 1))
            await self._parts.db.write(lambda conn: rehearsals.prune(conn, now))
        except DatabaseError as error:
            log.warning("old rows not deleted", exc_info=error)
        try:
            await self._parts.db.write(
                lambda conn: invitation_mails.forget_old(conn, now - KEEP_ADDRESSES, now)
            )
        except DatabaseError as error:
            log.warning("addresses of old invitations not deleted", exc_info=error)
        try:
            await self._parts.documents.sweep()
            await self._parts.pictures.sweep()
        except (DatabaseError, OSError) as error:
            log.warning("files without a row not deleted", exc_info=error)
