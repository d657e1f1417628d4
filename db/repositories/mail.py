"""The mail queue: rows written with the change that they report, once per key."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    String,
    bindparam,
    case,
    func,
    literal,
    select,
)

from contracts.mail import MailRequest, RollMail
from db.bulk import BulkInsert
from db.statements import RisingIds, counted, insert_from, insert_ignore, json_of
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
    page = ballot_roll.join(people, people.c.id == ballot_roll.c.person_id)
    which = [
        *(ballot_roll.c.ballot_id == mail.ballot_id, people.c.list_mail),
        *(ballot_roll.c.position >= first, ballot_roll.c.position < last),
    ]
    if mail.only_not_voted:
        which.append(~ballot_roll.c.has_voted)
    data = literal(mail.data, mails.c.data.type)
    barred = suppressions.c.reason.is_not(None)
    statement = _from(conn.dialect.name, page, which, ballot_roll.c.position, data, barred)
    values = _shared(mail.key_prefix, mail.process_id, mail.template, now)
    return counted(conn, statement, values | {"list_mail": 1})


class RowMail:
    """The statement that queues a mail to each person in ``rows``, for one kind of database; make it once.

    ``rows`` has the column ``person_id``; ``data`` are columns of it, and values that are bound.
    """

    def __init__(
        self,
        dialect: str,
        rows: FromClause,
        data: Mapping[str, ColumnElement[Any]],
        *,
        list_mail: bool = False,
    ) -> None:
        # Not the bare column: SQLite would go through all people between the first and the last of a page.
        page = rows.join(people, people.c.id == rows.c.person_id + literal("", String()))
        number = func.row_number().over(order_by=rows.c.person_id)
        which = [people.c.list_mail] if list_mail else []
        barred = suppressions.c.reason.is_not(None) if list_mail else suppressions.c.reason.in_(_BARS_ALL)
        self._list_mail = int(list_mail)
        self._statement = _from(dialect, page, which, number, json_of(dialect, data), barred)

    def queue(
        self,
        conn: Connection,
        key_prefix: str,
        process_id: str,
        template: MailTemplate,
        values: Mapping[str, Any],
        now: datetime,
    ) -> int:
        """Queue it with the keys ``{key_prefix}:{template}:{person_id}``; return how many rows are new.

        ``values`` are bound to what rows and data need. Rules of who gets it and ``now`` as in ``queue``.
        """
        shared = _shared(f"{key_prefix}:{template}:", process_id, template, now)
        return counted(conn, self._statement, {**values, **shared, "list_mail": self._list_mail})


def _shared(key_prefix: str, process_id: str, template: MailTemplate, now: datetime) -> dict[str, Any]:
    """Return what the mails of one statement have in common; a person's id follows ``key_prefix``."""
    return {
        "key_prefix": key_prefix,
        "process_id": process_id,
        "template": template.value,
        "now": now,
        "front": RisingIds().front,
    }


def _from(
    dialect: str,
    page: FromClause,
    which: Sequence[ColumnElement[bool]],
    number: ColumnElement[int],
    data: ColumnElement[Any],
    barred: ColumnElement[bool],
) -> Any:
    """Return the statement that queues a mail to all in ``page``, whose rows ``number`` tells apart."""
    values = {
        "id": RisingIds.of(dialect, number),
        "key": bindparam("key_prefix", type_=String()) + people.c.id,
        "process_id": bindparam("process_id", type_=String()),
        "person_id": people.c.id,
        "to_email": people.c.email,
        "to_name": people.c.display_name,
        "locale": people.c.locale,
        "time_zone": people.c.time_zone,
        "template": bindparam("template", type_=String()),
        "data": data,
        "list_mail": bindparam("list_mail", type_=Integer()),
        "status": case((barred, MailStatus.SUPPRESSED.value), else_=MailStatus.QUEUED.value),
        "attempts": literal(0, Integer()),
        "not_before": bindparam("now", type_=mails.c.not_before.type),
        "created_at": bindparam("now", type_=mails.c.created_at.type),
    }
    rows = (
        select(*values.values())
        .select_from(page)
        .outerjoin(suppressions, suppressions.c.email_normalised == people.c.email_normalised)
        .where(*which, _REACHABLE)
    )
    return insert_from(dialect, mails, list(values), rows, conflict=["key"])


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
