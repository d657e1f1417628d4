"""The simulated people of a rehearsal: they enrol, check in, invite, leave, and some try to cheat.

What they do goes through the same transactions as what members do; only the requests are left out.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection, select

from contracts.rehearsals import Script
from db.repositories import (
    check_ins,
    enrolments,
    invitation_attribution,
    invitation_codes,
    invitation_doubts,
    people,
    pictures,
)
from db.repositories.check_ins import CheckedIn, CheckIn, Taken
from db.repositories.enrolments import Entry, Newcomer
from db.repositories.people import NewPerson
from db.tables.campaigns import enrolments as places
from domain.campaigns import rehearsal
from domain.campaigns.calendar import rest_days, weekday_of
from domain.campaigns.forecast import can_invite, needs_invitation
from domain.campaigns.invitations import Attribution, Channel, Click, attribute
from domain.campaigns.members import Place
from domain.campaigns.plan import Proof
from domain.campaigns.rehearsal import Character
from domain.campaigns.streaks import make_up_days
from domain.ids import new_id
from engine.campaign_driver import CampaignDriver

HOST: Final = "rehearsal.invalid"
LINK: Final = "https://notes.rehearsal.invalid/{number}"
PICTURE_TYPE: Final = "image/png"
LONG_AGO: Final = timedelta(days=400)
BETWEEN_JOINS: Final = timedelta(minutes=10)
MOST_PEOPLE: Final = 3
"""How many times as many people as participants there may be, with those whom they invite."""
TRYING_DAYS: Final = 3
"""Own days on which cheats try what is not allowed."""

Noted = Callable[[StrEnum], None]
"""Takes the outcome of a check-in."""


@dataclass
class Player:
    """One simulated member; ``first_day`` is 0 before the enrolment, ``inviter`` is a person's id."""

    who: str
    character: Character
    comes_on: int
    inviter: str | None = None
    new: bool = False
    id: str = ""
    active: bool = False
    first_day: int = 0
    done: set[int] = field(default_factory=set)
    cards: int = 0

    @property
    def email(self) -> str:
        """The address, which leads nowhere."""
        return f"{self.who}@{HOST}"


