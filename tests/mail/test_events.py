"""Events: every effect explained, each event once, in whatever order they come."""

from datetime import UTC, datetime
from itertools import permutations, product

import pytest
from sqlalchemy import select

from contracts.mail import ReportedEvent
from db.database import Database
from db.repositories import mail_events
from db.tables.mail import mail_events as events_table
from db.tables.mail import suppressions
from db.tables.people import people
from domain.ids import new_id
from domain.mail import MAX_ATTEMPTS, TRANSITIONS, MailStatus, ProviderEvent, after_event, retry_delay
from tests.support.mail import add_person, queue_for, row_of, set_row

NOW = datetime.now(UTC)
STARTS = (MailStatus.SENDING, MailStatus.UNKNOWN, MailStatus.SENT, MailStatus.FAILED)


def test_every_transition_changes_something_and_says_why() -> None:
    assert len({(step.before, step.event) for step in TRANSITIONS}) == len(TRANSITIONS)
    for step in TRANSITIONS:
        assert step.before is not step.after
        assert len(step.why) > 20
        assert after_event(step.before, step.event) is step.after


def test_what_bounced_or_was_suppressed_stays_so() -> None:
    for status, event in product((MailStatus.BOUNCED, MailStatus.SUPPRESSED), ProviderEvent):
        assert after_event(status, event) is status


def test_no_event_makes_us_send_again() -> None:
    again = {MailStatus.QUEUED, MailStatus.SENDING, MailStatus.UNKNOWN}
    for status, event in product(MailStatus, ProviderEvent):
        after = after_event(status, event)
        assert after is status or after not in again


@pytest.mark.parametrize(
    ("events", "end"),
    [
        ({ProviderEvent.ACCEPTED, ProviderEvent.DEFERRED, ProviderEvent.DELIVERED}, MailStatus.DELIVERED),
        ({ProviderEvent.ACCEPTED, ProviderEvent.DELIVERED, ProviderEvent.SPAM_REPORT}, MailStatus.DELIVERED),
        ({ProviderEvent.ACCEPTED, ProviderEvent.DELIVERED, ProviderEvent.BOUNCED}, MailStatus.BOUNCED),
        ({ProviderEvent.ACCEPTED, ProviderEvent.DEFERRED, ProviderEvent.BOUNCED}, MailStatus.BOUNCED),
    ],
)
@pytest.mark.parametrize(
    "start", [MailStatus.SENDING, MailStatus.UNKNOWN, MailStatus.SENT, MailStatus.FAILED]
)
def test_the_order_of_events_does_not_matter(
    start: MailStatus, events: set[ProviderEvent], end: MailStatus
) -> None:
    for order in permutations(sorted(events)):
        status = start
        for event in order:
            status = after_event(status, event)
        assert status is end, order


def test_the_back_off_grows_to_hours_and_ends() -> None:
    delays = [retry_delay(attempt).total_seconds() for attempt in range(1, MAX_ATTEMPTS + 1)]
    assert delays[:4] == [5, 15, 45, 135]
    assert delays == sorted(delays)
    assert max(delays) == 3 * 3600


def event(mail_id: str, kind: ProviderEvent, event_id: str | None = None) -> ReportedEvent:
    return ReportedEvent(id=event_id or new_id(), mail_id=mail_id, event=kind, occurred_at=NOW)


async def a_mail(database: Database, email: str | None = None) -> tuple[str, str]:
    person = await database.write(lambda conn: add_person(conn, email))
    (mail_id,) = await database.write(lambda conn: queue_for(conn, person))
    await database.write(lambda conn: set_row(conn, mail_id, status="sent"))
    return person, mail_id


async def tell(database: Database, *events: ReportedEvent) -> int:
    return await database.write(lambda conn: mail_events.record_events(conn, events, NOW))


async def test_an_event_counts_once(database: Database) -> None:
    _, mail_id = await a_mail(database)
    delivered = event(mail_id, ProviderEvent.DELIVERED, "e1")
    assert await tell(database, delivered, delivered) == 1
    assert await tell(database, delivered) == 0
    row = await database.read(lambda conn: row_of(conn, mail_id))
    assert (row["status"], row["settled_at"], row["error"]) == ("delivered", NOW, None)
    kept = await database.read(lambda conn: conn.execute(select(events_table.c.id)).scalars().all())
    assert list(kept) == ["e1"]


async def test_events_about_strangers_are_passed_over(database: Database) -> None:
    _, mail_id = await a_mail(database)
    assert (
        await tell(database, event(new_id(), ProviderEvent.BOUNCED), event("x" * 300, ProviderEvent.BOUNCED))
        == 0
    )
    assert (await database.read(lambda conn: row_of(conn, mail_id)))["status"] == "sent"


@pytest.mark.parametrize(
    ("kind", "status", "reason"),
    [
        (ProviderEvent.BOUNCED, "bounced", "bounce"),
        (ProviderEvent.BLOCKED, "failed", None),
        (ProviderEvent.DROPPED, "suppressed", None),
        (ProviderEvent.SPAM_REPORT, "delivered", "spam_report"),
        (ProviderEvent.UNSUBSCRIBED, "delivered", "unsubscribe"),
        (ProviderEvent.DELIVERED, "delivered", None),
        (ProviderEvent.DEFERRED, "sent", None),
    ],
)
async def test_what_bars_an_address(
    database: Database, kind: ProviderEvent, status: str, reason: str | None
) -> None:
    _, mail_id = await a_mail(database, "Ann+tag@a.example")
    await tell(database, event(mail_id, kind))
    assert (await database.read(lambda conn: row_of(conn, mail_id)))["status"] == status
    statement = select(suppressions.c.email_normalised, suppressions.c.reason)
    barred = await database.read(lambda conn: [tuple(row) for row in conn.execute(statement)])
    assert barred == ([("ann@a.example", reason)] if reason else [])


async def test_a_gone_mailbox_outweighs_a_wish_and_not_the_other_way(database: Database) -> None:
    _, mail_id = await a_mail(database, "ann@a.example")
    for kind, reason in (
        (ProviderEvent.UNSUBSCRIBED, "unsubscribe"),
        (ProviderEvent.BOUNCED, "bounce"),
        (ProviderEvent.SPAM_REPORT, "bounce"),
    ):
        await tell(database, event(mail_id, kind))
        statement = select(suppressions.c.reason)
        assert await database.read(lambda conn: conn.execute(statement).scalar_one()) == reason  # noqa: B023


async def test_an_attempt_that_was_lost_is_found_again(database: Database) -> None:
    _, mail_id = await a_mail(database)
    await database.write(lambda conn: set_row(conn, mail_id, status="unknown", secret_sealed=b"s"))
    await tell(database, event(mail_id, ProviderEvent.ACCEPTED))
    row = await database.read(lambda conn: row_of(conn, mail_id))
    assert (row["status"], row["secret_sealed"], row["settled_at"]) == ("sent", None, None)


async def test_unsubscribing_switches_list_mail_off_only(database: Database) -> None:
    person, _ = await a_mail(database)
    assert await database.write(lambda conn: mail_events.unsubscribe(conn, person))
    assert await database.write(lambda conn: mail_events.unsubscribe(conn, person))
    assert not await database.write(lambda conn: mail_events.unsubscribe(conn, new_id()))
    statement = select(people.c.list_mail, people.c.status)
    row = await database.read(lambda conn: tuple(conn.execute(statement).one()))
    assert row == (False, "active")
    assert await database.read(lambda conn: mail_events.locale_of(conn, person)) == "zh-CN"
    assert await database.read(lambda conn: mail_events.locale_of(conn, new_id())) is None
