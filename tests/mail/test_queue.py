"""The queue: each mail once, to whom it may concern, on both databases."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import insert, select

from contracts.mail import MailRequest, RollMail
from db.database import Database
from db.repositories import mail
from db.tables.mail import mails, suppressions
from domain.ids import new_id
from domain.mail import MailStatus, MailTemplate, SuppressionReason
from tests.support.mail import APPLICATION, add_ballot, add_person

NOW = datetime.now(UTC)


def request(person_id: str, key: str = "k", **values: Any) -> MailRequest:
    given: dict[str, Any] = {
        "key": key,
        "template": MailTemplate.CERTIFIED,
        "person_id": person_id,
        "data": {"application_id": APPLICATION},
    }
    return MailRequest(**(given | values))


async def rows(database: Database) -> list[dict[str, Any]]:
    statement = select(mails).order_by(mails.c.id)
    return await database.read(lambda conn: [dict(row) for row in conn.execute(statement).mappings()])


async def test_a_key_is_queued_once_however_often_it_is_asked(database: Database) -> None:
    person = await database.write(add_person)
    asked = [request(person), request(person), request(person, "other")]
    assert await database.write(lambda conn: mail.queue(conn, asked, NOW)) == 2
    assert await database.write(lambda conn: mail.queue(conn, asked, NOW)) == 0
    assert await database.write(lambda conn: mail.queue(conn, [], NOW)) == 0
    assert sorted(row["key"] for row in await rows(database)) == ["k", "other"]


async def test_the_reader_is_taken_as_they_are_now(database: Database) -> None:
    person = await database.write(
        lambda conn: add_person(
            conn, "Ann+x@a.example", display_name="Ann", locale="en", time_zone="Europe/Rome"
        )
    )
    sealed = request(person, "k", sealed_secret="sealed", process_id="application/1")
    await database.write(lambda conn: mail.queue(conn, [sealed], NOW))
    (row,) = await rows(database)
    assert (row["to_email"], row["to_name"], row["locale"]) == ("Ann+x@a.example", "Ann", "en")
    assert (row["time_zone"], row["status"], row["attempts"]) == ("Europe/Rome", "queued", 0)
    assert (row["secret_sealed"], row["process_id"], row["list_mail"]) == (b"sealed", "application/1", 0)
    assert row["data"] == {"application_id": APPLICATION}
    assert row["not_before"] == NOW


@pytest.mark.parametrize("status", ["suspended", "deleted"])
async def test_who_has_no_account_gets_nothing(database: Database, status: str) -> None:
    person = await database.write(lambda conn: add_person(conn, status=status))
    asked = [request(person), request(new_id(), "nobody")]
    assert await database.write(lambda conn: mail.queue(conn, asked, NOW)) == 0


async def test_list_mail_can_be_switched_off_and_nothing_else(database: Database) -> None:
    person = await database.write(lambda conn: add_person(conn, list_mail=False))
    asked = [request(person, "list", list_mail=True), request(person, "own")]
    assert await database.write(lambda conn: mail.queue(conn, asked, NOW)) == 1
    assert [row["key"] for row in await rows(database)] == ["own"]


@pytest.mark.parametrize(
    ("reason", "own", "listed"),
    [
        (SuppressionReason.BOUNCE, "suppressed", "suppressed"),
        (SuppressionReason.INVALID, "suppressed", "suppressed"),
        (SuppressionReason.SPAM_REPORT, "queued", "suppressed"),
        (SuppressionReason.UNSUBSCRIBE, "queued", "suppressed"),
    ],
)
async def test_a_barred_address_leaves_a_row_that_says_so(
    database: Database, reason: SuppressionReason, own: str, listed: str
) -> None:
    person = await database.write(lambda conn: add_person(conn, "Ann+tag@A.example"))
    barred = {"email_normalised": "ann@a.example", "reason": reason.value, "created_at": NOW}
    await database.write(lambda conn: conn.execute(insert(suppressions).values(barred)).rowcount)
    asked = [request(person, "own", sealed_secret="s"), request(person, "list", list_mail=True)]
    await database.write(lambda conn: mail.queue(conn, asked, NOW))
    found = {row["key"]: row for row in await rows(database)}
    assert (found["own"]["status"], found["list"]["status"]) == (own, listed)
    assert (found["own"]["secret_sealed"] is None) == (own == "suppressed")


def roll_mail(ballot_id: str, **values: Any) -> RollMail:
    given: dict[str, Any] = {
        "ballot_id": ballot_id,
        "process_id": "application/x",
        "template": MailTemplate.BALLOT_OPENED,
        "data": {"ballot_id": ballot_id, "closes_at": "2026-11-29T06:30:00+00:00", "who": "名字 \"'{}"},
    }
    return RollMail(**(given | values))


async def test_a_page_of_the_roll_is_queued_once_and_only_that_page(database: Database) -> None:
    people = await database.write(lambda conn: [add_person(conn) for _ in range(7)])
    ballot = await database.write(lambda conn: add_ballot(conn, people))
    wanted = roll_mail(ballot)
    assert await database.write(lambda conn: mail.queue_roll(conn, wanted, 2, 5, NOW)) == 3
    assert await database.write(lambda conn: mail.queue_roll(conn, wanted, 2, 5, NOW)) == 0
    assert await database.write(lambda conn: mail.queue_roll(conn, wanted, 0, 7, NOW)) == 4
    found = await rows(database)
    assert {row["person_id"] for row in found} == set(people)
    assert {row["key"] for row in found} == {f"ballot/{ballot}:ballot_opened:{person}" for person in people}
    first = next(row for row in found if row["person_id"] == people[2])
    assert first["data"] == wanted.data
    assert (first["list_mail"], first["status"], first["attempts"]) == (1, "queued", 0)
    assert (first["not_before"], first["created_at"], first["process_id"]) == (NOW, NOW, "application/x")
    assert len({row["id"] for row in found}) == 7
    assert all(len(row["id"]) == 36 for row in found)


async def test_ids_rise_with_the_position(database: Database) -> None:
    people = await database.write(lambda conn: [add_person(conn) for _ in range(40)])
    ballot = await database.write(lambda conn: add_ballot(conn, people))
    await database.write(lambda conn: mail.queue_roll(conn, roll_mail(ballot), 0, 40, NOW))
    assert [row["person_id"] for row in await rows(database)] == people


async def test_the_roll_is_mailed_to_whom_it_may_concern(database: Database) -> None:
    voted, silent, left, off, barred = await database.write(
        lambda conn: [
            add_person(conn),
            add_person(conn),
            add_person(conn, status="deleted"),
            add_person(conn, list_mail=False),
            add_person(conn, "gone@a.example"),
        ]
    )
    suppression = {"email_normalised": "gone@a.example", "reason": "bounce", "created_at": NOW}
    await database.write(lambda conn: conn.execute(insert(suppressions).values(suppression)).rowcount)
    everyone = [voted, silent, left, off, barred]
    ballot = await database.write(lambda conn: add_ballot(conn, everyone, voted={voted}))
    reminder = roll_mail(ballot, template=MailTemplate.BALLOT_REMINDER, only_not_voted=True, round=2)
    assert await database.write(lambda conn: mail.queue_roll(conn, reminder, 0, 5, NOW)) == 2
    found = {row["person_id"]: row for row in await rows(database)}
    assert {person: row["status"] for person, row in found.items()} == {
        silent: MailStatus.QUEUED.value,
        barred: MailStatus.SUPPRESSED.value,
    }
    assert found[silent]["key"] == f"ballot/{ballot}:ballot_reminder:2:{silent}"
    assert len(found[silent]["key"]) <= 160
