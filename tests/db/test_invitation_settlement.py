"""Doubtful friends and the settlement: nothing is paid before a decision, what is due is paid after one."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, func, select, update

from api.problems import Problem
from api.schemas.invitation_doubts import DecidedOut, DoubtDecisionIn
from api.services import campaign_reports, invitation_doubts
from db.database import Database
from db.repositories import campaign_reports as repository
from db.repositories import points
from db.tables import campaigns as tables
from db.tables.invitations import invitation_joins
from db.tables.mail import mails
from db.tables.people import people
from domain.campaigns.invitation_doubts import DoubtDecision, DoubtOutcome
from domain.campaigns.terms import Status
from tests.db.test_invitations import check_in_days, code_of, come, newcomers
from tests.support import settling
from tests.support.campaigns import Campaign

PAID = {"mode": "inside", "points": 20, "rewarded_at_most": 2, "activating_check_ins": 1}
REWARDS = {"check_in": 0, "completion": 0}
COUNT = DoubtDecision.COUNT


class Party:
    """A campaign whose member ann has invited friends, each of them doubtful."""

    def __init__(self, campaign: Campaign, friends: list[str]) -> None:
        self.campaign, self.friends = campaign, friends
        self.db, self.ann = campaign.db, campaign.members[0]

    @classmethod
    async def at(cls, db: Database, friends: int = 1, pool: int = 1_000, **plan: Any) -> "Party":
        given: dict[str, Any] = {"invitations": PAID, "rewards": REWARDS, "length_days": 3} | plan
        campaign = await Campaign.at(db, members=1, **given)
        code = (await code_of(campaign, campaign.members[0])).code
        party = cls(campaign, await newcomers(campaign, friends))
        for friend in party.friends:
            await come(campaign, friend, code)
        await party.change(status="doubtful", reasons=["ring"])
        await settling.fund(campaign, pool, reserved=100)
        return party

    async def change(self, **values: Any) -> None:
        own = invitation_joins.c.campaign_id == self.campaign.id
        await self.db.write(
            lambda conn: conn.execute(update(invitation_joins).where(own).values(**values)) and None
        )

    async def settle(self, cancelled: bool = False) -> None:
        await settling.settle(self.campaign, cancelled=cancelled)

    async def join(self, friend: int = 0) -> Any:
        own = invitation_joins.c.friend_id == self.friends[friend]
        return (await self.campaign.rows(select(invitation_joins).where(own)))[0]

    async def decide(self, friend: int = 0, decision: DoubtDecision = COUNT, **given: Any) -> DecidedOut:
        join_id = (await self.join(friend))["id"]
        wish = DoubtDecisionIn(decision=decision, **given)
        [judge] = await newcomers(self.campaign, 1)
        now = datetime.now(UTC)
        return await self.db.write(lambda conn: invitation_doubts.decide(conn, join_id, wish, judge, now))

    async def paid(self) -> int:
        return await settling.paid(self.campaign, self.ann)


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_settlement_never_pays_a_doubtful_friend(db: Database, cancelled: bool):
    party = await Party.at(db)
    await check_in_days(party.campaign, dict.fromkeys(party.friends, 3), 3)
    await party.settle(cancelled)
    assert await party.paid() == 0
    assert (await party.join())["status"] == "doubtful"
    assert (await party.campaign.member(party.ann))["friends_activated"] == 0


@pytest.mark.parametrize("cancelled", [False, True])
async def test_one_that_counts_before_the_settlement_is_paid_with_it(db: Database, cancelled: bool):
    """Also after the last day has been closed."""
    party = await Party.at(db)
    await check_in_days(party.campaign, dict.fromkeys(party.friends, 3), 3)
    assert await party.decide() == DecidedOut(outcome=DoubtOutcome.WAITS, points=0)
    assert await party.paid() == 0
    await party.settle(cancelled)
    assert await party.paid() == 20
    assert (await party.join())["status"] == "activated"


@pytest.mark.parametrize("cancelled", [False, True])
async def test_one_that_counts_afterwards_is_paid_from_the_pool_once(db: Database, cancelled: bool):
    party = await Party.at(db)
    await check_in_days(party.campaign, dict.fromkeys(party.friends, 3), 3)
    await party.settle(cancelled)
    made_at = datetime.now(UTC)
    await db.write(lambda conn: repository.make(conn, party.campaign.id, made_at))
    assert await party.decide(note="They study together.") == DecidedOut(outcome=DoubtOutcome.PAID, points=20)
    with pytest.raises(Problem, match="invitation_decided"):
        await party.decide()
    assert await party.paid() == 20
    row = await party.join()
    assert (row["status"], row["note_id"] is not None) == ("activated", True)
    [settled] = await party.campaign.rows(
        select(tables.settlements).where(tables.settlements.c.person_id == party.ann)
    )
    assert settled["invitation_points"] == 20
    # The report stays as it was made, and what came later is said beside it.
    report = await db.read(lambda conn: campaign_reports.read(conn, party.campaign.id))
    assert (report.paid.invitation, report.later.friends, report.later.points) == (0, 1, 20)
    table = campaign_reports.as_csv(report).splitlines()
    assert {"paid_invitation,,0", "later_friends,,1", "later_points,,20"} <= set(table)
    letters = await party.campaign.rows(
        select(mails.c.person_id).where(mails.c.template == "campaign_friend_counted")
    )
    assert [letter["person_id"] for letter in letters] == [party.ann]


async def test_without_points_in_the_pool_nothing_is_decided(db: Database):
    party = await Party.at(db, pool=100)
    await check_in_days(party.campaign, dict.fromkeys(party.friends, 3), 3)
    await party.settle()
    await db.write(lambda conn: points.reserve(conn, "another", 90, key="x", at=datetime.now(UTC)) and None)
    with pytest.raises(Problem, match="late_reward_unfunded") as caught:
        await party.decide(note="Real.")
    assert caught.value.values == {"available": 10}
    row = await party.join()
    assert (row["status"], row["decided_at"], row["note_id"]) == ("doubtful", None, None)
    assert await party.paid() == 0
    assert (
        await party.decide(decision=DoubtDecision.REJECT, note="A ring.")
    ).outcome is DoubtOutcome.REJECTED
    assert (await party.join())["status"] == "rejected"


async def test_the_cap_holds_afterwards_too(db: Database):
    party = await Party.at(db, friends=3)
    await check_in_days(party.campaign, dict.fromkeys(party.friends, 1), 3)
    await party.decide(0)
    await party.settle()
    outcomes = [await party.decide(friend) for friend in (1, 2)]
    assert [(one.outcome, one.points) for one in outcomes] == [
        (DoubtOutcome.PAID, 20),
        (DoubtOutcome.COUNTED, 0),
    ]
    assert await party.paid() == 40


async def test_a_friend_who_was_not_active_is_not_paid_for(db: Database):
    party = await Party.at(db, friends=2)
    await check_in_days(party.campaign, {party.friends[1]: 1}, 3)
    await party.settle()
    gone = people.c.id == party.friends[1]
    await db.write(lambda conn: conn.execute(update(people).where(gone).values(status="suspended")) and None)
    for friend in (0, 1):
        assert (await party.decide(friend)).outcome is DoubtOutcome.NOT_ACTIVE
    assert await party.paid() == 0


async def test_while_it_settles_nobody_decides(db: Database):
    party = await Party.at(db)
    await party.campaign.go(4, Status.SETTLING)
    with pytest.raises(Problem, match="campaign_settling"):
        await party.decide()
    assert (await party.join())["status"] == "doubtful"


async def test_who_left_or_was_removed_is_paid_for_nobody(db: Database):
    party = await Party.at(db)
    await check_in_days(party.campaign, dict.fromkeys(party.friends, 1), 1)
    await party.campaign.leave(party.ann)
    await party.settle()
    assert (await party.decide()).outcome is DoubtOutcome.COUNTED
    assert await party.paid() == 0


@pytest.mark.parametrize("role", ["leader", "suspended"])
async def test_leaders_and_lost_accounts_are_not_paid_for_friends(db: Database, role: str):
    party = await Party.at(db)
    await party.change(status="joined", reasons=[])
    await check_in_days(party.campaign, dict.fromkeys(party.friends, 1), 1)
    assert (await party.campaign.member(party.ann))["friends_activated"] == 1

    def change(conn: Connection) -> None:
        if role == "leader":
            conn.execute(update(tables.campaigns).values(leader_id=party.ann))
        else:
            conn.execute(update(people).where(people.c.id == party.ann).values(status="suspended"))

    await db.write(change)
    await party.settle()
    assert await party.paid() == 0


async def test_nobody_brought_the_leader(db: Database):
    """A leader invites before taking part: brought by a friend, the two would be above each other."""
    campaign = await Campaign.at(db)
    [bob] = await newcomers(campaign, 1)
    await come(campaign, bob, (await code_of(campaign, campaign.leader)).code)
    await come(campaign, campaign.leader, (await code_of(campaign, bob)).code)
    rows = await campaign.rows(
        select(invitation_joins.c.friend_id, func.count().label("n")).group_by("friend_id")
    )
    assert [(row["friend_id"], row["n"]) for row in rows] == [(bob, 1)]
    assert (await campaign.member(campaign.leader))["invited_by"] is None
