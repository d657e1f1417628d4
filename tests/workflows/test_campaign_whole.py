"""Thirty days of two hundred members: every figure against a naive count of what they did.

What members do is drawn once for each case, by a fixed seed; the naive count knows nothing but the list of
who did what on which day, and repeats none of the product's code.
"""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from temporalio.client import Client

from db.database import Database
from db.repositories import check_ins, enrolments, point_checks
from db.repositories.check_ins import CheckIn, Taken
from db.tables.campaigns import campaign_days, campaign_reports, settlements
from db.tables.points import point_accounts
from domain.campaigns.calendar import day_opens
from domain.campaigns.terms import Status
from tests.support.campaign_case import DAY, CampaignCase
from tests.workflows import whole_invitations
from tests.workflows.whole_community import Community
from tests.workflows.whole_invitations import Circle
from worker import campaign_worker

MEMBERS = 200
PLAN: dict[str, Any] = {
    "length_days": 30,
    "capacity": 200,
    "rest_weekdays": [6],
    "late_enrolment_until_day": 7,
    "make_up": {"cards": 3, "window_days": 3},
    "rewards": {
        "check_in": 2,
        "streaks": [{"days": 7, "points": 10}, {"days": 20, "points": 30}],
        "completion": 100,
        "completion_share": 0.8,
        "ranks": [
            {"board": "days", "place": 1, "points": 500},
            {"board": "days", "place": 2, "points": 300},
            {"board": "streak", "place": 1, "points": 200},
        ],
    },
    "invitations": whole_invitations.PLAN,
}


@dataclass
class Member:
    """One member as the naive count sees it: the day of enrolment, and the days that count as done."""

    id: str
    first_day: int
    eagerness: float
    quits_on: int
    done: set[int] = field(default_factory=set)
    cards: int = 0
    left: bool = False


