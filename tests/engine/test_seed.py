"""The demo community: every interesting state, once however often it is put in, completed after a cut."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import Connection, func, select
from temporalio.client import Client

from api.app import create_app
from contracts.base import CAMPAIGN_QUEUE, VETTING_QUEUE, task_queue
from db.database import Database
from db.repositories import invitation_doubts, people
from db.repositories.policies import VETTING
from db.tables.base import metadata
from db.tables.campaigns import campaign_reports, campaigns
from db.tables.mail import mails
from db.tables.people import people as people_table
from db.tables.people import role_grants
from db.tables.shares import featured_notes, share_visits
from db.tables.vetting import applications, timeline_entries
from domain.campaigns.calendar import day_opens
from domain.people import Role, normalise_email
from domain.vetting import Stage
from engine.seed import populate, seed_demo
from engine.seed_campaigns import CROWD, MIDDLE_DAY, NEWCOMERS, PAST, RUNNING, first_date
from engine.seed_people import APPLICANTS, EVERYBODY, HOST, MEMBERS, STAFF, VOTERS
from settings import Settings
from tests.support.campaigns import plan_of
from worker import campaign_worker, vetting_worker

STATES = {
    "drafting": ("draft", "intake"),
    "waiting": ("credential_review", "first_review"),
    "changing": ("credential_review", "changes_requested"),
    "candidate": ("member_vote", "voting"),
    "probation": ("probation", "probation"),
    "judged": ("probation", "probation_decision"),
    "leader1": ("certified", "closed"),
    "leader2": ("certified", "closed"),
    "appealing": ("rejected", "appeal_review"),
    "creator": ("ordinary_creator", "appeal_window"),
    "halfway": ("credential_review", "second_review"),
    "disputed": ("credential_review", "lead_review"),
    "withdrawn": ("withdrawn", "closed"),
    "expired": ("expired", "closed"),
    "upheld": ("rejected", "closed"),
    "extended": ("member_vote", "voting_extended"),
    "unheard": ("rejected", "appeal_window"),
    "reported": ("probation", "probation_decision"),
    "prolonged": ("probation", "probation_extended"),
    "overturned": ("credential_review", "first_review"),
}
CAMPAIGNS = {
    "check_in_challenge": ("running", MIDDLE_DAY),
    "topic_discussion": ("in_review", 0),
    "skill_share": ("draft", 0),
    "learning_plan": ("enrolling", 0),
    "product_review": ("settled", 8),
}
BASE = "http://kameng.test"


class Cut(httpx2.AsyncBaseTransport):
    """The way to the application, which breaks after so many requests."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, requests: int) -> None:
        self.inner = inner
        self.left = requests

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.left -= 1
        if self.left < 0:
            raise httpx2.ConnectError("cut")
        return await self.inner.handle_async_request(request)


