"""kill -9 of worker, PostgreSQL, API and Temporal in the middle of a campaign's bulk work, on each database.

One campaign goes through a day's close, a reminder run, its settlement and the letters about it, and in each
of them everything dies once, one after the other. Members check in all the while, some of them brought by
others, who are due something for them. The leader's dashboard stands open through settlement and letters.
Judged by what was acknowledged, and by a naive count of what everybody was due.
"""

import asyncio
import shutil
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import Connection, Select, func, insert, select
from temporalio.service import RPCError

from contracts.base import CAMPAIGN_QUEUE, task_queue
from db.errors import DatabaseUnavailable
from db.migrate import upgrade
from db.repositories import invitation_attribution, invitation_codes, point_checks
from db.tables.campaigns import campaign_days, check_ins, enrolments, settlements
from db.tables.invitations import invitation_joins
from db.tables.mail import mails
from db.tables.people import people, role_grants
from db.tables.points import point_accounts, point_transfers
from domain.campaigns.calendar import day_opens, reminder_at
from domain.campaigns.invitations import Attribution, Channel
from domain.campaigns.policy import CampaignPolicy
from domain.ids import new_id
from domain.people import Role
from domain.points import PaymentReason
from engine.temporal_client import connect
from engine.timeskip import TimeSkippingError, process_now
from engine.visitors import Visitor
from settings import Settings
from tests.faults.leisurely import held_by
from tests.faults.processes import Nursery
from tests.faults.world import PATIENCE_SECONDS, Patient, World, world
from tests.support.brief import DATABASES
from tests.support.campaign_case import DAY, CampaignCase
from tests.support.missing import missing
from tests.support.postgres import DURABLE, Postgres, PostgresMissing, create_database
from tests.support.temporal import PrivateTemporal

pytestmark = [pytest.mark.faults, pytest.mark.slow]

MEMBERS = 240
DAYS = 2
HOUR = 21
STREAMING = 30
"""So many members check in while everything dies, in each of the two runs on a day that is open."""
STRIKES = (("temporal", 0.1), ("postgres", 0.3), ("api", 0.5), ("worker", 0.7))
"""Who is killed, and at which share of the work that is to be done.

The worker among those who missed the first day: what it did not tell of is done again, and must not count
them as missing twice. Of those who are first in order nobody would notice.
"""
PRIZES = {1: 3_000, 2: 2_000, 3: 1_000}
"""Points of the first places by days; who shares the first shares all three."""
STREAK_POINTS = 7
FRIEND_POINTS, MOST_FRIENDS = 11, 2
INVITERS = 30
"""So many members brought two or three others; of those some check in on the first day, some on the second
while everything dies, and some never."""
NOTE = {"note": "Read two chapters about compound interest, and tried the sums at home."}
MINUTE = timedelta(minutes=1)


