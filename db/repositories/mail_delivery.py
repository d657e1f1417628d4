"""Delivery: rows are claimed under a lease, sent by a transport, and recorded under the same claim.

A claim counts ``claims`` up, and what comes of it is recorded only while that number still stands:
a dispatcher that was frozen beyond its lease cannot overwrite what its successor did. It counts
``attempts`` up as well, so that a claim whose dispatcher dies has used one; a mail that was told to
wait, or was not offered at all, gets its attempt back when that is recorded. While a row is ``sending``
its ``not_before`` is the end of the lease, while ``unknown`` the end of the time in which the
provider's events may still tell what became of it.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, bindparam, func, literal, not_, or_, select, update

from contracts.mail import Letter
from db.repositories import invitation_mails
from db.tables.mail import mails, suppressions
from db.tables.people import notes, people
from db.tables.vetting import applications
from domain.mail import BARS_EVERYTHING, MAX_ATTEMPTS, MailStatus, MailTemplate
from domain.people import PersonStatus

UNKNOWN_OUTCOME = "outcome_unknown"
NO_LONGER_WANTED = "no_longer_wanted"


class Settled(NamedTuple):
    """What one claim came to. ``not_before`` is set where the row waits for something.

    ``postponed``: it was no attempt.
    """

    mail_id: str
    claim: int
    status: MailStatus
    not_before: datetime | None = None
    error: str | None = None
    provider_id: str | None = None
    wipe_secret: bool = False
    postponed: bool = False


def has_due(conn: Connection, now: datetime) -> bool:
    """Tell whether any queued mail may be sent at ``now`` (wall clock, UTC)."""
    due = select(mails.c.id).where(_due(now)).limit(1)
    return conn.execute(due).first() is not None


def _due(now: datetime) -> Any:
    return and_(
        mails.c.status == MailStatus.QUEUED.value, mails.c.list_mail.in_((0, 1)), mails.c.not_before <= now
    )


def claim(conn: Connection, limit: int, now: datetime, lease: timedelta) -> list[Letter]:
    """Take up to ``limit`` due mails under a lease that ends at ``now + lease``; single mails first.

    Those whose reader has since left, unsubscribed or been suppressed come out with ``barred``.
    """
    rows = _lock_due(conn, 0, limit, now)
    if len(rows) < limit:
        rows += _lock_due(conn, 1, limit - len(rows), now)
    if not rows:
        return []
    conn.execute(
        update(mails)
        .where(mails.c.id.in_([row["id"] for row in rows]))
        .values(
            status=MailStatus.SENDING.value,
            attempts=mails.c.attempts + 1,
            claims=mails.c.claims + 1,
            not_before=now + lease,
        )
    )
    for row in rows:
        row |= {
            "status": MailStatus.SENDING.value,
            "attempts": row["attempts"] + 1,
            "claims": row["claims"] + 1,
        }
    return letters(conn, rows, now)


def _lock_due(conn: Connection, list_mail: int, limit: int, now: datetime) -> list[dict[str, Any]]:
    statement = (
        select(mails)
        .where(mails.c.status == MailStatus.QUEUED.value, mails.c.list_mail == list_mail)
        .where(mails.c.not_before <= now)
        .order_by(mails.c.not_before, mails.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [dict(row) for row in conn.execute(statement).mappings()]


def letters(
    conn: Connection, rows: Sequence[dict[str, Any]], claimed_at: datetime | None = None
) -> list[Letter]:
    """Join rows of ``mails`` with the names and notes that their data mentions, in their order.

    Of mails that are about to leave (``claimed_at``, UTC) it is also asked whether an invitation still holds.
    """
    names = _names(conn, rows)
    bodies = _notes(conn, rows)
    barred = _barred(conn, rows)
    if claimed_at is not None:
        invited = [row["id"] for row in rows if row["template"] == MailTemplate.CAMPAIGN_INVITATION.value]
        barred |= invitation_mails.barred(conn, invited, claimed_at)
    return [
        Letter(
            **{name: row[name] for name in _LETTER_COLUMNS},
            list_mail=bool(row["list_mail"]),
            names={key: names[key] for key in _mentioned(row["data"]) if key in names},
            note=bodies.get(row["data"].get("note_id")),
            barred=row["id"] in barred,
        )
        for row in rows
    ]


_LETTER_COLUMNS = (
    "id",
    "person_id",
    "to_email",
    "to_name",
    "locale",
    "time_zone",
    "template",
    "data",
    "status",
    "attempts",
    "claims",
    "created_at",
    "postponed_since",
    "secret_sealed",
)


def _mentioned(data: dict[str, Any]) -> list[str]:
    return [data[key] for key in ("candidate_id", "application_id", "inviter_id") if data.get(key)]


def _names(conn: Connection, rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Names by the id of the person, or of the application of that person; nobody who left has one."""
    ids = sorted({mentioned for row in rows for mentioned in _mentioned(row["data"])})
    if not ids:
        return {}
    present = people.c.status != PersonStatus.DELETED.value
    by_person = select(people.c.id, people.c.display_name).where(people.c.id.in_(ids), present)
    by_application = (
        select(applications.c.id, people.c.display_name)
        .join(people, people.c.id == applications.c.person_id)
        .where(applications.c.id.in_(ids), present)
    )
    return {row.id: row.display_name for part in (by_person, by_application) for row in conn.execute(part)}


