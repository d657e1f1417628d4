"""Mentions: who is called what in a campaign, whom a note mentions, and which notes mention somebody."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, func, select

from db.statements import chunked, insert_ignore
from db.tables.campaigns import campaigns, check_ins, enrolments
from db.tables.invitation_mails import mentions
from db.tables.people import people
from domain.campaigns.members import Place
from domain.campaigns.mentions import Mention, Named, folded
from domain.ids import new_id
from domain.people import PersonStatus

_ASCII = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


def called(conn: Connection, campaign_id: str, names: Collection[str]) -> dict[str, Named]:
    """Return who of a campaign, its leader included, is called one of ``names``, by folded name."""
    # SQLite lowers the Latin letters of ASCII only, PostgreSQL all.
    wanted = sorted({form for name in names for form in (name.lower(), name.translate(_ASCII))})
    found: dict[str, Named] = {}
    taking_part = select(enrolments.c.person_id).where(
        enrolments.c.campaign_id == campaign_id,
        enrolments.c.person_id == people.c.id,
        enrolments.c.status == Place.ACTIVE.value,
    )
    leader = select(campaigns.c.id).where(campaigns.c.id == campaign_id, campaigns.c.leader_id == people.c.id)
    for part in chunked(wanted, 500):
        key = func.lower(people.c.display_name)
        rows = conn.execute(
            select(func.min(people.c.id), func.min(people.c.display_name), func.count())
            .where(
                key.in_(part),
                people.c.status == PersonStatus.ACTIVE.value,
                taking_part.exists() | leader.exists(),
            )
            .group_by(key)
        )
        for person_id, name, number in rows:
            before = found.get(folded(name))
            found[folded(name)] = Named(person_id, name, number + (before.number if before else 0))
    return found


def record(
    conn: Connection, check_in_id: str, campaign_id: str, day: int, author_id: str, found: Sequence[Mention]
) -> None:
    """Write whom the note of a check-in mentions; done again it changes nothing."""
    rows = [
        {
            "id": new_id(),
            "check_in_id": check_in_id,
            "campaign_id": campaign_id,
            "day": day,
            "author_id": author_id,
            "person_id": one.person_id,
            "name": one.name,
        }
        for one in found
        if one.person_id is not None
    ]
    insert_ignore(conn, mentions, rows, conflict=["check_in_id", "person_id"])


def of_check_ins(conn: Connection, check_in_ids: Collection[str]) -> dict[str, list[Row[Any]]]:
    """Return whom the notes of check-ins mention, by check-in, in the order of the notes."""
    found: dict[str, list[Row[Any]]] = {}
    rows = conn.execute(
        select(mentions, people.c.display_name)
        .join(people, people.c.id == mentions.c.person_id)
        .where(mentions.c.check_in_id.in_(sorted(check_in_ids)))
        .order_by(mentions.c.id)
    )
    for row in rows:
        found.setdefault(row.check_in_id, []).append(row)
    return found


def own_note(conn: Connection, campaign_id: str, author_id: str, check_in_id: str) -> str:
    """Return the note of somebody's own check-in, nothing for any other."""
    own = and_(
        check_ins.c.id == check_in_id,
        check_ins.c.campaign_id == campaign_id,
        check_ins.c.person_id == author_id,
    )
    return str(conn.execute(select(check_ins.c.note).where(own)).scalar() or "")


def mentioning(
    conn: Connection, campaign_id: str, person_id: str, before: str | None, limit: int
) -> list[Row[Any]]:
    """Return notes of a campaign that mention somebody, newest first; ``before`` is the id of a mention.

    Notes of people who are away or were removed from the campaign are left out.
    """
    author = and_(
        enrolments.c.campaign_id == mentions.c.campaign_id, enrolments.c.person_id == mentions.c.author_id
    )
    found = (
        select(
            mentions.c.id,
            mentions.c.check_in_id,
            mentions.c.author_id,
            mentions.c.day,
            check_ins.c.note,
            check_ins.c.at,
            people.c.display_name,
        )
        .join(check_ins, check_ins.c.id == mentions.c.check_in_id)
        .join(people, people.c.id == mentions.c.author_id)
        .join(enrolments, author)
        .where(
            mentions.c.campaign_id == campaign_id,
            mentions.c.person_id == person_id,
            people.c.status == PersonStatus.ACTIVE.value,
            enrolments.c.status != Place.REMOVED.value,
        )
    )
    if before is not None:
        found = found.where(mentions.c.id < before)
    return list(conn.execute(found.order_by(mentions.c.id.desc()).limit(limit)))
