"""The days of a campaign: opening, reminding, closing; pause, extension, cancellation, the end."""

from datetime import datetime
from typing import Any

from domain.campaigns.amnesties import resting_days
from domain.campaigns.calendar import Shift, days_lost, reminder_at
from domain.campaigns.notices import tell, tell_result
from domain.campaigns.plan import MAX_DAYS, InvitationMode
from domain.campaigns.review import end
from domain.campaigns.rewards import liability
from domain.campaigns.state import (
    Alarm,
    AlarmKind,
    Audience,
    CampaignState,
    Effects,
    Notice,
    Order,
    OrderKind,
)
from domain.campaigns.terms import OPEN_STATUSES, Refusal, Status, WaitingOn, gives_places
from domain.mail import MailTemplate
from domain.process import Refused

DOUBTS_REMINDED_DAYS = 3
"""Staff are reminded of doubtful friends, once, when one of so many last days opens and there are any."""
_COUNTING = (OrderKind.CLOSE_DAY, OrderKind.AMNESTY)


def ring(state: CampaignState, alarm: Alarm, now: datetime, *, vain_told: bool = True) -> Effects:
    """Act on an alarm of the running campaign.

    ``vain_told`` is False for processes that began before who waits in vain was told of it with the start.
    """
    state.require_alarm(alarm)
    effects = Effects()
    if alarm.kind is AlarmKind.DAY_OPENS:
        _open(state, effects, alarm.number, now)
        effects.mail(MailTemplate.CAMPAIGN_STARTED, Audience.LEADER)
        if vain_told and ends_joining(state, alarm):
            notice = Notice(template=MailTemplate.CAMPAIGN_NO_PLACE, waiting=True, members=False)
            state.orders = (
                *state.orders,
                Order(kind=OrderKind.TELL, number=state.entries, notice=notice),
            )
    elif alarm.kind is AlarmKind.REMINDER:
        order = Order(kind=OrderKind.REMIND, number=alarm.number, slot=alarm.slot)
        # Late by a day or an outage a reminder would only annoy: its day tells whether it still helps.
        if alarm.number == state.day and now < state.closes(state.day):
            state.orders = (*state.orders, order)
    else:
        _close(state, effects, alarm.number, now)
    return effects


def ends_joining(state: CampaignState, alarm: Alarm) -> bool:
    """Tell whether ``alarm`` is the start of a campaign that has a line and gives no place after it."""
    plan = state.agreed
    return alarm.kind is AlarmKind.DAY_OPENS and plan.waiting_list and plan.last_joining_day < 1


def _open(state: CampaignState, effects: Effects, day: int, now: datetime) -> None:
    """Open ``day``: check-ins count for it from now on, and its reminders and its end are set."""
    state.day = day
    state.move(Status.RUNNING, WaitingOn.MEMBERS, now, _alarms_of_day(state, now))
    state.note(effects, now, "day_opened", day=day)
    if day > state.agreed.length_days - DOUBTS_REMINDED_DAYS:
        _remind_of_doubts(state, effects)


def _remind_of_doubts(state: CampaignState, effects: Effects) -> None:
    """Tell staff of doubtful friends, if there are any: after the settlement they cost a reservation anew."""
    if state.agreed.invitations.mode is not InvitationMode.OFF:
        data: dict[str, Any] = {"cancelled": state.cancelled}
        if not state.cancelled:
            data["deadline"] = state.closes(state.agreed.length_days).isoformat()
        effects.mail(MailTemplate.CAMPAIGN_DOUBTS_OPEN, Audience.JUDGES, **data)


def _alarms_of_day(state: CampaignState, now: datetime) -> list[Alarm]:
    plan, day, closes = state.agreed, state.day, state.closes(state.day)
    at = {hour: reminder_at(plan, day, hour, state.shifts) for hour in state.policy.reminder_hours}
    reminders = [
        Alarm(at=instant, kind=AlarmKind.REMINDER, number=day, slot=hour)
        for hour, instant in at.items()
        if now < instant < closes
    ]
    return [*reminders, Alarm(at=closes, kind=AlarmKind.DAY_CLOSES, number=day)]


def _close(state: CampaignState, effects: Effects, day: int, now: datetime) -> None:
    """Close ``day`` and open the next, or settle after the last."""
    state.orders = (*state.orders, Order(kind=OrderKind.CLOSE_DAY, number=day))
    if day < state.agreed.length_days:
        _open(state, effects, day + 1, now)
        return
    state.note(effects, now, "last_day_over", day=day)
    _settle(state, now)


def _settle(state: CampaignState, now: datetime) -> None:
    state.day = state.agreed.length_days + 1 if not state.cancelled else state.day
    state.move(Status.SETTLING, WaitingOn.NOBODY, now)
    state.orders = (*state.orders, Order(kind=OrderKind.SETTLE))


def day_closed(state: CampaignState, day: int, checked_in: int, missed: int, now: datetime) -> Effects:
    """Take the result of a day's close: so many members checked in, so many did not."""
    effects = Effects()
    state.closed_through = max(state.closed_through, day)
    state.note(effects, now, "day_closed", day=day, checked_in=checked_in, missed=missed)
    # Also a day before the last may be counted once no other opens: after an outage, or when cancelled.
    over = state.status is Status.SETTLING
    rest = day in resting_days(state)
    data = {"day": day, "checked_in": checked_in, "missed": missed, "over": over, "rest": rest}
    effects.mail(MailTemplate.CAMPAIGN_DIGEST, Audience.LEADER, **data)
    return effects


