"""Amnesties: staff declare the days that an outage spoilt, and everybody rests on them afterwards.

Such a day becomes a day of rest rather than a check-in of everybody: nobody is paid for what nobody did,
and who had checked in keeps it, made up or not: a card spent on it can be spent again. It may be the open
day. A day that ended in the same moment is closed
first, because the process carries its orders out one after the other.
"""

from collections.abc import Collection
from datetime import datetime

from domain.campaigns.calendar import rest_days
from domain.campaigns.notices import tell
from domain.campaigns.state import Amnesty, CampaignState, Effects, Order, OrderKind
from domain.campaigns.terms import Refusal, Status
from domain.mail import MailTemplate
from domain.process import Refused


def declare(
    state: CampaignState, actor_id: str, days: Collection[int], note_id: str | None, now: datetime
) -> Effects:
    """Let everybody rest on ``days``; the counters of members are repaired after that.

    Raises ``Refused``: once the campaign is being settled, and for days that have not begun yet or ask
    nothing of anybody already (named in the detail).
    """
    if state.closed or state.status is Status.SETTLING:
        raise Refused(Refusal.AMNESTY_TOO_LATE, campaign_status=state.status.value)
    state.require(Status.RUNNING, Status.PAUSED)
    if actor_id == state.leader_id:
        raise Refused(Refusal.OWN_CAMPAIGN)
    wanted = tuple(sorted(set(days)))
    resting = resting_days(state)
    impossible = [day for day in wanted if not 1 <= day <= state.day or day in resting]
    if impossible or not wanted:
        raise Refused(Refusal.AMNESTY_DAYS, impossible=impossible, day=state.day)
    effects = Effects()
    state.note(effects, now, "amnesty_declared", actor_id, note_id, days=list(wanted))
    given = Amnesty(number=state.entries, days=wanted, declared_by=actor_id, declared_at=now, note_id=note_id)
    state.amnesties = (*state.amnesties, given)
    effects.amnesty = given
    state.orders = (*state.orders, Order(kind=OrderKind.AMNESTY, number=given.number))
    return effects


def days_given(state: CampaignState) -> frozenset[int]:
    """Return the days that amnesties have made days of rest."""
    return frozenset(day for amnesty in state.amnesties for day in amnesty.days)


def resting_days(state: CampaignState) -> frozenset[int]:
    """Return the days that ask nothing of anybody: by the plan, as its days lie now, and by amnesties."""
    plan = state.agreed
    return rest_days(plan, plan.length_days, state.shifts) | days_given(state)


def numbered(state: CampaignState, number: int) -> Amnesty:
    """Return the amnesty of that number. Raises ``LookupError``."""
    found = next((amnesty for amnesty in state.amnesties if amnesty.number == number), None)
    if found is None:
        raise LookupError(number)
    return found


def repaired(state: CampaignState, number: int, members: int, now: datetime) -> Effects:
    """Take the result of the repair: so many members' counters changed; now everybody is told."""
    effects = Effects()
    days = numbered(state, number).days
    state.note(effects, now, "amnesty_repaired", days=list(days), members=members)
    # Settled meanwhile, a member reads the result instead.
    if not (state.closed or state.status is Status.SETTLING):
        tell(state, effects, MailTemplate.CAMPAIGN_AMNESTY, joined_by=days[-1], rested=list(days))
    return effects
