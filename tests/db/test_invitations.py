"""Invitations as they are stored: one code, one join a friend, each friend counted once."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection, func, select, update

from api.schemas.enrolments import EnrolIn
from api.services import enrolments
from api.services.invitation_clicks import Followed
from contracts.campaigns import BulkInput
from db.database import Database
from db.repositories import campaign_bulk, invitation_attribution, invitation_codes, invitation_doubts
from db.tables.campaigns import enrolments as entries
from db.tables.invitations import invitation_joins
from db.tables.invitations import invitations as codes
from db.tables.people import people
from domain.campaigns.invitation_doubts import MOST_IN_WINDOW
from domain.campaigns.invitations import Channel
from domain.campaigns.members import SHARDS, shard_of
from tests.support.campaigns import Campaign, add_people


async def code_of(campaign: Campaign, person_id: str, channel: Channel = Channel.LINK) -> Any:
    now = datetime.now(UTC)
    return await campaign.db.write(
        lambda conn: invitation_codes.personal(conn, campaign.id, person_id, channel, 30, now)
    )


async def come(campaign: Campaign, person_id: str, code: str | None, **shown: Any) -> None:
    """Enrol with a code, or by the clicks in ``shown``."""
    given, seen = EnrolIn(invite_code=code), Followed(**shown)
    now = datetime.now(UTC)
    await campaign.db.write(
        lambda conn: enrolments.enrol(conn, campaign.id, person_id, given, now, seen) and None
    )


async def newcomers(campaign: Campaign, number: int, **values: Any) -> list[str]:
    return await campaign.db.write(lambda conn: add_people(conn, number, **values))


async def joins(campaign: Campaign) -> dict[str, dict[str, Any]]:
    found = await campaign.rows(select(invitation_joins).where(invitation_joins.c.campaign_id == campaign.id))
    return {row["friend_id"]: row for row in found}


def closing(conn: Connection, campaign: Campaign, day: int, page: int = 10_000, first: int = 0) -> None:
    given = BulkInput(
        campaign_id=campaign.id,
        process_id=f"campaign/{campaign.id}",
        at=datetime.now(UTC),
        first=first,
        last=SHARDS,
        day=day,
        rest=False,
        nudge_after=30,
    )
    after = None
    while True:
        after = campaign_bulk.close_page(conn, given, after, page, given.at).end
        if after is None:
            return


async def check_in_days(campaign: Campaign, people: dict[str, int], last: int) -> None:
    """Let each of ``people`` check in on the first so many days; close each day twice, in small pages."""
    for day in range(1, last + 1):
        await campaign.go(day)
        for person_id, days in people.items():
            if day <= days:
                await campaign.check_in(person_id)
        for _ in range(2):
            await campaign.db.write(partial(closing, campaign=campaign, day=day, page=2))


async def test_the_code_stays_the_same_until_it_is_taken_back_or_expires(db: Database):
    campaign = await Campaign.at(db, members=1)
    [ann] = campaign.members
    made = await asyncio.gather(*(code_of(campaign, ann) for _ in range(10)))
    assert len({one.code for one in made}) == 1
    assert len(made[0].code) >= 22
    assert (await code_of(campaign, ann, Channel.QR)).code != made[0].code
    now = datetime.now(UTC)
    assert await db.write(lambda conn: invitation_codes.revoke(conn, campaign.id, ann, made[0].id, now))
    second = await code_of(campaign, ann)
    assert second.code != made[0].code
    past = now - timedelta(seconds=1)
    await db.write(
        lambda conn: (
            conn.execute(update(codes).where(codes.c.id == second.id).values(expires_at=past)) and None
        )
    )
    assert (await code_of(campaign, ann)).code not in {made[0].code, second.code}
    for code in (made[0].code, second.code, "x" * 22):
        assert await db.read(partial(invitation_codes.by_code, code=code, now=now)) is None


async def test_friends_count_once_when_they_have_been_active(db: Database):
    campaign = await Campaign.at(db, members=2)
    ann, bea = campaign.members
    code = (await code_of(campaign, ann)).code
    eager, lazy, brief = await newcomers(campaign, 3)
    for friend in (eager, lazy, brief):
        await come(campaign, friend, code)
    await check_in_days(campaign, {eager: 4, lazy: 3, brief: 2}, 5)
    states = {friend: row["status"] for friend, row in (await joins(campaign)).items()}
    assert states == {eager: "activated", lazy: "activated", brief: "joined"}
    assert (await campaign.member(ann))["friends_activated"] == 2
    assert (await campaign.member(bea))["friends_activated"] == 0
    await campaign.leave(brief)
    await campaign.leave(eager)
    await campaign.enrol(eager)
    await check_in_days(campaign, {}, 6)
    assert (await campaign.member(ann))["friends_activated"] == 2


async def test_friends_of_many_inviters_equal_a_naive_count(db: Database):
    chance = random.Random(7)
    campaign = await Campaign.at(db, members=4)
    by: dict[str, str] = {}
    active: dict[str, int] = {}
    links = {inviter: (await code_of(campaign, inviter)).code for inviter in campaign.members}
    for friend in await newcomers(campaign, 12):
        by[friend] = chance.choice(campaign.members)
        active[friend] = chance.randint(0, 5)
        await come(campaign, friend, links[by[friend]])
    await check_in_days(campaign, active, 5)
    for inviter in campaign.members:
        expected = sum(active[friend] >= 3 for friend in by if by[friend] == inviter)
        assert (await campaign.member(inviter))["friends_activated"] == expected


async def test_two_tabs_with_two_codes_join_once(db: Database):
    campaign = await Campaign.at(db, members=2)
    ann, bea = campaign.members
    links = [(await code_of(campaign, one)).code for one in (ann, bea)]
    for friend in await newcomers(campaign, 5):
        await asyncio.gather(*(come(campaign, friend, code) for code in links * 2))
        row = (await joins(campaign))[friend]
        assert row["inviter_id"] == (await campaign.member(friend))["invited_by"]
    assert len(await joins(campaign)) == 5


async def test_nobody_invites_oneself_and_the_first_join_decides(db: Database):
    campaign = await Campaign.at(db, members=1)
    [ann] = campaign.members
    code = await code_of(campaign, ann)
    await campaign.leave(ann)
    await come(campaign, ann, code.code)
    [loner] = await newcomers(campaign, 1)
    await come(campaign, loner, None)
    await campaign.leave(loner)
    await come(campaign, loner, code.code)
    assert await joins(campaign) == {}
    assert (await campaign.member(loner))["invited_by"] is None


async def test_the_last_click_wins_and_old_ones_do_not_count(db: Database):
    campaign = await Campaign.at(db, members=2)
    ann, bea = [(await code_of(campaign, one)) for one in campaign.members]
    now = datetime.now(UTC)
    late, old, new, both = await newcomers(campaign, 4)
    await db.write(lambda conn: _change(conn, new, joined_at=now))
    hour, week = timedelta(hours=1), timedelta(days=7)
    await come(campaign, late, None, clicks=((ann.id, now - 2 * hour), (bea.id, now - hour)))
    await come(campaign, old, None, clicks=((ann.id, now - week - hour),))
    await come(campaign, new, None, clicks=((ann.id, now - hour),))
    await come(campaign, both, bea.code, clicks=((ann.id, now),))
    found = await joins(campaign)
    assert found[late]["inviter_id"] == bea.inviter_id
    assert (found[late]["new_member"], found[new]["new_member"]) == (False, True)
    assert old not in found
    assert found[both]["inviter_id"] == bea.inviter_id
    assert (await campaign.member(new))["new_member"] is True


def _change(conn: Connection, person_id: str, **values: Any) -> None:
    conn.execute(update(people).where(people.c.id == person_id).values(**values))


async def test_rings_are_looked_at(db: Database):
    first, second = await Campaign.at(db, members=1), await Campaign.at(db)
    [ann] = first.members
    [bob] = await newcomers(first, 1)
    await come(first, bob, (await code_of(first, ann)).code)
    await second.enrol(bob)
    await come(second, ann, (await code_of(second, bob)).code)
    row = (await joins(second))[ann]
    assert (row["status"], row["reasons"]) == ("doubtful", ["ring"])


async def test_a_burst_from_one_client_is_doubtful_from_its_first_on(db: Database):
    campaign = await Campaign.at(db, members=1)
    [ann] = campaign.members
    code = (await code_of(campaign, ann)).code
    crowd = await newcomers(campaign, 6)
    for friend in crowd[:4]:
        await come(campaign, friend, code, client_hash="a" * 64)
    assert {row["status"] for row in (await joins(campaign)).values()} == {"joined"}
    for friend in crowd[4:]:
        await come(campaign, friend, code, client_hash="a" * 64)
    assert {row["status"] for row in (await joins(campaign)).values()} == {"doubtful"}
    await check_in_days(campaign, dict.fromkeys(crowd, 3), 4)
    assert (await campaign.member(ann))["friends_activated"] == 0
    waiting = await db.read(lambda conn: invitation_doubts.doubtful(conn, None, 100))
    now = datetime.now(UTC)
    for row in waiting[:2]:
        decision = partial(
            invitation_doubts.decide, join_id=row.id, counts=True, actor_id=ann, note_id=None, now=now
        )
        assert await db.write(decision)
    rejected = waiting[2].id
    for expected in (True, False):
        assert expected == await db.write(
            lambda conn: invitation_doubts.decide(
                conn, rejected, counts=False, actor_id=ann, note_id=None, now=now
            )
        )
    await check_in_days(campaign, {}, 5)
    assert (await campaign.member(ann))["friends_activated"] == 2


async def test_who_severs_the_link_counts_for_nobody(db: Database):
    campaign = await Campaign.at(db, members=1)
    [ann] = campaign.members
    code = (await code_of(campaign, ann)).code
    gone, stays = await newcomers(campaign, 2)
    for friend in (gone, stays):
        await come(campaign, friend, code)
    now = datetime.now(UTC)
    assert await db.write(lambda conn: invitation_attribution.sever(conn, gone, now)) == 1
    assert await db.write(lambda conn: invitation_attribution.sever(conn, gone, now)) == 0
    await check_in_days(campaign, {gone: 3, stays: 3}, 3)
    assert (await campaign.member(ann))["friends_activated"] == 1
    assert (await campaign.member(gone))["invited_by"] is None
    shown = await db.read(lambda conn: invitation_attribution.friends(conn, campaign.id, ann, None, 10))
    assert [row.friend_id for row in shown] == [stays]
    assert await db.read(lambda conn: invitation_attribution.inviters_of(conn, gone)) == []


async def test_a_join_knows_the_shard_of_its_inviter(db: Database):
    campaign = await Campaign.at(db, members=1)
    [ann] = campaign.members
    code = (await code_of(campaign, ann)).code
    for friend in await newcomers(campaign, 2):
        await come(campaign, friend, code)
    shards = {row["inviter_shard"] for row in (await joins(campaign)).values()}
    assert shards == {shard_of(ann)}
    rows = await campaign.rows(
        select(func.count().label("n")).select_from(entries).where(entries.c.invited_by == ann)
    )
    assert rows[0]["n"] == 2


async def test_a_suspended_friend_does_not_count(db: Database):
    campaign = await Campaign.at(db, members=1)
    [ann] = campaign.members
    [fake] = await newcomers(campaign, 1)
    await come(campaign, fake, (await code_of(campaign, ann)).code)
    await check_in_days(campaign, {fake: 2}, 2)
    await campaign.go(3)
    await campaign.check_in(fake)
    await db.write(lambda conn: _change(conn, fake, status="suspended"))
    await check_in_days(campaign, {}, 4)
    assert (await campaign.member(ann))["friends_activated"] == 0


async def test_the_close_of_a_shard_writes_its_own_inviters_only(db: Database):
    campaign = await Campaign.at(db, members=6, invitations={"activating_check_ins": 1})
    friends = await newcomers(campaign, 6)
    for inviter, friend in zip(campaign.members, friends, strict=True):
        await come(campaign, friend, (await code_of(campaign, inviter)).code)
    await campaign.go(1)
    for friend in friends:
        await campaign.check_in(friend)
    middle = sorted(shard_of(one) for one in campaign.members)[3]
    await db.write(partial(closing, campaign=campaign, day=1, page=1, first=middle))
    for inviter in campaign.members:
        counted = (await campaign.member(inviter))["friends_activated"]
        assert counted == (shard_of(inviter) >= middle)
    await db.write(partial(closing, campaign=campaign, day=1, page=1))
    assert [(await campaign.member(one))["friends_activated"] for one in campaign.members] == [1] * 6


async def test_too_many_friends_at_once_are_doubtful_wherever_they_come_from(db: Database):
    campaign = await Campaign.at(db, members=2)
    ann, bea = campaign.members
    slow = await newcomers(campaign, 1)
    await come(campaign, slow[0], (await code_of(campaign, bea)).code)
    code = (await code_of(campaign, ann)).code
    for number, friend in enumerate(await newcomers(campaign, MOST_IN_WINDOW + 1)):
        await come(campaign, friend, code, client_hash=f"{number:064}")
    found = await joins(campaign)
    of_ann = [row for row in found.values() if row["inviter_id"] == ann]
    assert {(row["status"], *row["reasons"]) for row in of_ann} == {("doubtful", "velocity")}
    assert found[slow[0]]["status"] == "joined"
