"""Pictures of check-ins: handed in first, named by one check-in, swept where none names them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, func, insert, select, update

from db.statements import insert_ignore
from db.tables.campaigns import check_ins
from db.tables.shares import check_in_pictures, private_notes

MOST_UNUSED = 5
"""Pictures that a member can have handed in to a campaign without a check-in that names them."""


class TooManyPictures(Exception):
    """The member has handed in pictures enough that no check-in names."""


def add(
    conn: Connection,
    *,
    picture_id: str,
    campaign_id: str,
    person_id: str,
    media_type: str,
    size: int,
    storage_name: str,
    now: datetime,
) -> None:
    """Add a stored file (``size`` in bytes). Raises ``TooManyPictures``."""
    unused = select(func.count()).where(
        check_in_pictures.c.campaign_id == campaign_id,
        check_in_pictures.c.person_id == person_id,
        check_in_pictures.c.check_in_id.is_(None),
    )
    if conn.execute(unused).scalar_one() >= MOST_UNUSED:
        raise TooManyPictures
    conn.execute(
        insert(check_in_pictures).values(
            id=picture_id,
            campaign_id=campaign_id,
            person_id=person_id,
            media_type=media_type,
            size=size,
            storage_name=storage_name,
            created_at=now,
        )
    )


def get(conn: Connection, campaign_id: str, picture_id: str) -> Row[Any] | None:
    """Return a picture of a campaign."""
    wanted = and_(check_in_pictures.c.id == picture_id, check_in_pictures.c.campaign_id == campaign_id)
    return conn.execute(select(check_in_pictures).where(wanted)).one_or_none()


def locked_unused(conn: Connection, ids: Collection[str]) -> dict[str, tuple[str, str]]:
    """Lock those of the pictures that no check-in names, and return whose they are: person, campaign."""
    if not ids:
        return {}
    wanted = and_(check_in_pictures.c.id.in_(sorted(ids)), check_in_pictures.c.check_in_id.is_(None))
    rows = conn.execute(
        select(check_in_pictures.c.id, check_in_pictures.c.person_id, check_in_pictures.c.campaign_id)
        .where(wanted)
        .order_by(check_in_pictures.c.id)
        .with_for_update()
    )
    return {row.id: (row.person_id, row.campaign_id) for row in rows}


def use(conn: Connection, named: Mapping[str, str]) -> None:
    """Write which check-in names which picture, both by id."""
    for picture_id, check_in_id in named.items():
        own = check_in_pictures.c.id == picture_id
        conn.execute(update(check_in_pictures).where(own).values(check_in_id=check_in_id))


def of_check_in(conn: Connection, check_in_id: str) -> str | None:
    """Return the picture that a check-in names."""
    named = select(check_in_pictures.c.id).where(check_in_pictures.c.check_in_id == check_in_id)
    return conn.execute(named).scalar_one_or_none()


def newest_unused(conn: Connection, campaign_id: str, person_id: str) -> str | None:
    """Return the picture that a member handed in last and has not checked in with."""
    own = and_(check_in_pictures.c.campaign_id == campaign_id, check_in_pictures.c.person_id == person_id)
    unused = select(check_in_pictures.c.id).where(own, check_in_pictures.c.check_in_id.is_(None))
    return conn.execute(unused.order_by(check_in_pictures.c.id.desc()).limit(1)).scalar_one_or_none()


def of_member(conn: Connection, campaign_id: str, person_id: str) -> Sequence[Any]:
    """Return the pictures that a member's check-ins name, with their days, newest first."""
    return conn.execute(
        select(check_in_pictures.c.id, check_ins.c.day)
        .join(check_ins, check_ins.c.id == check_in_pictures.c.check_in_id)
        .where(check_in_pictures.c.campaign_id == campaign_id, check_in_pictures.c.person_id == person_id)
        .order_by(check_ins.c.day.desc())
    ).all()


def keep_private(conn: Connection, check_in_ids: Iterable[str]) -> None:
    """Keep the notes of check-ins from being shown to everybody."""
    rows = [{"check_in_id": one} for one in check_in_ids]
    insert_ignore(conn, private_notes, rows, conflict=["check_in_id"])


def sweep(conn: Connection, before: datetime, limit: int) -> int:
    """Delete up to ``limit`` pictures that came before then and that no check-in names; return how many."""
    old = (
        select(check_in_pictures.c.id)
        .where(check_in_pictures.c.check_in_id.is_(None), check_in_pictures.c.created_at < before)
        .order_by(check_in_pictures.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    ids = list(conn.execute(old).scalars())
    if ids:
        conn.execute(delete(check_in_pictures).where(check_in_pictures.c.id.in_(ids)))
    return len(ids)


def known_storage_names(conn: Connection, names: Iterable[str]) -> set[str]:
    """Return those of ``names`` (≤ 10,000) that a picture uses."""
    wanted = check_in_pictures.c.storage_name.in_(list(names))
    return set(conn.execute(select(check_in_pictures.c.storage_name).where(wanted)).scalars())
