"""What members read once they are paid: why it was cut short, as it was typed, and nothing else's note."""

from datetime import UTC, datetime

from sqlalchemy import Connection, select

from contracts.base import campaign_process_id
from db.database import Database
from db.repositories import mail_delivery, notes, processes
from db.repositories.notes import NoteKind
from db.tables.mail import mails
from domain.ids import new_id
from domain.mail import MailTemplate
from domain.process import Entry
from tests.support.campaigns import Campaign
from tests.support.settling import fund, settle

OF_SETTLEMENT = mails.c.template != MailTemplate.CAMPAIGN_ENROLLED


async def noted(campaign: Campaign, seq: int, code: str, body: str) -> str:
    """Do something to the campaign and say why, as its process does; return the id of the note."""
    note_id, now = new_id(), datetime.now(UTC)
    process_id = campaign_process_id(campaign.id)

    def write(conn: Connection) -> None:
        about = {"process_id": process_id, "author_id": campaign.leader, "kind": NoteKind.CAMPAIGN}
        notes.keep(conn, note_id, **about, body=body, now=now)  # type: ignore[arg-type]
        processes.write_timeline(conn, process_id, [Entry(seq=seq, at=now, code=code, note_id=note_id)], now)

    await campaign.db.write(write)
    return note_id


async def read(campaign: Campaign) -> set[tuple[str, str | None]]:
    """Which letters came of the settlement, and the note that each quotes."""

    def letters(conn: Connection) -> set[tuple[str, str | None]]:
        rows = conn.execute(select(mails).where(OF_SETTLEMENT)).mappings()
        return {(one.template, one.note) for one in mail_delivery.letters(conn, [dict(row) for row in rows])}

    return await campaign.db.read(letters)


async def test_who_is_paid_early_reads_why_it_was_cancelled(db: Database) -> None:
    campaign = await Campaign.at(db, day=2, members=3)
    await fund(campaign)
    await noted(campaign, 1, "campaign_paused", "A week of holidays")
    note_id = await noted(campaign, 2, "campaign_cancelled", "The teacher has moved away")
    await settle(campaign, cancelled=True)
    assert await read(campaign) == {("campaign_ended_early", "The teacher has moved away")}
    # Only the id is kept with the mail: what was typed is in one place, and can be taken out of it.
    kept = await campaign.rows(select(mails.c.data).where(OF_SETTLEMENT))
    assert {row["data"]["note_id"] for row in kept} == {note_id}


async def test_who_is_paid_early_reads_on_where_no_reason_was_given(db: Database) -> None:
    campaign = await Campaign.at(db, day=2, members=3)
    await fund(campaign)
    await settle(campaign, cancelled=True)
    assert await read(campaign) == {("campaign_ended_early", None)}


async def test_a_result_quotes_nothing(db: Database) -> None:
    campaign = await Campaign.at(db, day=2, members=3)
    await fund(campaign)
    await noted(campaign, 1, "campaign_paused", "A week of holidays")
    await settle(campaign)
    assert await read(campaign) == {("campaign_result", None)}
