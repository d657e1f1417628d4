"""Campaigns as rows, with people in them: for what needs a campaign's state but not its process."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert, select, update

from contracts.base import campaign_process_id
from contracts.campaigns import BulkInput
from db.database import Database
from db.repositories import amnesties, check_ins, enrolments, processes
from db.repositories import campaigns as repository
from db.repositories.campaign_bulk import Cursor
from db.repositories.check_in_records import Rules, rules_of
from db.repositories.check_ins import CheckedIn, CheckIn
from db.repositories.enrolments import Entry, Newcomer
from db.tables.campaigns import campaigns
from db.tables.campaigns import check_ins as check_in_rows
from db.tables.campaigns import enrolments as enrolment_rows
from db.tables.people import people
from domain.campaigns.calendar import Shift
from domain.campaigns.members import SHARDS
from domain.campaigns.plan import CampaignPlan
from domain.campaigns.state import Amnesty
from domain.campaigns.templates import TemplateCode
from domain.campaigns.terms import Status
from domain.ids import new_id
from domain.people import normalise_email

MONDAY = date(2026, 3, 2)
NOTE = "Read two chapters about compound interest, and tried the sums at home."


def plan_of(**changes: Any) -> CampaignPlan:
    """A plan of thirty days from a Monday on, with whatever is changed."""
    return CampaignPlan(**{"starts_on": MONDAY, "length_days": 30} | changes)


def add_people(conn: Connection, number: int, **values: Any) -> list[str]:
    """Add active people; return their ids."""
    now = datetime.now(UTC)
    rows = []
    for _ in range(number):
        person_id = new_id()
        email = f"{person_id}@people.example"
        row = {
            "id": person_id,
            "email": email,
            "email_normalised": normalise_email(email),
            "display_name": f"Shown {person_id[-4:]}",
            "locale": "en",
            "time_zone": "UTC",
            "joined_at": now - timedelta(days=400),
            "created_at": now,
        }
        rows.append(row | values)
    conn.execute(insert(people), rows)
    return [str(row["id"]) for row in rows]


@dataclass
class Campaign:
    """A campaign in the database and what its members can do."""

    db: Database
    id: str
    leader: str
    members: list[str] = field(default_factory=list)

    @classmethod
    async def at(
        cls,
        db: Database,
        *,
        day: int = 0,
        status: Status | None = None,
        members: int = 0,
        leader: str | None = None,
        **changes: Any,
    ) -> "Campaign":
        """A campaign on ``day`` (0: enrolling), with ``members`` enrolled on its first day."""
        plan, now = plan_of(**changes), datetime.now(UTC)

        def write(conn: Connection) -> Campaign:
            led_by = leader or add_people(conn, 1)[0]
            words = {"title": "Thirty days of book-keeping"}
            campaign_id = repository.create(conn, led_by, TemplateCode.LEARNING_PLAN.value, words, plan, now)
            campaign = cls(db, campaign_id, led_by)
            campaign.move(conn, 0, Status.ENROLLING)
            for person_id in add_people(conn, members) if members else []:
                assert enrolments.enrol(conn, Newcomer(campaign_id, person_id), now) is Entry.ENROLLED
                campaign.members.append(person_id)
            campaign.move(conn, day, status or (Status.RUNNING if day else Status.ENROLLING))
            return campaign

        return await db.write(write)

    def move(self, conn: Connection, day: int, status: Status, shifts: Sequence[Shift] = ()) -> None:
        """Write what the process would: the day, the status, pauses that are over."""
        row = conn.execute(select(campaigns).where(campaigns.c.id == self.id)).one()
        values = {
            "day": day,
            "status": status.value,
            "closed_through": max(day - 1, 0),
            "revision": row.revision + 1,
        }
        conn.execute(update(campaigns).where(campaigns.c.id == self.id).values(**values))
        if shifts:
            state = {"shifts": [shift.model_dump() for shift in shifts]}
            processes.write_state(conn, campaign_process_id(self.id), "a run", row.revision + 1, state)

    async def go(self, day: int, status: Status = Status.RUNNING) -> None:
        """Go to ``day``; the bulk work of the days before is not done."""
        await self.db.write(lambda conn: self.move(conn, day, status))

    async def enrol(self, person_id: str, **values: Any) -> Entry:
        """Enrol somebody."""
        newcomer = Newcomer(self.id, person_id, **values)
        return await self.db.write(lambda conn: enrolments.enrol(conn, newcomer, datetime.now(UTC)))

    async def leave(self, person_id: str) -> Entry:
        """Leave."""
        return await self.db.write(lambda conn: enrolments.leave(conn, self.id, person_id, datetime.now(UTC)))

    async def check_in(self, person_id: str, **values: Any) -> CheckedIn:
        """Check in with a note that says something, unless told otherwise."""
        one = CheckIn(self.id, person_id, **{"note": NOTE} | values)
        return (await self.db.write(lambda conn: check_ins.check_in(conn, [one], datetime.now(UTC))))[0]

    async def row(self) -> dict[str, Any]:
        """Return the campaign's row."""
        found = await self.rows(select(campaigns).where(campaigns.c.id == self.id))
        return found[0]

    async def rules(self) -> Rules:
        """Return what the campaign's check-ins are judged by now."""
        wanted = select(campaigns).where(campaigns.c.id == self.id)
        return await self.db.read(lambda conn: rules_of(conn, conn.execute(wanted).one()))

    async def amnesty(self, days: Iterable[int], at: datetime, page: int = 5_000) -> int:
        """Write an amnesty as the process would, and repair everybody; return how many changed."""
        number = len((await self.row())["amnesties"]) + 1
        given = Amnesty(number=number, days=tuple(days), declared_by=self.leader, declared_at=at)
        await self.db.write(lambda conn: amnesties.write(conn, self.id, given))
        await self.repair(given, at, page)
        one = BulkInput(campaign_id=self.id, process_id="p", at=at, first=0, last=SHARDS, number=number)
        return (await self.db.read(lambda conn: amnesties.sums(conn, one))).members

    async def repair(self, given: Amnesty, at: datetime, page: int = 5_000) -> None:
        """Count everybody again, page by page."""
        shard = BulkInput(
            campaign_id=self.id,
            process_id=campaign_process_id(self.id),
            at=at,
            first=0,
            last=SHARDS,
            number=given.number,
            amnesty=given,
        )
        end: Cursor | None = None
        while True:
            after = end
            done = await self.db.write(
                lambda conn: amnesties.repair_page(conn, shard, after, page, at)  # noqa: B023
            )
            if (end := done.end) is None:
                return

    async def member(self, person_id: str) -> dict[str, Any]:
        """Return somebody's enrolment."""
        wanted = (enrolment_rows.c.campaign_id == self.id) & (enrolment_rows.c.person_id == person_id)
        return (await self.rows(select(enrolment_rows).where(wanted)))[0]

    async def done(self, person_id: str) -> list[tuple[int, str]]:
        """Return somebody's days and how each was checked in."""
        mine = (check_in_rows.c.campaign_id == self.id) & (check_in_rows.c.person_id == person_id)
        found = await self.rows(select(check_in_rows).where(mine).order_by(check_in_rows.c.day))
        return [(row["day"], row["kind"]) for row in found]

    async def rows(self, statement: Any) -> list[dict[str, Any]]:
        """Return the rows of ``statement`` as dictionaries."""
        return await self.db.read(lambda conn: [dict(row._mapping) for row in conn.execute(statement)])