def _notes(conn: Connection, rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    ids = sorted({row["data"]["note_id"] for row in rows if row["data"].get("note_id")})
    if not ids:
        return {}
    found = conn.execute(select(notes.c.id, notes.c.body).where(notes.c.id.in_(ids)))
    return {row.id: row.body for row in found}


def _barred(conn: Connection, rows: Sequence[dict[str, Any]]) -> set[str]:
    """Ids of ``rows`` that must not be sent any more; the readers are asked again at every claim."""
    ids = sorted({row["person_id"] for row in rows if row["person_id"]})
    readers = {
        row.id: row
        for row in conn.execute(
            select(people.c.id, people.c.status, people.c.list_mail, suppressions.c.reason)
            .outerjoin(suppressions, suppressions.c.email_normalised == people.c.email_normalised)
            .where(people.c.id.in_(ids))
        )
    }
    return {row["id"] for row in rows if _is_barred(row, readers.get(row["person_id"]))}


def _is_barred(row: dict[str, Any], reader: Any) -> bool:
    if reader is None:
        return False
    if reader.status != PersonStatus.ACTIVE.value or reader.reason in BARS_EVERYTHING:
        return True
    return bool(row["list_mail"]) and (not reader.list_mail or reader.reason is not None)


def record(conn: Connection, outcomes: Iterable[Settled], now: datetime) -> int:
    """Write what claims came to; return how many still stood.

    A row that an event has settled meanwhile, or that another claim holds, stays as it is.
    """
    same: dict[Settled, list[str]] = defaultdict(list)
    for outcome in outcomes:
        same[outcome._replace(mail_id="")].append(outcome.mail_id)
    # One statement for all that came to the same: a batch of 500 that went well is one update.
    return sum(_record_same(conn, outcome, ids, now) for outcome, ids in same.items())


def _record_same(conn: Connection, outcome: Settled, ids: list[str], now: datetime) -> int:
    values: dict[str, Any] = {"status": outcome.status.value, "error": outcome.error}
    if outcome.status is MailStatus.SENT:
        values |= {"sent_at": now, "provider_id": outcome.provider_id}
    if outcome.status in _ENDS:
        values["settled_at"] = now
    if outcome.not_before is not None:
        values["not_before"] = outcome.not_before
    if outcome.wipe_secret:
        values["secret_sealed"] = None
    if outcome.postponed:
        since = mails.c.postponed_since
        values |= {
            "attempts": mails.c.attempts - 1,
            "postponed_since": func.coalesce(since, literal(now, since.type)),
        }
    held = (mails.c.id.in_(ids), mails.c.claims == outcome.claim, _on_its_way())
    return conn.execute(update(mails).where(*held).values(values)).rowcount


_ENDS = frozenset({MailStatus.FAILED, MailStatus.SUPPRESSED})


def _on_its_way() -> Any:
    return mails.c.status.in_((MailStatus.SENDING.value, MailStatus.UNKNOWN.value))


def extend_lease(conn: Connection, claimed: Sequence[Letter], until: datetime) -> None:
    """Move the end of the lease of ``claimed`` to ``until``, where the claim still stands."""
    statement = (
        update(mails)
        .where(
            mails.c.id == bindparam("mail_id"),
            mails.c.claims == bindparam("claim"),
            mails.c.status == MailStatus.SENDING.value,
        )
        .values(not_before=bindparam("until"))
    )
    rows = [{"mail_id": one.id, "claim": one.claims, "until": until} for one in claimed]
    conn.execute(statement, rows)


def settle_lapsed(conn: Connection, now: datetime, *, grace: timedelta, traceless: bool) -> int:
    """Deal with attempts whose dispatcher died; return how many rows moved.

    ``traceless``: the transport hands over by recording, so an attempt without a record left nothing
    behind and is simply queued again. Otherwise it becomes ``unknown`` for ``grace``, in which events
    may tell; after that single mail is sent again (at least once), up to ``MAX_ATTEMPTS`` times: each may
    have arrived. List mail is given up (at most once).
    """
    lapsed = and_(mails.c.status == MailStatus.SENDING.value, mails.c.not_before <= now)
    if traceless:
        again = update(mails).where(or_(lapsed, mails.c.status == MailStatus.UNKNOWN.value))
        return conn.execute(again.values(status=MailStatus.QUEUED.value, not_before=now)).rowcount
    waited = and_(mails.c.status == MailStatus.UNKNOWN.value, mails.c.not_before <= now)
    goes_again = and_(mails.c.list_mail == 0, mails.c.attempts < MAX_ATTEMPTS)
    moved = conn.execute(
        update(mails)
        .where(waited, goes_again)
        .values(status=MailStatus.QUEUED.value, not_before=now, error=UNKNOWN_OUTCOME)
    ).rowcount
    moved += conn.execute(
        update(mails)
        .where(waited, not_(goes_again))
        .values(status=MailStatus.FAILED.value, settled_at=now, error=UNKNOWN_OUTCOME, secret_sealed=None)
    ).rowcount
    moved += conn.execute(
        update(mails)
        .where(lapsed)
        .values(status=MailStatus.UNKNOWN.value, not_before=now + grace, error=UNKNOWN_OUTCOME)
    ).rowcount
    return moved
