"""The mail queue: rows written with the change that they report, once per key."""

import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    String,
    case,
    func,
    literal,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from contracts.mail import MailRequest, RollMail
from db.bulk import BulkInsert
from db.statements import insert_ignore
from db.tables.ballots import ballot_roll
from db.tables.mail import mails, suppressions
from db.tables.people import people
from domain.ids import new_id
from domain.mail import BARS_EVERYTHING, MailStatus, MailTemplate
from domain.people import PersonStatus, normalise_email

_REACHABLE = people.c.status == PersonStatus.ACTIVE.value
_BARS_ALL = [reason.value for reason in BARS_EVERYTHING]


def queue(conn: Connection, requests: Iterable[MailRequest], now: datetime) -> int:
    """Queue ``requests`` and return how many rows are new.

    Address, name, language and time zone are taken from the person as they are now. Who is deleted
    or suspended gets nothing, and neither does list mail reach who switched it off; a suppressed
    address leaves a row with status ``suppressed``. ``now`` is the wall clock (UTC), never the time
    of a process, which may have been skipped.
    """
    wanted = list(requests)
    if not wanted:
        return 0
    readers = _readers(conn, {request.person_id for request in wanted})
    rows = [
        _row(request, readers[request.person_id], now)
        for request in wanted
        if request.person_id in readers and _wants(request, readers[request.person_id])
    ]
    return _QUEUED.run(conn, rows)


class Stranger(NamedTuple):
    """Somebody who is no person yet, and how to address them."""

    email: str
    name: str
    locale: str
    time_zone: str


def queue_to_stranger(
    conn: Connection, key: str, template: MailTemplate, to: Stranger, secret: str, now: datetime
) -> int:
    """Queue one mail with a sealed ``secret`` to an address that belongs to nobody here; 1 if it is new.

    A suppressed address leaves a row with status ``suppressed``. ``now`` as in ``queue``.
    """
    normalised = normalise_email(to.email)
    found = select(suppressions.c.reason).where(suppressions.c.email_normalised == normalised)
    barred = conn.execute(found).scalar() in _BARS_ALL
    row: dict[str, Any] = {
        "id": new_id(),
        "key": key,
        "to_email": to.email,
        "to_name": to.name,
        "locale": to.locale,
        "time_zone": to.time_zone,
        "template": template.value,
        "data": {},
        "secret_sealed": None if barred else secret.encode(),
        "list_mail": 0,
        "status": MailStatus.SUPPRESSED.value if barred else MailStatus.QUEUED.value,
        "attempts": 0,
        "not_before": now,
        "created_at": now,
    }
    return insert_ignore(conn, mails, [row], conflict=["key"])


def queue_roll(conn: Connection, mail: RollMail, first: int, last: int, now: datetime) -> int:
    """Queue ``mail`` for the roll positions ``[first, last)``; return how many rows are new.

    One statement, whatever the size of the page. Rules of who gets it and ``now`` as in ``queue``.
    """
    reader = select(
        _page_id(conn),
        literal(mail.key_prefix, String) + people.c.id,
        literal(mail.process_id, String),
        people.c.id,
        people.c.email,
        people.c.display_name,
        people.c.locale,
        people.c.time_zone,
        literal(mail.template.value, String),
        literal(mail.data, mails.c.data.type),
        literal(1, Integer),
        case((suppressions.c.reason.is_(None), MailStatus.QUEUED.value), else_=MailStatus.SUPPRESSED.value),
        literal(0, Integer),
        literal(now, mails.c.not_before.type),
        literal(now, mails.c.created_at.type),
    )
    page = (
        reader.select_from(ballot_roll)
        .join(people, people.c.id == ballot_roll.c.person_id)
        .outerjoin(suppressions, suppressions.c.email_normalised == people.c.email_normalised)
        .where(
            ballot_roll.c.ballot_id == mail.ballot_id,
            ballot_roll.c.position >= first,
            ballot_roll.c.position < last,
            _REACHABLE,
            people.c.list_mail,
        )
    )
    if mail.only_not_voted:
        page = page.where(~ballot_roll.c.has_voted)
    insert = postgresql.insert if conn.dialect.name == "postgresql" else sqlite.insert
    statement = (
        insert(mails)
        .from_select(_ROLL_COLUMNS, page, include_defaults=False)
        .on_conflict_do_nothing(index_elements=["key"])
    )
    # Without the option a plain psycopg connection answers -1.
    return int(conn.execute(statement, execution_options={"preserve_rowcount": True}).rowcount)


_ROLL_COLUMNS = [
    "id",
    "key",
    "process_id",
    "person_id",
    "to_email",
    "to_name",
    "locale",
    "time_zone",
    "template",
    "data",
    "list_mail",
    "status",
    "attempts",
    "not_before",
    "created_at",
]


def _page_id(conn: Connection) -> ColumnElement[str]:
    """Ids of one page: the front of a fresh UUIDv7, then the position, so that they rise with it.

    Rising ids go to the end of the primary key's index; random ones halve the rate of a large fan-out.
    """
    # The millisecond of a UUIDv7, and chance: ids made in one millisecond differ where the position goes.
    chance = secrets.token_hex(3)
    front = literal(f"{new_id()[:15]}{chance[:3]}-8{chance[3:]}-", String)
    if conn.dialect.name == "postgresql":
        return front + func.lpad(func.to_hex(ballot_roll.c.position), 12, "0")
    return front + func.printf("%012x", ballot_roll.c.position, type_=String)


def _readers(conn: Connection, ids: set[str]) -> dict[str, Any]:
    columns = (
        people.c.id,
        people.c.email,
        people.c.display_name,
        people.c.locale,
        people.c.time_zone,
        people.c.list_mail,
        people.c.status,
        suppressions.c.reason,
    )
    rows = conn.execute(
        select(*columns)
        .outerjoin(suppressions, suppressions.c.email_normalised == people.c.email_normalised)
        .where(people.c.id.in_(sorted(ids)))
    )
    # Asked for in the statement, SQLite would go through everybody of that status to find these few.
    return {row.id: row for row in rows if row.status == PersonStatus.ACTIVE}


def _wants(request: MailRequest, reader: Any) -> bool:
    return bool(reader.list_mail) or not request.list_mail


_QUEUED = BulkInsert(
    mails,
    (
        *("id", "key", "process_id", "person_id", "to_email", "to_name", "locale", "time_zone", "template"),
        *("data", "secret_sealed", "list_mail", "status", "attempts", "not_before", "created_at"),
    ),
    conflict=["key"],
)


def _row(request: MailRequest, reader: Any, now: datetime) -> tuple[Any, ...]:
    barred = reader.reason in _BARS_ALL or (reader.reason is not None and request.list_mail)
    return (
        new_id(),
        request.key,
        request.process_id,
        request.person_id,
        reader.email,
        reader.display_name,
        reader.locale,
        reader.time_zone,
        request.template.value,
        request.data,
        request.sealed_secret.encode() if request.sealed_secret and not barred else None,
        int(request.list_mail),
        MailStatus.SUPPRESSED.value if barred else MailStatus.QUEUED.value,
        0,
        now,
        now,
    )
