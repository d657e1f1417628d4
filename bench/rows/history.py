"""Row 13: the workflow history of a campaign of thirty days, for a thousand members and for a million.

A history knows members only as shards, whose number the policy draws from the plan's capacity. So three
campaigns are carried through in skipped time on the real server: the one of a thousand with its members, the
one of a million with its eight shards, and one of a million whose policy allows a single shard.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from bench.measure import Check, Result
from bench.place import Place
from db.database import Database
from domain.campaigns.policy import CampaignPolicy
from engine.timeskip import advance
from tests.support.campaign_case import CampaignCase
from worker import campaign_worker

DAYS, QUICK_DAYS = 30, 4
FEW, MANY = 1_000, 1_000_000
ENDS_SECONDS = 600
LONGEST_RUN = 2_000
# An activity's three events, and those of the workflow task that takes its result, if it has one of its own.
EVENTS_AT_MOST = 6.0
CONTINUED = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW


@dataclass(frozen=True)
class _Campaign:
    """One to carry through."""

    capacity: int
    members: int
    policy: CampaignPolicy

    @property
    def shards(self) -> int:
        return self.policy.shards(self.capacity)


CAMPAIGNS = (
    _Campaign(FEW, FEW, CampaignPolicy()),
    _Campaign(MANY, 10, CampaignPolicy()),
    _Campaign(MANY, 10, CampaignPolicy(shards_at_most=1)),
)


async def measure(place: Place) -> list[Result]:
    """Carry all three through at once, and count their events."""
    days = QUICK_DAYS if place.quick else DAYS
    client, url = await place.temporal(), place.database("sqlite")
    async with Database.connect(url) as db, campaign_worker(client, db, "campaign-bench"):
        runs = await asyncio.gather(*(_carried(client, db, one, days) for one in CAMPAIGNS))
    few, many, alone = (sum(events) for events in runs)
    orders = days * (len(CampaignPolicy().reminder_hours) + 1) + 1
    each = (many - few) / (CAMPAIGNS[1].shards - CAMPAIGNS[0].shards) / orders
    checks = [_within(one, events) for one, events in zip(CAMPAIGNS, runs, strict=True)]
    checks += [
        Check(
            "a million with one shard has what a thousand has, but for a tenth",
            f"{alone:,} events against {few:,}",
            abs(alone - few) <= few / 10,
        ),
        Check(
            "each further shard adds one activity to each piece of bulk work",
            f"{each:.1f} events (≤ {EVENTS_AT_MOST:g})",
            each <= EVENTS_AT_MOST,
        ),
    ]
    what = f"history of a campaign of {days} days for {MANY:,}, {CAMPAIGNS[1].shards} shards"
    against = f"for {FEW:,}, one shard"
    note = "All runs of a process together; with its reminders at four hours of each day."
    return [Result(13, what, against, "events", [many], [few], checks=checks, note=note)]


def _within(one: _Campaign, events: list[int]) -> Check:
    what = f"longest run of the campaign for {one.capacity:,}, {one.shards} shards"
    longest = max(events)
    found = f"{longest:,} events (≤ {LONGEST_RUN:,}), {sum(events):,} in {len(events)} runs"
    return Check(what, found, longest <= LONGEST_RUN)


async def _carried(client: Client, db: Database, one: _Campaign, days: int) -> list[int]:
    """Carry a campaign from its plan to its settlement; return the events of each of its runs."""
    case = await CampaignCase.begin(
        db,
        client,
        "campaign-bench",
        members=one.members,
        pool=one.capacity * 1_000,
        policy=one.policy,
        capacity=one.capacity,
        length_days=days,
    )
    await case.submit()
    run_id: str | None = (await case.handle.describe()).run_id
    await case.review()
    await case.enrol()
    await advance(client, case.process_id, timedelta(days=days + 12), seconds=ENDS_SECONDS)
    await case.handle.result()
    events = []
    while run_id:
        history = await client.get_workflow_handle(case.process_id, run_id=run_id).fetch_history()
        events.append(len(history.events))
        last = history.events[-1]
        attributes = last.workflow_execution_continued_as_new_event_attributes
        run_id = attributes.new_execution_run_id if last.event_type == CONTINUED else None
    return events
