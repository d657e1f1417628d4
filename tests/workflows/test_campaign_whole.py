"""Thirty days of two hundred members: every figure against a naive count of what they did."""

from collections import defaultdict
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select
from temporalio.client import Client

from api.services import campaign_reports
from db.repositories import point_checks
from db.tables.campaigns import campaign_days, settlements
from db.tables.points import point_accounts, point_postings, point_transfers
from db.tables.vetting import timeline_entries
from tests.support.campaign_case import DAY, POOL, WORDS
from tests.workflows.whole_story import HOUR, MINUTE, Pause, Story, run, told

KINDS = ("check_in", "streak", "completion", "rank", "invitation")


async def check(story: Story) -> None:
    """Hold everything that is kept of the campaign against the naive count."""
    await story.case.handle.result()
    owed = story.owed()
    await check_settlements(story, owed)
    await check_ledger(story, owed)
    await check_days(story)
    await check_report(story, owed)


async def check_settlements(story: Story, owed: dict[str, dict[str, int]]) -> None:
    rows = await story.case.rows(select(settlements))
    members = {one.id: one for one in story.members}
    assert {row["person_id"]: {kind: row[f"{kind}_points"] for kind in KINDS} for row in rows} == owed
    for row in rows:
        one = members[row["person_id"]]
        assert (row["days_done"], row["completed"]) == (len(one.done), story.completed(one))
        assert bool(row["certificate_code"]) == story.completed(one)


async def check_ledger(story: Story, owed: dict[str, dict[str, int]]) -> None:
    """Each member's account, and each reason for which something was paid into it."""
    case, paid = story.case, sum(sum(kinds.values()) for kinds in owed.values())
    accounts = {row["id"]: row["balance"] for row in await case.rows(select(point_accounts))}
    assert accounts[f"reserve:{case.id}"] == 0
    assert [accounts[place] for place in accounts if place.startswith("pool:")] == [POOL - paid]
    assert {place: points for place, points in accounts.items() if place.startswith("available:")} == {
        f"available:{person}": sum(kinds.values()) for person, kinds in owed.items() if sum(kinds.values())
    }
    moved = await case.rows(
        select(point_postings.c.account_id, point_transfers.c.reason, point_postings.c.amount)
        .join(point_transfers, point_transfers.c.id == point_postings.c.transfer_id)
        .where(point_transfers.c.kind == "payment", point_postings.c.amount > 0)
    )
    booked: dict[str, dict[str, int]] = defaultdict(dict)
    for row in moved:
        person, reason = row["account_id"].removeprefix("available:"), row["reason"]
        assert reason not in booked[person]
        booked[person][reason] = row["amount"]
    assert booked == {
        person: {kind: points for kind, points in kinds.items() if points}
        for person, kinds in owed.items()
        if any(kinds.values())
    }
    assert all(not proof.findings for proof in await case.db.read(point_checks.verify))


async def check_days(story: Story) -> None:
    """Each day opened and closed once, in its order and at its time; its figures as at its close."""
    case = story.case
    lines = await case.rows(
        select(timeline_entries)
        .where(timeline_entries.c.process_id == case.process_id)
        .order_by(timeline_entries.c.seq)
    )
    last_closed = story.length - story.cancelled
    for code, last in (("day_opened", story.length), ("day_closed", last_closed)):
        assert [line["detail"]["day"] for line in lines if line["code"] == code] == [*range(1, last + 1)]
    rows = await case.rows(select(campaign_days).order_by(campaign_days.c.day))
    for row in rows:
        assert timedelta(0) <= row["opened_at"] - story.opens(row["day"]) < MINUTE
    for row in rows[:last_closed]:
        assert timedelta(0) <= row["closed_at"] - story.closes(row["day"]) < MINUTE
    names = ("day", "active", "checked_in", "missed")
    assert [{name: row[name] for name in names} for row in rows[:last_closed]] == [
        {name: day[name] for name in names} for day in story.days()[:last_closed]
    ]


async def check_report(story: Story, owed: dict[str, dict[str, int]]) -> None:
    """The report as it is read, each share by a division of what was counted here."""
    case = story.case
    shown = (await case.db.read(lambda conn: campaign_reports.read(conn, case.id))).model_dump()
    story.circle.check(shown, set(owed), len(story.members))
    del shown["growth"], shown["tree"]
    for day in shown["days"]:
        assert timedelta(0) <= day.pop("opened_at") - story.opens(day["day"]) < MINUTE
        assert day.pop("on") == story.date_of(day["day"])
    assert shown == expected_report(story, owed)


