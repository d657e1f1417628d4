"""Campaigns in the states that the demo community has none in, and where its own are found."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import select, update

from api.schemas.enrolments import EnrolIn
from api.services import enrolments
from db.database import Database
from db.repositories import invitation_codes, people, rehearsals
from db.tables.campaigns import campaigns, settlements
from db.tables.invitations import invitation_joins
from db.tables.shares import featured_notes
from domain.campaigns.calendar import day_closes, day_opens
from domain.campaigns.invitations import Channel
from domain.campaigns.plan import CampaignPlan
from domain.campaigns.rehearsal import Temperament
from domain.campaigns.terms import Status
from domain.ids import new_id
from domain.people import normalise_email
from engine.seed_campaigns import Told
from engine.seed_people import ADMIN, HOST
from engine.visitors import Entrance
from tests.browser.cases import Case
from tests.support.campaigns import MONDAY, Campaign
from tests.support.rehearsals import forecast_of, script_of

PROOFS: Final = {"proofs": ["note", "link", "picture"], "min_note_characters": 10}


async def person_of(db: Database, key: str) -> str:
    """Return the id of somebody at the demo community's host."""
    email = normalise_email(f"{key}@{HOST}")
    return (await db.read(lambda conn: people.ids_by_email(conn, [email])))[email]


async def campaign_of(db: Database, told: Told) -> str:
    """Return the id of one of the demo community's campaigns."""
    leader = await person_of(db, told.leader)
    mine = (campaigns.c.template == told.template) & (campaigns.c.leader_id == leader)
    wanted = select(campaigns.c.id).where(mine)
    return str(await db.read(lambda conn: conn.execute(wanted).scalar_one()))


async def share_of(db: Database, campaign_id: str) -> tuple[str, str]:
    """Return the code of a featured note and its check-in's id."""
    wanted = select(featured_notes.c.code, featured_notes.c.check_in_id)
    wanted = wanted.where(featured_notes.c.campaign_id == campaign_id)
    row = await db.read(lambda conn: conn.execute(wanted).first())
    assert row is not None
    return str(row.code), str(row.check_in_id)


async def certified_of(db: Database, campaign_id: str) -> tuple[str, str]:
    """Return who has a certificate of a campaign, by address, and its code."""
    mine = (settlements.c.campaign_id == campaign_id) & settlements.c.certificate_code.is_not(None)
    wanted = select(settlements.c.person_id, settlements.c.certificate_code).where(mine)
    row = await db.read(lambda conn: conn.execute(wanted).first())
    assert row is not None
    person = await db.read(lambda conn: people.get(conn, row.person_id))
    assert person is not None
    return person.email.partition("@")[0], str(row.certificate_code)


@dataclass
class States:
    """Campaigns of one leader by state; ``member`` takes part in those that have days.

    What a process decides goes through it; days that went by are rows.
    """

    db: Database
    door: Entrance
    leader: Case
    member: Case
    ids: dict[str, str] = field(default_factory=dict)

    async def with_days(self) -> "States":
        """Add what a member meets: to come, open, in line, resting, paused, proofs, settling, cut short."""
        leader, member = [await person_of(self.db, case.key) for case in (self.leader, self.member)]
        await self._row("scheduled", leader, Status.SCHEDULED)
        await self._row("enrolling", leader, Status.ENROLLING)
        full = await self._row("in_line", leader, Status.ENROLLING, capacity=1)
        await full.enrol(leader)
        await full.enrol(member)
        # The sixth day from a Monday is a Saturday.
        for name, status, day, more in (
            ("resting", Status.RUNNING, 6, {"rest_weekdays": [5, 6]}),
            ("paused", Status.PAUSED, 5, {}),
            ("proofs", Status.RUNNING, 3, {"requirement": PROOFS}),
            ("settling", Status.SETTLING, 31, {}),
            ("cut_short", Status.CANCELLED, 4, {}),
        ):
            campaign = await self._row(name, leader, Status.ENROLLING, **more)
            await campaign.enrol(member)
            await campaign.go(1)
            await campaign.check_in(member)
            await campaign.go(day, status)
        return self

    async def _row(self, name: str, leader: str, status: Status, **plan: Any) -> Campaign:
        found = await Campaign.at(self.db, status=status, leader=leader, **{"starts_on": MONDAY} | plan)
        self.ids[name] = found.id
        agreed = CampaignPlan.model_validate((await found.row())["plan"])
        # As the process writes them; letters of enrolments tell them, and the outbox shows these.
        span = {"starts_at": day_opens(agreed, 1), "ends_at": day_closes(agreed, agreed.length_days)}
        write = update(campaigns).where(campaigns.c.id == found.id).values(**span)
        await self.db.write(lambda conn: conn.execute(write) and None)
        return found

    async def decided(self) -> "States":
        """Add what staff and the leader decided: sent back, rejected, cancelled; and one that waits."""
        leader, admin = await self.leader.visitor(), await self.leader.visitor(ADMIN)
        note = {
            "reasons": ["rewards_too_high"],
            "note": "Fewer points a day, please: the pool is for everybody.",
        }
        for name in ("sent_back", "rejected", "cancelled", "in_review"):
            starts_on = (datetime.now(UTC) + timedelta(days=20)).date().isoformat()
            body = {"template": "topic_discussion", "starts_on": starts_on}
            self.ids[name] = (await leader.post("/campaigns", body))["id"]
            path = f"/campaigns/{self.ids[name]}"
            await leader.post(f"{path}/submit")
            if name == "cancelled":
                await leader.post(f"{path}/cancel", {"reason": "No time."})
            elif name != "in_review":
                decision = "request_changes" if name == "sent_back" else "reject"
                await admin.post(f"{path}/review", {"decision": decision} | note)
        return self

    async def rehearsed(self, name: str) -> str:
        """Add a rehearsal of one of them with its forecast; return its id."""
        rehearsal_id, script, now = new_id(), script_of(), datetime.now(UTC)
        leader = await person_of(self.db, self.leader.key)

        def write(conn: Any) -> None:
            asked = (rehearsal_id, self.ids[name], leader, script, Temperament.TYPICAL, now)
            assert rehearsals.ask(conn, *asked)
            assert rehearsals.begin(conn, rehearsal_id, 1, now)
            assert rehearsals.finish(conn, rehearsal_id, 1, forecast_of(script), now)

        await self.db.write(write)
        return rehearsal_id

    async def doubted(self, friend: Case) -> str:
        """Let ``friend`` come by the leader's invitation, doubtfully; return the case's id."""
        leader, person = [await person_of(self.db, case.key) for case in (self.leader, friend)]
        campaign_id, now = self.ids["enrolling"], datetime.now(UTC)
        mine = invitation_joins.c.friend_id == person
        doubt = {"status": "doubtful", "reasons": ["ring", "velocity"], "client_hash": "c" * 64}

        def write(conn: Any) -> str:
            made = invitation_codes.personal(conn, campaign_id, leader, Channel.LINK, 30, now)
            enrolments.enrol(conn, campaign_id, person, EnrolIn(invite_code=made.code), now)
            conn.execute(update(invitation_joins).where(mine).values(**doubt))
            return str(conn.execute(select(invitation_joins.c.id).where(mine)).scalar_one())

        return await self.db.write(write)