@pytest.fixture(params=DATABASES)
def own_database(request: pytest.FixtureRequest) -> Iterator[tuple[str, Postgres | None]]:
    """A migrated database of this test's own, and its server: one that keeps what it has committed."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_url"), None
        return
    try:
        server = Postgres.start(DURABLE)
    except PostgresMissing as error:
        missing("POSTGRESQL", error)
    url = create_database(server.admin_url, "kameng")
    upgrade(url)
    yield url, server
    server.stop()
    shutil.rmtree(server.directory, ignore_errors=True)


@dataclass(frozen=True)
class Work:
    """Bulk work: what counts how much of it is done, and how much there is."""

    done: Select[Any]
    whole: int


@dataclass
class Story:
    """One campaign in a world whose parts die, and what its members were promised."""

    here: World
    case: CampaignCase
    addresses: dict[str, str]
    acknowledged: dict[str, str] = field(default_factory=dict)
    """Check-ins that were answered 201: the id of each, and whose it is."""
    landed: list[tuple[str, int, int]] = field(default_factory=list)
    """Each kill: who, how much of the work was done when it was over, and how much there was."""

    @property
    def strikes(self) -> list[tuple[str, float]]:
        """Who is killed: PostgreSQL too, where the world has one of its own."""
        here = self.here
        return [strike for strike in STRIKES if strike[0] != "postgres" or here.postgres is not None]

    def _person(self, person_id: str) -> Patient:
        return Patient(self.here, self.addresses[person_id])

    async def check_in(self, person_id: str) -> None:
        """Check in over HTTP, under one key, until it is acknowledged."""
        path, key = f"/campaigns/{self.case.id}/checkins", new_id()
        answer = await self._person(person_id).until_done(
            path, lambda visitor: visitor.post(path, NOTE, key=key)
        )
        assert answer["day"] == DAYS
        self.acknowledged[answer["id"]] = person_id

    async def stream(self, person_ids: list[str]) -> None:
        """Check in one after the other, whatever is dead just now."""
        for person_id in person_ids:
            await self.check_in(person_id)
            await asyncio.sleep(0.02)

    async def none_lost(self) -> None:
        """Assert that every check-in that was acknowledged until now is there, once, and its sender's."""
        promised = dict(self.acknowledged)
        found = await self.case.rows(select(check_ins).where(check_ins.c.campaign_id == self.case.id))
        assert {row["id"]: row["person_id"] for row in found if row["id"] in promised} == promised

    async def go_to(self, instant: datetime) -> None:
        """Move the campaign's clock to ``instant``; what breaks on the way is tried again."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            with suppress(RPCError, RuntimeError, TimeSkippingError, DatabaseUnavailable):
                if await process_now(self.case.client, self.case.process_id) < instant:
                    await self.case.skip_to(instant)
                elif await self.case.is_settled(instant):
                    return
            assert time.monotonic() < deadline, f"the clock has not come to {instant}"
            await asyncio.sleep(0.05)

    async def strike(self, victim: str, work: Work, share: float) -> None:
        """Kill ``victim`` once so much of ``work`` is done, prove that it is not all, and start it again."""
        await self._until(work, round(work.whole * share))
        before = await self._done(work)
        await self.here.kill(victim)
        # However long the start takes, there is work left for the next to be killed in.
        assert self.here.worker.ready_file is not None
        hold = held_by(self.here.worker.ready_file)
        hold.touch()
        if victim == "postgres":
            await self._is_told()
        else:
            before = await self._done(work)
        await self.here.start(victim)
        hold.unlink()
        assert 0 < before < work.whole, f"{victim}: {before} of {work.whole} were done"
        self.landed.append((victim, before, work.whole))
        await self.none_lost()

    async def _is_told(self) -> None:
        """Assert that the API says in time, and as a problem, that the database is away."""
        visitor = await self.here.door.by_name(self._mail(self.case.members[0]))
        path = f"/campaigns/{self.case.id}/checkins"
        answer = await visitor.send("POST", path, new_id(), json=NOTE)
        assert answer.status_code == 503, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "database_unavailable"
        assert int(answer.headers["retry-after"]) > 0

    def _mail(self, person_id: str) -> str:
        return f"{self.addresses[person_id]}@people.example"

    async def _until(self, work: Work, number: int) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (done := await self._done(work)) < number:
            assert time.monotonic() < deadline, f"{done} of {work.whole} are done, {number} wanted"
            await asyncio.sleep(0.01)

    async def _done(self, work: Work) -> int:
        """Count what is done; the database may be coming back just now."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return int(await self.here.db.read(lambda conn: conn.execute(work.done).scalar_one()))
            except DatabaseUnavailable:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)


