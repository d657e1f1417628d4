"""By whose invitation somebody came, whatever was followed and typed in: against a naive search."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select, update

from api.schemas.enrolments import EnrolIn
from api.services import enrolments
from api.services.invitation_clicks import Followed
from db.database import Database
from db.repositories import invitation_codes
from db.tables.invitations import invitation_joins
from db.tables.people import people
from domain.campaigns.invitations import Channel
from tests.support.campaigns import Campaign, add_people

TICK, DAY = timedelta(microseconds=1), timedelta(days=1)
WINDOW = 3 * DAY
MADE = 20 * DAY
"""So long before anybody joins the codes were made."""
NAMES = ("ann", "ann's picture", "bea", "the leader", "taken back", "expired", "gone", "lost", "elsewhere")
USABLE = NAMES[:4]
AGES = (timedelta(0), TICK, DAY, DAY + TICK, WINDOW - TICK, WINDOW, WINDOW + TICK, 9 * DAY, -TICK)

names = st.sampled_from(NAMES)
ages = st.sampled_from(AGES)


@dataclass(frozen=True)
class Coming:
    """How somebody comes: what was followed, how long before; what is typed in; how old the account is."""

    clicks: tuple[tuple[str, timedelta], ...]
    typed: str | None
    account: timedelta


comings = st.builds(
    Coming,
    # A browser keeps the last click on each.
    st.lists(st.tuples(names, ages), max_size=5, unique_by=lambda click: click[0]).map(tuple),
    st.none() | st.sampled_from(USABLE) | st.sampled_from((*NAMES, "guessed")),
    st.sampled_from((*AGES[:-1], MADE, MADE + TICK, 400 * DAY)),
)


def naive(coming: Coming, ids: dict[str, str]) -> tuple[str, bool] | None:
    """Return the invitation that somebody came by, and whether as a new member."""
    followed = dict(coming.clicks)
    if coming.typed in USABLE:
        # At the time of its own click; without one the account may be a day old.
        age = followed.get(coming.typed, DAY)
        if not timedelta(0) <= age <= WINDOW:
            return None
        return ids[coming.typed], coming.account < age
    # The latest within the window; of two at one instant the one that was made later.
    valid = sorted(
        (-age, ids[name], coming.account < age)
        for name, age in coming.clicks
        if name in USABLE and timedelta(0) <= age <= WINDOW
    )
    return valid[-1][1:] if valid else None


class Invited:
    """A campaign with codes that lead to it, and some that do not any more."""

    def __init__(self, campaign: Campaign, now: datetime) -> None:
        self.campaign, self.now = campaign, now
        self.codes: dict[str, Any] = {"guessed": None}
        self.inviters: dict[str, str] = {}

    async def prepare(self) -> None:
        elsewhere = await Campaign.at(self.campaign.db, members=1)
        ann, bea, forgetful, late, gone, lost = self.campaign.members
        at = (self.campaign.id, 60)
        made = {
            "ann": (*at, ann),
            "bea": (*at, bea),
            "the leader": (*at, self.campaign.leader),
            "taken back": (*at, forgetful),
            "expired": (self.campaign.id, 19, late),
            "gone": (*at, gone),
            "lost": (*at, lost),
            "elsewhere": (elsewhere.id, 60, elsewhere.members[0]),
        }

        def write(conn: Connection) -> None:
            for name, (campaign_id, days, inviter) in made.items():
                self._make(conn, name, campaign_id, inviter, Channel.LINK, days)
            self._make(conn, "ann's picture", self.campaign.id, ann, Channel.QR, 60)
            taken_back = self.codes["taken back"].id
            assert invitation_codes.revoke(conn, self.campaign.id, forgetful, taken_back, self.now - DAY)
            conn.execute(update(people).where(people.c.id == lost).values(status="suspended"))

        await self.campaign.db.write(write)
        await self.campaign.leave(gone)

    def _make(
        self, conn: Connection, name: str, campaign_id: str, inviter: str, channel: Channel, days: int
    ) -> None:
        since = self.now - MADE
        self.codes[name] = invitation_codes.personal(conn, campaign_id, inviter, channel, days, since)
        self.inviters[self.codes[name].id] = inviter

    async def come(self, coming: Coming, person_id: str | None = None) -> str:
        """Enrol somebody, somebody new unless told who; return the id."""
        typed = None if coming.typed is None else "guessed"
        if coming.typed not in (None, "guessed"):
            typed = self.codes[coming.typed].code
        clicks = tuple((self.codes[name].id, self.now - age) for name, age in coming.clicks)

        def write(conn: Connection) -> str:
            friend = person_id or add_people(conn, 1, joined_at=self.now - coming.account)[0]
            followed, body = Followed(clicks=clicks), EnrolIn(invite_code=typed)
            enrolments.enrol(conn, self.campaign.id, friend, body, self.now, followed)
            return friend

        return await self.campaign.db.write(write)

    async def attributed(self, person_id: str) -> tuple[str, bool] | None:
        """Return what is kept of how somebody came, wherever it is kept."""
        mine = select(invitation_joins).where(invitation_joins.c.friend_id == person_id)
        rows = await self.campaign.rows(mine)
        account = (await self.campaign.rows(select(people).where(people.c.id == person_id)))[0]
        place = await self.campaign.member(person_id)
        if not rows:
            assert (place["invited_by"], place["new_member"], account["invited_by"]) == (None, False, None)
            return None
        [row] = rows
        inviter = self.inviters[row["invitation_id"]]
        assert row["inviter_id"] == place["invited_by"] == inviter
        assert (place["new_member"], account["invited_by"]) == (
            row["new_member"],
            inviter if row["new_member"] else None,
        )
        return row["invitation_id"], row["new_member"]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(comings, comings), min_size=1, max_size=6))
@example([(Coming((("ann", WINDOW),), "ann", account=2 * DAY), Coming((), "bea", account=2 * DAY))])
async def test_the_invitation_is_the_one_that_a_naive_search_finds_and_stays_so(
    db: Database, friends: list[tuple[Coming, Coming]]
) -> None:
    """Whoever leaves and comes back by another way came by the first, or by none, for good."""
    campaign = await Campaign.at(db, members=6, invitations={"attribution_days": WINDOW.days})
    invited = Invited(campaign, datetime.now(UTC))
    await invited.prepare()
    ids = {name: code.id for name, code in invited.codes.items() if code is not None}
    for first, again in friends:
        friend = await invited.come(first)
        expected = naive(first, ids)
        assert await invited.attributed(friend) == expected
        await campaign.leave(friend)
        await invited.come(again, friend)
        assert await invited.attributed(friend) == expected