class Place:
    """A running Kameng to seed."""

    def __init__(self, db: Database, way: httpx2.AsyncBaseTransport) -> None:
        self.db = db
        self.way = way

    async def states(self) -> dict[str, tuple[str, str]]:
        """Return status and stage of every application, by the local part of its applicant's address."""
        statement = select(people_table.c.email, applications.c.status, applications.c.stage).join(
            applications, applications.c.person_id == people_table.c.id
        )
        rows = await self.db.read(lambda conn: conn.execute(statement).all())
        return {row.email.partition("@")[0]: (row.status, row.stage) for row in rows}

    async def held(self) -> dict[str, str]:
        """Return who holds an application, by its applicant; both as local parts of their addresses."""
        holder = people_table.alias()
        statement = (
            select(people_table.c.email, holder.c.email.label("holder"))
            .join(applications, applications.c.person_id == people_table.c.id)
            .join(holder, holder.c.id == applications.c.claimed_by)
        )
        rows = await self.db.read(lambda conn: conn.execute(statement).all())
        return {row.email.partition("@")[0]: row.holder.partition("@")[0] for row in rows}

    async def judged_appeals(self) -> dict[str, str]:
        """Return how appeals were decided, by the local part of the applicant's address."""
        entry = timeline_entries.c
        statement = (
            select(people_table.c.email, entry.code)
            .join(applications, applications.c.person_id == people_table.c.id)
            .join(timeline_entries, entry.process_id == "application/" + applications.c.id)
            .where(entry.code.in_(["appeal_upheld", "appeal_overturned"]))
        )
        rows = await self.db.read(lambda conn: conn.execute(statement).all())
        return {row.email.partition("@")[0]: row.code for row in rows}

    async def campaigns(self) -> dict[str, tuple[str, int]]:
        """Return status and day of every campaign, by its template."""
        rows = await self.db.read(lambda conn: conn.execute(select(campaigns)).all())
        assert len({row.template for row in rows}) == len(rows)
        return {row.template: (row.status, row.day) for row in rows}

    async def doubts(self) -> dict[str, int]:
        """Return how many friends wait for staff, by reason."""
        waiting = await self.db.read(lambda conn: invitation_doubts.doubtful(conn, None, 100))
        return dict(Counter(reason for one in waiting for reason in one.reasons))

    async def days_with_visits(self) -> dict[str, int]:
        """Return on how many days strangers read notes of a campaign, by its template."""
        by_campaign = (
            select(campaigns.c.template, func.count(share_visits.c.day.distinct()))
            .join(featured_notes, featured_notes.c.campaign_id == campaigns.c.id)
            .join(share_visits, share_visits.c.featured_id == featured_notes.c.id)
            .group_by(campaigns.c.template)
        )
        rows = await self.db.read(lambda conn: conn.execute(by_campaign).all())
        return {str(row[0]): int(row[1]) for row in rows}

    async def counts(self) -> dict[str, int]:
        """Return how many rows every table holds that seeding fills."""
        kept = [table for name, table in metadata.tables.items() if name not in {"sessions", "mails"}]

        def count(conn: Connection) -> dict[str, int]:
            sizes = {table.name: select(func.count()).select_from(table) for table in kept}
            return {name: conn.execute(size).scalar_one() for name, size in sizes.items()}

        return await self.db.read(count)


@pytest.fixture
async def place(sqlite_url: str, temporal_client: Client, tmp_path: Path) -> AsyncIterator[Place]:
    """The whole API in this process, with a worker, as `kameng dev` sets it up."""
    config = temporal_client.service_client.config
    settings = Settings(
        data_dir=tmp_path / "data",
        database_url=sqlite_url,
        temporal_address=config.target_host,
        temporal_namespace=temporal_client.namespace,
        staff_second_factor=False,
        temporal_call_seconds=60,
    )
    app, prefix = create_app(settings), settings.task_queue_prefix
    async with (
        Database.connect(sqlite_url) as db,
        app.router.lifespan_context(app),
        vetting_worker(temporal_client, db, task_queue(prefix, VETTING_QUEUE)),
        campaign_worker(temporal_client, db, task_queue(prefix, CAMPAIGN_QUEUE)),
    ):
        yield Place(db, httpx2.ASGITransport(app=app))


@pytest.mark.slow
async def test_every_interesting_state_is_there_once_however_often_it_was_cut_short(place: Place) -> None:
    for requests in (3, 40, 90):
        with pytest.raises(Exception, match="answer"):
            await seed_demo(place.db, BASE, transport=Cut(place.way, requests))
        # What was on its way when the connection broke arrives.
        await asyncio.sleep(0)
    assert await place.states() != STATES
    await seed_demo(place.db, BASE, transport=Cut(place.way, 10_000))
    assert (await place.counts())["people"] == len(EVERYBODY) + len(CROWD) + len(NEWCOMERS)
    assert await place.states() == STATES
    assert await place.campaigns() == CAMPAIGNS
    assert await place.held() == {"halfway": "reviewer3"}
    assert await place.judged_appeals() == {"upheld": "appeal_upheld", "overturned": "appeal_overturned"}
    await _the_policy_changed_once_the_stories_had_begun(place.db)
    report = (await place.db.read(lambda conn: conn.execute(select(campaign_reports)).one())).figures
    # Its days were skipped: who came in them, and what was passed on, counts as of them all the same.
    assert report["new_members"]["during"] == len(NEWCOMERS)
    assert report["shares"]["during"] > report["shares"]["before"] > 0
    assert await place.doubts() == {"lookalike_address": 1, "many_from_one_client": len(CROWD) - 1}
    assert await place.days_with_visits() == {
        RUNNING.template: MIDDLE_DAY - 1,
        PAST.template: PAST.plan["length_days"],
    }
    before = await place.counts()
    again = await seed_demo(place.db, BASE, transport=Cut(place.way, 0))
    assert again == (0, ())
    assert await place.counts() == before
    assert await _done_twice(place.db) == []


