"""What is decided about a campaign in the middle of a day's close, on the real server and both databases."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select
from temporalio.client import Client

from db.database import Database
from db.tables.campaigns import campaign_days, enrolments, settlements
from db.tables.mail import mails
from domain.campaigns.calendar import day_opens
from domain.campaigns.policy import CampaignPolicy
from domain.campaigns.terms import Refusal, Status
from tests.support.campaign_case import DAY, CampaignCase
from tests.support.held_bulk import HeldDatabase, Hold
from tests.support.vetting import refused
from tests.workflows.campaign_paths import available, left_in_reserve
from worker import campaign_worker

MEMBERS, EAGER = 6, 3
SECONDS = 60
BEFORE = 2
"""So many pages, of a member each, are committed before the close is held."""
MINUTE = timedelta(minutes=1)
SHORT: dict[str, Any] = {
    "length_days": 3,
    "late_enrolment_until_day": 3,
    "invitations": {"mode": "off"},
    "capacity": 50,
}
ONE_SHARD = CampaignPolicy(shards_at_most=1, reminder_hours=(21,))


@dataclass
class Close:
    """The close of day 1 of a campaign, held after some of its members."""

    case: CampaignCase
    hold: Hold
    skipping: asyncio.Task[Any]

    async def go_on(self) -> None:
        """Let it come to its end, and prove that it had not come further meanwhile."""
        assert await closed(self.case) == BEFORE
        self.hold.going.set()
        await self.skipping
        assert await closed(self.case) == MEMBERS


@asynccontextmanager
async def held_close(client: Client, url: str, queue: str) -> AsyncIterator[Close]:
    """Yield a campaign in the middle of closing its first day, on which half of the members checked in."""
    hold = Hold(BEFORE)
    async with (
        Database.connect(url) as db,
        HeldDatabase(url, {"campaigns.close_day": hold}) as slow,
        campaign_worker(client, slow, queue, page=1),
    ):
        case = await CampaignCase.begin(db, client, queue, members=MEMBERS, policy=ONE_SHARD, **SHORT)
        await case.submit()
        await case.review()
        await case.enrol()
        await case.to_day(1)
        for person_id in case.members[:EAGER]:
            await case.check_in(person_id, 1)
        skipping = asyncio.create_task(case.skip_to(day_opens(case.plan, 2) + MINUTE))
        await asyncio.wait_for(hold.held.wait(), SECONDS)
        yield Close(case, hold, skipping)


async def closed(case: CampaignCase) -> int:
    """How many members have been closed through day 1."""
    through = (enrolments.c.campaign_id == case.id) & (enrolments.c.closed_through >= 1)
    [row] = await case.rows(select(func.count().label("n")).where(through))
    return int(row["n"])


async def counted_once(case: CampaignCase) -> None:
    """Assert that day 1 was counted whole and once: as a day, for each member, and for the leader."""
    [day] = await case.rows(select(campaign_days).where(campaign_days.c.day == 1))
    assert (day["active"], day["checked_in"], day["missed"]) == (MEMBERS, EAGER, MEMBERS - EAGER)
    rows = {row["person_id"]: row for row in await case.rows(select(enrolments))}
    assert [rows[one]["days_done"] for one in case.members] == [1] * EAGER + [0] * (MEMBERS - EAGER)
    digests = [
        row["key"] for row in await case.rows(select(mails.c.key)) if ":campaign_digest:" in row["key"]
    ]
    assert len(digests) == len(set(digests))


async def test_paused_and_resumed(temporal_client: Client, database_url: str, task_queue: str) -> None:
    """The pause is answered at once; the close goes on behind it, and no other day ends before it is over."""
    async with held_close(temporal_client, database_url, task_queue) as close:
        case = close.case
        async with refused(Refusal.WRONG_STAGE):
            await case.resume()
        view = await case.pause()
        assert (view.status, view.day, (await case.row())["status"]) == (Status.PAUSED, 2, "paused")
        await close.go_on()
        await counted_once(case)
        await case.skip(3 * DAY)
        view = await case.resume()
        assert (view.status, view.day) == (Status.RUNNING, 2)
        await case.skip(2 * DAY)
        await case.handle.result()
        assert (await case.row())["status"] == "settled"
        rows = {row["person_id"]: row for row in await case.rows(select(enrolments))}
        assert [rows[one]["missed"] for one in case.members] == [2] * EAGER + [3] * (MEMBERS - EAGER)
        assert await left_in_reserve(case) == 0


async def test_extended(temporal_client: Client, database_url: str, task_queue: str) -> None:
    """Two days more: the day that is being closed is counted once, and as many days run."""
    async with held_close(temporal_client, database_url, task_queue) as close:
        case = close.case
        reserved = (await case.row())["reserved"]
        view = await case.extend(2)
        assert (view.status, view.length_days) == (Status.RUNNING, 5)
        assert (await case.row())["reserved"] > reserved
        await close.go_on()
        await counted_once(case)
        await case.skip(4 * DAY)
        await case.handle.result()
        days = await case.rows(select(campaign_days).order_by(campaign_days.c.day))
        assert [(day["day"], day["active"]) for day in days] == [(day, MEMBERS) for day in range(1, 6)]
        assert await left_in_reserve(case) == 0


async def test_cancelled(temporal_client: Client, database_url: str, task_queue: str) -> None:
    """Nobody is paid before the day has been counted; then everybody what they earned, once."""
    async with held_close(temporal_client, database_url, task_queue) as close:
        case = close.case
        assert (await case.cancel()).status is Status.SETTLING
        for late in (case.cancel(), case.pause(), case.extend(1)):
            async with refused(Refusal.WRONG_STAGE):
                await late
        assert await case.rows(select(settlements)) == []
        await close.go_on()
        await case.handle.result()
        await counted_once(case)
        assert (await case.row())["status"] == "cancelled"
        points = case.plan.rewards.check_in
        found = [await available(case, person_id) for person_id in case.members]
        assert found == [points] * EAGER + [0] * (MEMBERS - EAGER)
        sent = [row["template"] for row in await case.rows(select(mails.c.template))]
        assert (sent.count("campaign_ended_early"), sent.count("campaign_digest")) == (MEMBERS, 1)
        assert await left_in_reserve(case) == 0
