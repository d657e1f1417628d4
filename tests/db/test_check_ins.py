"""Check-ins as they are stored: counted once, whatever runs at once, and equal to a naive count."""

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text

from contracts.campaigns import BulkInput
from db.database import Database
from db.repositories import amnesties, campaign_bulk, check_ins
from db.repositories.check_in_records import done_days
from db.repositories.check_ins import CheckIn, Taken
from db.tables.campaigns import check_ins as rows
from db.tables.campaigns import enrolments
from domain.campaigns.calendar import Shift
from domain.campaigns.members import SHARDS
from domain.campaigns.plan import CampaignPlan
from domain.campaigns.requirements import Unmet
from domain.campaigns.rewards import Record, member_points
from domain.campaigns.state import Amnesty
from domain.campaigns.streaks import MakeUpRefusal, make_up_refusal, standing
from domain.campaigns.terms import Refusal, Status
from domain.points import PaymentReason
from tests.support.campaigns import NOTE, Campaign, add_people
from tests.support.vetting import until

COUNTERS = ("days_done", "last_day", "best_streak")
BONUS = {"check_in": 2, "streaks": ({"days": 3, "points": 10}, {"days": 5, "points": 20}), "completion": 0}


async def close(campaign: Campaign, day: int, *, rest: bool = False) -> None:
    """Close a day for everybody, as the process orders it."""
    await campaign.db.write(lambda conn: closing(conn, campaign, day, rest=rest))


def closing(conn: Any, campaign: Campaign, day: int, *, rest: bool = False) -> None:
    given = BulkInput(
        campaign_id=campaign.id,
        process_id=f"campaign/{campaign.id}",
        at=datetime.now(UTC),
        first=0,
        last=SHARDS,
        day=day,
        rest=rest,
        nudge_after=30,
    )
    campaign_bulk.close_page(conn, given, None, 10_000, given.at)


async def test_a_check_in_is_counted_and_answered(db: Database):
    campaign = await Campaign.at(db, day=1, members=1, rewards=BONUS)
    [ann] = campaign.members
    first = await campaign.check_in(ann)
    assert first[2:] == (1, 1, 2)
    for day, expected in ((2, (2, 2, 2)), (3, (3, 3, 12)), (5, (5, 1, 2)), (6, (6, 2, 2))):
        await campaign.go(day)
        answer = await campaign.check_in(ann)
        assert (answer.outcome, answer[2:]) == (Taken.COUNTED, expected)
    member = await campaign.member(ann)
    assert (member["days_done"], member["last_day"], member["streak"], member["best_streak"]) == (5, 6, 2, 3)
    stored = await campaign.rows(select(rows).where(rows.c.id == first.id))
    assert [(one["note"], one["day"], one["kind"], one["points"]) for one in stored] == [(NOTE, 1, "day", 2)]


async def test_the_same_again_has_the_same_answer_and_another_is_refused(db: Database):
    campaign = await Campaign.at(db, day=1, members=1)
    [ann] = campaign.members
    first = await campaign.check_in(ann, link="https://people.example/a")
    again = await campaign.check_in(ann, link="https://people.example/a")
    assert again == first._replace(outcome=Taken.REPEATED)
    for other in ({"note": NOTE + "!", "link": first and "https://people.example/a"}, {}):
        assert (await campaign.check_in(ann, **other)).outcome == MakeUpRefusal.ALREADY_DONE
    await campaign.go(1, Status.PAUSED)
    assert (await campaign.check_in(ann, link="https://people.example/a")) == again
    assert (await campaign.check_in(ann)).outcome == Refusal.WRONG_STAGE
    assert await campaign.done(ann) == [(1, "day")]


