"""Side effects of a rehearsal's process: the rehearsal itself, on a stage of its own, and its row."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Protocol

from temporalio import activity

from contracts.rehearsals import RehearsalFailure, RehearsalInput, Script
from db.database import Database
from db.repositories import rehearsals
from domain.campaigns.forecast import Forecast

Told = Callable[[int], Awaitable[bool]]
"""Is told, at least every few seconds, the day that a rehearsal has reached; False asks it to stop."""


class StageFailed(Exception):
    """The rehearsal ended without a forecast; trying again would not help."""

    def __init__(self, failure: RehearsalFailure) -> None:
        super().__init__(failure.value)
        self.failure = failure


class Stage(Protocol):
    """A place where a campaign can be carried out without anything of it being real."""

    async def perform(self, script: Script, told: Told) -> Forecast | None:
        """Carry ``script`` out and return the forecast, None if asked to stop. Raises ``StageFailed``.

        Whatever happens, nothing of it is left behind.
        """


class RehearsalActivities:
    """What the process of a rehearsal orders."""

    def __init__(self, db: Database, stage: Stage) -> None:
        self._db = db
        self._stage = stage

    @activity.defn(name="rehearsals.perform")
    async def perform(self, given: RehearsalInput) -> None:
        """Carry a rehearsal out from its beginning; one that was cancelled or is over is left alone."""
        own, attempt = given.rehearsal_id, activity.info().attempt
        script = await self._db.write(lambda conn: rehearsals.begin(conn, own, attempt, datetime.now(UTC)))
        if script is None:
            return

        async def told(day: int) -> bool:
            activity.heartbeat(day)
            return await self._db.write(lambda conn: rehearsals.reach(conn, own, attempt, day))

        try:
            forecast = await self._stage.perform(script, told)
        except StageFailed as failed:
            failure = failed.failure
            await self._db.write(lambda conn: rehearsals.fail(conn, own, failure, datetime.now(UTC)))
            return
        if forecast is not None:
            await asyncio.shield(
                self._db.write(
                    lambda conn: rehearsals.finish(conn, own, attempt, forecast, datetime.now(UTC))
                )
            )

    @activity.defn(name="rehearsals.give_up")
    async def give_up(self, given: RehearsalInput) -> None:
        """Say in the row that no try came to an end."""
        await self._db.write(
            lambda conn: rehearsals.fail(
                conn, given.rehearsal_id, RehearsalFailure.BROKE_OFF, datetime.now(UTC)
            )
        )
