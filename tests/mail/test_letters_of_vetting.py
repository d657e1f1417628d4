"""Letters of vetting say what is so: each is ordered by the rules and read in both languages."""

from datetime import timedelta
from typing import Any

import pytest

from domain.mail import MailTemplate
from domain.people import LOCALES
from domain.policy import VettingPolicy
from domain.vetting import ReasonCode, ReviewDecision, Status, ends, review
from domain.vetting.review import Review
from domain.vetting.state import Effects, MailOrder, VettingState
from tests.support.letters import HOLES
from tests.support.mail import APPLICATION, letter, renderer
from tests.unit.test_vetting_process import APPLICANT, START

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


def opinion(who: str, decision: ReviewDecision) -> Review:
    return Review(reviewer_id=who, decision=decision, reasons=(ReasonCode.INCOMPLETE,))


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


def test_a_withdrawn_application_may_be_made_again_at_once() -> None:
    state, _ = submitted()
    effects = ends.withdraw(state, APPLICANT, START)
    assert [mail.template for mail in effects.mails] == [MailTemplate.APPLICATION_WITHDRAWN]
    assert_says(
        told(effects, MailTemplate.APPLICATION_WITHDRAWN), "whenever you like", "随时可以提交新的申请"
    )


def test_changes_that_arrive_are_not_a_first_application() -> None:
    state, effects = submitted()
    assert_says(told(effects, MailTemplate.APPLICATION_RECEIVED), "Thank you for applying", "谢谢你的申请")
    review.review(state, opinion("ann", ReviewDecision.REQUEST_CHANGES), START)
    effects = review.resubmit(state, APPLICANT, START + 4 * DAY)
    assert MailTemplate.APPLICATION_RECEIVED not in [mail.template for mail in effects.mails]
    text = told(effects, MailTemplate.CHANGES_RECEIVED)
    assert_due(text, 7)
    assert_says(text, "your changes have arrived, and the review of your application goes on", "审核接着进行")
