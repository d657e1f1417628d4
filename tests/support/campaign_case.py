"""A campaign that can be carried from its plan to its settlement, on the real server and database."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import insert, select, update
from temporalio.client import Client

from contracts.campaigns import Act, CampaignView, Declare, Extend
from db.database import Database
from db.repositories import campaigns as repository
from db.repositories import points
from db.tables.campaigns import check_ins, enrolments
from db.tables.people import people, role_grants
from domain.campaigns.calendar import day_opens
from domain.campaigns.members import Place, shard_of
from domain.campaigns.policy import CampaignPolicy
from domain.campaigns.templates import TemplateCode, plan_for
from domain.ids import new_id
from domain.people import Role
from domain.points import Source
from engine.campaign_driver import CampaignDriver
from tests.support.people import person_row
from workflows.campaigns import CampaignWorkflow

DAY = timedelta(days=1)
WORDS = {"title": "Thirty days of book-keeping", "summary": "", "description": "", "task": "Write a note."}
POOL = 1_000_000


@dataclass
class CampaignCase(CampaignDriver):
    """One campaign and everything that people can do to it."""

    # One reminder a day: each is a timer to skip.
    policy: CampaignPolicy = field(default_factory=lambda: CampaignPolicy(reminder_hours=(21,)))
    members: list[str] = field(default_factory=list)

    @classmethod
    async def begin(
        cls,
        db: Database,
        client: Client,
        queue: str,
        *,
        members: int = 3,
        template: TemplateCode = TemplateCode.LEARNING_PLAN,
        starts_in: int = 10,
        pool: int = POOL,
        policy: CampaignPolicy | None = None,
        **changes: Any,
    ) -> "CampaignCase":
        """Seed a leader, a manager, members and a pool, and draft a campaign."""
        starts_on: date = (datetime.now(UTC) + starts_in * DAY).date()
        case = cls(db, client, queue, plan_for(template, starts_on, changes))
        case.policy = policy or case.policy
        case.leader = await case.person("leader", Role.LEADER)
        case.manager = await case.person("manager", Role.CAMPAIGN_MANAGER)
        case.members = [await case.person(f"member{number}") for number in range(members)]
        now = datetime.now(UTC)

        def draft(conn: Any) -> str:
            if pool:
                points.deposit(
                    conn,
                    key=f"pool:{case.manager}",
                    amount=pool,
                    source=Source.SPONSORSHIP,
                    reference="a sponsor",
                    actor_id=case.manager,
                    at=now,
                )
            return repository.create(conn, case.leader, template.value, WORDS, case.plan, now)

        case.id = await db.write(draft)
        return case

    async def person(self, name: str, *roles: Role) -> str:
        """Add an active person; return the id."""
        row = person_row(name)
        grants = [
            {"person_id": row["id"], "role": role.value, "granted_at": row["created_at"]} for role in roles
        ]

        def write(conn: Any) -> None:
            conn.execute(insert(people), [row])
            if grants:
                conn.execute(insert(role_grants), grants)

        await self.db.write(write)
        return str(row["id"])

    async def pause(self) -> CampaignView:
        return await self.send(CampaignWorkflow.pause, Act(actor_id=self.leader))

    async def resume(self) -> CampaignView:
        return await self.send(CampaignWorkflow.resume, Act(actor_id=self.leader))

    async def extend(self, days: int) -> CampaignView:
        return await self.send(CampaignWorkflow.extend, Extend(actor_id=self.leader, days=days))

    async def cancel(self) -> CampaignView:
        return await self.send(CampaignWorkflow.cancel, Act(actor_id=self.leader))

    async def amnesty(self, *days: int, by: str | None = None, update_id: str | None = None) -> CampaignView:
        request = Declare(actor_id=by or self.manager, days=days)
        return await self.send(CampaignWorkflow.amnesty, request, update_id)

    async def status(self) -> CampaignView:
        view: CampaignView = await self.handle.query(CampaignWorkflow.status)
        return view

    async def settled_down(self) -> None:
        """Wait until the campaign has carried out what was ordered."""
        await self.settle_by(await self.now())

    async def to_day(self, day: int) -> None:
        """Approve what was handed in, if it was not yet, and move to a minute into `day`."""
        view = await self.status()
        if view.status.value == "in_review":
            view = await self.review()
        await self.skip_to(day_opens(self.plan, day) + timedelta(minutes=1))
        assert (await self.row())["day"] == day

    async def rows(self, statement: Any) -> list[dict[str, Any]]:
        return await self.db.read(lambda conn: [dict(row._mapping) for row in conn.execute(statement)])

    async def enrol(self, person_ids: Iterable[str] | None = None, **values: Any) -> None:
        """Enrol by hand, as the enrolment's transaction would."""
        rows = [
            {
                "campaign_id": self.id,
                "person_id": person_id,
                "status": Place.ACTIVE.value,
                "shard": shard_of(person_id),
                "enrolled_at": datetime.now(UTC),
                "first_day": 1,
                "reminder_hour": 21,
                **values,
            }
            for person_id in (self.members if person_ids is None else person_ids)
        ]
        await self.db.write(lambda conn: conn.execute(insert(enrolments), rows) and None)

    async def check_in(self, person_id: str, day: int) -> None:
        """Check in by hand, with the counters that the check-in's transaction keeps."""

        def write(conn: Any) -> None:
            conn.execute(
                insert(check_ins).values(
                    campaign_id=self.id,
                    day=day,
                    person_id=person_id,
                    id=new_id(),
                    kind="day",
                    note="Noted.",
                    at=datetime.now(UTC),
                )
            )
            mine = (enrolments.c.campaign_id == self.id) & (enrolments.c.person_id == person_id)
            row = conn.execute(select(enrolments).where(mine)).one()
            streak = row.streak + 1 if row.last_day == day - 1 else 1
            conn.execute(
                update(enrolments)
                .where(mine)
                .values(
                    days_done=row.days_done + 1,
                    last_day=day,
                    streak=streak,
                    best_streak=max(streak, row.best_streak),
                    missed_in_a_row=0,
                )
            )

        await self.db.write(write)
