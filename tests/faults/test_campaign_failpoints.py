"""The worker dies after a commit and before its answer, at every single write of a campaign's life."""

import asyncio
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from temporalio.client import Client

from contracts.campaigns import Decide
from db.database import Database
from db.repositories import point_checks
from db.tables.campaigns import campaign_days, settlements
from db.tables.mail import mails
from db.tables.points import point_accounts
from db.tables.vetting import timeline_entries
from domain.campaigns.calendar import day_opens
from domain.campaigns.policy import CampaignPolicy
from domain.campaigns.terms import ReviewDecision
from tests.faults.lives import mortal, until_answered
from tests.faults.processes import Nursery
from tests.support.campaign_case import DAY, CampaignCase
from workflows.campaigns import CampaignWorkflow

pytestmark = [pytest.mark.faults, pytest.mark.slow]

LIVES = 5
LEAST_DEATHS = 2
# Two shards: each day's close, each reminder and the settlement are several commits.
SHARDED = CampaignPolicy(people_per_shard=1000, shards_at_most=2, reminder_hours=(21,))
PLAN: dict[str, Any] = {
    "members": 12,
    "length_days": 1,
    "capacity": 4000,
    "pool": 100_000_000,
    "nudge_after_missed": 1,
    "invitations": {"mode": "off"},
}


async def live(case: CampaignCase) -> None:
    """Approved, a day with check-ins, settled."""
    await until_answered(lambda update_id: case.submit(update_id=update_id))
    approve = Decide(actor_id=case.manager, decision=ReviewDecision.APPROVE)
    await until_answered(lambda update_id: case.send(CampaignWorkflow.review, approve, update_id))
    await case.enrol()
    await case.skip_to(day_opens(case.plan, 1) + DAY / 1440)
    for person_id in case.members[3:]:
        await case.check_in(person_id, 1)
    await case.skip(DAY)
    await case.handle.result()


async def what_came_of_it(case: CampaignCase) -> dict[str, Any]:
    """Everything that has to be the same however often the worker died; people by their number."""
    number = {person_id: n for n, person_id in enumerate([*case.members, case.leader])}
    paid = await case.rows(select(settlements))
    held = await case.rows(select(point_accounts).where(point_accounts.c.kind == "available"))
    sent = await case.rows(select(mails))
    days = await case.rows(select(campaign_days).order_by(campaign_days.c.day))
    entries = select(timeline_entries).where(timeline_entries.c.process_id == case.process_id)
    return {
        "codes": [row["code"] for row in await case.rows(entries.order_by(timeline_entries.c.seq))],
        "paid": {
            number[row["person_id"]]: (row["check_in_points"], row["completed"])
            for row in paid
            if row["campaign_id"] == case.id
        },
        "held": {number[row["owner"]]: row["balance"] for row in held if row["owner"] in number},
        "mails": Counter(
            (row["template"], number[row["person_id"]]) for row in sent if row["person_id"] in number
        ),
        "days": [(row["active"], row["checked_in"]) for row in days if row["campaign_id"] == case.id],
    }


async def lead(
    db: Database, client: Client, nursery: Nursery, directory: Path, address: str, url: str, last: int
) -> tuple[dict[str, Any], int]:
    """Lead one life; return what came of it, and how often its worker died."""
    async with mortal(nursery, directory, client, address, url, room="campaigns", last=last, every=LIVES) as (
        one,
        queue,
    ):
        case = await CampaignCase.begin(db, client, queue, policy=SHARDED, **PLAN)
        case.task_timeout = timedelta(seconds=3)
        await live(case)
        return await what_came_of_it(case), one.deaths


async def test_a_worker_that_dies_after_any_commit_pays_and_mails_once(
    sqlite_url: str, temporal_client: Client, temporal_address: str, nursery: Nursery, tmp_path: Path
) -> None:
    async with Database.connect(sqlite_url) as db:
        lives = await asyncio.gather(
            *(
                lead(db, temporal_client, nursery, tmp_path, temporal_address, sqlite_url, last)
                for last in range(LIVES + 1)
            )
        )
        assert all(not proof.findings for proof in await db.read(point_checks.verify))
    whole, deaths = lives[0]
    assert deaths == 0
    assert whole["codes"][-1] == "campaign_settled"
    assert len(whole["paid"]) == PLAN["members"]
    assert set(whole["mails"].values()) == {1}
    for last, (found, died) in enumerate(lives[1:], start=1):
        assert found == whole, f"the first worker died after write {last}"
        assert died >= LEAST_DEATHS
