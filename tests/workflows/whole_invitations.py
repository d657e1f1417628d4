"""Who invites whom in the story of two hundred members, and the naive count of what came of it."""

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select, update

from api.schemas.enrolments import EnrolIn
from api.services import enrolments
from db.repositories import invitation_attribution, invitation_codes, invitation_doubts
from db.tables.invitations import invitation_joins
from db.tables.people import people
from domain.campaigns.invitations import Channel
from tests.support.campaign_case import CampaignCase

PLAN = {"mode": "inside", "points": 20, "rewarded_at_most": 3, "activating_check_ins": 3}
POINTS, CAP, NEEDED = 20, 3, 3


@dataclass
class Code:
    """A personal code: the day on which it was made, and what became of it."""

    id: str
    code: str
    day: int
    opened: bool = False
    revoked: bool = False
    used: bool = False


@dataclass
class Friend:
    """Somebody who came by an invitation: doubtful until ``decided`` (a day), severed on a day."""

    id: str
    inviter: str
    code: Code
    new: bool
    doubtful: bool
    decided: int | None
    counts: bool
    severed: int | None
    state: str = "joined"


@dataclass
class Circle:
    """All invitations of a story; it draws its own numbers, so that the rest of the story stays as it was."""

    case: CampaignCase
    draw: random.Random
    codes: dict[tuple[str, str], Code] = field(default_factory=dict)
    friends: dict[str, Friend] = field(default_factory=dict)
    here: list[str] = field(default_factory=list)

    def enrol(self, conn: Any, person_id: str, day: int) -> None:
        """Enrol one, two in five by the code of the leader or of somebody who is here already."""
        by = self.draw.choice([self.case.leader, *self.here]) if self.draw.random() < 0.4 else None
        many = Counter(one.inviter for one in self.friends.values())
        given = EnrolIn()
        if by is not None and many[by] < 8:
            code = self.code(conn, by, Channel.LINK, day)
            new = self.draw.random() < 0.5
            if new:
                arrived = datetime.now(UTC)
                conn.execute(update(people).where(people.c.id == person_id).values(joined_at=arrived))
            code.used, given = True, EnrolIn(invite_code=code.code)
            self.friends[person_id] = self._friend(person_id, by, code, new, day)
        enrolments.enrol(conn, self.case.id, person_id, given, datetime.now(UTC))
        if person_id in self.friends and self.friends[person_id].doubtful:
            own = invitation_joins.c.friend_id == person_id
            conn.execute(update(invitation_joins).where(own).values(status="doubtful", reasons=["ring"]))
            self.friends[person_id].state = "doubtful"
        self.here.append(person_id)
        self._make_unused(conn, person_id, day)

    def _friend(self, person_id: str, by: str, code: Code, new: bool, day: int) -> Friend:
        doubtful = self.draw.random() < 0.2
        return Friend(
            person_id,
            by,
            code,
            new,
            doubtful,
            decided=self.draw.randint(day + 1, 25) if doubtful and self.draw.random() < 0.7 else None,
            counts=self.draw.random() < 0.5,
            severed=self.draw.randint(day + 1, 12) if self.draw.random() < 0.15 else None,
        )

    def code(self, conn: Any, person_id: str, channel: Channel, day: int) -> Code:
        place = (person_id, channel.value)
        if place not in self.codes:
            row = invitation_codes.personal(conn, self.case.id, person_id, channel, 30, datetime.now(UTC))
            self.codes[place] = Code(row.id, row.code, max(day, 0))
        return self.codes[place]

    def _make_unused(self, conn: Any, person_id: str, day: int) -> None:
        """Some make a picture that nobody joins by; it may be looked at, and it may be taken back."""
        if self.draw.random() < 0.2:
            code, now = self.code(conn, person_id, Channel.QR, day), datetime.now(UTC)
            if self.draw.random() < 0.5:
                invitation_codes.opened(conn, code.id, now)
                code.opened = True
            if self.draw.random() < 0.3:
                invitation_codes.revoke(conn, self.case.id, person_id, code.id, now)
                code.revoked = True

    def live(self, conn: Any, day: int) -> None:
        """Decide and sever what is due on a day."""
        now = datetime.now(UTC)
        for one in self.friends.values():
            if one.decided == day and one.state == "doubtful":
                join_id = conn.execute(
                    select(invitation_joins.c.id).where(invitation_joins.c.friend_id == one.id)
                ).scalar_one()
                judge: dict[str, Any] = {"actor_id": self.case.manager, "note_id": None, "now": now}
                assert invitation_doubts.decide(conn, join_id, counts=one.counts, **judge)
                one.state = "joined" if one.counts else "rejected"
            if one.severed == day:
                invitation_attribution.sever(conn, one.id, now)
                one.state = "rejected" if one.state in ("joined", "doubtful") else one.state

    def close(self, done: dict[str, int]) -> None:
        """Count at the end of a day who has checked in often enough; ``done``: days by person."""
        for one in self.friends.values():
            if one.state == "joined" and done[one.id] >= NEEDED:
                one.state = "active"

    # The naive count.

    def owed(self, person_id: str) -> int:
        active = sum(one.inviter == person_id and one.state == "active" for one in self.friends.values())
        return POINTS * min(CAP, active)

    def check(self, report: dict[str, Any], paid: set[str], participants: int) -> None:
        """Hold the report's figures against the lists; ``paid``: who was settled."""
        growth = report["growth"]
        friends = list(self.friends.values())
        assert len(friends) > 40
        states = Counter(one.state for one in friends)
        active = states["active"]
        rewarded = sum(self.owed(person) // POINTS for person in paid)
        unused = [code for code in self.codes.values() if not code.used]
        opened = [code for code in unused if code.opened]
        steps = {step["step"]: step for step in growth["steps"]}
        reached = {name: step["reached"] for name, step in steps.items()}
        assert reached == {
            "created": len(friends) + len(unused),
            "sent": len(friends) + len(opened),
            "opened": len(friends) + len(opened),
            "joined": len(friends),
            "activated": active,
            "rewarded": rewarded,
        }
        assert (steps["joined"]["doubtful"], steps["joined"]["rejected"], steps["joined"]["dropped"]) == (
            states["doubtful"],
            states["rejected"],
            states["joined"],
        )
        assert steps["activated"]["done"] == active - rewarded
        revoked = sum(code.revoked for code in unused)
        assert steps["created"]["expired"] + steps["opened"]["expired"] == revoked
        assert all(step["in_progress"] == 0 for step in steps.values())
        # Each friend and each code that was opened: so many were invited.
        invited = len(friends) + len(opened)
        assert growth["k"] == {
            "participants": participants,
            "invited": invited,
            "activated": active,
            "value": active / participants,
            "invitations_each": invited / participants,
            "conversion": active / invited,
        }
        assert {name: step["share"] for name, step in steps.items()} == {
            "created": None,
            "sent": invited / (len(friends) + len(unused)),
            "opened": 1.0,
            "joined": len(friends) / invited,
            "activated": active / len(friends),
            "rewarded": rewarded / active,
        }
        for name, new in (("new", True), ("known", False)):
            mine = [one for one in friends if one.new is new]
            joined, counted = len(mine), sum(one.state == "active" for one in mine)
            assert growth[name] == {"joined": joined, "activated": counted}, name
        self._check_cohorts(growth["cohorts"], paid, friends, unused)
        self._check_tree(report["tree"])

    def _check_cohorts(
        self, cohorts: list[dict[str, Any]], paid: set[str], friends: list[Friend], unused: list[Code]
    ) -> None:
        rewarded = 0
        for found in cohorts:
            ways = [one for one in friends if one.code.day == found["day"]]
            codes = [code for code in unused if code.day == found["day"]]
            states = Counter(one.state for one in ways)
            invited = len(ways) + sum(code.opened for code in codes)
            rewarded += found.pop("rewarded")
            assert found == {
                "day": found["day"],
                "created": len(ways) + len(codes),
                "sent": invited,
                "opened": invited,
                "joined": len(ways),
                "activated": states["active"],
                "in_progress": 0,
                "doubtful": states["doubtful"],
                # Who was turned away, who went quiet, and what nobody came by.
                "lost": states["rejected"] + states["joined"] + len(codes),
            }
        days = [one.code.day for one in friends] + [code.day for code in unused]
        assert [found["day"] for found in cohorts] == sorted(set(days))
        # Which of somebody's friends are within the cap is the order of a moment: only their number counts.
        assert rewarded == sum(self.owed(person) // POINTS for person in paid)

    def _check_tree(self, found: dict[str, Any]) -> None:
        chains = {}
        for one in self.friends:
            chain = [one]
            while chain[-1] in self.friends:
                chain.append(self.friends[chain[-1]].inviter)
            chains[one] = chain
        people_of = Counter(chain[-1] for chain in chains.values())
        depth_of = {root: max(len(c) - 1 for c in chains.values() if c[-1] == root) for root in people_of}
        largest = sorted(people_of, key=lambda root: (-people_of[root], root))[:10]
        assert found == {
            "roots": len(people_of),
            "people": len(self.friends),
            "depth": max(depth_of.values()),
            "branches": [
                {"person_id": root, "people": people_of[root], "depth": depth_of[root]} for root in largest
            ],
        }
