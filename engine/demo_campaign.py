"""The demo's second story: a campaign of thirty days, from its plan to its report, in skipped time.

Two in five come by the invitation of a friend. Most members are eager, some tire, some leave, and some try
what is not allowed. Who does what is drawn by
a fixed seed, so that the story is the same each time; the engine's answers are checked, never assumed.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from db.database import Database
from db.repositories import people
from engine.demo_story import Teller, expect
from engine.seed_people import ADMIN, HOST
from engine.visitors import Entrance, Refusal, Visitor

DAY: Final = timedelta(days=1)
AT_ONCE: Final = 16
POOL_SHARE: Final = 2
CHEAT_SHARE: Final = 0.05
QUIT_SHARE: Final = 0.1
INVITED_SHARE: Final = 0.4
FRIENDS_EACH: Final = 3
GREEDY_FRIENDS: Final = 6
"""So many friends from one address are more than a household: staff look at them."""
JOINED_DAYS: Final = 400
"""The members joined one after the other in so many days, so that the month before is like any other."""
NEWCOMER_SHARE: Final = 0.15
NEWCOMERS_COME_ON: Final = 2
SEED: Final = 20260301


@dataclass
class Participant:
    """One member in the story: how eager, on which day they leave, and whether they cheat."""

    visitor: Visitor
    eagerness: float
    leaves_on: int
    cheats: bool


async def add_members(db: Database, number: int) -> list[str]:
    """Add ``number`` plainly fictional members, and return their addresses.

    They join after the first story: its ballot would need more votes otherwise than the story has.
    """
    now = datetime.now(UTC)
    days = [JOINED_DAYS * (index + 1) // number for index in range(number)]
    return await _add(db, "walker", [now - ago * DAY for ago in days])


async def _add(db: Database, name: str, joined: list[datetime]) -> list[str]:
    emails = [f"{name}{index:03d}@{HOST}" for index in range(len(joined))]
    rows = [
        people.NewPerson(email, f"示例·学员{index:03d}", "zh-CN", "Asia/Shanghai", joined[index])
        for index, email in enumerate(emails)
    ]
    await db.write(lambda conn: people.create_many(conn, rows, datetime.now(UTC)) and None)
    return emails


class CampaignStory:
    """Carries one campaign of ``leader`` from its plan to its report, telling each step."""

    def __init__(self, door: Entrance, db: Database, teller: Teller, leader: Visitor, days: int) -> None:
        self.door = door
        self.db = db
        self.teller = teller
        self.leader = leader
        self.days = days
        self.id = ""
        self.participants: list[Participant] = []
        self.refused: Counter[str] = Counter()
        self.doubtful = 0
        self.report: dict[str, Any] = {}
        self._draw = random.Random(SEED)

    @property
    def path(self) -> str:
        """The campaign's path in the API."""
        return f"/campaigns/{self.id}"

    async def tell(self, members: int) -> None:
        """Tell it from beginning to end. Raises ``EngineError`` where it goes otherwise."""
        emails = await add_members(self.db, members)
        await self._plan(len(emails))
        await self._approve()
        await self._enrol(emails)
        for day in range(1, self.days + 1):
            await self._live(day)
        await self._look_back()

    def _say(self, at: str | None, who: str, phrase: str, /, **values: Any) -> None:
        self.teller.tell(at, self.teller.words(who), self.teller.words(phrase, **values))

    async def _skip(self, length: timedelta) -> str:
        return await self.leader.skip_process(f"campaign/{self.id}", length)

    async def _show(self) -> dict[str, Any]:
        return dict(await self.leader.get(self.path))

    @staticmethod
    def _newcomers(members: int) -> int:
        return max(1, round(members * NEWCOMER_SHARE))

    async def _plan(self, members: int) -> None:
        starts_on = (datetime.now(UTC) + 3 * DAY).date().isoformat()
        draft = await self.leader.post("/campaigns", {"template": "learning_plan", "starts_on": starts_on})
        self.id = draft["id"]
        plan = draft["plan"] | {"length_days": self.days, "capacity": members + self._newcomers(members)}
        plan["late_enrolment_until_day"] = min(self.days, NEWCOMERS_COME_ON)
        changed = await self.leader.patch(self.path, {"plan": plan}, version=draft["edit_version"])
        handed_in = await self.leader.post(f"{self.path}/submit")
        expect(handed_in["status"] == "in_review", f"the campaign is {handed_in['status']}")
        self._say(
            handed_in["waiting_since"],
            "leader",
            "campaign_planned",
            title=changed["title"],
            days=self.days,
            liability=changed["liability"],
        )

    async def _approve(self) -> None:
        staff = await self.door.by_name(f"{ADMIN}@{HOST}")
        liability = (await self._show())["liability"]
        try:
            await staff.post(f"{self.path}/review", {"decision": "approve"})
            expect(False, "an empty pool promised points")
        except Refusal as refusal:
            expect(refusal.code == "pool_too_small", f"the approval was refused: {refusal.code}")
        self._say(None, "manager", "pool_was_empty")
        deposit = {"amount": liability * POOL_SHARE, "source": "sponsorship", "reference": "demo sponsor"}
        await staff.post("/staff/pool/deposits", deposit, key="demo-deposit")
        approved = await staff.post(f"{self.path}/review", {"decision": "approve"})
        expect(approved["reserved"] == liability, f"{approved['reserved']} points are reserved")
        self._say(approved["waiting_since"], "manager", "campaign_approved", reserved=liability)

    async def _enrol(self, emails: list[str]) -> None:
        self.participants = [await self._participant(email) for email in emails]
        friends = round(len(emails) * INVITED_SHARE)
        first, later = self.participants[friends:], self.participants[:friends]
        await self._at_once(one.visitor.post(f"{self.path}/enrolments") for one in first)
        await self._invite(first, later)
        show = await self._show()
        expect(show["members"] == len(emails), f"{show['members']} members are in")
        self._say(show["now"], "members", "campaign_enrolled", count=len(first), invited=len(later))
        await self._judge()
        begins = datetime.fromisoformat(show["starts_at"]) - datetime.fromisoformat(show["now"])
        await self._skip(begins + timedelta(minutes=5))

    async def _participant(self, email: str) -> Participant:
        eagerness = self._draw.choice([1.0, 0.97, 0.9, 0.6, 0.25])
        leaves_on = self._draw.randint(3, self.days) if self._draw.random() < QUIT_SHARE else 0
        visitor = await self.door.by_name(email)
        return Participant(visitor, eagerness, leaves_on, self._draw.random() < CHEAT_SHARE)

    async def _invite(self, inviters: list[Participant], friends: list[Participant]) -> None:
        """Let every friend come by a personal code: up to three of one inviter, more of one who is greedy."""
        waiting = list(friends)
        many = GREEDY_FRIENDS if len(friends) > 2 * GREEDY_FRIENDS else FRIENDS_EACH
        for one in inviters[: len(friends)]:
            mine, waiting = waiting[:many], waiting[many:]
            if mine:
                given = await one.visitor.post(f"{self.path}/invitations", {"channel": "link"})
                code = {"invite_code": given["code"]}
                await self._at_once(friend.visitor.post(f"{self.path}/enrolments", code) for friend in mine)
            many = self._draw.randint(1, FRIENDS_EACH)

    async def _judge(self) -> None:
        """Let staff look at the friends about whom there are doubts, and count none of them."""
        staff = await self.door.by_name(f"{ADMIN}@{HOST}")
        doubtful = "/staff/invitations/doubtful"
        cases = (await staff.get(doubtful))["items"]
        expect({case["campaign_id"] for case in cases} <= {self.id}, "the doubts are about another campaign")
        for case in cases:
            body = {"decision": "reject", "note": self.teller.words("invitation_rejected")}
            done = await staff.post(f"{doubtful}/{case['id']}/decision", body)
            expect(done == {"outcome": "rejected", "points": 0}, f"the decision says {done}")
        self.doubtful = len(cases)
        if cases:
            self._say(None, "manager", "invitations_doubtful", count=len(cases))

    async def _live(self, day: int) -> None:
        show = await self._show()
        expect(show["day"] == day, f"it is day {show['day']}, not {day}")
        if day == NEWCOMERS_COME_ON:
            await self._welcome(show["now"])
        acts = []
        for one in self.participants:
            if one.leaves_on == day:
                acts.append(one.visitor.ask("DELETE", f"{self.path}/enrolments/me"))
            elif (not one.leaves_on or one.leaves_on > day) and self._draw.random() < one.eagerness:
                acts.append(self._check_in(one, day))
        await self._at_once(acts)
        await self._pass_on(day)
        today = (await self.leader.get(f"{self.path}/metrics"))["days"][-1]
        self._say(
            show["now"], "time", "campaign_day", day=day, done=today["checked_in"], active=today["active"]
        )
        await self._skip(DAY)

    async def _welcome(self, now: str) -> None:
        """Let newcomers make accounts by the code of a member each, and enrol."""
        inviters = self.participants[: self._newcomers(len(self.participants))]
        codes = [
            (await one.visitor.post(f"{self.path}/invitations", {"channel": "link"}))["code"]
            for one in inviters
        ]
        emails = await _add(self.db, "newcomer", [datetime.now(UTC)] * len(codes))
        new = [await self._participant(email) for email in emails]
        await self._at_once(
            one.visitor.post(f"{self.path}/enrolments", {"invite_code": code})
            for one, code in zip(new, codes, strict=True)
        )
        self.participants += new
        self._say(now, "members", "campaign_newcomers", count=len(new))

    async def _pass_on(self, day: int) -> None:
        """Let the leader show a note of the first day to everybody; each day a member passes it on."""
        if day == 1:
            notes = (await self.leader.get(f"{self.path}/notes"))["items"]
            first = next(note for note in notes if note["may_feature"])
            await self.leader.post(f"/checkins/{first['check_in_id']}/feature")
        sharer = self.participants[day % len(self.participants)].visitor
        for note in (await sharer.get(f"{self.path}/shared-notes"))["items"]:
            await sharer.post(f"/shared-notes/{note['code']}/shares", {"channel": "link"})

    async def _check_in(self, one: Participant, day: int) -> None:
        """Check in; a cheat tries an empty note, a day to come and a second time besides."""
        honest = {"note": self.teller.words("campaign_note", day=day, number=self._draw.randrange(10_000))}
        if one.cheats:
            await self._refused(one.visitor, {"note": "好" * 40})
            await self._refused(one.visitor, honest | {"makeup_for_day": day + 1})
        await one.visitor.post(f"{self.path}/checkins", honest)
        if one.cheats:
            await self._refused(one.visitor, {"note": honest["note"] + " Once more, for twice the points."})

    async def _refused(self, visitor: Visitor, body: dict[str, Any]) -> None:
        try:
            await visitor.post(f"{self.path}/checkins", body)
        except Refusal as refusal:
            self.refused[refusal.code] += 1
        else:
            expect(False, "a cheat was let through")

    @staticmethod
    async def _at_once(acts: Iterable[Awaitable[Any]]) -> None:
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(act: Awaitable[Any]) -> None:
            async with gate:
                await act

        await asyncio.gather(*(one(act) for act in acts))

    async def _look_back(self) -> None:
        """Read the report, and that the ledger paid what it says."""
        show = await self._show()
        expect(show["status"] == "settled", f"the campaign is {show['status']}")
        self.report = await self.leader.get(f"{self.path}/report")
        paid = sum([(await one.visitor.get("/me/points"))["available"] for one in self.participants])
        expect(paid == self.report["paid"]["total"], f"{paid} points are held, not what the report says")
        staff = await self.door.by_name(f"{ADMIN}@{HOST}")
        pool = await staff.get("/staff/pool")
        expect(pool["promised"] == 0, f"{pool['promised']} points are still promised")
        self._say(show["now"], "process", "campaign_settled", paid=paid, left=show["reserved"] - paid)
        reached = {step["step"]: step["reached"] for step in self.report["growth"]["steps"]}
        counted, friends = reached["activated"], reached["joined"]
        expect(0 < counted <= friends - self.doubtful, f"{counted} of {friends} friends count")
        if self.refused:
            self._say(show["now"], "process", "campaign_cheats", count=self.refused.total())
