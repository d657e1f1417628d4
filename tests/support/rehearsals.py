"""Rehearsals in a community that must not notice them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select
from temporalio.client import Client, WorkflowHandle

from activities.rehearsals import Stage
from contracts.rehearsals import RehearsalInput, Script, rehearsal_process_id
from db.database import Database
from db.repositories import rehearsals
from db.tables import metadata
from domain.campaigns.forecast import Forecast, ForecastDay, Outcome
from domain.campaigns.plan import Board, CampaignPlan
from domain.campaigns.policy import CampaignPolicy
from domain.campaigns.rehearsal import PRESETS, Behaviour, Temperament
from domain.campaigns.reports import Paid
from domain.campaigns.templates import TemplateCode, plan_for
from domain.ids import new_id
from engine.rehearsal.stage import OwnStage
from tests.support.campaign_case import CampaignCase
from worker import rehearsal_worker
from workflows.rehearsals import RehearsalWorkflow

SHORT: dict[str, Any] = {
    "length_days": 2,
    "capacity": 60,
    "late_enrolment_until_day": 2,
    "rewards": {"check_in": 2, "completion": 10, "ranks": [{"board": "days", "place": 1, "points": 5}]},
}
EAGER = PRESETS[Temperament.ENTHUSIASTIC].model_copy(update={"cheats": 0.2, "invites": 6.0})


def plan_of(**changes: Any) -> CampaignPlan:
    """A short plan that begins in ten days."""
    starts_on = (datetime.now(UTC) + timedelta(days=10)).date()
    return plan_for(TemplateCode.LEARNING_PLAN, starts_on, SHORT | changes)


def script_of(participants: int = 20, behaviour: Behaviour = EAGER, seed: int = 1, **changes: Any) -> Script:
    """What is to be rehearsed."""
    return Script(
        plan=plan_of(**changes),
        # One reminder a day: each is a timer to skip.
        policy=CampaignPolicy(reminder_hours=(21,)),
        behaviour=behaviour,
        participants=participants,
        seed=seed,
    )


def forecast_of(script: Script) -> Forecast:
    """A forecast that shows everything a page can show."""
    paid = Paid(reserved=1, check_in=8, streak=3, completion=20, rank=5, invitation=4)
    outcome = Outcome(
        members=20,
        left=2,
        turned_away=3,
        started=20,
        completed=2,
        still_there=10,
        check_ins=44,
        make_ups=3,
        invited=4,
        activated=2,
        doubtful=1,
        paid=paid,
        prizes={Board.DAYS: 0},
        streaks={7: 0},
        mails_to_members={"campaign_reminder": 900, "campaign_result": 20},
        mails_to_others={"campaign_digest": 2},
        refused={"note_too_short": 2},
        let_through=1,
    )
    days = tuple(
        ForecastDay(
            day=day,
            on=date(2026, 3, day),
            members=20,
            checked_in=20 // day,
            made_up=1,
            earned=day * 10,
            invited=day,
            mails={"campaign_reminder": 4},
        )
        for day in range(1, 6)
    )
    return Forecast(
        plan=script.plan, behaviour=script.behaviour, participants=20, seed=1, days=days, outcome=outcome
    )


@dataclass
class Rehearsing:
    """A campaign of a real community, and the rehearsals that are asked for it."""

    db: Database
    client: Client
    queue: str
    campaign_id: str
    leader_id: str

    async def ask(self, script: Script) -> str:
        """Ask for a rehearsal; return its id."""
        rehearsal_id, now = new_id(), datetime.now(UTC)
        asked = await self.db.write(
            lambda conn: rehearsals.ask(
                conn, rehearsal_id, self.campaign_id, self.leader_id, script, Temperament.TYPICAL, now
            )
        )
        assert asked
        return rehearsal_id

    async def start(self, rehearsal_id: str) -> WorkflowHandle[Any, Any]:
        """Start its process."""
        return await self.client.start_workflow(
            RehearsalWorkflow.run,
            RehearsalInput(rehearsal_id=rehearsal_id),
            id=rehearsal_process_id(rehearsal_id),
            task_queue=self.queue,
        )

    async def row(self, rehearsal_id: str) -> Any:
        """Return its row."""
        row = await self.db.read(lambda conn: rehearsals.get(conn, rehearsal_id))
        assert row is not None
        return row

    async def cancel(self, rehearsal_id: str) -> bool:
        """Call it off."""
        return await self.db.write(lambda conn: rehearsals.cancel(conn, rehearsal_id, datetime.now(UTC)))

    async def everything(self) -> Mapping[str, list[tuple[Any, ...]]]:
        """Return every row of every table but the rehearsals' own."""

        def read(conn: Connection) -> dict[str, list[tuple[Any, ...]]]:
            return {
                name: [tuple(row) for row in conn.execute(select(table).order_by(*table.primary_key))]
                for name, table in metadata.tables.items()
                if name != "rehearsals"
            }

        return await self.db.read(read)


@asynccontextmanager
async def rehearsing(
    url: str, client: Client, queue: str, stage: Stage | None = None, directory: Path | None = None
) -> AsyncIterator[Rehearsing]:
    """A community with a draft, and the worker of rehearsals beside it, if there is a stage for it."""
    async with Database.connect(url) as db:
        case = await CampaignCase.begin(db, client, queue, members=3)
        here = Rehearsing(db, client, queue, case.id, case.leader)
        if stage is None and directory is None:
            yield here
            return
        performer = stage or OwnStage(directory)  # type: ignore[arg-type]
        async with rehearsal_worker(client, db, queue, performer):
            yield here
