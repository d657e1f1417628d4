"""Runs that no path has: they went on as new, or ended because what had started them was turned away."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from sqlalchemy import update
from temporalio.client import Client, WorkflowHistory

from contracts.mail import DispatchOrder
from db.database import Database
from db.tables.vetting import applications
from domain.campaigns.terms import Refusal as CampaignRefusal
from domain.ids import new_id
from domain.vetting import Refusal
from engine.mail_dispatch import ensure_mail_dispatch
from mail.transports import OutboxTransport
from tests.support.campaign_case import DAY, CampaignCase
from tests.support.mail_worker import mail_worker
from tests.support.temporal import impatient
from tests.support.vetting import Case, community, new_case, refused, until
from tests.workflows.campaign_paths import PATHS
from tests.workflows.test_campaign import begun
from tests.workflows.test_vetting_long import EVENTS_BEFORE_SUGGESTION, runs_of
from worker import campaign_worker
from workflows import campaign_orders, campaign_process

SUBMISSION_IS_OVER = timedelta(minutes=11)
NO_VERSION = 99


@asynccontextmanager
async def long_vetting(url: str, queue: str) -> AsyncIterator[Case]:
    """An application that has just gone on as new, on a server of its own."""
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory) / "temporal.log"
        async with (
            impatient(log, f"record-{new_id()}", EVENTS_BEFORE_SUGGESTION) as client,
            community(url, client, queue) as here,
        ):
            case = await new_case(here)
            await case.submit()
            while len(await runs_of(case)) < 2:
                await case.claim(here.reviewers[0])
                await case.release(here.reviewers[0])
            yield case


async def run_of(case: Case, number: int) -> WorkflowHistory:
    run_id = (await runs_of(case))[number]
    return await case.community.client.get_workflow_handle(case.process_id, run_id=run_id).fetch_history()


async def vetting_goes_on_as_new(_: Client, url: str, queue: str) -> WorkflowHistory:
    """The first run, which ends by going on."""
    async with long_vetting(url, queue) as case:
        return await run_of(case, 0)


async def vetting_went_on_as_new(_: Client, url: str, queue: str) -> WorkflowHistory:
    """The second run: it begins with what the first knew, and its alarms ring."""
    async with long_vetting(url, queue) as case:
        await case.skip(days=3, seconds=1)
        await case.approve()
        await case.withdraw()
        await case.handle.result()
        return await run_of(case, 1)


async def vetting_turned_away(client: Client, url: str, queue: str) -> WorkflowHistory:
    """What was handed in is refused where it should be written: a draft is left, and no process."""
    async with community(url, client, queue) as here:
        case = await new_case(here)
        bare = update(applications).where(applications.c.id == case.id).values(headline="", tags=[])
        await here.execute(bare)
        async with refused(Refusal.INCOMPLETE):
            await case.submit()
        await case.handle.result()
        return await case.handle.fetch_history()


async def campaign_went_on_as_new(client: Client, url: str, queue: str) -> WorkflowHistory:
    """The second run, up to the settlement; only the first is shorter than others."""
    longest = campaign_process.LONGEST_HISTORY
    async with begun(client, url, queue, "extended") as case:
        await case.submit()
        await case.enrol()
        first = (await case.handle.describe()).run_id

        async def is_new() -> bool:
            return (await case.handle.describe()).run_id != first

        campaign_process.LONGEST_HISTORY = 10
        try:
            await case.review()
            await until(is_new)
        finally:
            campaign_process.LONGEST_HISTORY = longest
        second = (await case.handle.describe()).run_id
        await case.to_day(2)
        await case.extend(2)
        await case.skip(4 * DAY)
        await case.handle.result()
        return await client.get_workflow_handle(case.process_id, run_id=second).fetch_history()


class Stale(CampaignCase):
    """A campaign whose leader hands in what somebody has changed meanwhile."""

    async def row(self) -> dict[str, Any]:
        return await super().row() | {"edit_version": NO_VERSION}


async def campaign_turned_away(client: Client, url: str, queue: str) -> WorkflowHistory:
    """What was handed in is refused where it should be written; nothing else comes, and the process ends."""
    async with Database.connect(url) as db, campaign_worker(client, db, queue):
        case = await Stale.begin(db, client, queue, **PATHS["settled"].given)
        async with refused(CampaignRefusal.PLAN_CHANGED):
            await case.submit()
        await case.skip(SUBMISSION_IS_OVER)
        await case.handle.result()
        return await case.handle.fetch_history()


async def campaign_told_with_the_first_close(client: Client, url: str, queue: str) -> WorkflowHistory:
    """Who waits in vain is told as processes from before do it: with the first day's close."""
    with patch.object(campaign_process, "_vain_are_told", return_value=False):
        async with begun(client, url, queue, "waited_in_vain") as case:
            await case.submit()
            await case.enrol(case.members[:2])
            await case.enrol(case.members[2:], status="waiting", in_line=1)
            await case.to_day(1)
            await case.skip(3 * DAY)
            await case.handle.result()
            return await case.handle.fetch_history()


async def campaign_told_with_the_payment(name: str, client: Client, url: str, queue: str) -> WorkflowHistory:
    """A path on which members hear what they are paid as processes from before do it: while it is paid."""
    with patch.object(campaign_orders, "_told_apart", return_value=False):
        async with begun(client, url, queue, name) as case:
            await PATHS[name].walk(case)
            await case.handle.result()
            return await case.handle.fetch_history()


async def mail_dispatch(client: Client, url: str, queue: str) -> WorkflowHistory:
    """A run that goes on as new after two rounds, as every run of it does."""
    async with Database.connect(url) as db, mail_worker(client, db, OutboxTransport(), queue):
        started = await ensure_mail_dispatch(client, queue, DispatchOrder(rounds=2, round_seconds=0.5))
        first = client.get_workflow_handle(started.id, run_id=started.result_run_id)

        async def ended() -> bool:
            return (await first.describe()).close_time is not None

        await until(ended)
        return await first.fetch_history()