async def test_a_key_finds_the_check_in_after_its_day_has_ended(db: Database):
    campaign = await Campaign.at(db, day=1, members=2)
    ann, bob = campaign.members
    first = await campaign.check_in(ann, id="a" * 36)
    await campaign.go(2)
    assert await campaign.check_in(ann, id="a" * 36) == first._replace(outcome=Taken.REPEATED)
    assert (await campaign.check_in(ann, note=NOTE + " More.", id="a" * 36)).outcome == Taken.KEY_REUSED
    assert (await campaign.check_in(bob, id="a" * 36)).outcome == Taken.KEY_REUSED
    assert await campaign.done(ann) == [(1, "day")]


async def test_who_cannot_check_in_is_told_why(db: Database):
    campaign = await Campaign.at(db, day=1, members=2, requirement={"proofs": ["note"]})
    ann, bob = campaign.members
    [stranger] = await db.write(lambda conn: add_people(conn, 1))
    assert (await campaign.check_in(ann, note="short")).outcome == Unmet.NOTE_TOO_SHORT
    assert (await campaign.check_in(ann, link="javascript:alert(1)")).outcome == Unmet.LINK_INVALID
    assert (await campaign.check_in(stranger)).outcome == Taken.NOT_ENROLLED
    assert await campaign.leave(bob)
    assert (await campaign.check_in(bob)).outcome == Taken.NOT_ENROLLED
    for status, why in (
        (Status.ENROLLING, Refusal.WRONG_STAGE),
        (Status.PAUSED, Refusal.WRONG_STAGE),
        (Status.SETTLING, Refusal.NOT_OPEN),
        (Status.SETTLED, Refusal.NOT_OPEN),
        (Status.CANCELLED, Refusal.NOT_OPEN),
    ):
        await campaign.go(1, status)
        assert (await campaign.check_in(ann)).outcome == why
    await campaign.go(1, Status.IN_REVIEW)
    assert (await campaign.check_in(stranger)).outcome == Taken.NO_CAMPAIGN
    unknown = Campaign(db, "0" * 36, campaign.leader)
    assert (await unknown.check_in(ann)).outcome == Taken.NO_CAMPAIGN
    assert await campaign.done(ann) == []


async def test_who_waits_for_a_place_cannot_check_in(db: Database):
    campaign = await Campaign.at(db, members=1, capacity=1)
    [late] = await db.write(lambda conn: add_people(conn, 1))
    await campaign.enrol(late)
    await campaign.go(1)
    assert (await campaign.check_in(late)).outcome == Taken.WAITING


async def test_a_make_up_joins_two_streaks_and_pays_a_bonus_once(db: Database):
    campaign = await Campaign.at(db, day=1, members=1, rewards=BONUS, make_up={"cards": 2, "window_days": 3})
    [ann] = campaign.members
    for day in (1, 2, 4, 5):
        await campaign.go(day)
        assert (await campaign.check_in(ann)).outcome == Taken.COUNTED
        if day == 4:
            await close(campaign, 3)
    made_up = await campaign.check_in(ann, makes_up=3)
    assert made_up[2:] == (3, 5, 2 + 10 + 20)
    member = await campaign.member(ann)
    assert (member["streak"], member["best_streak"], member["missed"]) == (5, 5, 0)
    assert (member["make_ups_used"], member["closed_through"]) == (1, 4)
    assert (await campaign.check_in(ann, makes_up=3)) == made_up._replace(outcome=Taken.REPEATED)
    other = await campaign.check_in(ann, makes_up=3, note=NOTE + " Or not.")
    assert other.outcome == MakeUpRefusal.ALREADY_DONE
    assert (await campaign.check_in(ann, makes_up=2)).outcome == MakeUpRefusal.ALREADY_DONE
    await campaign.go(7)
    assert (await campaign.check_in(ann, makes_up=6, note="no")).outcome == Unmet.NOTE_TOO_SHORT
    assert (await campaign.check_in(ann, makes_up=6)).outcome == Taken.COUNTED
    await campaign.go(9)
    assert (await campaign.check_in(ann, makes_up=8)).outcome == MakeUpRefusal.NO_CARDS
    assert sum(one["points"] for one in await campaign.rows(select(rows.c.points))) == 2 * 6 + 30


