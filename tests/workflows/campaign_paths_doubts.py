"""Ways of a campaign in which a friend stays doubtful: staff are reminded once, nobody is paid before."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, select

from api.schemas.invitation_doubts import DoubtDecisionIn
from api.services import invitation_doubts
from db.repositories import invitation_codes
from db.tables.invitations import invitation_joins
from domain.campaigns.invitation_doubts import DoubtDecision, DoubtOutcome
from domain.campaigns.invitations import Channel
from domain.campaigns.members import shard_of
from domain.ids import new_id
from tests.support.campaign_case import DAY, CampaignCase
from tests.workflows.campaign_paths import available, left_in_reserve, letters, path

INVITING = {"mode": "inside", "points": 20, "rewarded_at_most": 3, "activating_check_ins": 3}


async def doubtful_join(case: CampaignCase, inviter: str, friend: str) -> str:
    """Have ``friend`` come by the inviter's code, in doubt; return the join's id."""
    join_id, now = new_id(), datetime.now(UTC)

    def write(conn: Any) -> None:
        code = invitation_codes.personal(conn, case.id, inviter, Channel.LINK, 30, now)
        row = {
            "id": join_id,
            "campaign_id": case.id,
            "friend_id": friend,
            "invitation_id": code.id,
            "inviter_id": inviter,
            "inviter_shard": shard_of(inviter),
            "joined_at": now,
            "new_member": False,
            "status": "doubtful",
            "reasons": ["ring"],
        }
        conn.execute(insert(invitation_joins).values(row))

    await case.db.write(write)
    return join_id


@path(invitations=INVITING)
async def doubts_at_the_end(case: CampaignCase) -> None:
    """Staff are reminded when a last day opens; decided after the settlement it is paid from the pool."""
    ann, bob, _ = case.members
    await case.submit()
    await case.enrol()
    await case.to_day(1)
    assert (await letters(case)).count("campaign_doubts_open") == 0
    join_id = await doubtful_join(case, ann, bob)
    for day in (1, 2, 3):
        await case.check_in(bob, day)
        await case.skip(DAY)
        assert (await letters(case)).count("campaign_doubts_open") == 1
    await case.handle.result()
    assert await available(case, ann) == 0
    assert await left_in_reserve(case) == 0
    wish, now = DoubtDecisionIn(decision=DoubtDecision.COUNT), datetime.now(UTC)
    decided = await case.db.write(
        lambda conn: invitation_doubts.decide(conn, join_id, wish, case.manager, now)
    )
    assert (decided.outcome, decided.points) == (DoubtOutcome.PAID, 20)
    assert await available(case, ann) == 20
    assert await left_in_reserve(case) == 0


@path(invitations=INVITING)
async def doubts_at_a_cancellation(case: CampaignCase) -> None:
    """Cancelled with a case open: staff are told, and it is not paid."""
    ann, bob, _ = case.members
    await case.submit()
    await case.enrol()
    await case.to_day(1)
    await doubtful_join(case, ann, bob)
    await case.cancel()
    await case.handle.result()
    assert (await letters(case)).count("campaign_doubts_open") == 1
    assert await available(case, ann) == 0
    rows = await case.rows(select(invitation_joins.c.status))
    assert [row["status"] for row in rows] == ["doubtful"]
