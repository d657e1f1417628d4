"""A rehearsal from its script to its forecast, in a directory of its own.

The Temporal server keeps nothing and the database is a file of that directory. The campaign is handed in,
approved and carried on by the real workflow with the real activities; only its clock is moved.
"""

import asyncio
import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import Connection
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker

from contracts.rehearsals import Script
from db import migrate
from db.database import Database
from db.repositories import campaigns, people, points
from db.repositories.people import NewPerson
from domain.campaigns.calendar import day_closes, day_opens, reminder_at
from domain.campaigns.forecast import Forecast
from domain.campaigns.rewards import liability
from domain.campaigns.templates import TemplateCode
from domain.people import Role
from domain.points import Source
from engine import processes
from engine.campaign_driver import CampaignDriver
from engine.rehearsal.cast import HOST, LONG_AGO, Cast
from engine.rehearsal.figures import Figures
from engine.rehearsal.stage import FORECAST, PROGRESS, SCRIPT, SERVER
from engine.temporal_server import DevServer, spawn_dev_server, started

QUEUE: Final = "rehearsal"
MINUTE: Final = timedelta(minutes=1)
END_SECONDS: Final = 120.0
ORPHAN_SECONDS: Final = 1.0

MakeWorker = Callable[[Client, Database, str], Worker]
"""Makes the worker of campaigns, as it is on the real queue."""


def run(place: Path, make_worker: MakeWorker) -> None:
    """Carry out what lies in ``place``; ended by SIGTERM, or when who started it is gone."""
    asyncio.run(_run(place, make_worker))


async def _run(place: Path, make_worker: MakeWorker) -> None:
    task = asyncio.ensure_future(_rehearse(place, make_worker))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    parent = os.getppid()
    watch = asyncio.ensure_future(_end_with(parent, task))
    try:
        await task
    finally:
        watch.cancel()


async def _end_with(parent: int, task: "asyncio.Future[None]") -> None:
    """Cancel ``task`` once its parent has gone, for systems whose kernel does not see to it."""
    while os.getppid() == parent:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(ORPHAN_SECONDS)
    task.cancel()


async def _rehearse(place: Path, make_worker: MakeWorker) -> None:
    script = Script.model_validate_json((place / SCRIPT).read_text())
    program, url = Path((place / SERVER).read_text()), f"sqlite:///{place / 'world.db'}"
    migrating = asyncio.ensure_future(asyncio.to_thread(migrate.upgrade, url))
    server = await started(
        lambda: spawn_dev_server(program, port=processes.free_port(), log=place / "temporal.log")
    )
    try:
        await migrating
        forecast = await _performed(script, server, url, place, make_worker)
    finally:
        server.stop()
    _put(place / FORECAST, forecast.model_dump_json())


def _put(path: Path, text: str) -> None:
    """Write a file so that whoever looks sees all of it or nothing."""
    partial = path.with_suffix(".partial")
    partial.write_text(text)
    partial.replace(path)


async def _performed(
    script: Script, server: DevServer, url: str, place: Path, make_worker: MakeWorker
) -> Forecast:
    client = await Client.connect(server.address, data_converter=pydantic_data_converter)
    async with Database.connect(url) as db, make_worker(client, db, QUEUE):
        campaign = CampaignDriver(db, client, QUEUE, script.plan, script.policy)
        await db.write(lambda conn: _people(conn, campaign))
        await campaign.submit()
        await campaign.review()
        cast = Cast(campaign, script)
        figures = Figures(cast)
        await _enrolment(campaign, cast)
        for day in range(1, script.plan.length_days + 1):
            await _day(campaign, cast, day)
            await figures.close(day)
            _put(place / PROGRESS, str(day))
        async with asyncio.timeout(END_SECONDS):
            await campaign.handle.result()
        days, outcome = await figures.end()
    return Forecast(
        plan=script.plan,
        behaviour=script.behaviour,
        participants=script.participants,
        seed=script.seed,
        days=days,
        outcome=outcome,
    )


def _people(conn: Connection, campaign: CampaignDriver) -> None:
    """Make leader and staff, a pool that holds what the plan can cost, and the draft."""
    now = datetime.now(UTC)
    for name, role in (("leader", Role.LEADER), ("manager", Role.CAMPAIGN_MANAGER)):
        given = NewPerson(f"{name}@{HOST}", name, "zh-CN", campaign.plan.time_zone, now - LONG_AGO)
        person, _ = people.find_or_create(conn, given, now)
        people.grant_role(conn, person.id, role, now)
        setattr(campaign, name, person.id)
    if most := liability(campaign.plan):
        points.deposit(
            conn,
            key="rehearsal",
            amount=most,
            source=Source.SPONSORSHIP,
            reference="rehearsal",
            actor_id=campaign.manager,
            at=now,
        )
    words = {"title": "Rehearsal", "summary": "", "description": "", "task": ""}
    template = TemplateCode.LEARNING_PLAN.value
    campaign.id = campaigns.create(conn, campaign.leader, template, words, campaign.plan, now)


async def _enrolment(campaign: CampaignDriver, cast: Cast) -> None:
    """Go to when enrolment is open, let people come and invite, and go to the first day."""
    plan = campaign.plan
    opens = day_opens(plan, 1) - plan.enrolment_lead_days * timedelta(days=1)
    now = await campaign.now()
    if opens + MINUTE > now:
        now = await campaign.skip_to(min(opens + MINUTE, day_opens(plan, 1) - MINUTE))
    await cast.arrive(1, now)
    cast.invite_before_the_start()
    await cast.arrive(1, now)
    await campaign.skip_to(day_opens(plan, 1) + MINUTE)


async def _day(campaign: CampaignDriver, cast: Cast, day: int) -> None:
    """Live one day: the morning, the reminders, the evening, the close."""
    plan, closes = campaign.plan, day_closes(campaign.plan, day)
    await cast.arrive(day, await campaign.now())
    await cast.live(day, evening=False)
    last = max(reminder_at(plan, day, hour) for hour in campaign.policy.reminder_hours) + MINUTE
    if await campaign.now() < last < closes - MINUTE:
        await campaign.skip_to(last)
    await cast.live(day, evening=True)
    await campaign.skip_to(closes + MINUTE)
