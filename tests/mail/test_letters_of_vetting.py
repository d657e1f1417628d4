"""Letters of vetting say what is so: each is ordered by the rules and read in both languages."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from domain.mail import MailTemplate
from domain.people import LOCALES
from domain.policy import ReviewPolicy, VettingPolicy
from domain.probation import Figures
from domain.vetting import (
    AppealDecision,
    ProbationDecision,
    ReasonCode,
    ReviewDecision,
    Stage,
    Status,
    ends,
    process,
    review,
    trial,
    vote,
)
from domain.vetting.review import Review
from domain.vetting.state import Effects, MailOrder, VettingState
from tests.support.letters import HOLES
from tests.support.mail import APPLICATION, letter, renderer
from tests.unit.test_vetting_process import APPLICANT, START, approval

RENDERER = renderer()
DAY = timedelta(days=1)
Texts = dict[str, str]


def read(template: str, **data: Any) -> Texts:
    """What a letter with ``data`` says in each language, its subject first, to readers who live in UTC."""
    found = {}
    for locale in LOCALES:
        values = {"application_id": APPLICATION} | data
        mail = RENDERER.render(letter(template, locale=locale, time_zone="UTC", data=values))
        found[locale] = f"{mail.subject}\n{mail.text}"
        assert not HOLES.search(found[locale]), found[locale]
    return found


def ordered(effects: Effects, template: MailTemplate) -> MailOrder:
    """The one letter of ``template`` among the effects."""
    (found,) = (mail for mail in effects.mails if mail.template is template)
    return found


def told(effects: Effects, template: MailTemplate) -> Texts:
    """What the one letter of ``template`` among the effects says."""
    return read(template, **ordered(effects, template).data)


def day(days: int) -> Texts:
    """The date so many days after the start, as letters write it."""
    then = (START + days * DAY).date()
    return {
        "en": f"{then:%B} {then.day}, {then.year}",
        "zh-CN": f"{then.year}年{then.month}月{then.day}日",
    }


def assert_says(text: Texts, en: str, zh: str) -> None:
    assert en in text["en"], text["en"]
    assert zh in text["zh-CN"], text["zh-CN"]


def assert_silent(text: Texts, en: str, zh: str) -> None:
    assert en not in text["en"], text["en"]
    assert zh not in text["zh-CN"], text["zh-CN"]


def assert_due(text: Texts, days: int) -> None:
    """The line of the deadline names the day that is so many days after the start, to the minute."""
    for locale, sign in (("en", "By when: "), ("zh-CN", "时限：")):
        line = next(line for line in text[locale].splitlines() if line.startswith(sign))
        assert day(days)[locale] in line, line
        assert {"en": "9:00 AM", "zh-CN": "09:00"}[locale] in line, line


def submitted(**rules: Any) -> tuple[VettingState, Effects]:
    policy = VettingPolicy(**rules)
    state = VettingState(application_id=APPLICATION, person_id=APPLICANT, policy=policy, policy_version=1)
    return state, review.submit(state, APPLICANT, START)


def next_ring(state: VettingState, now: datetime | None = None) -> Effects:
    alarm = state.next_alarm
    assert alarm is not None
    return process.ring(state, alarm, now or alarm.at, late=True)


def opinion(who: str, decision: ReviewDecision) -> Review:
    return Review(reviewer_id=who, decision=decision, reasons=(ReasonCode.INCOMPLETE,))


def judged() -> tuple[VettingState, Effects]:
    state, _ = submitted()
    trial.begin(state, Effects(), START)
    state.orders = ()
    return state, trial.judged(state, 1, [], Figures(), START)


@pytest.mark.parametrize("failed", [False, True])
def test_a_withdrawn_appeal_says_that_the_decision_stands_and_until_when(failed: bool) -> None:
    state, _ = submitted()
    if failed:
        state.status = Status.PROBATION
        ends.fail_probation(state, Effects(), (ReasonCode.TARGETS_MISSED,), START)
    else:
        ends.reject(state, Effects(), (ReasonCode.OTHER,), START)
    ends.appeal(state, APPLICANT, "n", START + DAY)
    effects = ends.withdraw(state, APPLICANT, START + 2 * DAY)
    assert [mail.template for mail in effects.mails] == [MailTemplate.APPEAL_WITHDRAWN]
    text = told(effects, MailTemplate.APPEAL_WITHDRAWN)
    assert_says(text, "your appeal has been withdrawn", "撤回申诉")
    assert_says(text, f"apply again after {day(90)['en']}", f"在 {day(90)['zh-CN']}之后重新申请")
    assert_silent(text, "whenever you like", "随时")
    creator, rejection = (
        ("ordinary creator", "普通创作者"),
        ("your application was not accepted", "这次申请没有通过"),
    )
    assert_says(text, *(creator if failed else rejection))
    assert_silent(text, *(rejection if failed else creator))


def test_a_withdrawn_appeal_names_no_day_that_has_passed() -> None:
    state, _ = submitted(cooldown_days=1)
    ends.reject(state, Effects(), (ReasonCode.OTHER,), START)
    ends.appeal(state, APPLICANT, "n", START)
    text = told(ends.withdraw(state, APPLICANT, START + 2 * DAY), MailTemplate.APPEAL_WITHDRAWN)
    assert_says(text, "You may apply again at any time.", "你随时可以重新申请。")


def test_an_appeal_that_was_not_heard_names_the_day_of_applying_again() -> None:
    state, _ = submitted()
    ends.reject(state, Effects(), (ReasonCode.OTHER,), START)
    ends.appeal(state, APPLICANT, "n", START + DAY)
    effects = ends.uphold(state, "cleo", "n", START + 2 * DAY)
    text = told(effects, MailTemplate.APPEAL_UPHELD)
    assert_says(text, f"apply again after {day(90)['en']}", f"{day(90)['zh-CN']}之后，欢迎你重新申请")


def test_a_withdrawn_application_may_be_made_again_at_once() -> None:
    state, _ = submitted()
    effects = ends.withdraw(state, APPLICANT, START)
    assert [mail.template for mail in effects.mails] == [MailTemplate.APPLICATION_WITHDRAWN]
    assert_says(
        told(effects, MailTemplate.APPLICATION_WITHDRAWN), "whenever you like", "随时可以提交新的申请"
    )


def test_reviewers_are_told_when_they_are_reminded_and_when_it_is_escalated() -> None:
    state, effects = submitted()
    first = told(effects, MailTemplate.STAFF_REVIEW_NEEDED)
    effects = review.review(state, approval("ann", {"baking"}, False), START + DAY)
    second = told(effects, MailTemplate.STAFF_SECOND_REVIEW_NEEDED)
    for text, since in ((first, 0), (second, 1)):
        assert_due(text, since + 3)
        assert_says(text, day(since + 5)["en"], day(since + 5)["zh-CN"])
        assert_silent(text, "as soon as you can", "尽快")


def test_reviewers_are_reminded_with_the_day_of_the_escalation() -> None:
    state, _ = submitted()
    text = told(next_ring(state), MailTemplate.STAFF_REVIEW_REMINDER)
    assert_due(text, 5)
    assert_says(text, "otherwise it is escalated to the lead reviewer", "否则会上报给首席审核员")
    assert_silent(text, "today", "今天")
    assert_silent(text, "to you", "给你")


def test_leads_are_reminded_of_what_has_been_escalated_to_them() -> None:
    state, _ = submitted()
    next_ring(state)
    assert_due(told(next_ring(state), MailTemplate.STAFF_LEAD_NEEDED), 10)
    for due in (15, 20):
        text = told(next_ring(state), MailTemplate.STAFF_REVIEW_REMINDER)
        assert_due(text, due)
        assert_says(text, "has been escalated to you", "已经上报给你")
        assert_silent(text, "otherwise", "否则")


def test_leads_are_told_the_next_reminder_after_an_outage_too() -> None:
    state, _ = submitted()
    assert not next_ring(state, START + 23 * DAY).mails
    assert_due(told(next_ring(state, START + 23 * DAY), MailTemplate.STAFF_LEAD_NEEDED), 25)
    assert state.deadline is not None
    assert state.deadline.at == START + 25 * DAY
    assert_due(told(next_ring(state, START + 40 * DAY), MailTemplate.STAFF_REVIEW_REMINDER), 45)


def disagree(state: VettingState) -> Effects:
    review.review(state, approval("ann", {"baking"}, False), START)
    return review.review(state, opinion("bob", ReviewDecision.REJECT), START)


def test_leads_are_reminded_of_what_only_they_decide() -> None:
    state, _ = submitted()
    assert_due(told(disagree(state), MailTemplate.STAFF_LEAD_NEEDED), 3)
    text = told(next_ring(state), MailTemplate.STAFF_REVIEW_REMINDER)
    assert_due(text, 8)
    assert_says(text, "waiting for the lead reviewer's decision", "等待首席审核员裁定")
    assert_silent(text, "escalated", "上报")


FINAL = ("Your decision is final.", "你的决定即为最终审核结论。")


def escalated(reviewers: int = 2, *, opinions: int = 0) -> Effects:
    state, _ = submitted(review=ReviewPolicy(reviewers=reviewers))
    if opinions:
        review.review(state, approval("ann", {"baking"}, False), START)
    next_ring(state)
    return next_ring(state)


def test_an_escalated_first_review_is_not_final() -> None:
    text = told(escalated(), MailTemplate.STAFF_LEAD_NEEDED)
    assert_silent(text, *FINAL)
    assert_says(text, "a second reviewer must still confirm it", "还需要另一位审核员复核确认")


def test_an_escalated_second_review_holds_if_both_agree() -> None:
    text = told(escalated(opinions=1), MailTemplate.STAFF_LEAD_NEEDED)
    assert_silent(text, *FINAL)
    assert_says(text, "If you agree with the first reviewer, that holds", "意见一致即生效")


def test_an_escalated_review_by_one_is_final() -> None:
    assert_says(told(escalated(reviewers=1), MailTemplate.STAFF_LEAD_NEEDED), *FINAL)


def test_an_escalation_is_judged_as_its_letter_says() -> None:
    state, _ = submitted()
    next_ring(state)
    effects = next_ring(state)
    assert ordered(effects, MailTemplate.STAFF_LEAD_NEEDED).data["counts_as"] == "first"
    review.review(state, approval("lead", {"baking"}, True), START)
    assert state.stage is Stage.SECOND_REVIEW


def test_a_lead_is_told_of_a_disagreement_only_where_there_is_one() -> None:
    state, _ = submitted()
    text = told(disagree(state), MailTemplate.STAFF_LEAD_NEEDED)
    assert_says(text, "Two reviewers disagree", "意见不一致")
    assert_says(text, *FINAL)


def test_a_lead_is_told_that_both_approve_but_of_no_credential_in_common() -> None:
    state, _ = submitted()
    review.review(state, approval("ann", {"baking"}, False), START)
    effects = review.review(state, approval("bob", {"cooking"}, False), START)
    text = told(effects, MailTemplate.STAFF_LEAD_NEEDED)
    assert_says(text, "no credential that both have verified", "没有一项资质是两人都核实通过的")
    assert_silent(text, "disagree", "不一致")
    assert_says(text, *FINAL)


def test_a_judged_probation_names_the_days() -> None:
    state, effects = judged()
    waiting = told(effects, MailTemplate.PROBATION_UNDER_REVIEW)
    assert_due(waiting, 3)
    assert_silent(waiting, "a few days", "几天")
    asked = told(effects, MailTemplate.STAFF_PROBATION_DECISION)
    assert_due(asked, 3)
    assert_says(asked, day(5)["en"], day(5)["zh-CN"])
    reminded = told(next_ring(state), MailTemplate.STAFF_PROBATION_REMINDER)
    assert_due(reminded, 5)
    assert_says(reminded, "otherwise it is escalated to the lead reviewer", "否则会上报给首席审核员")
    for due in (10, 15):
        lead = told(next_ring(state), MailTemplate.STAFF_PROBATION_REMINDER)
        assert_due(lead, due)
        assert_says(lead, "It has been escalated to you.", "现在已经上报给你。")
        assert_silent(lead, "otherwise", "否则")


def test_a_probation_judged_before_an_outage_names_the_next_reminder() -> None:
    state, _ = judged()
    next_ring(state, START + 23 * DAY)
    assert_due(told(next_ring(state, START + 23 * DAY), MailTemplate.STAFF_PROBATION_REMINDER), 25)
    assert state.deadline is not None
    assert state.deadline.at == START + 25 * DAY


def test_a_violation_in_the_days_of_the_decision_does_not_end_the_probation_again() -> None:
    state, first = judged()
    early = told(first, MailTemplate.PROBATION_UNDER_REVIEW)
    assert_says(early, "Your probation is over", "见习期已经结束")
    trial.violation(state, "moderator", "v", "spam", START + DAY)
    effects = trial.judged(state, 1, [], Figures(), START + DAY, "violation")
    text = told(effects, MailTemplate.PROBATION_UNDER_REVIEW)
    assert_says(text, "they were already deciding", "一并考虑")
    assert_silent(text, "judged early", "提前进入评定")
    assert_says(text, "extended once", "延长一次")


def test_an_extension_says_why_and_that_it_is_the_only_one() -> None:
    state, _ = judged()
    effects = trial.decide(state, "ann", ProbationDecision.EXTEND, "n", START + DAY)
    assert ordered(effects, MailTemplate.PROBATION_EXTENDED).data["note_id"] == "n"
    text = told(effects, MailTemplate.PROBATION_EXTENDED)
    assert_says(text, "only one extension", "延长只有一次")
    state.orders = ()
    again = trial.judged(state, 2, [], Figures(), START + 31 * DAY)
    text = told(again, MailTemplate.PROBATION_UNDER_REVIEW)
    assert_silent(text, "extended", "延长")


def overturned(back_to: Status) -> tuple[VettingState, Effects]:
    state, _ = submitted()
    state.ballots, state.status = 1, back_to
    if back_to is Status.PROBATION:
        ends.fail_probation(state, Effects(), (ReasonCode.TARGETS_MISSED,), START)
    else:
        ends.reject(state, Effects(), (ReasonCode.VOTE_FAILED,), START)
    ends.appeal(state, APPLICANT, "n", START + DAY)
    return state, process.decide_appeal(state, "lead", AppealDecision.OVERTURN, "n", START + DAY)


def test_a_probation_after_an_appeal_is_not_called_the_only_extension() -> None:
    _, effects = overturned(Status.PROBATION)
    text = told(effects, MailTemplate.PROBATION_EXTENDED)
    assert_says(text, "As decided on your appeal", "根据申诉的结果")
    assert_silent(text, "only one extension", "延长只有一次")


def test_a_vote_after_an_appeal_does_not_congratulate_on_the_review_again() -> None:
    state, _ = overturned(Status.MEMBER_VOTE)
    assert state.ballot is not None
    effects = vote.opened(state, state.ballot.id, START + DAY, START + 8 * DAY, 9, START + DAY)
    text = told(effects, MailTemplate.REVIEW_PASSED_VOTE_OPENED)
    assert_says(text, "As decided on your appeal", "根据申诉的结果")
    assert_silent(text, "Congratulations", "恭喜")


def test_changes_that_arrive_are_not_a_first_application() -> None:
    state, effects = submitted()
    assert_says(told(effects, MailTemplate.APPLICATION_RECEIVED), "Thank you for applying", "谢谢你的申请")
    review.review(state, opinion("ann", ReviewDecision.REQUEST_CHANGES), START)
    effects = review.resubmit(state, APPLICANT, START + 4 * DAY)
    assert MailTemplate.APPLICATION_RECEIVED not in [mail.template for mail in effects.mails]
    text = told(effects, MailTemplate.CHANGES_RECEIVED)
    assert_due(text, 7)
    assert_says(text, "your changes have arrived, and the review of your application goes on", "审核接着进行")


OLD: list[tuple[MailTemplate, dict[str, Any], str, str]] = [
    (MailTemplate.STAFF_REVIEW_NEEDED, {"stage": "first_review"}, "as soon as you can", "尽快"),
    (MailTemplate.STAFF_SECOND_REVIEW_NEEDED, {"stage": "second_review"}, "as soon as you can", "尽快"),
    (MailTemplate.STAFF_LEAD_NEEDED, {"why": "disagreement"}, *FINAL),
    (MailTemplate.STAFF_LEAD_NEEDED, {"why": "escalation"}, "is escalated to you", "现在上报给你"),
    (MailTemplate.STAFF_REVIEW_REMINDER, {"since": START.isoformat()}, "as soon as you can", "请尽快处理"),
    (MailTemplate.STAFF_PROBATION_DECISION, {"recommendation": "pass"}, "within a few days", "几天内"),
    (MailTemplate.STAFF_PROBATION_REMINDER, {}, "as soon as you can", "请尽快处理"),
    (MailTemplate.PROBATION_UNDER_REVIEW, {"reason": "ended"}, "within a few days", "几天内"),
]
"""Letters as they were queued before they carried their deadline."""


@pytest.mark.parametrize(("template", "data", "en", "zh"), OLD)
def test_letters_queued_without_a_deadline_still_read_well(
    template: MailTemplate, data: dict[str, Any], en: str, zh: str
) -> None:
    text = read(template, **data)
    assert_says(text, en, zh)
    assert_silent(text, "today", "今天")
    if data.get("why") == "escalation":
        assert_silent(text, *FINAL)


def test_deadlines_are_in_the_readers_own_time() -> None:
    data = {"application_id": APPLICATION, "reason": "ended", "deadline": "2026-03-04T20:00:00+00:00"}
    values = {"locale": "zh-CN", "time_zone": "Asia/Shanghai", "data": data}
    text = RENDERER.render(letter(MailTemplate.PROBATION_UNDER_REVIEW, **values)).text
    assert "2026年3月5日星期四 04:00（中国标准时间）前决定" in text
