"""The transitions of a campaign: whatever people do and whenever alarms ring, it stays one campaign."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.campaigns import amnesties, process, review, run
from domain.campaigns.notices import RESULTS
from domain.campaigns.plan import CampaignPlan
from domain.campaigns.policy import CampaignPolicy
from domain.campaigns.rewards import liability
from domain.campaigns.state import Alarm, AlarmKind, CampaignState, Effects, OrderKind
from domain.campaigns.terms import ENDED, IfNothing, ReasonCode, Refusal, ReviewDecision, Status
from domain.mail import MailTemplate
from domain.process import Refused

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
PLAN_STARTS = datetime(2026, 3, 10, 3, tzinfo=UTC)
PLAN = CampaignPlan(starts_on=date(2026, 3, 10), length_days=5, time_zone="Europe/Berlin")


def fresh() -> CampaignState:
    return CampaignState(campaign_id="c", leader_id="leader", policy=CampaignPolicy(), policy_version=1)


def handed_in(now: datetime = T0) -> CampaignState:
    state = fresh()
    review.submit(state, "leader", PLAN, now)
    return state


def approved(now: datetime = T0) -> CampaignState:
    state = handed_in(now)
    review.review(state, "manager", ReviewDecision.APPROVE, (), None, now)
    return state


def ring_through(state: CampaignState, until: datetime) -> list[Effects]:
    """Ring every alarm that is due by `until`, in its order, each at its own instant."""
    effects = []
    while (alarm := state.next_alarm) is not None and alarm.at <= until:
        effects.append(process.ring(state, alarm, alarm.at))
    return effects


def test_an_approval_reserves_the_most_that_it_can_pay() -> None:
    state = handed_in()
    effects = review.review(state, "manager", ReviewDecision.APPROVE, (), None, T0)
    assert effects.reserve == state.reserved == liability(PLAN)
    assert state.status is Status.SCHEDULED


def test_days_open_and_close_at_their_instants() -> None:
    state = approved()
    ring_through(state, state.opens(1))
    assert (state.status, state.day) == (Status.RUNNING, 1)
    ring_through(state, state.closes(1) - timedelta(microseconds=1))
    assert state.day == 1
    ring_through(state, state.closes(1))
    assert state.day == 2
    ring_through(state, state.closes(5))
    assert state.status is Status.SETTLING
    closes = [order.number for order in state.orders if order.kind is OrderKind.CLOSE_DAY]
    assert closes == [1, 2, 3, 4, 5]
    assert state.orders[-1].kind is OrderKind.SETTLE


def test_staff_are_reminded_of_doubts_before_it_settles() -> None:
    state = approved()
    told = [
        (state_day, mail.data["cancelled"])
        for state_day in range(1, 6)
        for effects in ring_through(state, state.opens(state_day))
        for mail in effects.mails
        if mail.template is MailTemplate.CAMPAIGN_DOUBTS_OPEN
    ]
    assert told == [(3, False), (4, False), (5, False)]
    early = approved()
    ring_through(early, early.opens(1))
    mails = run.cancel(early, "leader", None, T0 + 20 * DAY).mails
    assert mails[-1].template is MailTemplate.CAMPAIGN_DOUBTS_OPEN
    assert mails[-1].data == {"cancelled": True}


def test_a_reminder_whose_day_is_over_is_not_sent() -> None:
    """After an outage of a day only what still helps goes out."""
    state = approved()
    ring_through(state, state.opens(1))
    reminder = next(alarm for alarm in state.alarms if alarm.kind is AlarmKind.REMINDER)
    process.ring(state, reminder, state.closes(1) + timedelta(hours=1))
    assert not state.orders


def test_a_day_is_paused_and_goes_on_where_it_was() -> None:
    state = approved()
    ring_through(state, state.opens(3))
    last = state.closes(5)
    at = state.opens(3) + timedelta(hours=5)
    run.pause(state, "leader", None, at)
    assert state.next_alarm is None
    run.resume(state, "leader", at + 10 * DAY)
    assert state.day == 3
    # Daylight saving begins in Berlin on 29 March: local days are moved, not spans of 24 hours.
    assert state.closes(5) == last + 10 * DAY
    run.pause(state, "leader", None, at + 10 * DAY)
    run.resume(state, "leader", at + 20 * DAY)
    assert state.closes(5) == last + 20 * DAY - timedelta(hours=1)


def test_what_happens_if_nobody_acts_is_true_on_the_last_day_and_in_a_pause() -> None:
    state, told = approved(), []
    for step in (
        lambda: ring_through(state, state.opens(4)),
        lambda: ring_through(state, state.opens(5)),
        lambda: run.pause(state, "leader", None, state.opens(5)),
        lambda: run.resume(state, "leader", state.opens(5)),
        # Once there are days after it, it is a day like all others.
        lambda: run.extend(state, "leader", 2, state.opens(5)),
        lambda: ring_through(state, state.closes(7)),
    ):
        step()
        told.append(state.if_nothing_happens)
    assert told == [
        IfNothing.DAY_CLOSES,
        IfNothing.LAST_DAY_CLOSES,
        IfNothing.STAYS_PAUSED,
        IfNothing.LAST_DAY_CLOSES,
        IfNothing.DAY_CLOSES,
        IfNothing.SETTLES,
    ]


def test_whoever_leads_it_does_not_decide() -> None:
    state = handed_in()
    with pytest.raises(Refused) as refused:
        review.review(state, "leader", ReviewDecision.APPROVE, (), None, T0)
    assert refused.value.refusal is Refusal.OWN_CAMPAIGN


Act = Callable[[CampaignState, datetime], Effects]
ACTS: dict[str, Act] = {
    "submit": lambda s, now: review.submit(s, "leader", s.plan or PLAN, now),
    "approve": lambda s, now: review.review(s, "manager", ReviewDecision.APPROVE, (), None, now),
    "reject": lambda s, now: review.review(
        s, "manager", ReviewDecision.REJECT, (ReasonCode.OTHER,), None, now
    ),
    "changes": lambda s, now: review.review(
        s, "manager", ReviewDecision.REQUEST_CHANGES, (ReasonCode.OTHER,), None, now
    ),
    "pause": lambda s, now: run.pause(s, "leader", None, now),
    "resume": lambda s, now: run.resume(s, "leader", now),
    "extend": lambda s, now: run.extend(s, "leader", 2, now),
    "cancel": lambda s, now: run.cancel(s, "leader", None, now),
    "amnesty": lambda s, now: amnesties.declare(s, "manager", [s.day], None, now),
}


def ringing(alarm: Alarm) -> Act:
    return lambda state, now: process.ring(state, alarm, now)


STEP = st.tuples(
    st.sampled_from([*ACTS, *["submit", "approve"] * 2, *["pause", "resume", "work", "work"], *["wait"] * 8]),
    st.integers(min_value=0, max_value=5 * 24 * 60),
)


class Walk:
    """One campaign under random requests; alarms ring at their instants, orders are carried out late."""

    def __init__(self) -> None:
        self.state = fresh()
        self.now = T0
        self.reserved = 0
        self.opened: list[int] = []
        self.closed: list[int] = []

    def take(self, effects: Effects) -> None:
        self.reserved += effects.reserve
        assert effects.reserve >= 0
        if effects.release:
            self.reserved = 0
        self.opened += [entry.detail["day"] for entry in effects.entries if entry.code == "day_opened"]
        self.closed += [entry.detail["day"] for entry in effects.entries if entry.code == "day_closed"]

    def attempt(self, act: Act, now: datetime) -> None:
        trial = self.state.model_copy()
        try:
            effects = act(trial, now)
        except Refused:
            return
        self.state = trial
        self.take(effects)

    def work(self) -> None:
        """Carry out the orders, one after the other, as the process does."""
        while self.state.orders:
            order = self.state.orders[0]
            self.state.take(order)
            if order.kind is OrderKind.CLOSE_DAY:
                self.take(run.day_closed(self.state, order.number, 1, 1, self.now))
            elif order.kind is OrderKind.SETTLE:
                self.take(run.settled(self.state, 5, 2, self.now))
            elif order.kind is OrderKind.AMNESTY:
                self.take(amnesties.repaired(self.state, order.number, 1, self.now))

    def wait(self, minutes: int) -> None:
        until = self.now + timedelta(minutes=minutes)
        while (alarm := self.state.next_alarm) is not None and alarm.at <= until:
            self.attempt(ringing(alarm), max(self.now, alarm.at))
        self.now = until

    def check(self) -> None:
        state = self.state
        assert state.closed == (state.status in ENDED)
        assert self.opened == sorted(set(self.opened))
        assert self.closed == sorted(set(self.closed))
        assert set(self.closed) <= set(self.opened)
        assert self.reserved == (0 if state.closed else state.reserved)
        if state.status in (Status.RUNNING, Status.PAUSED, Status.SETTLING):
            assert state.plan is not None
            assert self.reserved >= liability(state.plan)
        if state.status is Status.RUNNING:
            assert any(alarm.kind is AlarmKind.DAY_CLOSES for alarm in state.alarms)
            assert all(alarm.number == state.day for alarm in state.alarms)
        if state.closed:
            assert not state.alarms
            # Who enrolled is told that it is called off, or of the result; nothing else outlives the end.
            assert {order.kind for order in state.orders} <= {OrderKind.TELL}


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["", "submit", "submit approve", "submit approve start"]), st.lists(STEP, max_size=40))
def test_whatever_happens_it_stays_one_campaign(begun: str, steps: list[tuple[str, int]]) -> None:
    walk = Walk()
    first = [(name, 12 * 24 * 60 if name == "start" else 0) for name in begun.split()]
    for name, minutes in [*first, *steps]:
        walk.wait(minutes)
        if name in ACTS:
            walk.attempt(ACTS[name], walk.now)
        elif name == "work":
            walk.work()
        walk.check()


def running(day: int) -> CampaignState:
    state = approved()
    ring_through(state, state.opens(day))
    state.orders = ()
    return state


def refusal_of(act: Callable[[], object]) -> Refusal:
    with pytest.raises(Refused) as refused:
        act()
    return Refusal(refused.value.refusal)


def test_everybody_is_told_of_what_is_done_to_their_campaign() -> None:
    state = running(2)
    for act, template in (
        ("pause", "campaign_paused"),
        ("resume", "campaign_resumed"),
        ("extend", "campaign_extended"),
    ):
        effects = ACTS[act](state, state.opens(2))
        told = state.orders[-1]
        assert told.notice is not None
        assert (told.kind, told.number, told.notice.template) == (OrderKind.TELL, state.entries, template)
        # Who leads has other things to do than who takes part: the letter is another.
        assert [mail.template for mail in effects.mails] == [f"{template}_leader"]
    assert len({order.step for order in state.orders}) == 3


def test_the_leader_reads_of_an_amnesty_in_a_letter_of_their_own() -> None:
    state = running(2)
    amnesties.declare(state, "manager", [1], None, state.opens(2))
    effects = amnesties.repaired(state, state.entries, 3, state.opens(2))
    told = state.orders[-1].notice
    assert told is not None
    assert told.template is MailTemplate.CAMPAIGN_AMNESTY
    assert [mail.template for mail in effects.mails] == ["campaign_amnesty_leader"]


@pytest.mark.parametrize(("last_day", "waiting"), [(0, False), (1, False), (2, True), (365, True)])
def test_who_waits_is_told_of_a_pause_and_of_its_end_while_places_are_given(
    last_day: int, waiting: bool
) -> None:
    state = running(2)
    state.plan = state.agreed.model_copy(update={"late_enrolment_until_day": last_day})
    run.pause(state, "leader", None, state.opens(2))
    run.resume(state, "leader", state.opens(2) + 3 * DAY)
    paused, resumed = (order.notice for order in state.orders)
    assert paused is not None
    assert resumed is not None
    assert (paused.waiting, resumed.waiting) == (waiting, waiting)
    # The days to come have moved, and with them the last one to join on.
    until = state.closes(min(last_day, state.agreed.length_days)).isoformat() if waiting else None
    assert resumed.data.get("places_until") == until
    assert state.closes(2) == PLAN_STARTS + 5 * DAY


def test_a_process_from_before_orders_no_letters() -> None:
    state = running(2)
    run.pause(state, "leader", None, state.opens(2), told=False)
    run.resume(state, "leader", state.opens(2), told=False)
    run.extend(state, "leader", 1, state.opens(2), told=False)
    assert not state.orders
    run.cancel(state, "leader", None, state.opens(2), told=False, waiting_told=False)
    assert [order.kind for order in state.orders] == [OrderKind.SETTLE]


def test_who_is_in_line_is_told_before_the_settlement_of_what_was_cut_short() -> None:
    state = running(2)
    run.cancel(state, "leader", "note", state.opens(2))
    told, settles = state.orders
    assert told.notice is not None
    assert (told.notice.waiting, told.notice.members) == (True, False)
    assert told.notice.data == {"note_id": "note", "day": 2}
    assert settles.kind is OrderKind.SETTLE


@pytest.mark.parametrize(
    ("changes", "told"),
    [({}, False), ({"late_enrolment_until_day": 0}, True), ({"late_enrolment_until_day": 1}, False)],
)
def test_who_waits_for_a_place_before_the_start_is_told_with_it_that_none_came_free(
    changes: dict[str, int], told: bool
) -> None:
    state = approved()
    state.plan = state.agreed.model_copy(update=changes)
    ring_through(state, state.opens(1))
    notices = [order.notice for order in state.orders if order.notice]
    assert [(one.template, one.waiting, one.members) for one in notices] == [
        (MailTemplate.CAMPAIGN_NO_PLACE, True, False)
    ] * told
    before = state.orders
    ring_through(state, state.opens(3))
    later = state.orders[len(before) :]
    assert {order.kind for order in later} <= {OrderKind.CLOSE_DAY, OrderKind.REMIND}


def test_a_process_from_before_tells_who_waits_in_vain_with_the_first_close() -> None:
    state = approved()
    state.plan = state.agreed.model_copy(update={"late_enrolment_until_day": 0})
    ring_through(state, state.opens(1) - timedelta(seconds=1))
    alarm = state.next_alarm
    assert alarm is not None
    process.ring(state, alarm, alarm.at, vain_told=False)
    assert (state.day, state.orders) == (1, ())


def test_who_enrolled_is_told_that_it_is_called_off() -> None:
    state = approved(before := PLAN_STARTS - timedelta(days=2))
    assert state.status is Status.ENROLLING
    run.cancel(state, "leader", "note", before)
    assert (state.status, state.closed) == (Status.CANCELLED, True)
    [order] = state.orders
    assert order.notice is not None
    assert (order.notice.template, order.notice.waiting) == (MailTemplate.CAMPAIGN_CALLED_OFF, True)
    assert order.notice.members


def settling(*, cancelled: bool) -> CampaignState:
    state = running(5)
    if cancelled:
        run.cancel(state, "leader", "note", state.opens(5))
    else:
        ring_through(state, state.closes(5))
    state.orders = ()
    return state


@pytest.mark.parametrize(
    ("cancelled", "status", "code", "template"),
    [
        (False, Status.SETTLED, "campaign_settled", MailTemplate.CAMPAIGN_RESULT),
        (True, Status.CANCELLED, "campaign_cancelled_settled", MailTemplate.CAMPAIGN_ENDED_EARLY),
    ],
)
def test_members_are_told_once_it_is_settled(
    cancelled: bool, status: Status, code: str, template: MailTemplate
) -> None:
    """Their letters are an order of its own, after the line that says so; the leader reads at once."""
    state = settling(cancelled=cancelled)
    effects = run.settled(state, 5, 2, state.closes(5))
    assert (state.status, state.closed, effects.release) == (status, True, True)
    assert [(entry.code, entry.seq) for entry in effects.entries] == [(code, state.entries)]
    assert [mail.template for mail in effects.mails] == [MailTemplate.CAMPAIGN_SETTLED]
    [told] = state.orders
    assert (told.kind, told.number) == (OrderKind.TELL, state.entries)
    assert told.notice is not None
    assert (told.notice.template, told.notice.members, told.notice.waiting) == (template, True, False)
    assert template in RESULTS


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_process_from_before_has_told_members_with_their_payment(cancelled: bool) -> None:
    before, after = settling(cancelled=cancelled), settling(cancelled=cancelled)
    now = before.closes(5)
    assert run.settled(before, 5, 2, now, told_apart=False) == run.settled(after, 5, 2, now)
    assert not before.orders
    after.orders = ()
    assert before == after


def test_days_of_an_amnesty_have_begun_ask_something_and_are_given_once() -> None:
    state = running(3)
    now = state.opens(3)

    def refused(*days: int, by: str = "manager") -> Refusal:
        return refusal_of(lambda: amnesties.declare(state, by, days, None, now))

    for days in ((), (4,), (0,), (1, 9)):
        assert refused(*days) is Refusal.AMNESTY_DAYS
    assert refused(1, by="leader") is Refusal.OWN_CAMPAIGN
    effects = amnesties.declare(state, "manager", [2, 1, 2], "note", now)
    assert effects.amnesty is not None
    assert (effects.amnesty.days, state.orders[-1].kind) == ((1, 2), OrderKind.AMNESTY)
    assert refused(2, 3) is Refusal.AMNESTY_DAYS
    amnesties.declare(state, "manager", [3], None, now)


def test_an_amnesty_before_the_last_night_is_repaired_before_it_is_settled_and_none_comes_after() -> None:
    state = running(5)
    amnesties.declare(state, "manager", [4, 5], None, state.closes(5) - timedelta(minutes=1))
    ring_through(state, state.closes(5))
    kinds = [order.kind for order in state.orders if order.kind is not OrderKind.REMIND]
    assert kinds == [OrderKind.AMNESTY, OrderKind.CLOSE_DAY, OrderKind.SETTLE]
    late = refusal_of(lambda: amnesties.declare(state, "manager", [3], None, state.closes(5)))
    assert late is Refusal.AMNESTY_TOO_LATE
    number = state.orders[0].number
    state.take(state.orders[0])
    # They read the result instead of two letters in one night.
    assert not amnesties.repaired(state, number, 7, state.closes(5)).mails


def test_a_cancellation_keeps_the_repair_of_an_amnesty() -> None:
    state = running(2)
    amnesties.declare(state, "manager", [1], None, state.opens(2))
    run.pause(state, "leader", None, state.opens(2))
    run.cancel(state, "leader", None, state.opens(2))
    kinds = [order.kind for order in state.orders]
    assert kinds == [OrderKind.AMNESTY, OrderKind.TELL, OrderKind.SETTLE]