def expected_report(story: Story, owed: dict[str, dict[str, int]]) -> dict[str, Any]:
    recent = set(range(story.length - 6, story.length + 1))
    members = len(story.staying)
    started = sum(bool(one.done) for one in story.members)
    still_there = sum(bool(one.done & recent) for one in story.members)
    completed = sum(story.completed(one) for one in story.staying)
    community = story.community.figures(story.ends())
    paid = {kind: sum(kinds[kind] for kinds in owed.values()) for kind in KINDS}
    total = sum(paid.values())
    names = ("day", "active", "checked_in", "made_up")
    return {
        "campaign_id": story.case.id,
        "title": WORDS["title"],
        "cancelled": story.cancelled,
        "days_run": story.length,
        "members": members,
        "left": len(story.members) - members,
        "started": started,
        "completed": completed,
        "completion": completed / members,
        "still_there": still_there,
        "retention": still_there / started,
        "check_ins": sum(len(one.done) for one in story.members),
        "cost_of_a_new_member": total / community["new_members"]["during"],
        "paid": {"reserved": story.reserved(), "total": total} | paid,
        # Nobody decides about a friend after the settlement of this story.
        "later": {"friends": 0, "points": 0},
        "days": [{name: day[name] for name in names} for day in story.days()],
    } | community


async def test_thirty_days_are_what_a_naive_count_says(
    temporal_client: Client, database_url: str, task_queue: str
) -> None:
    async with told(temporal_client, database_url, task_queue, 1) as story:
        await run(story, 1, 30)
        await check(story)


PAUSES = {
    10: Pause(4, 7 * DAY, lost=7),
    15: Pause(4, 2 * DAY + 5 * HOUR, lost=2),
    # From eight in the evening until one at night, still within the day: nothing is lost.
    18: Pause(20, 5 * HOUR, lost=0),
    # Until one at night too, by a date that the campaign has not reached: one cut-off has passed.
    22: Pause(20, 29 * HOUR, lost=1),
}


@pytest.mark.slow
async def test_the_same_with_pauses_and_an_extension(
    temporal_client: Client, database_url: str, task_queue: str
) -> None:
    """Paused for whole days, for days and hours, within a day, over a night; four days longer on day 20."""
    longer: dict[str, Any] = {"length": 34, "planned": 34, "pauses": PAUSES}
    async with told(temporal_client, database_url, task_queue, 2, **longer) as story:
        await run(story, 1, 19)
        await story.case.extend(4)
        await run(story, 20, 34)
        await check(story)


async def test_the_same_when_it_is_cancelled_at_noon_of_a_day(
    temporal_client: Client, database_url: str, task_queue: str
) -> None:
    """What was earned until then is paid, on the thirteenth day; nobody has completed it or won."""
    async with told(temporal_client, database_url, task_queue, 4, length=13) as story:
        await run(story, 1, 12)
        await story.live(13)
        await story.case.skip_to(story.ends())
        await story.case.cancel()
        await check(story)


def days_ahead() -> list[date]:
    """Every date of the next nine years: a leap day can be eight away, and a campaign needs a month."""
    soon = datetime.now(UTC).date() + 30 * DAY
    return [soon + number * DAY for number in range(9 * 366)]


def hours_of(day: date, zone: ZoneInfo) -> int:
    """Return how many hours lie between four in the morning of a date and of the next."""
    four, next_four = (datetime.combine(on, time(4), zone).astimezone(UTC) for on in (day, day + DAY))
    return round((next_four - four) / HOUR)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("zone", "hours"),
    [
        pytest.param("Europe/Berlin", 23, id="clocks forward"),
        pytest.param("America/New_York", 25, id="clocks back"),
        pytest.param("America/New_York", None, id="leap day"),
    ],
)
async def test_no_date_of_the_calendar_doubles_or_loses_a_day(
    zone: str, hours: int | None, temporal_client: Client, database_url: str, task_queue: str
) -> None:
    """A campaign whose eleventh day is the next on which the clocks change, or that only leap years have."""
    odd = next(
        day
        for day in days_ahead()
        if ((day.month, day.day) == (2, 29) if hours is None else hours_of(day, ZoneInfo(zone)) == hours)
    )
    starts_in = (odd - 10 * DAY - datetime.now(UTC).date()).days
    plan: dict[str, Any] = {"starts_in": starts_in, "time_zone": zone}
    async with told(temporal_client, database_url, task_queue, 3, **plan) as story:
        assert story.date_of(11) == odd
        assert story.closes(11) - story.opens(11) == (hours or 24) * HOUR
        await run(story, 1, 30)
        await check(story)
