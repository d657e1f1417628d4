"""Letters of campaigns say what is so: each is ordered by the rules and read in both languages."""

from typing import Any

import pytest

from domain.campaigns import amnesties, process, review, run
from domain.campaigns.state import CampaignState, Effects
from domain.campaigns.terms import ReasonCode, ReviewDecision, Status
from domain.mail import MailTemplate
from tests.mail.test_letters_of_vetting import RENDERER, Texts, assert_says, assert_silent, read
from tests.support.mail import CAMPAIGN, letter
from tests.unit.test_campaign_state import PLAN, T0, approved, fresh, handed_in, ring_through

HEADED = {"campaign_id": CAMPAIGN, "title": "Thirty days"}


def told(effects: Effects, template: MailTemplate) -> Texts:
    """What the one letter of ``template`` among the effects says."""
    (mail,) = (mail for mail in effects.mails if mail.template is template)
    return read(template, **HEADED, **{key: value for key, value in mail.data.items() if value is not None})


def begun(day: int) -> CampaignState:
    state = approved()
    ring_through(state, state.opens(day))
    return state


STAY_AWAY = ("Members who stay away", "连续几天没来的成员")
NO_DEADLINE = ("there is no deadline", "没有需要你赶的时限")
SETTLES = ("the settlement follows by itself", "系统会自动结算")


FEATURE = ("feature a few good notes", "挑几则好笔记")
RESTED = ("a day of rest", "休息日")
DID_NOT = ("Did not", "未打卡")


def digest(state: CampaignState, day: int, checked_in: int = 2) -> Texts:
    effects = run.day_closed(state, day, checked_in, 3 - checked_in, state.closes(day))
    return told(effects, MailTemplate.CAMPAIGN_DIGEST)


def test_the_digest_of_a_day_without_check_ins_asks_nobody_to_read_them() -> None:
    state = begun(3)
    assert_says(digest(state, 1), *FEATURE)
    nothing = digest(state, 2, checked_in=0)
    assert_silent(nothing, *FEATURE)
    for words in (STAY_AWAY, DID_NOT):
        assert_says(nothing, *words)


@pytest.mark.parametrize("freed_by", ["plan", "amnesty"])
def test_the_digest_of_a_day_of_rest_says_so_and_that_nobody_missed_it(freed_by: str) -> None:
    state = begun(3)
    if freed_by == "plan":
        state.plan = PLAN.model_copy(update={"rest_weekdays": (PLAN.starts_on.weekday() + 1,)})
    else:
        amnesties.declare(state, "manager", [2], None, state.opens(3))
    assert_silent(digest(state, 1), *RESTED)
    for checked_in, said in ((0, assert_silent), (1, assert_says)):
        text = digest(state, 2, checked_in)
        assert_says(text, *RESTED)
        assert_silent(text, *DID_NOT)
        said(text, "Checked in all the same: 1 member", "休息日也打了卡：1 人")


def test_the_digest_of_the_last_day_says_that_it_is_settled() -> None:
    state = begun(5)
    earlier = digest(state, 4)
    for words in (STAY_AWAY, NO_DEADLINE):
        assert_says(earlier, *words)
    assert_silent(earlier, *SETTLES)
    ring_through(state, state.closes(5))
    last = digest(state, 5)
    assert_says(last, *SETTLES)
    for words in (STAY_AWAY, NO_DEADLINE):
        assert_silent(last, *words)


def test_the_digest_of_a_day_counted_after_it_was_cancelled_says_so_too() -> None:
    state = begun(3)
    run.cancel(state, "leader", None, state.opens(3))
    text = digest(state, 2)
    assert_says(text, *SETTLES)
    assert_silent(text, *STAY_AWAY)


def test_who_is_in_a_campaign_that_ended_early_reads_why() -> None:
    data = HEADED | {"points": 0, "note_id": "n"}
    for locale, sign in (("en", "\nWhy\n> We move house\n"), ("zh-CN", "\n原因\n> We move house\n")):
        noted = letter(MailTemplate.CAMPAIGN_ENDED_EARLY, locale=locale, data=data, note="We move house")
        assert sign in RENDERER.render(noted).text
    assert_silent(read(MailTemplate.CAMPAIGN_ENDED_EARLY, **data), "\nWhy\n", "\n原因\n")


IF_BEGUN = ("If it had begun", "如果活动已经开始")
EARNED = ("still get what they have earned", "会照常结算")
NOTHING_RESERVED = ("no points were reserved for it", "也没有为它预留积分")
BACK = ("points that were reserved for it go back to the pool", "会退回资源池")


def cancelled(state: CampaignState) -> Texts:
    return told(run.cancel(state, "leader", None, T0), MailTemplate.CAMPAIGN_CANCELLED)


def test_a_cancelled_campaign_that_had_begun_is_settled() -> None:
    text = cancelled(begun(2))
    assert_says(text, *EARNED)
    for words in (IF_BEGUN, NOTHING_RESERVED):
        assert_silent(text, *words)