async def test_make_ups_that_the_rules_forbid(db: Database):
    campaign = await Campaign.at(
        db, day=9, members=1, rest_weekdays=(6,), make_up={"cards": 3, "window_days": 4}
    )
    [ann] = campaign.members
    [late] = await db.write(lambda conn: add_people(conn, 1))
    await campaign.go(6)
    await campaign.enrol(late)
    await campaign.go(9)
    for person, day, why in (
        (ann, 9, MakeUpRefusal.NOT_OVER),
        (ann, 10, MakeUpRefusal.NOT_OVER),
        (ann, 4, MakeUpRefusal.TOO_LATE),
        (ann, 7, MakeUpRefusal.NOT_REQUIRED),
        (late, 5, MakeUpRefusal.BEFORE_ENROLMENT),
    ):
        assert (await campaign.check_in(person, makes_up=day)).outcome == why
    assert (await campaign.check_in(late, makes_up=6)).outcome == Taken.COUNTED


async def test_a_made_up_day_is_no_day_missed_though_its_close_is_still_under_way(db: Database):
    campaign = await Campaign.at(db, day=1, members=2)
    ann, bob = campaign.members
    await campaign.go(2)
    assert (await campaign.check_in(ann, makes_up=1)).outcome == Taken.COUNTED
    await close(campaign, 1)
    members = [await campaign.member(one) for one in (ann, bob)]
    assert [(one["missed"], one["streak"], one["closed_through"]) for one in members] == [
        (0, 1, 1),
        (1, 0, 1),
    ]


async def test_rest_days_and_pauses_neither_break_nor_count(db: Database):
    campaign = await Campaign.at(db, day=6, members=1, rest_weekdays=(6,))
    [ann] = campaign.members
    await campaign.check_in(ann)
    await campaign.go(8)
    assert (await campaign.check_in(ann)).streak == 2
    # Two days of pause: day 12, a Friday by the plan, has become a Sunday.
    await db.write(lambda conn: campaign.move(conn, 11, Status.RUNNING, [Shift(from_day=9, days=2)]))
    assert (await campaign.check_in(ann)).streak == 1
    await db.write(lambda conn: campaign.move(conn, 13, Status.RUNNING))
    assert (await campaign.check_in(ann)).streak == 2


async def test_twenty_tabs_at_once_are_one_check_in(db: Database):
    campaign = await Campaign.at(db, day=1, members=1)
    [ann] = campaign.members
    notes = [NOTE] * 10 + [f"{NOTE} {number}" for number in range(10)]
    one_by_one = [campaign.check_in(ann, note=note) for note in notes]
    work = check_ins_together
    together = [db.write_together(work, CheckIn(campaign.id, ann, note)) for note in notes]
    answers = await asyncio.gather(*one_by_one, *together)
    counted = [one for one in answers if one.outcome == Taken.COUNTED]
    assert len(counted) == 1
    assert {one.outcome for one in answers} <= {Taken.COUNTED, Taken.REPEATED, MakeUpRefusal.ALREADY_DONE}
    assert {one.id for one in answers if one.outcome == Taken.REPEATED} <= {counted[0].id}
    assert await campaign.done(ann) == [(1, "day")]
    assert (await campaign.member(ann))["days_done"] == 1


def check_ins_together(conn, given):
    return check_ins.check_in(conn, given, datetime.now(UTC))


async def test_one_card_is_used_once_by_two_tabs(db: Database):
    campaign = await Campaign.at(db, day=4, members=1, make_up={"cards": 1, "window_days": 3})
    [ann] = campaign.members
    answers = await asyncio.gather(*(campaign.check_in(ann, makes_up=day) for day in (1, 2, 3) * 4))
    assert len({one.id for one in answers if one.outcome in (Taken.COUNTED, Taken.REPEATED)}) == 1
    assert len(await campaign.done(ann)) == (await campaign.member(ann))["make_ups_used"] == 1