class Cast:
    """Everybody who takes part in the rehearsed campaign."""

    def __init__(self, campaign: CampaignDriver, script: Script) -> None:
        self.campaign = campaign
        self.script = script
        self.plan = script.plan
        self.rest = rest_days(self.plan, self.plan.length_days)
        self.turned_away = 0
        self.refused: Counter[str] = Counter()
        self.let_through = 0
        self._behaviour, self._seed = script.behaviour, script.seed
        self._last = last = self.plan.last_joining_day
        self._coming: dict[int, list[Player]] = defaultdict(list)
        self._players: list[Player] = []
        self._total = 0
        for number in range(script.participants):
            who = f"m{number:04d}"
            day = rehearsal.comes_on(self._seed, who, self._behaviour, last)
            inviter = campaign.leader if needs_invitation(self.plan) else None
            self._expect(who, day, inviter, new=False)

    def _expect(self, who: str, day: int, inviter: str | None, *, new: bool = True) -> None:
        if self._total < self.script.participants * MOST_PEOPLE:
            self._total += 1
            character = rehearsal.character(self._seed, who, self._behaviour)
            self._coming[day].append(Player(who, character, day, inviter, new))

    # Enrolment.

    async def arrive(self, day: int, now: datetime) -> None:
        """Let those come who come on ``day`` (1 also holds before the start). ``now``: process time (UTC)."""
        coming = self._coming.pop(day, [])
        if coming:
            await self.campaign.db.write(lambda conn: self._create(conn, coming, now))
            self.turned_away += await self.campaign.db.write(lambda conn: self._enrol(conn, coming, now))
            self._players += coming
        await self._look_round()

    def _create(self, conn: Connection, coming: Iterable[Player], now: datetime) -> None:
        rows = [
            NewPerson(one.email, one.who, "zh-CN", self.plan.time_zone, now if one.new else now - LONG_AGO)
            for one in coming
        ]
        people.create_many(conn, rows, datetime.now(UTC))
        ids = people.ids_by_email(conn, [one.email for one in coming])
        for one in coming:
            one.id = ids[one.email]

    def _enrol(self, conn: Connection, coming: list[Player], now: datetime) -> int:
        away = 0
        for number, one in enumerate(coming):
            at = now + number * BETWEEN_JOINS
            by = self._invitation(conn, one, at)
            hour = rehearsal.reminder_hour(
                self._seed, one.who, self._behaviour, self.script.policy.reminder_hours
            )
            doubts = invitation_doubts.doubts_about(conn, one.id, by.inviter_id, None, at) if by else ()
            newcomer = Newcomer(
                self.campaign.id,
                one.id,
                invited=by is not None,
                invited_by=by.inviter_id if by else None,
                new_member=by is not None and by.new_member and not doubts,
                reminder_hour=hour,
            )
            outcome = enrolments.enrol(conn, newcomer, datetime.now(UTC))
            if by is not None and outcome in {Entry.ENROLLED, Entry.WAITING}:
                invitation_attribution.join(conn, self.campaign.id, one.id, by, doubts, None, at)
            away += outcome is not Entry.ENROLLED
        return away

    def _invitation(self, conn: Connection, one: Player, at: datetime) -> Attribution | None:
        if one.inviter is None or not can_invite(self.plan):
            return None
        rules = self.plan.invitations
        code = invitation_codes.personal(
            conn, self.campaign.id, one.inviter, Channel.LINK, rules.valid_days, at
        )
        row = invitation_codes.by_code(conn, code.code, at)
        if row is None:
            return None
        invitation_codes.opened(conn, row.id, at)
        return attribute(
            [Click(invitation_id=row.id, inviter_id=row.inviter_id, at=at)],
            oneself={one.id},
            joined_at=at,
            window_days=rules.attribution_days,
            # Who is new made the account after the click.
            known_since=at + timedelta(seconds=1) if one.new else at - LONG_AGO,
        )

    async def _look_round(self) -> None:
        """See who takes part by now: places that became free have gone to those who waited."""
        wanted = select(places.c.person_id, places.c.status, places.c.first_day).where(
            places.c.campaign_id == self.campaign.id
        )
        found = await self.campaign.db.read(lambda conn: {row.person_id: row for row in conn.execute(wanted)})
        for one in self._players:
            row = found.get(one.id)
            one.active = row is not None and row.status == Place.ACTIVE.value
            one.first_day = row.first_day if row is not None else 0

    # Days.

    def invite_before_the_start(self) -> None:
        """Let who has enrolled before the first day invite friends."""
        for one in list(self._players):
            if one.active:
                self._invite(one, 0, 0)

    async def live(self, day: int, *, evening: bool) -> None:
        """Let everybody do what they do in this half of ``day``."""
        weekday, resting = weekday_of(self.plan, day), day in self.rest
        acting, leaving = [], []
        for one in self._players:
            own_day = day - one.first_day + 1
            if not one.active or own_day < 1:
                continue
            if one.character.is_done_by(own_day):
                if one.character.tells and not evening:
                    leaving.append(one)
                continue
            late = rehearsal.in_the_evening(self._seed, one.who, self._behaviour, day)
            acts = rehearsal.checks_in(
                self._seed,
                one.who,
                one.character,
                self._behaviour,
                day,
                weekday=weekday,
                resting=resting,
            )
            if acts and late == evening:
                acting.append(one)
                self._invite(one, day, own_day)
        await self._leave(leaving)
        await self._check_in(acting, day)

    def _invite(self, one: Player, day: int, own_day: int) -> None:
        if not can_invite(self.plan) or day >= max(1, self._last):
            # Nobody follows an invitation to where one cannot enrol any more.
            return
        number = rehearsal.friends_who_come(self._seed, one.who, self._behaviour, day, own_day)
        for place in range(number):
            self._expect(f"{one.who}.{day}.{place}", day + 1, one.id)
        if one.character.cheats and own_day == 1 and "-" not in one.who:
            # The same person again, under an address that looks alike.
            self._expect(f"{one.who[0]}-{one.who[1:]}", day + 1, one.id)

    async def _leave(self, leaving: list[Player]) -> None:
        def write(conn: Connection) -> None:
            for one in leaving:
                enrolments.leave(conn, self.campaign.id, one.id, datetime.now(UTC))

        if leaving:
            await self.campaign.db.write(write)
            for one in leaving:
                one.active = False

    async def _check_in(self, acting: list[Player], day: int) -> None:
        asked: list[tuple[CheckIn, Noted]] = []
        for one in acting:
            tries = self._tries(one, day)
            asked += tries[:2]
            asked.append((self._one(one, day), self._expected(one, day, card=False)))
            asked += tries[2:]
            asked += self._make_ups(one, day)
        if not asked:
            return
        given = [check_in for check_in, _ in asked]
        found = await self.campaign.db.write(lambda conn: _handed_in(conn, given))
        for (_, note), taken in zip(asked, found, strict=True):
            note(taken.outcome)

    def _one(self, one: Player, day: int, *, makes_up: int | None = None, again: bool = False) -> CheckIn:
        needed, number = self.plan.requirement, day + 1000 * again
        text, link, picture = "", None, None
        if Proof.NOTE in needed.proofs:
            text = rehearsal.note(number, needed.min_note_characters)
        elif Proof.LINK in needed.proofs:
            link = LINK.format(number=number)
        else:
            picture = new_id()
        return CheckIn(self.campaign.id, one.id, note=text, link=link, makes_up=makes_up, picture_id=picture)

    def _expected(self, one: Player, day: int, *, card: bool) -> Noted:
        def note(outcome: StrEnum) -> None:
            if outcome is not Taken.COUNTED:
                raise RuntimeError(f"what is allowed was refused: {outcome}")
            one.done.add(day)
            one.cards += card

        return note

    def _tries(self, one: Player, day: int) -> list[tuple[CheckIn, Noted]]:
        """What a cheat tries: nothing at all, a day to come, and the same day again."""
        if not one.character.cheats or day - one.first_day >= TRYING_DAYS:
            return []
        empty = CheckIn(self.campaign.id, one.id)
        ahead = self._one(one, day, makes_up=day + 1)
        again = self._one(one, day, again=True)
        return [(given, self._forbidden) for given in (empty, ahead, again)]

    def _forbidden(self, outcome: StrEnum) -> None:
        if outcome in {Taken.COUNTED, Taken.REPEATED}:
            self.let_through += 1
        else:
            self.refused[outcome.value] += 1

    def _make_ups(self, one: Player, day: int) -> Iterable[tuple[CheckIn, Noted]]:
        open_days = make_up_days(
            self.plan.make_up,
            today=day,
            done=one.done,
            rest=self.rest,
            first_day=one.first_day,
            cards_used=one.cards,
        )
        made = [
            missed
            for missed in open_days
            if rehearsal.makes_up(self._seed, one.who, self._behaviour, day, missed)
        ]
        for missed in made[: self.plan.make_up.cards - one.cards]:
            yield self._one(one, day, makes_up=missed), self._expected(one, missed, card=True)


def _handed_in(conn: Connection, given: list[CheckIn]) -> list[CheckedIn]:
    """Check in, each with its picture if it names one; no file lies behind it."""
    now = datetime.now(UTC)
    if not any(one.picture_id for one in given):
        return check_ins.check_in(conn, given, now)
    return [_with_picture(conn, one, now) for one in given]


def _with_picture(conn: Connection, one: CheckIn, now: datetime) -> CheckedIn:
    if one.picture_id is not None:
        pictures.add(
            conn,
            picture_id=one.picture_id,
            campaign_id=one.campaign_id,
            person_id=one.person_id,
            media_type=PICTURE_TYPE,
            size=1,
            storage_name=one.picture_id,
            now=now,
        )
    (done,) = check_ins.check_in(conn, [one], now)
    # What was refused leaves its picture behind, and only so many of them may lie about.
    pictures.sweep(conn, now + BETWEEN_JOINS, 1)
    return done