def settled(
    state: CampaignState, paid: int, members: int, now: datetime, *, told_apart: bool = True
) -> Effects:
    """Take the result of the settlement: everybody is paid, what is left goes back to the pool.

    Only now members are told; not so where ``told_apart`` is False, in processes from before: there each
    was told with the payment.
    """
    state.require(Status.SETTLING)
    effects = Effects(release=True)
    end(state, Status.CANCELLED if state.cancelled else Status.SETTLED, now)
    code = "campaign_cancelled_settled" if state.cancelled else "campaign_settled"
    state.note(effects, now, code, paid=paid, members=members, reserved=state.reserved)
    effects.mail(MailTemplate.CAMPAIGN_SETTLED, Audience.LEADER, paid=paid, members=members)
    if told_apart:
        # After the end, which drops every order: who reads of it finds the campaign settled.
        tell_result(state)
    return effects


def pause(
    state: CampaignState, actor_id: str, note_id: str | None, now: datetime, *, told: bool = True
) -> Effects:
    """Stop the campaign where it is: no check-ins, no reminders, no day ends.

    Here as below ``told`` is False only for processes that began before members were told of such things.
    """
    state.require(Status.RUNNING)
    effects = Effects()
    state.paused_at = now
    state.move(Status.PAUSED, WaitingOn.LEADER, now)
    state.note(effects, now, "campaign_paused", actor_id, note_id, day=state.day)
    if told:
        tell(state, effects, MailTemplate.CAMPAIGN_PAUSED, waiting=_gives_places(state), note_id=note_id)
    return effects


def resume(state: CampaignState, actor_id: str, now: datetime, *, told: bool = True) -> Effects:
    """Go on with the day at which it was paused; the days to come move by the calendar days lost."""
    state.require(Status.PAUSED)
    effects = Effects()
    if now >= state.closes(state.day):
        lost = days_lost(state.agreed, state.day, now, state.shifts)
        state.shifts = (*state.shifts, Shift(from_day=state.day, days=lost))
    state.paused_at = None
    state.move(Status.RUNNING, WaitingOn.MEMBERS, now, _alarms_of_day(state, now))
    state.note(effects, now, "campaign_resumed", actor_id, day=state.day)
    if told:
        waiting = _gives_places(state)
        data: dict[str, Any] = {"day": state.day, "closes_at": state.closes(state.day).isoformat()}
        data["rest"] = state.day in resting_days(state)
        if waiting:
            # The last day to join on has moved like the others.
            data["places_until"] = state.closes(state.agreed.last_joining_day).isoformat()
        tell(state, effects, MailTemplate.CAMPAIGN_RESUMED, waiting=waiting, **data)
    return effects


def _gives_places(state: CampaignState) -> bool:
    """Tell whether who waits may still get a place; afterwards they are told that none came free."""
    return gives_places(state.status, state.day, state.agreed.last_joining_day)


def extend(state: CampaignState, actor_id: str, days: int, now: datetime, *, told: bool = True) -> Effects:
    """Add ``days`` days at the end; what more they could pay is reserved first, or it is refused."""
    state.require(*OPEN_STATUSES)
    longer = state.agreed.length_days + days
    longest = min(state.policy.longest_days, MAX_DAYS)
    if days < 1 or longer > longest:
        raise Refused(Refusal.TOO_LONG, longest_days=longest)
    effects = Effects()
    state.plan = state.agreed.model_copy(update={"length_days": longer})
    wanted = liability(state.plan)
    effects.reserve = max(0, wanted - state.reserved)
    state.reserved += effects.reserve
    state.note(effects, now, "campaign_extended", actor_id, days=days, length_days=longer)
    if told:
        ends_at = state.closes(longer).isoformat()
        data: dict[str, Any] = {"added": days, "length_days": longer, "ends_at": ends_at}
        tell(state, effects, MailTemplate.CAMPAIGN_EXTENDED, waiting=not state.day, **data)
    return effects


def cancel(
    state: CampaignState,
    actor_id: str,
    note_id: str | None,
    now: datetime,
    *,
    told: bool = True,
    waiting_told: bool = True,
) -> Effects:
    """End the campaign before its time: what was earned is settled, nothing more can be.

    Members of one that has begun are told what they are paid once all are, those of one that has not at
    once; who is in line is told either way (not so in processes from before, where ``waiting_told`` is
    False).
    """
    state.require(Status.DRAFT, Status.IN_REVIEW, *OPEN_STATUSES)
    effects = Effects()
    state.note(effects, now, "campaign_cancelled", actor_id, note_id, day=state.day)
    effects.mail(
        MailTemplate.CAMPAIGN_CANCELLED,
        Audience.LEADER,
        note_id=note_id,
        begun=state.day > 0,
        reserved=state.reserved,
    )
    state.cancelled = True
    # What a settlement counts is still being worked on: that goes first, in the order given.
    state.orders = tuple(order for order in state.orders if order.kind in _COUNTING)
    if state.day:
        _remind_of_doubts(state, effects)
        if waiting_told and state.agreed.waiting_list:
            state.orders = (*state.orders, _called_off(state, note_id, day=state.day))
        _settle(state, now)
        return effects
    effects.release = state.reserved > 0
    enrolling = state.status is Status.ENROLLING
    end(state, Status.CANCELLED, now)
    if told and enrolling:
        # Like the results of a settlement it outlives the end of its campaign: nothing else is left to do.
        state.orders = (_called_off(state, note_id),)
    return effects


def _called_off(state: CampaignState, note_id: str | None, **data: Any) -> Order:
    """Write to who is in line, and to the members of a campaign that has no day yet."""
    notice = Notice(
        template=MailTemplate.CAMPAIGN_CALLED_OFF,
        data={"note_id": note_id} | data,
        waiting=True,
        members=not state.day,
    )
    return Order(kind=OrderKind.TELL, number=state.entries, notice=notice)
