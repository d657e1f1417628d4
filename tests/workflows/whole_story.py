"""The story of two hundred members: who does what on which day, and the naive count of what follows from it.

What members do is drawn once for each case, by a fixed seed; the naive count knows nothing but the list of
who did what on which day, and repeats none of the product's code.
"""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from temporalio.client import Client

from db.database import Database
from db.repositories import check_ins, enrolments
from db.repositories.check_ins import CheckIn, Taken
from domain.campaigns.terms import Status
from tests.support.campaign_case import DAY, CampaignCase
from tests.workflows import whole_invitations
from tests.workflows.whole_community import Community
from tests.workflows.whole_invitations import Circle
from worker import campaign_worker

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
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
    """One member as the naive count sees it: from which day to which, and the days that count as done."""

    id: str
    first_day: int
    eagerness: float
    quits_on: int
    done: set[int] = field(default_factory=set)
    made_up: set[int] = field(default_factory=set)
    left: bool = False


@dataclass
class Pause:
    """A pause from an hour of a day on (4: before anybody checks in), and how many cut-offs pass in it."""

    hour: int
    length: timedelta
    lost: int


@dataclass
class Story:
    """The campaign, its members, and the days that asked nothing of anybody."""

    case: CampaignCase
    draw: random.Random
    members: list[Member]
    circle: Circle
    community: Community
    length: int
    """How many days it runs: fewer than were planned if it is cancelled."""
    planned: int
    pauses: dict[int, Pause]
    newcomers: int = 0
    rest: set[int] = field(init=False)

    def __post_init__(self) -> None:
        self.rest = {day for day in range(1, self.length + 1) if self.date_of(day).weekday() == 6}

    async def enrol(self, day: int) -> None:
        coming = [one for one in self.members if one.first_day == day]
        today = (await self.case.row())["day"]

        def write(conn: Any) -> None:
            for one in coming:
                self.circle.enrol(conn, one.id, today)
                self.community.enrol(conn, one.id)
            new = [friend for friend in self.circle.friends.values() if friend.new]
            # Who came by an invitation as a newcomer is one on the day of coming.
            self.community.brought += [today] * (len(new) - self.newcomers)
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
            open_to = missed not in one.done and missed not in self.rest and len(one.made_up) < 3
            if open_to and self.draw.random() < 0.3:
                asked.append(self._check_in(one, missed))
                one.done.add(missed)
                one.made_up.add(missed)

    def _check_in(self, one: Member, makes_up: int | None) -> CheckIn:
        note = f"What I noticed today, number {self.draw.randrange(10**9)}, was worth the while."
        return CheckIn(campaign_id=self.case.id, person_id=one.id, note=note, makes_up=makes_up)

    async def pause(self, day: int) -> None:
        """Pause a day and go on with it."""
        begins = self.opens(day) + (self.pauses[day].hour - 4) * HOUR
        if begins > await self.case.now():
            await self.case.skip_to(begins)
        await self.case.pause()
        await self.case.skip(self.pauses[day].length)
        await self.case.resume()

    # The naive count.

    @property
    def cancelled(self) -> bool:
        return self.length < self.planned

    @property
    def staying(self) -> list[Member]:
        return [one for one in self.members if not one.left]

    def date_of(self, day: int) -> date:
        """Return the date of a day: of one that was paused, the date on which it went on."""
        lost = sum(pause.lost for paused, pause in self.pauses.items() if paused <= day)
        return self.case.plan.starts_on + (day - 1 + lost) * DAY

    def closes(self, day: int) -> datetime:
        """Return when a day ends and the next one opens: at four in the night, by the clock on the wall."""
        four = datetime.combine(self.date_of(day) + DAY, time(4), ZoneInfo(self.case.plan.time_zone))
        return four.astimezone(UTC)

    def opens(self, day: int) -> datetime:
        """Return when a day opens: the first as if one had ended before it."""
        return self.closes(day - 1)

    def ends(self) -> datetime:
        """When it ended: at noon of its last day if cancelled, else at four in the night that follows."""
        return self.closes(self.length) - 16 * HOUR if self.cancelled else self.closes(self.length)

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
        staying = [] if self.cancelled else self.staying
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

    def owed(self) -> dict[str, dict[str, int]]:
        """Return what everybody who stays has earned, by kind."""
        prizes = self.prizes()
        owed = {}
        for one in self.staying:
            best = self.best_streak(one)
            owed[one.id] = {
                "check_in": 2 * len(one.done),
                "streak": (10 if best >= 7 else 0) + (30 if best >= 20 else 0),
                "completion": 100 if self.completed(one) else 0,
                "rank": prizes.get(one.id, 0),
                "invitation": self.circle.owed(one.id),
            }
        return owed

    def reserved(self) -> int:
        """Return the most that two hundred could have earned in the days that were planned."""
        invited, prizes = 3 * 20, 500 + 300 + 200
        return 200 * (2 * self.planned + 10 + 30 + 100 + invited) + prizes

    def days(self) -> list[dict[str, int]]:
        """Return each day: who was there at its end, checked in on it, made it up, and who did not come."""
        days = []
        for day in range(1, self.length + 1):
            here = [one for one in self.members if one.first_day <= day and not self._has_left(one, day)]
            came = [one for one in self.members if day in one.done and day not in one.made_up]
            made_up = sum(day in one.made_up for one in self.members)
            figures = {"day": day, "active": len(here), "checked_in": len(came), "made_up": made_up}
            days.append(figures | {"missed": len(here) - len(came)})
        return days

    def _has_left(self, one: Member, day: int) -> bool:
        return one.left and one.quits_on <= day


@asynccontextmanager
async def told(
    client: Client,
    url: str,
    queue: str,
    seed: int,
    *,
    length: int = 30,
    planned: int = 30,
    pauses: dict[int, Pause] | None = None,
    **changes: Any,
) -> AsyncIterator[Story]:
    """Begin the story of a campaign that will run ``length`` of ``planned`` days; the first is open then."""
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
        story = Story(case, draw, members, circle, community, length, planned, pauses or {})
        await community.gather()
        await case.submit()
        assert (await case.review()).status in (Status.SCHEDULED, Status.ENROLLING)
        await case.skip_to(story.opens(1) - DAY)
        await story.enrol(1)
        await case.skip_to(story.opens(1) + MINUTE)
        yield story


async def run(story: Story, first: int, last: int) -> None:
    """Live through these days, each to a minute after its end."""
    for day in range(first, last + 1):
        await _live(story, day)
        row = await story.case.row()
        assert (row["day"], row["day_closes_at"]) == (day, story.closes(day))
        await story.case.skip_to(story.closes(day) + MINUTE)


async def _live(story: Story, day: int) -> None:
    assert (await story.case.row())["day"] == day
    pause = story.pauses.get(day)
    if pause and pause.hour == 4:
        await story.pause(day)
    if day > 1:
        await story.enrol(day)
    await story.live(day)
    if pause and pause.hour > 4:
        await story.pause(day)
