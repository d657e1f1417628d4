"""What a rehearsal says will happen, and what somebody who plans a campaign should look at.

Everything is counted from what the simulated members really did on the real process. What holds for a
full campaign is scaled up from that, and marked as such.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from enum import StrEnum
from functools import cached_property

from pydantic import BaseModel, ConfigDict

from domain.campaigns.calendar import rest_days
from domain.campaigns.plan import Board, CampaignPlan, Enrolment, InvitationMode
from domain.campaigns.rehearsal import Behaviour
from domain.campaigns.reports import Paid
from domain.campaigns.rewards import liability, prizes_paid

DROPOUT_DAY = 3
"""The day until which most who stop have stopped, counted in days that ask something."""
_STAYED_TO_DROPOUT_DAY = 0.7
_MANY_COMPLETE, _FEW_COMPLETE = 0.95, 0.25
_LITTLE_USED = 0.5
_MANY_MAILS_A_DAY = 1.5
_INVITED_TOO_MUCH = 0.4
_HARDLY_SPLIT = 0.8


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class ForecastDay(_Frozen):
    """One day: who takes part at its end, who checked in, how many mails it queued (by template).

    ``earned`` are the points that check-ins of these members have earned up to then (who leaves is not paid),
    ``invited`` the friends who have come by an invitation up to then; both as simulated.
    """

    day: int
    on: date
    members: int
    checked_in: int
    made_up: int
    earned: int
    invited: int
    mails: dict[str, int]


class Outcome(_Frozen):
    """What was counted at the end, all of it as simulated.

    ``prizes`` are the places of each board that were paid; ``streaks`` how many reached each bonus (days).
    ``refused`` counts what cheats tried, by the code that refused it, and ``let_through`` what was not.
    """

    members: int
    left: int
    turned_away: int
    started: int
    completed: int
    still_there: int
    check_ins: int
    make_ups: int
    invited: int
    activated: int
    doubtful: int
    paid: Paid
    prizes: dict[Board, int]
    streaks: dict[int, int]
    mails_to_members: dict[str, int]
    mails_to_others: dict[str, int]
    refused: dict[str, int]
    let_through: int


class Warn(StrEnum):
    """What the forecast points at, the gravest first."""

    NOBODY_ENROLS = "nobody_enrols"
    CHEATS_PASSED = "cheats_passed"
    NOBODY_COMPLETES = "nobody_completes"
    FEW_COMPLETE = "few_complete"
    EARLY_DROPOUT = "early_dropout"
    STREAK_UNREACHED = "streak_unreached"
    PRIZES_UNREACHED = "prizes_unreached"
    PRIZES_SPLIT = "prizes_split"
    INVITATIONS_COST_MOST = "invitations_cost_most"
    MANY_MAILS = "many_mails"
    TURNED_AWAY = "turned_away"
    RESERVE_UNUSED = "reserve_unused"
    TOO_EASY = "too_easy"


class Finding(_Frozen):
    """One thing to look at; ``values`` are the numbers that its text names."""

    code: Warn
    values: dict[str, float] = {}


class Forecast(_Frozen):
    """The whole forecast: what was simulated, what came of it, by day and at the end."""

    plan: CampaignPlan
    behaviour: Behaviour
    participants: int
    seed: int
    days: tuple[ForecastDay, ...]
    outcome: Outcome

    @cached_property
    def scale(self) -> float:
        """How many real members one simulated stands for, if every seat is taken; 0 without anybody."""
        members = self.outcome.members
        return max(1.0, self.plan.capacity / members) if members else 0.0

    @property
    def liability(self) -> int:
        """The most that the plan can pay: what its approval reserves (points)."""
        return liability(self.plan)

    @property
    def completion(self) -> float:
        """The share of the members who completed it."""
        return self.outcome.completed / self.outcome.members if self.outcome.members else 0.0

    @property
    def retention(self) -> float:
        """Of those who ever checked in, the share who did so within the last seven days."""
        return self.outcome.still_there / self.outcome.started if self.outcome.started else 0.0

    @property
    def k_factor(self) -> float:
        """How many friends came by the invitation of one who took part."""
        came = self.outcome.members + self.outcome.left
        return self.outcome.invited / came if came else 0.0

    @property
    def paid_when_full(self) -> int:
        """Points paid if every seat is taken: all but prizes, which are as many however many take part.

        It is never more than the reservation.
        """
        paid = self.outcome.paid
        return min(self.liability, round((paid.total - paid.rank) * self.scale) + paid.rank)

    @property
    def mails(self) -> int:
        """All mails of the simulated campaign."""
        return sum(self.outcome.mails_to_members.values()) + sum(self.outcome.mails_to_others.values())

    @property
    def mails_when_full(self) -> int:
        """Mails if every seat is taken: those to leader and staff are as many however many take part."""
        members = sum(self.outcome.mails_to_members.values())
        return round(members * self.scale) + sum(self.outcome.mails_to_others.values())

    @property
    def mails_a_member_and_day(self) -> float:
        """How many mails one member gets on one day, on average."""
        people, length = self.outcome.members + self.outcome.left, len(self.days)
        return sum(self.outcome.mails_to_members.values()) / (people * length) if people and length else 0.0

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What to look at before the campaign is handed in."""
        found = dict(_findings(self))
        return tuple(Finding(code=code, values=dict(found[code])) for code in Warn if code in found)