@asynccontextmanager
async def story(here: World) -> AsyncIterator[Story]:
    """Yield a campaign of two days on its first, with most of its members checked in by hand."""
    client = await connect(Settings(temporal_address=here.temporal.address))
    queue = task_queue(Settings().task_queue_prefix, CAMPAIGN_QUEUE)
    case = await CampaignCase.begin(
        here.db,
        client,
        queue,
        members=MEMBERS,
        policy=CampaignPolicy(people_per_shard=1000, shards_at_most=2, reminder_hours=(HOUR,)),
        length_days=DAYS,
        capacity=4000,
        pool=100_000_000,
        nudge_after_missed=1,
        invitations={
            "mode": "inside",
            "points": FRIEND_POINTS,
            "rewarded_at_most": MOST_FRIENDS,
            "activating_check_ins": 1,
        },
        rewards={
            "streaks": [{"days": DAYS, "points": STREAK_POINTS}],
            "ranks": [{"place": place, "points": points} for place, points in PRIZES.items()],
        },
    )
    case.task_timeout = timedelta(seconds=3)
    await case.submit()
    await case.review()
    inviters = _inviters(case)
    await case.enrol([person_id for person_id in case.members if person_id not in inviters])
    for friend_id, inviter_id in inviters.items():
        await _bring(case, friend_id, inviter_id)
    named = select(people.c.id, people.c.email).where(people.c.id.in_([case.leader, *case.members]))
    addresses = {row["id"]: row["email"].partition("@")[0] for row in await case.rows(named)}
    roles = [
        {"person_id": person_id, "role": Role.MEMBER.value, "granted_at": datetime.now(UTC)}
        for person_id in case.members
    ]
    await case.db.write(lambda conn: conn.execute(insert(role_grants), roles) and None)
    await case.skip_to(day_opens(case.plan, 1) + MINUTE)
    for person_id in case.members[: MEMBERS // 2]:
        await case.check_in(person_id, 1)
    yield Story(here, case, addresses)


def _inviters(case: CampaignCase) -> dict[str, str]:
    """Return who was brought by whom."""
    found: dict[str, str] = {}
    for number, inviter_id in enumerate(case.members[:INVITERS]):
        # Active on the first day, on the second, never; and for some a third of whom only two are paid for.
        friends = [60 + number, 120 + number, 180 + number] + ([90 + number] if number < 10 else [])
        found |= dict.fromkeys((case.members[friend] for friend in friends), inviter_id)
    return found


async def _bring(case: CampaignCase, friend_id: str, inviter_id: str) -> None:
    """Enrol somebody by an invitation, as the enrolment's transaction would."""
    await case.enrol([friend_id], invited_by=inviter_id)
    now = datetime.now(UTC)

    def write(conn: Connection) -> None:
        code = invitation_codes.personal(conn, case.id, inviter_id, Channel.LINK, 30, now)
        by = Attribution(invitation_id=code.id, inviter_id=inviter_id, new_member=False)
        invitation_attribution.join(conn, case.id, friend_id, by, [], None, now)

    await case.db.write(write)


@dataclass
class Dashboard:
    """The leader's page of a campaign as a browser keeps it open.

    It is read anew when the stream of events says so, and when a stream that broke is there again.
    """

    visitor: Visitor
    campaign_id: str
    streams: int = 0
    told: int = 0
    """How many changes the last stream told."""
    settled: bool = False
    """Whether the page, as it was read last, leads to the report."""

    async def stand_open(self) -> None:
        """Watch until cancelled."""
        while True:
            with suppress(httpx2.TransportError):
                await self._watch()
            await asyncio.sleep(0.2)

    async def _watch(self) -> None:
        async with self.visitor.http.stream("GET", f"/campaigns/{self.campaign_id}/events") as answer:
            if answer.status_code != 200:
                return
            self.streams, self.told = self.streams + 1, 0
            await self._read()
            async for line in answer.aiter_lines():
                if line == "event: changed":
                    self.told += 1
                    await self._read()

    async def _read(self) -> None:
        base = f"/studio/campaigns/{self.campaign_id}"
        answer = await self.visitor.http.get(base)
        assert answer.status_code in (200, 503), answer.text
        self.settled = f'href="{base}/report"' in answer.text


@asynccontextmanager
async def _watched(told: Story) -> AsyncIterator[Dashboard]:
    """Have the leader's dashboard stand open."""
    leader = await told.here.door.by_name(told._mail(told.case.leader))
    dashboard = Dashboard(leader, told.case.id)
    standing = asyncio.create_task(dashboard.stand_open())
    try:
        yield dashboard
    finally:
        standing.cancel()
        with suppress(asyncio.CancelledError):
            await standing


async def _shows_the_end(dashboard: Dashboard) -> None:
    """Assert that the page that stood open has come to show the settled campaign, by a stream of its own."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not dashboard.settled:  # noqa: ASYNC110 - another process tells it
            await asyncio.sleep(0.05)
    assert dashboard.streams > 1, "the API was killed, and its stream was not"
    assert dashboard.told > 0


async def test_closed_once_mailed_once_paid_once(
    private_temporal: PrivateTemporal,
    nursery: Nursery,
    own_database: tuple[str, Postgres | None],
    tmp_path: Path,
) -> None:
    url, postgres = own_database
    async with (
        world(
            tmp_path, private_temporal, nursery, url, worker_kind="leisurely_worker", postgres=postgres
        ) as here,
        story(here) as told,
    ):
        case = told.case
        # Members 60 to 119 did the first day, and so did who streams; 180 and on never do anything.
        closing, reminding = case.members[60 : 60 + STREAMING], case.members[120 : 120 + STREAMING]
        for person_id in [case.members[0], *closing, *reminding]:
            await here.door.by_name(told._mail(person_id))
        await _killed_in(told, day_opens(case.plan, 2) + MINUTE, [_closing(case, 1)], closing)
        await _killed_in(
            told, reminder_at(case.plan, 2, HOUR) + MINUTE, [await _reminding(case, reminding)], reminding
        )
        async with _watched(told) as dashboard:
            ends = day_opens(case.plan, 2) + DAY + MINUTE
            await _killed_in(told, ends, [_settling(case), _telling(case)], [])
            await case.handle.result()
            await _shows_the_end(dashboard)
        assert [victim for victim, *_ in told.landed] == [victim for victim, _ in told.strikes] * 4
        await told.none_lost()
        await _closed_once(case)
        await _mailed_once(case, reminding)
        await _paid_once(case)
        await _friends_counted_once(case)


async def _killed_in(told: Story, instant: datetime, due: list[Work], checking_in: list[str]) -> None:
    """Go to ``instant`` while everything dies in the middle of each work that is ``due`` there, in order."""
    going = asyncio.create_task(told.go_to(instant))
    await told._until(due[0], 1)
    streaming = asyncio.create_task(told.stream(checking_in))
    for number, work in enumerate(due):
        for victim, share in told.strikes:
            await told.strike(victim, work, share)
        await _are_done(told, due[:number])
    await asyncio.gather(going, streaming)
    await _are_done(told, due)


async def _are_done(told: Story, due: list[Work]) -> None:
    for work in due:
        assert await told._done(work) >= work.whole


def _closing(case: CampaignCase, day: int) -> Work:
    own = enrolments.c.campaign_id == case.id
    return Work(select(func.count()).where(own, enrolments.c.closed_through >= day), MEMBERS)


async def _reminding(case: CampaignCase, meanwhile: list[str]) -> Work:
    """What is left to be mailed on day two, without those who may check in before their turn."""
    done = select(check_ins.c.person_id).where(check_ins.c.campaign_id == case.id, check_ins.c.day == 2)
    busy = {row["person_id"] for row in await case.rows(done)} | set(meanwhile)
    sent = select(func.count()).where(
        mails.c.process_id == case.process_id,
        mails.c.template == "campaign_reminder",
        mails.c.key.startswith(f"{case.process_id}:2:", autoescape=True),
        mails.c.person_id.not_in(busy),
    )
    return Work(sent, MEMBERS - len(busy))


def _settling(case: CampaignCase) -> Work:
    return Work(select(func.count()).where(settlements.c.campaign_id == case.id), MEMBERS)


def _telling(case: CampaignCase) -> Work:
    """Letters about the result: they are written once everybody is paid."""
    result = (mails.c.process_id == case.process_id) & (mails.c.template == "campaign_result")
    return Work(select(func.count()).where(result), MEMBERS)


async def _days_of(case: CampaignCase) -> dict[str, set[int]]:
    found: dict[str, set[int]] = defaultdict(set)
    for row in await case.rows(select(check_ins).where(check_ins.c.campaign_id == case.id)):
        found[row["person_id"]].add(row["day"])
    return found


async def _closed_once(case: CampaignCase) -> None:
    """A day closed twice would have been missed twice."""
    days = await _days_of(case)
    for row in await case.rows(select(enrolments).where(enrolments.c.campaign_id == case.id)):
        mine = days[row["person_id"]]
        assert row["closed_through"] == DAYS
        assert row["missed"] == DAYS - len(mine)
        assert row["days_done"] == len(mine)
        assert row["streak"] == (len(mine) if DAYS in mine else 0)
    counted = await case.rows(select(campaign_days).order_by(campaign_days.c.day))
    done = Counter(day for mine in days.values() for day in mine)
    assert [(row["active"], row["checked_in"]) for row in counted] == [(MEMBERS, done[1]), (MEMBERS, done[2])]


async def _mailed_once(case: CampaignCase, meanwhile: list[str]) -> None:
    """Everybody has the letters that were due, each of them once."""
    days, found = await _days_of(case), await case.rows(select(mails))
    sent = Counter(
        (row["template"], row["key"].removeprefix(f"{case.process_id}:").partition(":")[0], row["person_id"])
        for row in found
        if row["person_id"] in case.members
    )
    assert set(sent.values()) == {1}
    for person_id in case.members:
        mine = days[person_id]
        for day in (1, 2):
            silent = day not in mine
            # Whoever checked in during the run may have been reminded a moment before.
            if day == 1 or person_id not in meanwhile:
                assert sent["campaign_reminder", str(day), person_id] == silent
            missed_first = silent and (day == 1 or 1 in mine)
            assert sent["campaign_nudge", str(day), person_id] == missed_first
        assert sent["campaign_result", "campaign_result", person_id] == 1


def _active_friends(case: CampaignCase, days: dict[str, set[int]]) -> dict[str, list[str]]:
    """Return whom each member brought who has checked in."""
    found: dict[str, list[str]] = defaultdict(list)
    for friend_id, inviter_id in _inviters(case).items():
        if days[friend_id]:
            found[inviter_id].append(friend_id)
    return found


async def _friends_counted_once(case: CampaignCase) -> None:
    """Who checked in counts for who brought them, once, whether there is something paid for them or not."""
    friends = _active_friends(case, await _days_of(case))
    assert {len(mine) for mine in friends.values()} == {2, 3}
    joins = await case.rows(select(invitation_joins).where(invitation_joins.c.campaign_id == case.id))
    active = {friend_id for mine in friends.values() for friend_id in mine}
    assert {row["friend_id"]: row["status"] for row in joins} == {
        friend_id: "activated" if friend_id in active else "joined" for friend_id in _inviters(case)
    }
    for row in await case.rows(select(enrolments).where(enrolments.c.campaign_id == case.id)):
        assert row["friends_activated"] == len(friends[row["person_id"]])


async def _paid_once(case: CampaignCase) -> None:
    """Each member has what the settlement says, by one transfer for each reason, and the books are whole."""
    kinds = [f"{kind.value}_points" for kind in PaymentReason]
    rows = await case.rows(select(settlements).where(settlements.c.campaign_id == case.id))
    days = await _days_of(case)
    assert {row["person_id"]: row["days_done"] for row in rows} == {
        person_id: len(days[person_id]) for person_id in case.members
    }
    held = await case.rows(select(point_accounts).where(point_accounts.c.kind == "available"))
    balances = {row["owner"]: row["balance"] for row in held}
    first = [person_id for person_id in days if len(days[person_id]) == DAYS]
    assert len(first) >= len(PRIZES)
    friends = _active_friends(case, days)
    each = {"rank_points": sum(PRIZES.values()) // len(first), "streak_points": STREAK_POINTS}
    for row in rows:
        assert {kind: row[kind] for kind in each} == (
            each if row["person_id"] in first else dict.fromkeys(each, 0)
        )
        assert balances.get(row["person_id"], 0) == sum(row[kind] for kind in kinds)
        assert row["invitation_points"] == FRIEND_POINTS * min(MOST_FRIENDS, len(friends[row["person_id"]]))
        assert row["check_in_points"] == len(days[row["person_id"]]) * case.plan.rewards.check_in
    paid = select(func.count().label("number")).where(
        point_transfers.c.key.startswith(f"{case.process_id}:settlement", autoescape=True)
    )
    due = sum(row[kind] > 0 for row in rows for kind in kinds)
    assert (await case.rows(paid))[0]["number"] == due > 0
    assert all(not proof.findings for proof in await case.db.read(point_checks.verify))
