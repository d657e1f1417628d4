"""People, their roles and circles, and what stands between two of them."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import Connection

from db.database import Database
from db.repositories import people
from domain.people import ConflictKind, PersonStatus, Role
from tests.support.people import LONG_AGO, create_person

NOW = LONG_AGO + timedelta(days=400)


def newcomer(email: str, name: str = "Li Na") -> people.NewPerson:
    return people.NewPerson(email, name, "en", "Europe/Paris", NOW)


async def test_one_mailbox_is_one_person_however_it_is_spelled(db: Database):
    first, created = await db.write(
        lambda conn: people.find_or_create(conn, newcomer("Li.Na+k@Gmail.com"), NOW)
    )
    assert created
    assert first.email == "Li.Na+k@Gmail.com"
    again, created = await db.write(
        lambda conn: people.find_or_create(conn, newcomer("lina@googlemail.com", "X"), NOW)
    )
    assert not created
    assert again == first
    assert await db.read(lambda conn: people.get_by_email(conn, "l.i.n.a@gmail.com")) == first
    assert await db.read(lambda conn: people.get(conn, first.id)) == first
    assert await db.read(lambda conn: people.get(conn, "nobody")) is None
    assert await db.read(lambda conn: people.get_by_email(conn, "nobody@kameng.org")) is None


async def test_everybody_at_once_creates_one(db: Database):
    work = (
        db.write(lambda conn: people.find_or_create(conn, newcomer("a@kameng.org"), NOW)) for _ in range(20)
    )
    outcomes = await asyncio.gather(*work)
    assert len({person.id for person, _ in outcomes}) == 1
    assert sum(created for _, created in outcomes) == 1


async def test_create_many_leaves_who_is_there(db: Database):
    given = [newcomer(f"p{n}@kameng.org") for n in range(10)]
    assert await db.write(lambda conn: people.create_many(conn, given[:4], NOW)) == 4
    assert await db.write(lambda conn: people.create_many(conn, given, NOW)) == 6
    ids = await db.read(lambda conn: people.ids_by_email(conn, [g.email for g in given] + ["x@kameng.org"]))
    assert len(ids) == 10
    assert await db.read(lambda conn: people.holders_of(conn, Role.MEMBER)) == tuple(sorted(ids.values()))


async def test_roles_come_and_go_once(db: Database):
    def work(conn: Connection) -> None:
        person = create_person(conn, "an")
        assert people.roles(conn, person.id) == {Role.MEMBER}
        assert people.grant_role(conn, person.id, Role.REVIEWER, NOW, person.id)
        assert not people.grant_role(conn, person.id, Role.REVIEWER, NOW)
        assert people.roles(conn, person.id) == {Role.MEMBER, Role.REVIEWER}
        assert people.holders_of(conn, Role.REVIEWER) == (person.id,)
        assert people.set_status(conn, person.id, PersonStatus.SUSPENDED)
        assert people.holders_of(conn, Role.REVIEWER) == ()
        assert people.revoke_role(conn, person.id, Role.REVIEWER)
        assert not people.revoke_role(conn, person.id, Role.REVIEWER)
        assert people.roles(conn, person.id) == {Role.MEMBER}
        assert people.set_standing(conn, person.id, good=False)
        changed = people.get(conn, person.id)
        assert changed is not None
        assert (changed.status, changed.good_standing) == (PersonStatus.SUSPENDED, False)
        assert not people.set_status(conn, "nobody", PersonStatus.ACTIVE)
        assert not people.set_standing(conn, "nobody", good=True)

    await db.write(work)


async def test_a_sanction_holds_from_its_start_to_just_before_its_end(db: Database):
    moment = timedelta(microseconds=1)
    end = NOW + timedelta(days=7)

    def work(conn: Connection) -> None:
        person = create_person(conn, "an")
        assert not people.is_sanctioned(conn, person.id, NOW)
        given = people.sanction(conn, person.id, kind="pause", reason="spam", starts_at=NOW, ends_at=end)
        held = {
            at: people.is_sanctioned(conn, person.id, at) for at in (NOW - moment, NOW, end - moment, end)
        }
        assert list(held.values()) == [False, True, True, False]
        assert people.lift_sanction(conn, given, NOW + timedelta(days=1))
        assert not people.lift_sanction(conn, given, NOW)
        assert people.is_sanctioned(conn, person.id, NOW + timedelta(days=1) - moment)
        assert not people.is_sanctioned(conn, person.id, NOW + timedelta(days=1))
        people.sanction(conn, person.id, kind="ban", reason="fraud", starts_at=end)
        assert people.is_sanctioned(conn, person.id, end + timedelta(days=10_000))

    await db.write(work)


@pytest.mark.parametrize("swap", [False, True], ids=["as given", "the other way round"])
async def test_conflicts_of_interest_hold_in_both_directions(db: Database, swap: bool):
    def work(conn: Connection) -> None:
        def between(one: str, other: str) -> ConflictKind | None:
            return people.conflict_between(conn, *((other, one) if swap else (one, other)))

        inviter = create_person(conn, "inviter")
        guest = create_person(conn, "guest", invited_by=inviter.id)
        other = create_person(conn, "other")
        assert between(guest.id, guest.id) is ConflictKind.SELF
        assert between(inviter.id, guest.id) is ConflictKind.INVITER
        assert between(other.id, guest.id) is None
        people.join_circle(conn, other.id, "books")
        people.join_circle(conn, guest.id, "chess")
        assert between(other.id, guest.id) is None
        assert people.declare_conflict(conn, other.id, guest.id, NOW)
        assert not people.declare_conflict(conn, other.id, guest.id, NOW)
        assert between(other.id, guest.id) is ConflictKind.DECLARED
        assert people.join_circle(conn, guest.id, "books")
        assert not people.join_circle(conn, guest.id, "books")
        assert people.circles(conn, guest.id) == ("books", "chess")
        assert between(other.id, guest.id) is ConflictKind.SAME_CIRCLE
        assert people.leave_circle(conn, guest.id, "books")
        assert not people.leave_circle(conn, guest.id, "books")
        assert between(other.id, guest.id) is ConflictKind.DECLARED
        with pytest.raises(LookupError):
            people.conflict_between(conn, "nobody", guest.id)

    await db.write(work)
