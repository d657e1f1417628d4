"""A running campaign with very many members, the same in every database that has as many.

The twentieth of its thirty days is over and still to be closed, the next one is open. Seven in ten have
checked in on the day that is over, one in a hundred on the new one too; some have stopped long ago, and one
in a hundred gets the nudge that follows the third day missed.
"""

import random
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Connection, update

from api.security.credentials import hashed
from bench import seed
from bench.loading import load, tidy
from db.database import Database
from db.repositories import campaigns as repository
from db.repositories import points
from db.tables.access import sessions
from db.tables.campaigns import campaigns, check_ins, enrolments
from db.tables.people import people, role_grants
from domain.campaigns.members import Place, shard_of
from domain.campaigns.plan import CampaignPlan
from domain.campaigns.rewards import liability
from domain.campaigns.templates import TemplateCode, plan_for
from domain.campaigns.terms import Status
from domain.ids import new_id
from domain.people import Role
from domain.points import Source

OVER: Final = 20
OPEN: Final = OVER + 1
NUDGE_AFTER: Final = 3
NOTE: Final = "Read two chapters about compound interest, and tried the sums at home."
WORDS: Final = {"title": "三十天读书", "summary": "Thirty days", "description": "", "task": "Write a note."}
_LONG_AGO: Final = "2024-01-01T00:00:00.000000Z"


@dataclass(frozen=True)
class Crowd:
    """Where the campaign is, and some who are signed in and have not checked in on the open day.

    Of these there is the secret of the session and the person's id.
    """

    url: str
    campaign_id: str
    leader_id: str
    members: int
    signed_in: tuple[tuple[str, str], ...]

    def at(self, url: str) -> "Crowd":
        """Return the same crowd in a copy of its database."""
        return Crowd(url, self.campaign_id, self.leader_id, self.members, self.signed_in)


@dataclass(frozen=True, slots=True)
class _Member:
    """What one member has done up to now (days)."""

    over: bool
    today: bool
    last_day: int
    streak: int
    best: int
    done: int
    silent: int
    missed: int


async def gather(url: str, members: int, signed_in: int) -> Crowd:
    """Fill a fresh, migrated database with a campaign of ``members``, and sign ``signed_in`` of them in."""
    ids = [new_id() for _ in range(members)]
    load(url, people, _PEOPLE, _people(ids))
    campaign_id, leader_id = await _campaign(url, members)
    load(url, enrolments, _ENROLMENTS, _enrolments(campaign_id, ids))
    load(url, check_ins, _CHECK_INS, _check_ins(campaign_id, ids))
    histories = _histories(members)
    free = [one for number, one in enumerate(ids) if not histories[number % len(histories)].today]
    some = random.Random(members).sample(free, min(signed_in, len(free)))
    load(url, role_grants, ("person_id", "role", "granted_at"), _grants(some))
    pairs = tuple((secrets.token_urlsafe(32), person_id) for person_id in some)
    load(url, sessions, _SESSIONS, _sessions(pairs))
    tidy(url)
    return Crowd(url, campaign_id, leader_id, members, pairs)


def plan_of(members: int) -> CampaignPlan:
    """Return the plan of a campaign that has room for so many."""
    starts_on = datetime.now(UTC).date() - timedelta(days=OPEN - 1)
    return plan_for(TemplateCode.LEARNING_PLAN, starts_on, {"capacity": members})


async def _campaign(url: str, members: int) -> tuple[str, str]:
    """Write the campaign as its process would have, with the points that it has reserved."""
    plan, now = plan_of(members), datetime.now(UTC)
    async with Database.connect(url) as db:
        leader_id = (await seed.members(db, 1))[0]

        def write(conn: Connection) -> str:
            campaign_id = repository.create(
                conn, leader_id, TemplateCode.LEARNING_PLAN.value, WORDS, plan, now
            )
            most = liability(plan)
            points.deposit(
                conn,
                key="the pool",
                amount=most,
                source=Source.SPONSORSHIP,
                reference="a sponsor",
                actor_id=None,
                at=now,
            )
            points.reserve(conn, campaign_id, most, key=f"campaign/{campaign_id}:reservation:1", at=now)
            reached = {
                "status": Status.RUNNING.value,
                "day": OPEN,
                "closed_through": OVER - 1,
                "revision": 40,
                "reserved": most,
                "seats_taken": members,
                "submitted_at": now - timedelta(days=40),
                "day_closes_at": now + timedelta(hours=20),
            }
            conn.execute(update(campaigns).where(campaigns.c.id == campaign_id).values(**reached))
            return campaign_id

        return await db.write(write), leader_id