def test_a_cancelled_campaign_that_had_not_begun_gives_back_what_was_reserved() -> None:
    text = cancelled(approved())
    assert_says(text, *BACK)
    assert_says(text, "nobody has earned anything", "没有人因此挣得奖励")
    for words in (IF_BEGUN, EARNED, NOTHING_RESERVED):
        assert_silent(text, *words)


def test_a_campaign_cancelled_before_its_approval_had_nothing_reserved() -> None:
    for state in (fresh(), handed_in()):
        text = cancelled(state)
        assert_says(text, *NOTHING_RESERVED)
        for words in (IF_BEGUN, EARNED, BACK):
            assert_silent(text, *words)


def test_a_draft_dropped_for_no_answer_had_nothing_reserved() -> None:
    state = handed_in()
    review.review(state, "manager", ReviewDecision.REQUEST_CHANGES, (ReasonCode.OTHER,), None, T0)
    alarm = state.next_alarm
    assert alarm is not None
    effects = process.ring(state, alarm, alarm.at)
    assert state.status is Status.CANCELLED
    text = told(effects, MailTemplate.CAMPAIGN_CANCELLED)
    assert_says(text, *NOTHING_RESERVED)
    for words in (IF_BEGUN, EARNED, BACK):
        assert_silent(text, *words)


def by_when(template: MailTemplate, data: dict[str, Any], locale: str, zone: str) -> str:
    """The line of the deadline, to a reader who lives in ``zone``."""
    values: dict[str, Any] = {"locale": locale, "time_zone": zone, "data": HEADED | data}
    sign = {"en": "By when: ", "zh-CN": "时限："}[locale]
    return next(
        line
        for line in RENDERER.render(letter(template, **values)).text.splitlines()
        if line.startswith(sign)
    )


@pytest.mark.parametrize("template", [MailTemplate.CAMPAIGN_REVIEW_NEEDED, MailTemplate.CAMPAIGN_DOUBTS_OPEN])
def test_staff_are_told_the_day_in_their_own_time(template: MailTemplate) -> None:
    if template is MailTemplate.CAMPAIGN_REVIEW_NEEDED:
        effects = review.submit(state := fresh(), "leader", PLAN, T0)
        english, chinese = "Tuesday, March 10, 2026, 3:00 AM", "2026年3月10日星期二 11:00"
    else:
        state = begun(2)
        (effects,) = ring_through(state, state.opens(3))[-1:]
        english, chinese = "Sunday, March 15, 2026, 3:00 AM", "2026年3月15日星期日 11:00"
    (mail,) = (mail for mail in effects.mails if mail.template is template)
    assert english in by_when(template, mail.data, "en", "UTC")
    assert chinese in by_when(template, mail.data, "zh-CN", "Asia/Shanghai")


OLD: list[tuple[MailTemplate, dict[str, Any], str, str]] = [
    (MailTemplate.CAMPAIGN_REVIEW_NEEDED, {}, "before its first day; you are", "请在活动第一天之前决定；"),
    (MailTemplate.CAMPAIGN_DOUBTS_OPEN, {"cancelled": False}, "last day closes; what", "最后一天截止之前；"),
    (MailTemplate.CAMPAIGN_DIGEST, {"day": 5, "checked_in": 2, "missed": 1}, *STAY_AWAY),
    (MailTemplate.CAMPAIGN_CANCELLED, {"note_id": "n"}, *IF_BEGUN),
    (MailTemplate.CAMPAIGN_CANCELLED, {"reasons": ["no_answer"]}, *NOTHING_RESERVED),
    (MailTemplate.CAMPAIGN_ENDED_EARLY, {"points": 3}, "What you have earned so far", "到目前为止挣得的"),
]
"""Letters as they were queued before they carried more."""


@pytest.mark.parametrize(("template", "data", "en", "zh"), OLD)
def test_letters_queued_with_less_still_read_well(
    template: MailTemplate, data: dict[str, Any], en: str, zh: str
) -> None:
    assert_says(read(template, **HEADED, **data), en, zh)


UNTIL, START = "2026-03-08T20:00:00+00:00", "2026-03-01T20:00:00+00:00"
FROM_NOW, ON_START = ("from now on", "从现在起"), ("March 1, 2026", "2026年3月1日")


@pytest.mark.parametrize("template", [MailTemplate.CAMPAIGN_ENROLLED, MailTemplate.CAMPAIGN_PLACE_FREE])
def test_who_joins_late_checks_in_from_now_on_and_others_from_the_start(template: MailTemplate) -> None:
    for begun, said, unsaid in ((False, ON_START, FROM_NOW), (True, FROM_NOW, ON_START)):
        text = read(template, **HEADED, place="active", starts_at=START, begun=begun)
        assert_says(text, *said)
        assert_silent(text, *unsaid)


def test_who_waits_reads_until_when_places_are_given() -> None:
    text = read(
        MailTemplate.CAMPAIGN_ENROLLED, **HEADED, place="waiting", starts_at=START, places_until=UNTIL
    )
    assert_says(text, "March 8, 2026", "2026年3月8日")
    assert_silent(text, *ON_START)


