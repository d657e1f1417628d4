"""Enrolments as they are stored: never more than there are places, and the line in its order."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from db.database import Database
from db.repositories import enrolments, people
from db.repositories.check_ins import Taken
from db.repositories.enrolments import Entry
from db.tables.campaigns import campaigns
from db.tables.campaigns import enrolments as rows
from db.tables.mail import mails
from db.tables.people import people as people_rows
from domain.campaigns.calendar import day_closes
from domain.campaigns.members import Place, shard_of
from domain.campaigns.plan import CampaignPlan
from domain.campaigns.terms import Status
from tests.support.campaigns import Campaign, add_people
from tests.support.settling import close


async def newcomers(db: Database, number: int, **values: object) -> list[str]:
    return await db.write(lambda conn: add_people(conn, number, **values))


async def places(campaign: Campaign) -> dict[str, int]:
    found = await campaign.rows(select(rows.c.status, func.count().label("n")).group_by(rows.c.status))
    return {row["status"]: row["n"] for row in found}


async def letters(campaign: Campaign) -> list[tuple[str, str]]:
    found = await campaign.rows(select(mails).order_by(mails.c.id))
    return [(row["template"], row["person_id"]) for row in found]


async def test_an_enrolment_and_its_letter(db: Database):
    campaign = await Campaign.at(db, capacity=2)
    [ann] = await newcomers(db, 1)
    assert await campaign.enrol(ann, reminder_hour=21) == Entry.ENROLLED
    assert await campaign.enrol(ann) == Entry.UNCHANGED
    member = await campaign.member(ann)
    assert (member["status"], member["first_day"], member["reminder_hour"]) == ("active", 1, 21)
    assert member["shard"] == shard_of(ann)
    assert await letters(campaign) == [("campaign_enrolled", ann)]
    assert (await campaign.row())["seats_taken"] == 1


async def test_fifty_at_once_get_no_more_places_than_there_are(db: Database):
    campaign = await Campaign.at(db, capacity=7)
    wanting = await newcomers(db, 25)
    outcomes = await asyncio.gather(*(campaign.enrol(one) for one in wanting * 2))
    assert sum(outcome == Entry.ENROLLED for outcome in outcomes) == 7
    assert sum(outcome == Entry.WAITING for outcome in outcomes) == 18
    assert await places(campaign) == {"active": 7, "waiting": 18}
    line = await campaign.rows(
        select(rows.c.in_line).where(rows.c.status == "waiting").order_by(rows.c.in_line)
    )
    assert [row["in_line"] for row in line] == list(range(1, 19))
    assert len(await letters(campaign)) == 25


async def test_leaving_and_enrolling_at_once_keeps_the_places_exact(db: Database):
    campaign = await Campaign.at(db, members=10, capacity=10)
    wanting = await newcomers(db, 20)
    await asyncio.gather(
        *(campaign.enrol(one) for one in wanting),
        *(campaign.leave(one) for one in campaign.members),
        *(campaign.enrol(one) for one in campaign.members[:5]),
    )
    found = await places(campaign)
    assert found["active"] == 10 == (await campaign.row())["seats_taken"]
    assert sum(found.values()) == 30


async def test_the_next_in_line_moves_up_when_somebody_leaves_before_the_start(db: Database):
    campaign = await Campaign.at(db, members=2, capacity=2)
    first, second, third = await newcomers(db, 3)
    for one in (first, second, third):
        assert await campaign.enrol(one) == Entry.WAITING
    assert await campaign.enrol(second) == Entry.UNCHANGED
    assert await campaign.leave(first) == Entry.LEFT
    assert await campaign.leave(campaign.members[0]) == Entry.LEFT
    assert (await campaign.member(second))["status"] == "active"
    assert (await campaign.member(third))["status"] == "waiting"
    third_row = await db.read(lambda conn: enrolments.get(conn, campaign.id, third))
    assert await db.read(lambda conn: enrolments.place_in_line(conn, third_row)) == 1
    assert (await letters(campaign))[-1] == ("campaign_place_free", second)
    # Who comes back goes to the end of the line.
    assert await campaign.enrol(first) == Entry.WAITING
    assert await campaign.leave(campaign.members[1]) == Entry.LEFT
    assert (await campaign.member(third))["status"] == "active"
    assert (await campaign.row())["seats_taken"] == 2


async def test_nobody_moves_up_who_may_not_take_part(db: Database):
    campaign = await Campaign.at(db, members=1, capacity=1)
    barred, suspended, doubtful, fine = await newcomers(db, 4)
    for one in (barred, suspended, doubtful, fine):
        await campaign.enrol(one)
    start = datetime.now(UTC) - timedelta(days=1)

    def bar(conn):
        people.sanction(conn, barred, kind="warning", reason="spam", starts_at=start)
        for one, values in ((suspended, {"status": "suspended"}), (doubtful, {"good_standing": False})):
            conn.execute(update(people_rows).where(people_rows.c.id == one).values(**values))

    await db.write(bar)
    await campaign.leave(campaign.members[0])
    assert (await campaign.member(fine))["status"] == "active"
    assert await places(campaign) == {"left": 1, "waiting": 3, "active": 1}


async def test_after_the_start_the_line_moves_as_long_as_one_can_join(db: Database):
    campaign = await Campaign.at(db, members=3, capacity=3, late_enrolment_until_day=5)
    waiting, late, later = await newcomers(db, 3)
    await campaign.enrol(waiting)
    await campaign.go(5)
    # Who comes later gets in line, and jumps over nobody.
    assert await campaign.enrol(late) == Entry.WAITING
    await campaign.leave(campaign.members[0])
    member = await campaign.member(waiting)
    assert (member["status"], member["in_line"]) == ("active", None)
    assert (member["first_day"], member["missed"]) == (5, 0)
    assert (await letters(campaign))[-1] == ("campaign_place_free", waiting)
    await campaign.go(5, Status.PAUSED)
    await campaign.leave(campaign.members[1])
    assert (await campaign.member(late))["status"] == "active"
    await campaign.go(6)
    await campaign.leave(campaign.members[2])
    assert await campaign.enrol(later) == Entry.CLOSED
    assert (await campaign.row())["seats_taken"] == 2


async def test_once_nobody_can_join_any_more_nobody_moves_up(db: Database):
    campaign = await Campaign.at(db, members=1, capacity=1, late_enrolment_until_day=5)
    [waiting] = await newcomers(db, 1)
    await campaign.enrol(waiting)
    await campaign.go(6)
    await campaign.leave(campaign.members[0])
    assert (await campaign.member(waiting))["status"] == "waiting"


@pytest.mark.parametrize(("last_day", "told_on"), [(0, 1), (1, 1), (5, 5), (365, 30)])
async def test_who_waits_in_vain_is_told_once_when_joining_is_over(db: Database, last_day: int, told_on: int):
    campaign = await Campaign.at(db, members=1, capacity=1, late_enrolment_until_day=last_day)
    waiting, gone = await newcomers(db, 2)
    await campaign.enrol(waiting)
    await campaign.enrol(gone)
    await campaign.leave(gone)
    told: list[tuple[int, str]] = []
    for day in (1, 1, 2, 5, 5, 6, 30, 30):
        had = len(await letters(campaign))
        await campaign.go(day + 1)
        await close(campaign, day)
        told += [(day, who) for what, who in (await letters(campaign))[had:] if what == "campaign_no_place"]
    assert told == [(told_on, waiting)]


async def test_the_letter_of_who_waits_says_until_when_places_are_given(db: Database):
    start = datetime.now(UTC)
    for last_day, day in ((0, None), (5, 5), (365, 30)):
        campaign = await Campaign.at(db, members=1, capacity=1, late_enrolment_until_day=last_day)
        await db.write(lambda conn: conn.execute(update(campaigns).values(starts_at=start)) and None)
        [waiting] = await newcomers(db, 1)
        await campaign.enrol(waiting)
        [data] = [row["data"] for row in await campaign.rows(select(mails)) if row["person_id"] == waiting]
        plan = CampaignPlan.model_validate((await campaign.row())["plan"])
        until = start if day is None else day_closes(plan, day)
        assert data["places_until"] == until.isoformat()


@pytest.mark.parametrize(
    ("status", "day", "expected"),
    [
        (Status.DRAFT, 0, Entry.NO_CAMPAIGN),
        (Status.IN_REVIEW, 0, Entry.NO_CAMPAIGN),
        (Status.REJECTED, 0, Entry.NO_CAMPAIGN),
        (Status.CANCELLED, 0, Entry.NO_CAMPAIGN),
        (Status.SCHEDULED, 0, Entry.CLOSED),
        (Status.ENROLLING, 0, Entry.ENROLLED),
        (Status.RUNNING, 7, Entry.ENROLLED),
        (Status.RUNNING, 8, Entry.CLOSED),
        (Status.PAUSED, 3, Entry.CLOSED),
        (Status.SETTLING, 31, Entry.CLOSED),
        (Status.SETTLED, 31, Entry.CLOSED),
    ],
)
async def test_when_one_can_enrol(db: Database, status: Status, day: int, expected: Entry):
    campaign = await Campaign.at(db, day=day, status=status)
    [ann] = await newcomers(db, 1)
    assert await campaign.enrol(ann) == expected


async def test_who_cannot_enrol(db: Database):
    campaign = await Campaign.at(db, capacity=1, waiting_list=False)
    ann, bob, cid = await newcomers(db, 3)
    [suspended] = await newcomers(db, 1, status="suspended")
    [doubtful] = await newcomers(db, 1, good_standing=False)
    at = datetime.now(UTC) - timedelta(days=2)
    lifted = await db.write(
        lambda conn: [
            people.sanction(conn, one, kind="ban", reason="spam", starts_at=at) for one in (ann, bob)
        ][1]
    )
    await db.write(lambda conn: people.lift_sanction(conn, lifted, at + timedelta(days=1)))
    for one in (ann, suspended, doubtful):
        assert await campaign.enrol(one) == Entry.NOT_WELCOME
    assert await campaign.enrol(bob) == Entry.ENROLLED
    assert await campaign.enrol(cid) == Entry.FULL
    await db.write(lambda conn: conn.execute(update(rows).values(status=Place.REMOVED.value)) and None)
    assert await campaign.enrol(bob) == Entry.NOT_WELCOME
    assert await campaign.leave(bob) == Entry.NOT_ENROLLED


async def test_by_invitation_the_leader_and_who_was_in_need_none(db: Database):
    campaign = await Campaign.at(db, enrolment="invitation")
    ann, bob = await newcomers(db, 2)
    assert await campaign.enrol(ann) == Entry.INVITATION_REQUIRED
    assert await campaign.enrol(ann, invited=True, invited_by=bob, new_member=True) == Entry.ENROLLED
    assert await campaign.enrol(campaign.leader) == Entry.ENROLLED
    await campaign.leave(ann)
    assert await campaign.enrol(ann) == Entry.ENROLLED
    member = await campaign.member(ann)
    assert (member["invited_by"], member["new_member"]) == (bob, True)


async def test_who_comes_back_goes_on_and_who_did_nothing_begins_anew(db: Database):
    campaign = await Campaign.at(db, day=1, members=2)
    ann, bob = campaign.members
    await campaign.check_in(ann)
    for one in (ann, bob):
        assert await campaign.leave(one) == Entry.LEFT
        assert await campaign.leave(one) == Entry.UNCHANGED
    await campaign.go(4)
    for one in (ann, bob):
        assert await campaign.enrol(one) == Entry.ENROLLED
    found = [await campaign.member(one) for one in (ann, bob)]
    assert [(one["first_day"], one["days_done"], one["missed"]) for one in found] == [(1, 1, 2), (4, 0, 0)]
    assert [(one["missed_in_a_row"], one["streak"]) for one in found] == [(2, 0), (0, 0)]
    answer = await campaign.check_in(ann)
    assert (answer.outcome, answer.streak, answer.day) == (Taken.COUNTED, 1, 4)
    assert await campaign.done(ann) == [(1, "day"), (4, "day")]
    assert len([one for one in await letters(campaign) if one[1] == ann]) == 1


@pytest.mark.parametrize("status", [Status.SETTLING, Status.SETTLED, Status.CANCELLED])
async def test_what_is_being_settled_cannot_be_left(db: Database, status: Status):
    campaign = await Campaign.at(db, day=31, status=status, members=1)
    assert await campaign.leave(campaign.members[0]) == Entry.OVER


async def test_a_paused_campaign_can_be_left_by_who_is_in_it(db: Database):
    campaign = await Campaign.at(db, day=2, status=Status.PAUSED, members=1)
    [stranger] = await newcomers(db, 1)
    assert await campaign.leave(stranger) == Entry.NOT_ENROLLED
    assert await campaign.leave(campaign.members[0]) == Entry.LEFT
    await campaign.go(0, Status.DRAFT)
    assert await campaign.leave(stranger) == Entry.NO_CAMPAIGN


async def test_the_hour_of_the_reminder(db: Database):
    campaign = await Campaign.at(db, members=1)
    [stranger] = await newcomers(db, 1)

    async def choose(person: str, hour: int | None) -> bool:
        return await db.write(lambda conn: enrolments.set_reminder_hour(conn, campaign.id, person, hour))

    for hour in (0, 23, None):
        assert await choose(campaign.members[0], hour)
        assert (await campaign.member(campaign.members[0]))["reminder_hour"] == hour
    assert not await choose(stranger, 8)