@dataclass
class Story:
    """The campaign, its members, and the days that asked nothing of anybody."""

    case: CampaignCase
    draw: random.Random
    members: list[Member]
    circle: Circle
    community: Community
    length: int = 30
    paused: int = 0
    cancelled: bool = False
    newcomers: int = 0
    rest: set[int] = field(default_factory=set)

    async def enrol(self, day: int) -> None:
        coming = [one for one in self.members if one.first_day == day]
        today = (await self.case.row())["day"]

        def write(conn: Any) -> None:
            for one in coming:
                self.circle.enrol(conn, one.id, today)
                self.community.enrol(conn, one.id)
            new = [friend for friend in self.circle.friends.values() if friend.new]
            # Who came by an invitation as a newcomer is one on the day of coming.
            self.community.arrived += [today] * (len(new) - self.newcomers)
            self.newcomers = len(new)
            self.community.arrive(conn, today)

        await self.case.db.write(write)

    async def live(self, day: int) -> None:
        """Let everybody do what they do on a day: check in, make a day up, or leave."""
        asked: list[CheckIn] = []
        leaving: list[str] = []
        for one in self.members:
            if one.first_day > day or one.left:
                continue
            if one.quits_on == day:
                one.left = True
                leaving.append(one.id)
            elif self.draw.random() < one.eagerness:
                asked.append(self._check_in(one, None))
                one.done.add(day)
                self._make_up(one, day, asked)

        def write(conn: Any) -> None:
            outcomes = check_ins.check_in(conn, asked, datetime.now(UTC))
            assert {found.outcome for found in outcomes} <= {Taken.COUNTED}, outcomes
            for person_id in leaving:
                enrolments.leave(conn, self.case.id, person_id, datetime.now(UTC))
            self.circle.live(conn, day)
            here = [one.person_id for one in asked if one.makes_up is None]
            self.community.live(conn, day, here)

        await self.case.db.write(write)
        self.circle.close({one.id: len(one.done) for one in self.members})

    def _make_up(self, one: Member, day: int, asked: list[CheckIn]) -> None:
        for missed in range(max(one.first_day, day - 3), day):
            open_to = missed not in one.done and missed not in self.rest and one.cards < 3
            if open_to and self.draw.random() < 0.3:
                asked.append(self._check_in(one, missed))
                one.done.add(missed)
                one.cards += 1

    def _check_in(self, one: Member, makes_up: int | None) -> CheckIn:
        note = f"What I noticed today, number {self.draw.randrange(10**9)}, was worth the while."
        return CheckIn(campaign_id=self.case.id, person_id=one.id, note=note, makes_up=makes_up)

    # The naive count.

    def required(self, one: Member) -> list[int]:
        return [day for day in range(one.first_day, self.length + 1) if day not in self.rest]

    def best_streak(self, one: Member) -> int:
        best = run = 0
        for day in range(1, self.length + 1):
            if day in one.done:
                run += 1
                best = max(best, run)
            elif day not in self.rest:
                run = 0
        return best

    def completed(self, one: Member) -> bool:
        if self.cancelled:
            return False
        needed = self.required(one)
        # 80 % in whole numbers, rounded up.
        return len(one.done & set(needed)) * 10 >= len(needed) * 8

    def prizes(self) -> dict[str, int]:
        paid: dict[str, int] = {}
        staying = [one for one in self.members if not (one.left or self.cancelled)]
        for value, places in ((lambda one: len(one.done), [500, 300]), (self.best_streak, [200])):
            scores = sorted({value(one) for one in staying}, reverse=True)
            place = 1
            for score in scores:
                tied = [one for one in staying if value(one) == score]
                pot = sum(places[place - 1 : place - 1 + len(tied)])
                for one in tied:
                    paid[one.id] = paid.get(one.id, 0) + pot // len(tied)
                place += len(tied)
        return paid

    def owed(self) -> dict[str, int]:
        prizes = self.prizes()
        owed = {}
        for one in self.members:
            if one.left:
                continue
            best = self.best_streak(one)
            owed[one.id] = (
                2 * len(one.done)
                + (10 if best >= 7 else 0)
                + (30 if best >= 20 else 0)
                + (100 if self.completed(one) else 0)
                + prizes.get(one.id, 0)
                + self.circle.owed(one.id)
            )
        return owed

    def ends(self) -> datetime:
        """When it ended: at noon of its last day if cancelled, else at four in the night that follows."""
        day = self.length + self.paused
        return self.community.instant(day - 1, 12) if self.cancelled else self.community.instant(day, 4)


@asynccontextmanager
async def told(client: Client, url: str, queue: str, seed: int, **changes: Any) -> AsyncIterator[Story]:
    draw = random.Random(seed)
    async with Database.connect(url) as db, campaign_worker(client, db, queue):
        case = await CampaignCase.begin(db, client, queue, members=MEMBERS, **PLAN | changes)
        members = [
            Member(
                person_id,
                first_day=1 if draw.random() < 0.8 else draw.randint(2, 7),
                eagerness=draw.choice([0.2, 0.6, 0.9, 0.97, 1.0]),
                quits_on=draw.randint(8, 28) if draw.random() < 0.1 else 99,
            )
            for person_id in case.members
        ]
        circle, community = Circle(case, random.Random(seed)), Community(case, random.Random(seed))
        story = Story(case, draw, members, circle, community)
        await community.gather()
        await case.submit()
        assert (await case.review()).status in (Status.SCHEDULED, Status.ENROLLING)
        await case.skip_to(day_opens(case.plan, 1) - DAY)
        await story.enrol(1)
        await case.to_day(1)
        yield story


async def run(story: Story, first: int, last: int) -> None:
    for day in range(first, last + 1):
        row = await story.case.row()
        assert row["day"] == day
        if day > 1:
            await story.enrol(day)
        await story.live(day)
        await story.case.skip(DAY)


