"""Amnesties: after an outage everybody rests on the days that it spoilt, and streaks are made whole."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, select, update

from contracts.campaigns import BulkInput, BulkResult
from db.repositories.campaign_bulk import Cursor, Page, in_page, page_end
from db.repositories.check_in_records import Kind, Rules, recounted, rules_of
from db.repositories.enrolments import cards_used
from db.statements import insert_ignore
from db.tables.campaigns import campaign_amnesties, campaigns, check_ins, enrolments
from db.tables.people import notes, people
from domain.campaigns.members import Place
from domain.campaigns.state import Amnesty


def write(conn: Connection, campaign_id: str, given: Amnesty) -> None:
    """Make the days of an amnesty days of rest, from the next check-in on; written again it changes nothing.

    The caller holds the campaign's row. What members' counters say of those days is repaired by pages.
    """
    row = {
        "campaign_id": campaign_id,
        "number": given.number,
        "days": list(given.days),
        "declared_by": given.declared_by,
        "declared_at": given.declared_at,
        "note_id": given.note_id,
        "members": 0,
    }
    if not insert_ignore(conn, campaign_amnesties, [row], conflict=["campaign_id", "number"]):
        return
    mine = campaigns.c.id == campaign_id
    before = conn.execute(select(campaigns.c.amnesties).where(mine)).scalar_one()
    batch = {"number": given.number, "days": list(given.days)}
    conn.execute(update(campaigns).where(mine).values(amnesties=[*before, batch]))


def repair_page(conn: Connection, given: BulkInput, after: Cursor | None, size: int, now: datetime) -> Page:
    """Count one page of members again from what they did; done again it changes nothing.

    Cards that were spent on the days are given back with that.
    """
    end = page_end(conn, given, after, size)
    if end is None or given.amnesty is None:
        return Page(None, 0)
    members = conn.execute(
        select(enrolments)
        .where(*in_page(given, after, end), enrolments.c.status == Place.ACTIVE.value)
        .order_by(enrolments.c.person_id)
        .with_for_update()
    ).all()
    # Read after the members are locked: whoever has been closed for a day is not counted for the one before.
    row = conn.execute(select(campaigns).where(campaigns.c.id == given.campaign_id)).one()
    changes = _changes(conn, row, members, set(given.amnesty.days)) if members else []
    if changes:
        _write(conn, given, changes)
    return Page(end, len(changes))


def _changes(conn: Connection, row: Row[Any], members: Sequence[Any], days: set[int]) -> list[dict[str, Any]]:
    rules: Rules = rules_of(conn, row)
    records, changes = _records(conn, row.id, members), []
    for member in members:
        record = records[member.person_id]
        if member.first_day > max(days) or all(record.get(day) is Kind.DAY for day in days):
            continue
        values = recounted(record, row.day, rules, member.first_day) | cards_used(record, rules)
        # A day that has just ended is closed by an order of its own, which may still be to come.
        if any(getattr(member, name) != value for name, value in values.items()):
            changes.append({"member": member.person_id, **values})
    return changes


def _write(conn: Connection, given: BulkInput, changes: list[dict[str, Any]]) -> None:
    mine = and_(enrolments.c.campaign_id == given.campaign_id, enrolments.c.person_id == bindparam("member"))
    names = [name for name in changes[0] if name != "member"]
    conn.execute(update(enrolments).where(mine).values({name: bindparam(name) for name in names}), changes)
    # Last, because every shard adds to the same row.
    conn.execute(
        update(campaign_amnesties)
        .where(*_batch(given))
        .values(members=campaign_amnesties.c.members + len(changes))
    )


def _batch(given: BulkInput) -> tuple[Any, Any]:
    return (
        campaign_amnesties.c.campaign_id == given.campaign_id,
        campaign_amnesties.c.number == given.number,
    )


def _records(conn: Connection, campaign_id: str, members: Sequence[Any]) -> Mapping[str, dict[int, Kind]]:
    rows = conn.execute(
        select(check_ins.c.person_id, check_ins.c.day, check_ins.c.kind).where(
            check_ins.c.campaign_id == campaign_id,
            check_ins.c.person_id.in_([member.person_id for member in members]),
        )
    )
    found: dict[str, dict[int, Kind]] = defaultdict(dict)
    for person_id, day, kind in rows:
        found[person_id][day] = Kind(kind)
    return found


def sums(conn: Connection, given: BulkInput) -> BulkResult:
    """Return how many members an amnesty has changed so far, those of other shards included."""
    found = conn.execute(select(campaign_amnesties.c.members).where(*_batch(given))).scalar()
    return BulkResult(members=int(found or 0))


def of_campaign(conn: Connection, campaign_id: str) -> list[Row[Any]]:
    """Return the amnesties of a campaign, newest first, with ``actor_name`` and the text as ``reason``."""
    rows = (
        select(
            campaign_amnesties,
            people.c.display_name.label("actor_name"),
            notes.c.body.label("reason"),
        )
        .outerjoin(people, people.c.id == campaign_amnesties.c.declared_by)
        .outerjoin(notes, notes.c.id == campaign_amnesties.c.note_id)
        .where(campaign_amnesties.c.campaign_id == campaign_id)
        .order_by(campaign_amnesties.c.number.desc())
    )
    return list(conn.execute(rows))