CHECK_IN_BY = ("check in for day 3 before", "第 3 天的打卡到")
CHECK_IN = ("\nCheck in:", "\n去打卡：")
NOTHING_MORE = ("nothing more is asked for day 3", "第 3 天不用再打卡")
REST_DAY = ("Day 3 is a day of rest", "第 3 天是休息日")
IN_LINE = ("You are still on its waiting list", "你还在候补名单上")
ON_STUDIO, ON_CAMPAIGN = (f"/studio/campaigns/{CAMPAIGN}\n",) * 2, (f".example/campaigns/{CAMPAIGN}\n",) * 2

# Where a member checks in: one tap from the letter that asks for it.
ON_OWN_DAY = (f".example/campaigns/{CAMPAIGN}/me\n",) * 2


@pytest.mark.parametrize("template", [MailTemplate.CAMPAIGN_REMINDER, MailTemplate.CAMPAIGN_NUDGE])
def test_who_is_asked_to_check_in_is_led_to_where_that_is_done(template: MailTemplate) -> None:
    text = read(template, **HEADED, day=3, days=3, missed=3, streak=0, closes_at=UNTIL)
    assert_says(text, *ON_OWN_DAY)


def resumed(**data: Any) -> Texts:
    return read(MailTemplate.CAMPAIGN_RESUMED, **HEADED, day=3, closes_at=UNTIL, **data)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, CHECK_IN_BY),
        ({"place": "active", "done": False, "rest": False}, CHECK_IN_BY),
        ({"place": "active", "done": True, "rest": False}, NOTHING_MORE),
        ({"place": "active", "done": False, "rest": True}, REST_DAY),
        ({"place": "active", "done": True, "rest": True}, REST_DAY),
        ({"place": "waiting", "done": False, "rest": False, "places_until": UNTIL}, IN_LINE),
    ],
)
def test_who_is_told_that_it_goes_on_is_asked_for_what_can_still_be_done(
    data: dict[str, Any], said: tuple[str, str]
) -> None:
    """Without what is known of the reader it is a letter as they were queued before."""
    text = resumed(**data)
    assert_says(text, *said)
    assert_says(text, *(ON_OWN_DAY if said is CHECK_IN_BY else ON_CAMPAIGN))
    for others in {CHECK_IN_BY, NOTHING_MORE, REST_DAY, IN_LINE} - {said}:
        assert_silent(text, *others)
    (assert_says if said is CHECK_IN_BY else assert_silent)(text, *CHECK_IN)
    if said is IN_LINE:
        assert_says(text, "places are given until Sunday, March 8, 2026", "补位到 2026年3月8日")


def test_who_waits_reads_in_a_pause_what_becomes_of_the_line() -> None:
    line, streak = ("You keep your place in line", "你在候补名单上的顺序不变"), ("your streak is", "连续天数")
    member, waiting = (
        read(MailTemplate.CAMPAIGN_PAUSED, **HEADED, **data) for data in ({}, {"place": "waiting"})
    )
    assert_says(member, *streak)
    assert_silent(member, *line)
    assert_says(waiting, *line)
    assert_silent(waiting, *streak)


def test_who_moves_up_in_a_pause_is_not_asked_to_check_in_now() -> None:
    text = read(MailTemplate.CAMPAIGN_PLACE_FREE, **HEADED, starts_at=START, begun=True, paused=True)
    assert_says(text, "nobody can check in until it resumes", "恢复之前不能打卡")
    assert_silent(text, *FROM_NOW)


def of_leader(effects: Effects) -> Texts:
    (mail,) = effects.mails
    return told(effects, mail.template)


def test_the_leader_reads_what_is_theirs_to_do() -> None:
    state = begun(2)
    paused = of_leader(run.pause(state, "leader", None, state.opens(2)))
    assert_says(paused, "you resume it in the studio, or staff do", "由你在工作室恢复，或由工作人员恢复")
    assert_says(paused, "stays paused", "一直停着")
    resumed = of_leader(run.resume(state, "leader", state.opens(2)))
    extended = of_leader(run.extend(state, "leader", 1, state.opens(2)))
    amnesties.declare(state, "manager", [1], None, state.opens(2))
    freed = of_leader(amnesties.repaired(state, state.entries, 1, state.opens(2)))
    for text in (paused, resumed, extended, freed):
        assert_says(text, *ON_STUDIO)
        assert_silent(text, *CHECK_IN)
        assert_silent(text, *ON_CAMPAIGN)
        assert_silent(text, "our streak", "你的连续天数")
        assert_says(text, "because you launched this campaign", "因为你在卡盟发起了这个活动")


def test_what_resumes_on_a_day_of_rest_says_so_to_everybody() -> None:
    state = begun(3)
    amnesties.declare(state, "manager", [3], None, state.opens(3))
    run.pause(state, "leader", None, state.opens(3))
    effects = run.resume(state, "leader", state.opens(3))
    notice = state.orders[-1].notice
    assert notice is not None
    for text in (of_leader(effects), read(notice.template, **HEADED, **notice.data)):
        assert_says(text, "day of rest", "休息日")