async def check(story: Story) -> None:
    case = story.case
    await case.handle.result()
    rows = {row["person_id"]: row for row in await case.rows(select(settlements))}
    owed = story.owed()
    kinds = ("check_in", "streak", "completion", "rank", "invitation")
    assert {person: sum(row[f"{kind}_points"] for kind in kinds) for person, row in rows.items()} == owed
    accounts = await case.rows(select(point_accounts).where(point_accounts.c.kind == "available"))
    assert {row["owner"]: row["balance"] for row in accounts if row["balance"]} == {
        person: points for person, points in owed.items() if points
    }
    report = (await case.rows(select(campaign_reports.c.figures)))[0]["figures"]
    staying = [one for one in story.members if not one.left]
    assert report["cancelled"] == story.cancelled
    assert report["days_run"] == story.length
    assert report["members"] == len(staying)
    assert report["left"] == len(story.members) - len(staying)
    assert report["completed"] == sum(story.completed(one) for one in staying)
    assert report["check_ins"] == sum(len(one.done) for one in story.members)
    assert report["started"] == sum(bool(one.done) for one in story.members)
    recent = set(range(story.length - 6, story.length + 1))
    assert report["still_there"] == sum(bool(one.done & recent) for one in story.members)
    by_day = {day["day"]: day["checked_in"] + day["made_up"] for day in report["days"]}
    assert by_day == {
        day: sum(day in one.done for one in story.members) for day in range(1, story.length + 1)
    }
    assert sum(report["paid"][kind] for kind in kinds) == sum(owed.values())
    story.community.check(report, story.ends())
    story.circle.check(report["growth"], set(owed), len(story.members))
    days = await case.rows(select(campaign_days))
    assert all(day["active"] == day["checked_in"] + day["missed"] for day in days)
    assert all(not proof.findings for proof in await case.db.read(point_checks.verify))


def sundays(story: Story) -> set[int]:
    first = story.case.plan.starts_on
    return {day for day in range(1, story.length + 1) if (first + (day - 1) * DAY).weekday() == 6}


async def test_thirty_days_are_what_a_naive_count_says(
    temporal_client: Client, sqlite_url: str, task_queue: str
) -> None:
    async with told(temporal_client, sqlite_url, task_queue, 1) as story:
        story.rest = sundays(story)
        await run(story, 1, 30)
        await check(story)


@pytest.mark.slow
async def test_the_same_with_a_pause_and_an_extension(
    temporal_client: Client, postgres_url: str, task_queue: str
) -> None:
    """Paused for a week on day 10, so that weekdays stay what they were; four days longer from day 20 on."""
    async with told(temporal_client, postgres_url, task_queue, 2) as story:
        story.length, story.paused = 34, 7
        story.rest = sundays(story)
        await run(story, 1, 9)
        await story.case.pause()
        await story.case.skip(7 * DAY)
        await story.case.resume()
        await run(story, 10, 19)
        await story.case.extend(4)
        await run(story, 20, 34)
        await check(story)


async def test_the_same_when_it_is_cancelled_at_noon_of_a_day(
    temporal_client: Client, sqlite_url: str, task_queue: str
) -> None:
    """What was earned until then is paid, on the thirteenth day; nobody has completed it or won."""
    async with told(temporal_client, sqlite_url, task_queue, 4) as story:
        story.length, story.cancelled = 13, True
        story.rest = sundays(story)
        await run(story, 1, 12)
        await story.live(13)
        await story.case.skip(timedelta(hours=8))
        await story.case.cancel()
        await check(story)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("zone", "starts_on"),
    [
        ("Europe/Berlin", datetime(2027, 3, 10, tzinfo=UTC)),
        # With a leap day, and the clocks go forward in the night of the last day.
        ("America/New_York", datetime(2028, 2, 20, tzinfo=UTC)),
    ],
)
async def test_clock_changes_neither_double_nor_lose_a_day(
    zone: str, starts_on: datetime, temporal_client: Client, sqlite_url: str, task_queue: str
) -> None:
    """A campaign around the night in which the clocks go forward."""
    starts_in = (starts_on - datetime.now(UTC)).days + 1
    async with told(
        temporal_client,
        sqlite_url,
        task_queue,
        3,
        starts_in=starts_in,
        time_zone=zone,
        length_days=22,
        late_enrolment_until_day=7,
    ) as story:
        story.length = 22
        story.rest = sundays(story)
        await run(story, 1, 22)
        await check(story)
