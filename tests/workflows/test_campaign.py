"""A campaign on the real server: from its plan to its settlement, and every way out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from temporalio.client import Client

from db.database import Database
from db.repositories import points
from db.tables.campaigns import campaign_days, campaign_reports, settlements
from db.tables.mail import mails
from domain.campaigns.terms import ReasonCode, ReviewDecision, Status
from tests.support.campaign_case import DAY, CampaignCase
from worker import campaign_worker

SHORT = {"length_days": 3, "late_enrolment_until_day": 3, "invitations": {"mode": "off"}}


@asynccontextmanager
async def running(client: Client, database_url: str, queue: str, **given: Any) -> AsyncIterator[CampaignCase]:
    async with Database.connect(database_url) as db, campaign_worker(client, db, queue):
        yield await CampaignCase.begin(db, client, queue, **given)


@pytest.fixture
async def case(temporal_client: Client, database_url: str, task_queue: str) -> AsyncIterator[CampaignCase]:
    async with running(temporal_client, database_url, task_queue, **SHORT) as given:
        yield given


async def test_from_the_plan_to_the_settlement(case: CampaignCase) -> None:
    view = await case.submit()
    assert view.status is Status.IN_REVIEW
    view = await case.review()
    assert view.status is Status.SCHEDULED
    ann, bob, eve = case.members
    await case.enrol()
    await case.to_day(1)
    for day in (1, 2, 3):
        await case.check_in(ann, day)
        if day != 2:
            await case.check_in(bob, day)
        await case.skip(DAY)
    view = await case.status()
    assert view.status is Status.SETTLED
    days = await case.rows(select(campaign_days).order_by(campaign_days.c.day))
    assert [(day["active"], day["checked_in"], day["missed"]) for day in days] == [
        (3, 2, 1),
        (3, 1, 2),
        (3, 2, 1),
    ]
    rewards = case.plan.rewards
    rows = {row["person_id"]: row for row in await case.rows(select(settlements))}
    assert rows[ann]["completed"] and not rows[bob]["completed"] and not rows[eve]["completed"]
    assert rows[ann]["check_in_points"] == 3 * rewards.check_in
    assert rows[ann]["completion_points"] == rewards.completion
    for person, owed in (
        (ann, 3 * rewards.check_in + rewards.completion),
        (bob, 2 * rewards.check_in),
        (eve, 0),
    ):
        held = await case.db.read(lambda conn, who=person: points.balances(conn, who))
        assert held.available == owed
    overview = await case.rows(select(campaign_reports.c.figures))
    assert overview[0]["figures"]["completed"] == 1
    templates = [row["template"] for row in await case.rows(select(mails.c.template))]
    assert templates.count("campaign_result") == 3
    assert templates.count("campaign_settled") == 1


async def test_sent_back_changed_and_handed_in_again(case: CampaignCase) -> None:
    await case.submit()
    view = await case.review(ReviewDecision.REQUEST_CHANGES, ReasonCode.RULES_UNCLEAR)
    assert (view.status, view.reasons) == (Status.DRAFT, (ReasonCode.RULES_UNCLEAR,))
    assert (await case.submit()).status is Status.IN_REVIEW
    view = await case.review(ReviewDecision.REJECT, ReasonCode.UNSUITABLE)
    assert view.status is Status.REJECTED
    await case.handle.result()


async def test_cancelled_in_the_middle_what_was_earned_is_paid(case: CampaignCase) -> None:
    await case.submit()
    await case.enrol()
    await case.to_day(2)
    await case.check_in(case.members[0], 2)
    await case.cancel()
    await case.handle.result()
    assert (await case.row())["status"] == "cancelled"
    held = await case.db.read(lambda conn: points.balances(conn, case.members[0]))
    assert held.available == case.plan.rewards.check_in


async def test_paused_and_resumed_days_move(case: CampaignCase) -> None:
    await case.submit()
    await case.enrol()
    await case.to_day(2)
    before = (await case.status()).ends_at
    view = await case.pause()
    assert view.status is Status.PAUSED
    await case.skip(4 * DAY)
    assert (await case.status()).day == 2
    view = await case.resume()
    assert (view.status, view.day) == (Status.RUNNING, 2)
    assert view.ends_at == before + 4 * DAY
    await case.skip(2 * DAY)
    assert (await case.status()).status is Status.SETTLED


async def test_extended_reserves_more(case: CampaignCase) -> None:
    await case.submit()
    await case.to_day(1)
    reserved = (await case.row())["reserved"]
    view = await case.extend(2)
    assert view.length_days == 5
    assert view.reserved > reserved
    await case.skip(5 * DAY + timedelta(minutes=1))
    assert (await case.status()).status is Status.SETTLED