async def test_many_members_of_many_campaigns_at_once(db: Database):
    first, second = [await Campaign.at(db, day=1, members=30) for _ in range(2)]
    given = [
        CheckIn(campaign.id, person, NOTE) for campaign in (first, second) for person in campaign.members * 2
    ]
    answers = await asyncio.gather(*(db.write_together(check_ins_together, one) for one in given))
    assert {one.outcome for one in answers} == {Taken.COUNTED, Taken.REPEATED}
    totals = await first.rows(
        select(func.sum(enrolments.c.days_done).label("sum"), func.count().label("number"))
    )
    assert totals == [{"sum": 60, "number": 60}]
    assert len(await first.rows(select(rows.c.id))) == 60


async def test_a_day_ends_between_two_check_ins_and_not_within_one(db: Database):
    campaign = await Campaign.at(db, day=1, members=40)

    async def end_day() -> None:
        for day in (2, 3):
            await campaign.go(day)

    answers = await asyncio.gather(*(campaign.check_in(one) for one in campaign.members), end_day())
    counted = [one.day for one in answers if one is not None and one.outcome == Taken.COUNTED]
    assert len(counted) == 40
    stored = await campaign.rows(select(rows.c.day))
    assert sorted(one["day"] for one in stored) == sorted(counted)


async def overtaken(db: Database, first: Callable[[Any], Any], second: Callable[[Any], Any]) -> None:
    """Run `first` and hold its transaction open until `second` waits for it."""
    begun, waited_for = threading.Event(), threading.Event()

    def held(conn: Any) -> None:
        first(conn)
        begun.set()
        assert waited_for.wait(60)

    one = asyncio.create_task(db.write(held))
    assert await asyncio.to_thread(begun.wait, 60)
    other = asyncio.create_task(db.write(second))

    async def waits() -> bool:
        blocked = text(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(await db.read(lambda conn: conn.execute(blocked).scalar_one()))

    await until(waits, seconds=20)
    waited_for.set()
    await asyncio.gather(one, other)


async def test_a_day_cannot_end_while_a_check_in_is_written(postgres_url: str):
    async with Database.connect(postgres_url) as db:
        campaign = await Campaign.at(db, day=1, members=1)
        one = CheckIn(campaign.id, campaign.members[0], NOTE)
        await overtaken(
            db,
            lambda conn: check_ins.check_in(conn, [one], datetime.now(UTC)),
            lambda conn: campaign.move(conn, 2, Status.RUNNING),
        )
        assert await campaign.done(campaign.members[0]) == [(1, "day")]


async def test_the_close_of_a_day_that_waits_for_a_make_up_of_it_counts_no_miss(postgres_url: str):
    async with Database.connect(postgres_url) as db:
        campaign = await Campaign.at(db, day=2, members=1)
        [ann] = campaign.members
        one = CheckIn(campaign.id, ann, NOTE, makes_up=1)
        await overtaken(
            db,
            lambda conn: check_ins.check_in(conn, [one], datetime.now(UTC)),
            lambda conn: closing(conn, campaign, 1),
        )
        member = await campaign.member(ann)
        assert (member["missed"], member["streak"], member["closed_through"]) == (0, 1, 1)


async def test_a_check_in_that_waits_for_the_close_of_a_day_keeps_what_it_counted(postgres_url: str):
    async with Database.connect(postgres_url) as db:
        campaign = await Campaign.at(db, day=2, members=1)
        [ann] = campaign.members
        await overtaken(
            db,
            lambda conn: closing(conn, campaign, 1),
            lambda conn: check_ins.check_in(conn, [CheckIn(campaign.id, ann, NOTE)], datetime.now(UTC)),
        )
        member = await campaign.member(ann)
        assert (member["missed"], member["streak"], member["closed_through"]) == (1, 1, 1)


async def test_an_amnesty_repairs_streaks_and_is_kept_with_who_gave_it(db: Database):
    campaign = await Campaign.at(db, day=1, members=3)
    ann, bob, cid = campaign.members
    for day in range(1, 6):
        await campaign.go(day)
        for person, days in ((ann, {1, 2, 4, 5}), (bob, {1, 2, 3, 4, 5}), (cid, {1})):
            if day in days:
                await campaign.check_in(person)
        if day > 1:
            await close(campaign, day - 1)
    at = datetime.now(UTC)
    assert await campaign.amnesty([3], at, page=1) == 2
    now = {name: await campaign.member(one) for name, one in (("ann", ann), ("bob", bob), ("cid", cid))}
    assert {name: (m["streak"], m["best_streak"], m["missed"]) for name, m in now.items()} == {
        "ann": (4, 4, 0),
        "bob": (5, 5, 0),
        "cid": (0, 1, 2),
    }
    [batch] = await db.read(lambda conn: amnesties.of_campaign(conn, campaign.id))
    assert (batch.days, batch.declared_by, batch.members) == ([3], campaign.leader, 2)
    assert (await campaign.row())["amnesties"] == [{"number": 1, "days": [3]}]
    await campaign.repair(Amnesty(number=1, days=(3,), declared_by=campaign.leader, declared_at=at), at)
    [again] = await db.read(lambda conn: amnesties.of_campaign(conn, campaign.id))
    assert again == batch
    await campaign.go(6)
    assert (await campaign.check_in(ann)).streak == 5


async def test_a_card_spent_on_a_day_that_an_amnesty_frees_later_is_given_back(db: Database):
    campaign = await Campaign.at(
        db, day=1, members=3, late_enrolment_until_day=30, make_up={"cards": 1, "window_days": 5}
    )
    ann, bob, cid = campaign.members
    await campaign.go(4)
    for person in campaign.members:
        assert (await campaign.check_in(person, makes_up=2 if person != bob else 3)).outcome == Taken.COUNTED
    await campaign.leave(cid)
    assert await campaign.amnesty([2], datetime.now(UTC)) == 2
    used = [(await campaign.member(one))["make_ups_used"] for one in (ann, bob)]
    assert used == [0, 1]
    # What was done stays done, and the card is good for another day.
    assert await campaign.done(ann) == [(2, "make_up")]
    assert (await campaign.member(ann))["days_done"] == 1
    assert (await campaign.check_in(ann, makes_up=3)).outcome == Taken.COUNTED
    assert (await campaign.check_in(ann, makes_up=1)).outcome == MakeUpRefusal.NO_CARDS
    assert (await campaign.check_in(bob, makes_up=1)).outcome == MakeUpRefusal.NO_CARDS
    # Whoever was away meanwhile finds it on coming back.
    await campaign.enrol(cid)
    assert (await campaign.check_in(cid, makes_up=3)).outcome == Taken.COUNTED


async def test_check_ins_while_an_amnesty_is_repaired_are_all_counted(db: Database):
    """Whoever comes first, a repair or a check-in: the counters are those of a naive count."""
    campaign = await Campaign.at(db, day=1, members=24)
    for day in range(1, 6):
        await campaign.go(day)
        if day != 3:
            for person in campaign.members[: 4 * day]:
                await campaign.check_in(person)
        if day > 1:
            await close(campaign, day - 1)
    await campaign.go(6)
    await close(campaign, 5)
    at = datetime.now(UTC)
    await asyncio.gather(
        campaign.amnesty([3], at, page=2), *(campaign.check_in(one) for one in campaign.members[::2])
    )
    rest = (await campaign.rules()).rest
    assert 3 in rest
    for person in campaign.members:
        done = {day for day, _ in await campaign.done(person)}
        member, expected = await campaign.member(person), standing(done, 6, rest, 1)
        found = (member["streak"], member["best_streak"], member["days_done"], member["missed"])
        missed = expected.required - expected.required_done
        assert found == (expected.streak, expected.best_streak, expected.days_done, missed)


DAYS = 10
ACTS = st.sampled_from(["check_in", "make_up", "leave", "come_back", "amnesty", "nothing"])


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
async def test_whatever_a_member_does_the_counters_are_those_of_a_naive_count(db: Database, data):
    rest = data.draw(st.sets(st.integers(0, 6), max_size=2))
    campaign = await Campaign.at(
        db,
        members=1,
        rest_weekdays=tuple(rest),
        rewards=BONUS,
        late_enrolment_until_day=30,
        make_up={"cards": 3, "window_days": 3},
    )
    [ann] = campaign.members
    done: set[int] = set()
    made_up: set[int] = set()
    inside = True
    for day in range(1, DAYS + 1):
        await campaign.go(day)
        rules = await campaign.rules()
        if data.draw(st.booleans()) and day > 1:
            await close(campaign, day - 1, rest=day - 1 in rules.rest)
        for act in data.draw(st.lists(ACTS, min_size=1, max_size=3)):
            first_day = (await campaign.member(ann))["first_day"]
            if act == "check_in":
                answer = await campaign.check_in(ann)
                if inside and day not in done:
                    assert answer.outcome == Taken.COUNTED
                    done.add(day)
                else:
                    assert answer.outcome == (Taken.REPEATED if day in done else Taken.NOT_ENROLLED)
            elif act == "make_up":
                wanted = data.draw(st.integers(1, day))
                answer = await campaign.check_in(ann, makes_up=wanted, note=f"{NOTE} {day} {wanted}")
                expected = make_up_refusal(
                    rules.plan.make_up,
                    wanted,
                    today=day,
                    done=done,
                    rest=rules.rest,
                    first_day=first_day,
                    cards_used=len(made_up - rules.rest),
                )
                if answer.outcome == Taken.REPEATED:
                    assert wanted in done
                elif inside and expected is None:
                    assert answer.outcome == Taken.COUNTED
                    made_up.add(wanted)
                    done.add(wanted)
                else:
                    assert answer.outcome == (expected if inside else Taken.NOT_ENROLLED)
            elif act == "leave":
                await campaign.leave(ann)
                inside = False
            elif act == "come_back":
                await campaign.enrol(ann)
                inside = True
            elif act == "amnesty" and day > 1 and day - 1 not in rules.rest:
                await campaign.amnesty([day - 1], datetime.now(UTC))
                rules = await campaign.rules()
        if day > 1:
            await close(campaign, day - 1, rest=day - 1 in rules.rest)
        await _check(campaign, ann, done, day, rules.rest, inside)
        if inside:
            assert (await campaign.member(ann))["make_ups_used"] == len(made_up - rules.rest)


async def _check(campaign, ann, done, day, rest, inside) -> None:
    member = await campaign.member(ann)
    stored = await campaign.db.read(lambda conn: done_days(conn, campaign.id, ann))
    assert stored == done
    expected = standing(done, day, rest, member["first_day"])
    if not inside:
        return
    found = {name: member[name] for name in COUNTERS}
    assert found == {name: getattr(expected, name) for name in COUNTERS}
    assert member["streak"] == expected.streak
    assert member["missed"] == expected.required - expected.required_done
    assert member["closed_through"] == day - 1
    plan = CampaignPlan.model_validate((await campaign.row())["plan"])
    paid = member_points(
        plan, Record(days_done=expected.days_done, best_streak=expected.best_streak), cut_short=True
    )
    earned = sum(
        one["points"] for one in await campaign.rows(select(rows.c.points).where(rows.c.person_id == ann))
    )
    # An amnesty can lengthen a streak without a check-in: what it adds is paid at the settlement alone.
    assert earned <= sum(paid.values())
    if not (await campaign.row())["amnesties"]:
        assert earned == paid.get(PaymentReason.CHECK_IN, 0) + paid.get(PaymentReason.STREAK, 0)