_Found = Iterable[tuple[Warn, Mapping[str, float]]]


def _findings(forecast: Forecast) -> _Found:
    outcome, plan = forecast.outcome, forecast.plan
    if outcome.let_through:
        yield Warn.CHEATS_PASSED, {"number": outcome.let_through}
    if not outcome.members:
        yield Warn.NOBODY_ENROLS, {}
        return
    if outcome.turned_away:
        yield Warn.TURNED_AWAY, {"number": outcome.turned_away, "capacity": plan.capacity}
    if forecast.mails_a_member_and_day > _MANY_MAILS_A_DAY:
        yield Warn.MANY_MAILS, {"number": round(forecast.mails_a_member_and_day, 1)}
    yield from _completion(forecast)
    yield from _rewards(forecast)


def _completion(forecast: Forecast) -> _Found:
    values = {"completed": forecast.outcome.completed, "members": forecast.outcome.members}
    if not forecast.outcome.completed:
        yield Warn.NOBODY_COMPLETES, values
    elif forecast.completion < _FEW_COMPLETE:
        yield Warn.FEW_COMPLETE, values
    elif forecast.completion > _MANY_COMPLETE and forecast.plan.rewards.completion:
        yield Warn.TOO_EASY, values
    yield from _dropout(forecast)


def _dropout(forecast: Forecast) -> _Found:
    # On a day of rest hardly anybody checks in, and nobody has gone for that.
    rest = rest_days(forecast.plan, len(forecast.days))
    asking = [one for one in forecast.days if one.day not in rest]
    if len(asking) > DROPOUT_DAY:
        begin, then = asking[0], asking[DROPOUT_DAY - 1]
        first, later = _took_part(begin), _took_part(then)
        if later < first * _STAYED_TO_DROPOUT_DAY:
            values = {"begin": begin.day, "day": then.day, "first": first, "later": later}
            yield Warn.EARLY_DROPOUT, values


def _took_part(day: ForecastDay) -> float:
    return day.checked_in / day.members if day.members else 0.0


def _rewards(forecast: Forecast) -> _Found:
    outcome, plan = forecast.outcome, forecast.plan
    unreached = [bonus.days for bonus in plan.rewards.streaks if not outcome.streaks.get(bonus.days)]
    if unreached:
        yield Warn.STREAK_UNREACHED, {"days": min(unreached)}
    yield from _prizes(forecast)
    paid = outcome.paid
    if paid.total and paid.invitation > paid.total * _INVITED_TOO_MUCH:
        yield Warn.INVITATIONS_COST_MOST, {"share": paid.invitation / paid.total}
    if forecast.paid_when_full < forecast.liability * _LITTLE_USED:
        yield Warn.RESERVE_UNUSED, {"paid": forecast.paid_when_full, "reserved": forecast.liability}


def _prizes(forecast: Forecast) -> _Found:
    placed, paid = sum(forecast.outcome.prizes.values()), forecast.outcome.paid.rank
    prizes = [prize for board in Board for prize in prizes_paid(forecast.plan, board)]
    promised = sum(prize.points for prize in prizes)
    if placed < len(prizes):
        yield Warn.PRIZES_UNREACHED, {"paid": placed, "promised": len(prizes)}
    elif paid < promised * _HARDLY_SPLIT:
        # Those who are tied share, and what cannot be split in whole points is not paid.
        yield Warn.PRIZES_SPLIT, {"paid": paid, "promised": promised}


def can_invite(plan: CampaignPlan) -> bool:
    """Tell whether members of the campaign have personal codes to give away."""
    return plan.invitations.mode is not InvitationMode.OFF


def needs_invitation(plan: CampaignPlan) -> bool:
    """Tell whether only who was invited may enrol."""
    return plan.enrolment is Enrolment.INVITATION


def without_zeros(counts: Mapping[str, int]) -> dict[str, int]:
    """Return the counts that say something, by their names."""
    return {name: counts[name] for name in sorted(counts) if counts[name]}
