"""Delivery: who holds a mail, what may be recorded, and what becomes of a dispatcher's remains."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, update

from contracts.mail import Letter
from db.database import Database
from db.repositories import mail_delivery, mail_events
from db.repositories.mail_delivery import Settled
from db.tables.mail import suppressions
from db.tables.people import notes, people
from db.tables.vetting import applications
from domain.ids import new_id
from domain.mail import MAX_ATTEMPTS, MailStatus, MailTemplate
from tests.support.mail import add_person, queue_for, row_of, set_row

LEASE = timedelta(seconds=30)


def now() -> datetime:
    return datetime.now(UTC)


async def claim(database: Database, limit: int = 10, at: datetime | None = None) -> list[Letter]:
    return await database.write(lambda conn: mail_delivery.claim(conn, limit, at or now(), LEASE))


async def queued(database: Database, count: int = 1, **values: Any) -> list[str]:
    person = await database.write(add_person)
    return await database.write(lambda conn: queue_for(conn, person, count, **values))


async def row(database: Database, mail_id: str) -> dict[str, Any]:
    return await database.read(lambda conn: row_of(conn, mail_id))


async def settle(database: Database, *outcomes: Settled) -> int:
    return await database.write(lambda conn: mail_delivery.record(conn, outcomes, now()))


async def test_a_claim_is_exclusive_and_counts_the_attempt(database: Database) -> None:
    ids = await queued(database, 3)
    first, second = await claim(database, 2), await claim(database, 2)
    assert [letter.id for letter in first + second] == ids
    assert not await claim(database)
    assert {letter.attempts for letter in first + second} == {1}
    held = await row(database, ids[0])
    assert held["status"] == "sending"
    assert held["not_before"] > now() + LEASE / 2


async def test_claims_that_meet_share_nothing(database: Database) -> None:
    ids = await queued(database, 60)
    batches = await asyncio.gather(*(claim(database, 10) for _ in range(8)))
    claimed = [letter.id for batch in batches for letter in batch]
    assert len(claimed) == len(set(claimed))
    while batch := await claim(database, 10):
        claimed += [letter.id for letter in batch]
    assert sorted(claimed) == ids


async def test_list_mail_waits_for_everything_else(database: Database) -> None:
    listed = await queued(database, 5, list_mail=True)
    own = await queued(database, 2)
    assert [letter.id for letter in await claim(database, 3)] == own + listed[:1]


async def test_nothing_is_claimed_before_its_time(database: Database) -> None:
    (mail_id,) = await queued(database)
    later = now() + timedelta(hours=1)
    await database.write(lambda conn: set_row(conn, mail_id, not_before=later))
    assert not await database.read(lambda conn: mail_delivery.has_due(conn, now()))
    assert not await claim(database)
    assert await database.read(lambda conn: mail_delivery.has_due(conn, later))
    assert len(await claim(database, at=later)) == 1


async def test_names_and_notes_are_joined_when_claimed(database: Database) -> None:
    def prepare(conn: Any) -> tuple[str, str, str]:
        candidate = add_person(conn, display_name="陈一鸣")
        application, note = new_id(), new_id()
        stamps = {"created_at": now(), "updated_at": now()}
        empty: dict[str, Any] = {"tags": [], "links": [], "flags": [], "reasons": []}
        conn.execute(insert(applications).values(id=application, person_id=candidate, **stamps, **empty))
        conn.execute(
            insert(notes).values(
                id=note, process_id="application/x", kind="review", body="请补充", created_at=now()
            )
        )
        return candidate, application, note

    candidate, application, note = await database.write(prepare)
    data = {"application_id": application, "candidate_id": candidate, "note_id": note}
    await queued(database, data=data)
    await queued(database, data={"application_id": new_id(), "note_id": None})
    full, empty = await claim(database)
    assert full.names == {application: "陈一鸣", candidate: "陈一鸣"}
    assert full.note == "请补充"
    assert (empty.names, empty.note) == ({}, None)
    gone = update(people).where(people.c.id == candidate).values(status="deleted")
    await database.write(lambda conn: conn.execute(gone).rowcount)
    *_, later = await database.read(lambda conn: mail_events.outbox(conn, limit=10))
    assert later.names == {}


@pytest.mark.parametrize(
    ("change", "own", "listed"),
    [
        ({"status": "suspended"}, True, True),
        ({"status": "deleted"}, True, True),
        ({"list_mail": False}, False, True),
        ({}, False, False),
    ],
)
async def test_whoever_left_after_queueing_is_barred(
    database: Database, change: dict[str, Any], own: bool, listed: bool
) -> None:
    person = await database.write(add_person)
    await database.write(lambda conn: queue_for(conn, person))
    await database.write(lambda conn: queue_for(conn, person, list_mail=True))
    if change:
        statement = update(people).where(people.c.id == person).values(change)
        await database.write(lambda conn: conn.execute(statement).rowcount)
    assert {letter.list_mail: letter.barred for letter in await claim(database)} == {False: own, True: listed}


async def test_a_bounce_after_queueing_bars(database: Database) -> None:
    person = await database.write(lambda conn: add_person(conn, "gone@a.example"))
    await database.write(lambda conn: queue_for(conn, person))
    row = {"email_normalised": "gone@a.example", "reason": "bounce", "created_at": now()}
    await database.write(lambda conn: conn.execute(insert(suppressions).values(row)).rowcount)
    assert [letter.barred for letter in await claim(database)] == [True]


async def test_results_are_recorded_by_whoever_holds_the_claim(database: Database) -> None:
    ids = await queued(database, 4, sealed_secret="sealed", template=MailTemplate.SIGN_IN, data={})
    await claim(database)
    again = now() + timedelta(minutes=1)
    written = await settle(
        database,
        Settled(ids[0], 1, MailStatus.SENT, provider_id="p", wipe_secret=True),
        Settled(ids[1], 1, MailStatus.QUEUED, again, "smtp: 451"),
        Settled(ids[2], 1, MailStatus.FAILED, error="smtp: 550", wipe_secret=True),
        Settled(ids[3], 7, MailStatus.SENT),
    )
    assert written == 3
    sent, retried, failed, foreign = [await row(database, mail_id) for mail_id in ids]
    assert (sent["status"], sent["provider_id"], sent["secret_sealed"]) == ("sent", "p", None)
    assert sent["sent_at"] is not None
    assert (retried["status"], retried["not_before"], retried["error"]) == ("queued", again, "smtp: 451")
    assert retried["secret_sealed"] == b"sealed"
    assert (failed["status"], failed["secret_sealed"]) == ("failed", None)
    assert failed["settled_at"] is not None
    assert foreign["status"] == "sending"


async def test_an_attempt_given_back_cannot_be_taken_for_the_next(database: Database) -> None:
    (mail_id,) = await queued(database)
    await claim(database)
    given_back = Settled(mail_id, 1, MailStatus.QUEUED, now(), "sendgrid: 429", postponed=True)
    assert await settle(database, given_back) == 1
    held = await row(database, mail_id)
    assert (held["attempts"], held["error"]) == (0, "sendgrid: 429")
    (letter,) = await claim(database)
    assert (letter.attempts, letter.postponed_since) == (1, held["postponed_since"])
    # A dispatcher that does not know whether its record stands records again.
    assert await settle(database, given_back) == 0
    assert (await row(database, mail_id))["status"] == "sending"
    later = Settled(mail_id, letter.claims, MailStatus.QUEUED, now(), "sendgrid: 429", postponed=True)
    assert await settle(database, later) == 1
    assert (await row(database, mail_id))["postponed_since"] == held["postponed_since"]


async def test_a_late_result_does_not_overwrite_what_an_event_said(database: Database) -> None:
    (mail_id,) = await queued(database)
    await claim(database)
    await database.write(lambda conn: set_row(conn, mail_id, status="delivered"))
    assert await settle(database, Settled(mail_id, 1, MailStatus.FAILED)) == 0
    assert (await row(database, mail_id))["status"] == "delivered"


async def lapse(database: Database, *, traceless: bool = False, at: datetime | None = None) -> int:
    grace = timedelta(minutes=2)
    return await database.write(
        lambda conn: mail_delivery.settle_lapsed(conn, at or now(), grace=grace, traceless=traceless)
    )


async def test_remains_become_unknown_then_single_mail_goes_again_and_list_mail_does_not(
    database: Database,
) -> None:
    (own,), (listed,) = await queued(database), await queued(database, list_mail=True)
    await claim(database)
    assert await lapse(database) == 0
    expired = now() + LEASE * 2
    assert await lapse(database, at=expired) == 2
    assert {(await row(database, mail_id))["status"] for mail_id in (own, listed)} == {"unknown"}
    assert await lapse(database, at=expired + timedelta(minutes=1)) == 0
    assert await lapse(database, at=expired + timedelta(minutes=3)) == 2
    single, given_up = await row(database, own), await row(database, listed)
    assert (single["status"], single["error"]) == ("queued", "outcome_unknown")
    assert (given_up["status"], given_up["error"]) == ("failed", "outcome_unknown")
    # The dispatcher that was frozen wakes up: it has nothing to say any more.
    (letter,) = await claim(database, at=expired + timedelta(minutes=3))
    assert letter.attempts == 2
    assert await settle(database, Settled(own, 1, MailStatus.SENT)) == 0


async def test_single_mail_of_which_nothing_is_ever_heard_is_given_up(database: Database) -> None:
    (own,) = await queued(database)
    at = now()
    for attempt in range(1, MAX_ATTEMPTS + 1):
        (letter,) = await claim(database, at=at)
        assert letter.attempts == attempt
        at += LEASE * 2
        await lapse(database, at=at)
        at += timedelta(minutes=3)
        await lapse(database, at=at)
    found = await row(database, own)
    assert (found["status"], found["error"]) == ("failed", "outcome_unknown")


async def test_where_handing_over_is_recording_nothing_is_unknown(database: Database) -> None:
    (listed,) = await queued(database, list_mail=True)
    await claim(database)
    assert await lapse(database, traceless=True) == 0
    assert await lapse(database, traceless=True, at=now() + LEASE * 2) == 1
    assert (await row(database, listed))["status"] == "queued"


async def test_a_lease_can_be_kept(database: Database) -> None:
    (mail_id,) = await queued(database)
    claimed = await claim(database)
    until = now() + timedelta(hours=1)
    await database.write(lambda conn: mail_delivery.extend_lease(conn, claimed, until))
    assert await lapse(database, at=now() + LEASE * 2) == 0
    assert (await row(database, mail_id))["not_before"] == until


async def test_the_outbox_shows_the_latest_first_page_by_page(database: Database) -> None:
    ids = await queued(database, 5)
    other = await database.write(lambda conn: add_person(conn, "other@a.example"))
    (theirs,) = await database.write(lambda conn: queue_for(conn, other))
    read = mail_events.outbox
    page = await database.read(lambda conn: read(conn, limit=3))
    assert [letter.id for letter in page] == [theirs, ids[4], ids[3]]
    rest = await database.read(lambda conn: read(conn, before=ids[3], limit=3))
    assert [letter.id for letter in rest] == [ids[2], ids[1], ids[0]]
    assert [x.id for x in await database.read(lambda conn: read(conn, to="other@a.example"))] == [theirs]
