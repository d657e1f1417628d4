"""When members hear what came of a campaign: after all are paid, on the real server and both databases."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import pytest
from sqlalchemy import func, select
from temporalio.client import Client

from contracts.campaigns import Act
from db.database import Database
from db.tables.campaigns import campaign_reports, settlements
from db.tables.mail import mails
from domain.campaigns.policy import CampaignPolicy
from domain.campaigns.terms import Refusal
from domain.ids import new_id
from tests.support.campaign_case import DAY, CampaignCase
from tests.support.held_bulk import HeldDatabase, Hold
from tests.support.vetting import refused
from tests.workflows.campaign_paths import SHORT, left_in_reserve
from worker import campaign_worker
from workflows import campaign_orders
from workflows.campaigns import CampaignWorkflow
from workflows.process import STAGE

MEMBERS, BEFORE = 6, 2
"""So many pages, of a member each, are committed before the payments are held, and before the letters are."""
SECONDS = 60
ONE_SHARD = CampaignPolicy(shards_at_most=1, reminder_hours=(21,))
# Without a line nobody is told of a cancellation but those who take part.
PLAN: dict[str, Any] = SHORT | {"waiting_list": False}
RESULTS = ("campaign_result", "campaign_ended_early")


@dataclass
class Settlement:
    """A campaign on its last day, and where its payments and its letters are held."""

    case: CampaignCase
    paying: Hold
    telling: Hold

    async def letters(self) -> Counter[tuple[str, str]]:
        """Who has which letter about the result."""
        found = await self.case.rows(
            select(mails.c.person_id, mails.c.template).where(mails.c.template.in_(RESULTS))
        )
        return Counter((row["person_id"], row["template"]) for row in found)

    async def paid(self) -> int:
        [row] = await self.case.rows(select(func.count().label("number")).select_from(settlements))
        return int(row["number"])

    async def ends_in(self, status: str, ending: Awaitable[Any], template: str) -> None:
        """Let it come to its end by ``ending``, and look at it in the middle of payments and of letters."""
        going = asyncio.ensure_future(ending)
        await asyncio.wait_for(self.paying.held.wait(), SECONDS)
        assert (await self.paid(), await self.letters()) == (BEFORE, Counter())
        assert (await self.case.row())["status"] == "settling"
        self.paying.going.set()
        await asyncio.wait_for(self.telling.held.wait(), SECONDS)
        assert (await self.letters()).total() == BEFORE
        await self._is_over(status)
        self.telling.going.set()
        await going
        await self.case.handle.result()
        assert await self.letters() == Counter({(person_id, template): 1 for person_id in self.case.members})

    async def _is_over(self, status: str) -> None:
        """Assert that it is over for everybody: paid, released, reported, and closed to requests."""
        case = self.case
        row = await case.row()
        assert (row["status"], row["waiting_on"], row["ended_at"] is not None) == (status, "nobody", True)
        assert (await case.status()).status == status
        assert await self.paid() == MEMBERS
        assert await left_in_reserve(case) == 0
        assert len(await case.rows(select(campaign_reports))) == 1
        for late in (case.cancel(), case.pause(), case.extend(1)):
            async with refused(Refusal.NOT_OPEN):
                await late
        async with refused(Refusal.AMNESTY_TOO_LATE):
            await case.amnesty(1)
        described = await case.handle.describe()
        assert described.close_time is None
        assert described.typed_search_attributes.get(STAGE) == status


@asynccontextmanager
async def last_day(client: Client, url: str, queue: str) -> AsyncIterator[Settlement]:
    """Yield a campaign on its last day, to which half of the members have checked in."""
    paying, telling = Hold(BEFORE), Hold(BEFORE)
    held = {"campaigns.settle": paying, "campaigns.tell": telling}
    async with (
        Database.connect(url) as db,
        HeldDatabase(url, held) as slow,
        campaign_worker(client, slow, queue, page=1, small_page=1, pay_page=1),
    ):
        case = await CampaignCase.begin(db, client, queue, members=MEMBERS, policy=ONE_SHARD, **PLAN)
        await case.submit()
        await case.enrol()
        await case.to_day(3)
        for person_id in case.members[::2]:
            await case.check_in(person_id, 3)
        yield Settlement(case, paying, telling)


async def timeouts_of_letters(case: CampaignCase) -> list[float]:
    """After how many seconds each order of letters would be given up (0: never)."""
    history = await case.handle.fetch_history()
    scheduled = [event.activity_task_scheduled_event_attributes for event in history.events]
    return [
        one.schedule_to_close_timeout.ToTimedelta().total_seconds()
        for one in scheduled
        if one.activity_type.name == "campaigns.tell"
    ]


async def test_nobody_hears_of_it_before_everybody_is_paid(
    temporal_client: Client, database_url: str, task_queue: str
) -> None:
    async with last_day(temporal_client, database_url, task_queue) as settlement:
        case = settlement.case
        await settlement.ends_in("settled", case.skip(DAY), "campaign_result")
        assert await timeouts_of_letters(case) == [0]


async def test_nobody_hears_of_a_cancelled_one_before_everybody_is_paid(
    temporal_client: Client, database_url: str, task_queue: str
) -> None:
    """Then everybody reads why, by the note of whoever cancelled it."""
    async with last_day(temporal_client, database_url, task_queue) as settlement:
        case, note_id = settlement.case, new_id()
        cancelling = case.send(CampaignWorkflow.cancel, Act(actor_id=case.leader, note_id=note_id))
        await settlement.ends_in("cancelled", cancelling, "campaign_ended_early")
        written = select(mails.c.data).where(mails.c.template == "campaign_ended_early")
        assert {row["data"]["note_id"] for row in await case.rows(written)} == {note_id}


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_process_from_before_tells_each_with_the_payment(
    cancelled: bool, temporal_client: Client, sqlite_url: str, task_queue: str
) -> None:
    with patch.object(campaign_orders, "_told_apart", return_value=False):
        async with last_day(temporal_client, sqlite_url, task_queue) as settlement:
            case, paying, telling = settlement.case, settlement.paying, settlement.telling
            telling.going.set()
            going = asyncio.ensure_future(case.cancel() if cancelled else case.skip(DAY))
            await asyncio.wait_for(paying.held.wait(), SECONDS)
            assert (await settlement.paid(), (await settlement.letters()).total()) == (BEFORE, BEFORE)
            paying.going.set()
            await going
            await case.handle.result()
            template = RESULTS[cancelled]
            assert await settlement.letters() == Counter(
                {(person_id, template): 1 for person_id in case.members}
            )
            assert (telling.commits, await timeouts_of_letters(case)) == (0, [])
