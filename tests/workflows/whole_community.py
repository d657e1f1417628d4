"""What goes on around the story of two hundred members: who joins the community, and what is passed on."""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import insert, select

from db.repositories import featured, share_visits
from db.tables.campaigns import check_ins
from db.tables.contributions import contributions
from db.tables.people import people
from db.tables.shares import featured_notes
from domain.campaigns.sharing import ShareChannel
from domain.ids import new_id
from tests.support.campaign_case import CampaignCase
from tests.support.people import person_row

NEWCOMERS, PASSED_ON = 300, 600
HOURS = (7, 9, 15, 17, 23)
"""Local hours that are far from where campaigns begin and end, and from as long before they began."""
DAYS_AROUND = 90


@dataclass
class Community:
    """People and posts with their instants, and the notes that the leader has shown to everybody."""

    case: CampaignCase
    draw: random.Random
    joined: list[datetime] = field(default_factory=list)
    arrived: list[int] = field(default_factory=list)
    """On which day of the campaign each newcomer made an account; before 1: before it began."""
    brought: list[int] = field(default_factory=list)
    """The same of those newcomers who came by an invitation to it."""
    shared: list[tuple[str, datetime]] = field(default_factory=list)
    """Who shared a post where the community lives, and when."""
    notes: list[str] = field(default_factory=list)
    visits: set[tuple[str, str]] = field(default_factory=set)
    passed_on: dict[tuple[str, str, str], datetime] = field(default_factory=dict)
    followed: set[str] = field(default_factory=set)
    """Who enrolled after opening a note."""

    def instant(self, day: int, hour: int, minute: int = 0) -> datetime:
        """Return a local time so many days after the first day's date (UTC)."""
        plan = self.case.plan
        local = datetime.combine(plan.starts_on + timedelta(days=day), time(hour, minute))
        return local.replace(tzinfo=ZoneInfo(plan.time_zone)).astimezone(UTC)

    def _some_time(self) -> datetime:
        day = self.draw.randint(-DAYS_AROUND, DAYS_AROUND)
        return self.instant(day, self.draw.choice(HOURS), self.draw.randrange(60))

    async def gather(self) -> None:
        """Let people join the community and share, over half a year."""
        now = datetime.now(UTC)
        self.joined = [now - timedelta(days=self.draw.randrange(1, DAYS_AROUND)) for _ in range(NEWCOMERS)]
        outside = [person_row(f"outside{n}", joined_at=at) for n, at in enumerate(self.joined)]
        strangers = [row["id"] for row in outside[:20]]
        self.shared = [
            (self.draw.choice([*self.case.members, *strangers]), self._some_time()) for _ in range(PASSED_ON)
        ]
        posts = [
            {
                "id": new_id(),
                "source": "forum",
                "reference": f"post-{number}",
                "kind": "read" if number % 10 == 0 else "share",
                "person_id": person_id,
                "occurred_at": at,
                "recorded_at": at,
                "content_hash": "0" * 64,
            }
            for number, (person_id, at) in enumerate(self.shared)
        ]

        def write(conn: Any) -> None:
            conn.execute(insert(people), outside)
            conn.execute(insert(contributions), posts)

        await self.case.db.write(write)
        self.shared = [pair for number, pair in enumerate(self.shared) if number % 10]

    def arrive(self, conn: Any, day: int) -> None:
        """Let a few make accounts today: stamped by the clock on the wall, they belong to ``day``."""
        few = self.draw.randrange(1, 4)
        rows = [
            person_row(f"arrived{len(self.arrived)}-{n}", joined_at=datetime.now(UTC)) for n in range(few)
        ]
        conn.execute(insert(people), rows)
        self.arrived += [day] * few

    def enrol(self, conn: Any, person_id: str) -> None:
        """Let some of those who come late have opened a note before."""
        if self.notes and self.draw.random() < 0.5:
            now = datetime.now(UTC)
            opened = [(note, now) for note in self.draw.sample(self.notes, 1)]
            assert share_visits.joined(conn, self.case.id, person_id, opened, now)
            self.followed.add(person_id)

    def live(self, conn: Any, day: int, writers: list[str]) -> None:
        """Show a note of ``day`` to everybody; look at those that are shown, and pass them on."""
        if writers and self.draw.random() < 0.4:
            wanted = select(check_ins.c.id).where(
                check_ins.c.campaign_id == self.case.id,
                check_ins.c.day == day,
                check_ins.c.person_id == self.draw.choice(writers),
            )
            note = featured.locked_note(conn, conn.execute(wanted).scalar_one())
            assert featured.refusal(note) is None
            code = featured.feature(conn, note, self.case.leader, datetime.now(UTC)).code
            shown = select(featured_notes.c.id).where(featured_notes.c.code == code)
            self.notes.append(conn.execute(shown).scalar_one())
        for note_id in self.notes:
            self._look_at(conn, note_id)

    def _look_at(self, conn: Any, note_id: str) -> None:
        for _ in range(self.draw.randrange(4)):
            visitor = f"visitor{self.draw.randrange(30)}"
            first = share_visits.visit(conn, note_id, visitor, "", datetime.now(UTC))
            assert first == ((note_id, visitor) not in self.visits)
            self.visits.add((note_id, visitor))
        if self.draw.random() < 0.3:
            note = conn.execute(select(featured_notes).where(featured_notes.c.id == note_id)).one()
            channel, sharer = self.draw.choice(list(ShareChannel)), self.draw.choice(["one", "two"])
            at = self._some_time()
            share_visits.share(conn, note, sharer, None, channel, at)
            self.passed_on.setdefault((note_id, sharer, channel.value), at)

    # The naive count.

    def figures(self, ends: datetime) -> dict[str, Any]:
        """Return what the report says about the community. ``ends``: when the campaign ended (UTC)."""
        starts = self.instant(0, 4)
        before = starts - (ends - starts)
        members = set(self.case.members)
        mine = [at for person_id, at in self.shared if person_id in members] + [*self.passed_on.values()]
        joined = [*self.joined, *(self.instant(day - 1, 12) for day in [*self.arrived, *self.brought])]
        # Whom the campaign brought before its first day, it brought all the same.
        early = [self.instant(day - 1, 12) for day in self.brought if day < 1]
        assert early
        figures: dict[str, Any] = {}
        for name, instants in (("new_members", joined), ("shares", mine)):
            during = sum(starts <= at < ends for at in instants)
            earlier = sum(before <= at < starts for at in instants)
            if name == "new_members":
                during += len(early)
                earlier -= sum(at >= before for at in early)
            assert during > 0
            assert earlier > 0
            growth = (during - earlier) / earlier
            figures[name] = {"during": during, "before": earlier, "growth": growth}
        assert len(self.notes) > 2
        featured = {"notes": len(self.notes), "visits": len(self.visits), "joins": len(self.followed)}
        return figures | {"featured": featured}