async def _the_policy_changed_once_the_stories_had_begun(db: Database) -> None:
    newest, first = await db.read(VETTING.history)
    assert newest.policy.review != first.policy.review
    assert newest.note
    assert newest.created_by
    taken = await db.read(lambda conn: conn.execute(select(applications.c.policy_version)).scalars().all())
    assert set(taken) - {None} == {first.version}


def test_applications_are_seen_in_every_stage() -> None:
    assert {stage for _, stage in STATES.values()} == set(Stage)


async def _done_twice(db: Database) -> list[object]:
    """Return what happens once and is told twice: letters about one thing, entries of a timeline."""
    once = ["certified", "ballot_opened", "vote_passed_probation_started", "appeal_received"]
    statement = (
        select(mails.c.process_id, mails.c.person_id, mails.c.template)
        .where(mails.c.template.in_(once))
        .group_by(mails.c.process_id, mails.c.person_id, mails.c.template)
        .having(func.count() > 1)
    )
    entry = timeline_entries.c
    doubled = select(entry.process_id).where(entry.code.in_(["submitted", "certified", "appealed"]))
    doubled = doubled.group_by(entry.process_id, entry.code).having(func.count() > 1)
    return list(await db.read(lambda conn: [*conn.execute(statement), *conn.execute(doubled)]))


def test_the_people_are_plainly_fictional_and_mixed() -> None:
    assert len({normalise_email(someone.email) for someone in EVERYBODY}) == len(EVERYBODY)
    assert HOST.endswith(".example")
    assert all(someone.name.startswith(("示例·", "Demo ")) for someone in EVERYBODY)
    assert {someone.locale for someone in EVERYBODY} == {"zh-CN", "en"}
    assert len({someone.time_zone for someone in EVERYBODY}) >= 5
    assert sum(someone.days < 30 for someone in MEMBERS) >= 5
    assert len(VOTERS) >= 20
    assert {someone.key for someone in APPLICANTS} == set(STATES)
    held = {role for someone in STAFF for role in someone.roles}
    assert held == {Role.REVIEWER, Role.LEAD_REVIEWER, Role.CAMPAIGN_MANAGER, Role.MODERATOR, Role.ADMIN}


async def test_reviewers_of_the_stories_have_no_conflict_of_interest(sqlite_url: str) -> None:
    """One who is in the waiting applicant's circle is there to be seen, and so is an inviter."""
    async with Database.connect(sqlite_url) as db:
        await db.write(lambda conn: populate(conn, datetime.now(UTC)))
        conflicts = await db.read(
            lambda conn: {
                applicant.key: str(people.conflict_between(conn, *_ids(conn, "reviewer4", applicant.key)))
                for applicant in APPLICANTS
            }
        )
        members = await db.read(lambda conn: people.holders_of(conn, Role.MEMBER))
        size = select(func.count()).select_from(role_grants)
        grants = await db.read(lambda conn: conn.execute(size).scalar_one())
    assert conflicts["waiting"] == "same_circle"
    assert conflicts["changing"] == "inviter"
    assert len(members) == len(EVERYBODY)
    assert grants == len(EVERYBODY) + sum(len(someone.roles) for someone in EVERYBODY)


def _ids(conn: Connection, *keys: str) -> list[str]:
    emails = [f"{key}@{HOST}" for key in keys]
    known = people.ids_by_email(conn, emails)
    return [known[email] for email in emails]


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "UTC", "America/Los_Angeles", "Pacific/Kiritimati"])
@pytest.mark.parametrize("hour", range(24))
def test_a_campaign_that_begins_tomorrow_has_not_begun_at_any_hour(zone: str, hour: int):
    now = datetime(2026, 11, 25, hour, 16, tzinfo=UTC)
    drafted = plan_of(starts_on=now.date(), time_zone=zone)
    opens = day_opens(drafted.model_copy(update={"starts_on": first_date(drafted, 1, now)}), 1)
    assert now < opens <= now + timedelta(days=1)
