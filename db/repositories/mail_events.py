"""What happens to mail after it left: reported events, suppressions, unsubscribing; and the outbox."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from contracts.mail import Letter, ReportedEvent
from db.repositories.mail_delivery import letters
from db.statements import insert_ignore
from db.tables.mail import mail_events, mails, suppressions
from db.tables.people import people
from domain.mail import SUPPRESSED_BY, MailStatus, ProviderEvent, after_event
from domain.people import normalise_email


def record_events(conn: Connection, events: Sequence[ReportedEvent], now: datetime) -> int:
    """Apply what a provider reported, each event once however often it comes; return how many were new.

    Events about mail that is not ours, or no longer here, are passed over.
    """
    known = _lock(conn, {event.mail_id for event in events})
    fresh = 0
    for event in events:
        mail = known.get(event.mail_id)
        if mail is None or not _first_time(conn, event, now):
            continue
        fresh += 1
        mail["status"] = _advance(conn, mail, event, now)
        # The address of a forgotten invitation is gone.
        if event.event in SUPPRESSED_BY and mail["to_email"]:
            _suppress(conn, mail["to_email"], event.event, now)
    return fresh


def _lock(conn: Connection, ids: set[str]) -> dict[str, dict[str, Any]]:
    statement = (
        select(mails.c.id, mails.c.status, mails.c.to_email)
        .where(mails.c.id.in_(sorted(ids)))
        # In the order of ids: two webhook calls about the same mails cannot wait for each other.
        .order_by(mails.c.id)
        .with_for_update()
    )
    return {row["id"]: dict(row) for row in conn.execute(statement).mappings()}


def _first_time(conn: Connection, event: ReportedEvent, now: datetime) -> bool:
    row = {
        "id": event.id,
        "mail_id": event.mail_id,
        "event": event.event.value,
        "occurred_at": event.occurred_at,
        "recorded_at": now,
    }
    return insert_ignore(conn, mail_events, [row], conflict=["id"]) == 1


def _advance(conn: Connection, mail: dict[str, Any], event: ReportedEvent, now: datetime) -> str:
    before = MailStatus(mail["status"])
    after = after_event(before, event.event)
    if after is before:
        return before.value
    values: dict[str, Any] = {"status": after.value, "secret_sealed": None}
    values["error"] = event.event.value if after in _BAD_ENDS else None
    if after is not MailStatus.SENT:
        values["settled_at"] = now
    conn.execute(update(mails).where(mails.c.id == mail["id"]).values(values))
    return after.value


_BAD_ENDS = frozenset({MailStatus.BOUNCED, MailStatus.FAILED, MailStatus.SUPPRESSED})


def _suppress(conn: Connection, email: str, event: ProviderEvent, now: datetime) -> None:
    row = {
        "email_normalised": normalise_email(email),
        "reason": SUPPRESSED_BY[event].value,
        "created_at": now,
    }
    if insert_ignore(conn, suppressions, [row], conflict=["email_normalised"]) or event is not _WORST:
        return
    # A mailbox that is gone bars more than the wish not to get list mail.
    same = suppressions.c.email_normalised == row["email_normalised"]
    conn.execute(update(suppressions).where(same).values(reason=row["reason"]))


_WORST = ProviderEvent.BOUNCED


def letter(conn: Connection, mail_id: str) -> Letter | None:
    """Return one mail, None if unknown."""
    rows = conn.execute(select(mails).where(mails.c.id == mail_id)).mappings()
    return next(iter(letters(conn, [dict(row) for row in rows])), None)


def unsubscribe(conn: Connection, person_id: str) -> bool:
    """Switch list mail off for a person, and nothing else; tell whether the person exists."""
    return conn.execute(update(people).where(people.c.id == person_id).values(list_mail=False)).rowcount == 1


def locale_of(conn: Connection, person_id: str) -> str | None:
    """Return the language of a person; None for nobody."""
    return conn.execute(select(people.c.locale).where(people.c.id == person_id)).scalar()


def outbox(
    conn: Connection, *, to: str | None = None, before: str | None = None, limit: int = 50
) -> list[Letter]:
    """Return the latest mails, newest first: to one address if ``to``, older than the id ``before``."""
    statement = select(mails).order_by(mails.c.id.desc()).limit(limit)
    if to is not None:
        statement = statement.where(mails.c.to_email == to)
    if before is not None:
        statement = statement.where(mails.c.id < before)
    return letters(conn, [dict(row) for row in conn.execute(statement).mappings()])