_PEOPLE: Final = [
    "id",
    "email",
    "email_normalised",
    "display_name",
    "locale",
    "time_zone",
    "joined_at",
    "created_at",
]


def _people(ids: Sequence[str]) -> Iterator[Sequence[Any]]:
    for number, person_id in enumerate(ids):
        address = f"member{number}@people.example"
        name = f"成员 {number}" if number % 2 else f"Member {number}"
        locale = "zh-CN" if number % 2 else "en"
        yield person_id, address, address, name, locale, "Asia/Shanghai", _LONG_AGO, _LONG_AGO


def _grants(ids: Sequence[str]) -> Iterator[Sequence[Any]]:
    return ((person_id, Role.MEMBER.value, _LONG_AGO) for person_id in ids)


_SESSIONS: Final = [
    "token_hash",
    "person_id",
    "created_at",
    "last_seen_at",
    "expires_at",
    "second_factor_at",
    "csrf_token",
]


def _sessions(pairs: Sequence[tuple[str, str]]) -> Iterator[Sequence[Any]]:
    now = datetime.now(UTC)
    begun, ends = _text(now), _text(now + timedelta(days=1))
    for secret, person_id in pairs:
        yield hashed(secret), person_id, begun, begun, ends, begun, secrets.token_urlsafe(32)


@lru_cache(maxsize=4)
def _histories(members: int) -> tuple[_Member, ...]:
    """Return the histories that members share: a few thousand, so that a million are soon written."""
    chance = random.Random(20)
    return tuple(_history(chance) for _ in range(min(members, 5_000)))


def _history(chance: random.Random) -> _Member:
    over, today = chance.random() < 0.7, chance.random() < 0.01
    # Of those who have not checked in some have just stopped, and others long ago.
    silent = 0 if over else chance.choice((0, 0, 0, 0, 1, 1, NUDGE_AFTER - 1, 5, 9, 19))
    if silent == NUDGE_AFTER - 1 and chance.random() < 0.67:
        silent = NUDGE_AFTER
    through = OVER if over else OVER - 1 - silent
    done = chance.randint(min(through, 1), through) if chance.random() < 0.7 else through
    streak = done if over and done == through else chance.randint(1, done) if over else 0
    best = chance.randint(max(streak, min(done, 1)), done)
    last = through if done else 0
    if not over and not silent:
        # Alive until the day is closed: the streak that breaks then.
        streak = min(best, 3)
    if today:
        done, last, streak = done + 1, OPEN, streak + 1 if over else 1
        best = max(best, streak)
    required_done = done - over - today
    return _Member(over, today, last, streak, best, done, silent, OVER - 1 - required_done)


_ENROLMENTS: Final = [
    "campaign_id",
    "person_id",
    "status",
    "shard",
    "enrolled_at",
    "first_day",
    "reminder_hour",
    "days_done",
    "last_day",
    "streak",
    "best_streak",
    "missed",
    "missed_in_a_row",
    "closed_through",
]


def _enrolments(campaign_id: str, ids: Sequence[str]) -> Iterator[Sequence[Any]]:
    active, histories = Place.ACTIVE.value, _histories(len(ids))
    for number, person_id in enumerate(ids):
        one, shard = histories[number % len(histories)], shard_of(person_id)
        yield (
            *(campaign_id, person_id, active, shard, _LONG_AGO, 1, 8 + number % 12),
            *(one.done, one.last_day, one.streak, one.best, one.missed, one.silent, OVER - 1),
        )


_CHECK_INS: Final = ["campaign_id", "day", "person_id", "id", "note", "streak", "points", "at"]


def _check_ins(campaign_id: str, ids: Sequence[str]) -> Iterator[Sequence[Any]]:
    at, histories = _text(datetime.now(UTC)), _histories(len(ids))
    for day in (OVER, OPEN):
        for number, person_id in enumerate(ids):
            one = histories[number % len(histories)]
            if one.over if day == OVER else one.today:
                yield campaign_id, day, person_id, new_id(), NOTE, one.streak, 2, at


def _text(instant: datetime) -> str:
    return instant.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
