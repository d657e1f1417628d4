"""Rendering: every mail in every language says what it must, whatever people typed into it."""

import re
import time
from html.parser import HTMLParser
from typing import Any

import pytest
from jinja2 import UndefinedError

from domain.mail import MailTemplate
from domain.people import LOCALES
from domain.vetting import Status
from mail.audiences import Audience, audience_of
from mail.cleaning import lines, one_line
from mail.rendering import SecretGone, template_names
from mail.sealing import BrokenSeal, Sealer
from mail.unsubscribe import UnsubscribeTokens
from tests.support.mail import (
    APPLICATION,
    BALLOT,
    BASE_URL,
    CAMPAIGN,
    CANDIDATE,
    EVERYTHING,
    LIST_MAIL,
    SECRET_KEY,
    anchors,
    letter,
    renderer,
    sample,
)

RENDERER = renderer()
EVERY = [(template, language) for template in MailTemplate for language in LOCALES]

HOSTILE = {
    "html": "<script>alert(1)</script><a href='https://evil.example'>x</a>",
    "attribute": '" onmouseover="alert(1)" x="',
    "jinja": "{{ 7 * 7 }} {% for x in y %} {# #} {{ secret }}",
    "format": "{name} %(name)s {0.__class__}",
    "header": "A\r\nBcc: victim@evil.example\r\n\r\nbody",
    "unicode breaks": "A\u2028B\u2029C\x85D\x0bE",
    "control": "A\x00B\x1b[31mC\x7f",
    "direction": "abc\u202egnp.exe\u2066",
    "long": "长" * 10_000,
    "emoji": "👩‍👩‍👧 🏳️‍🌈 \U0001f600",
    "surrogate": "a\ud800b",
    "empty": "",
}


UNWANTED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202e\ud800]")


class _Page(HTMLParser):
    """Reads what a mail program would see."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._hidden = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._hidden += tag in {"style", "title"}

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in {"style", "title"}

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.text += data

    def count(self, tag: str) -> int:
        return sum(found == tag for found, _ in self.tags)


def expected_path(template: MailTemplate) -> str:
    if template is MailTemplate.SIGN_IN:
        return "/sign-in?token=tok_en-1"
    if template is MailTemplate.SECOND_FACTOR_CHANGED:
        return "/account/security"
    if template.startswith("ballot_"):
        return f"/ballots/{BALLOT}"
    if template.startswith("campaign_"):
        return _path_of_campaign(template)
    return (
        f"/staff/applications/{APPLICATION}"
        if template.startswith("staff_")
        else f"/applications/{APPLICATION}"
    )


def _path_of_campaign(template: MailTemplate) -> str:
    page = f"/campaigns/{CAMPAIGN}"
    elsewhere = {
        MailTemplate.CAMPAIGN_INVITATION: f"/i/{EVERYTHING['code']}",
        MailTemplate.CAMPAIGN_RESULT: "/certificates/5f0c1d2e3a6b7c8d",
        MailTemplate.CAMPAIGN_NO_PLACE: "/campaigns",
        MailTemplate.CAMPAIGN_NOTE_FEATURED: page + "/me",
        MailTemplate.CAMPAIGN_REMINDER: page + "/me",
        MailTemplate.CAMPAIGN_NUDGE: page + "/me",
        MailTemplate.CAMPAIGN_RESUMED: page + "/me",
        MailTemplate.CAMPAIGN_DOUBTS_OPEN: "/staff/invitations",
        MailTemplate.CAMPAIGN_FRIEND_COUNTED: "/points",
        MailTemplate.CAMPAIGN_CALLED_OFF: "/campaigns",
        MailTemplate.CAMPAIGN_SETTLED: "/studio" + page + "/report",
    }
    if template in elsewhere:
        return elsewhere[template]
    front = {Audience.STAFF: "/staff", Audience.LEADER: "/studio", Audience.MEMBER: ""}
    return front[audience_of(template)] + page


def test_every_name_has_a_template_in_every_language_and_no_other() -> None:
    for language in LOCALES:
        assert set(template_names(language)) == {template.value for template in MailTemplate}


@pytest.mark.parametrize(("template", "language"), EVERY)
def test_every_mail_says_what_when_and_has_one_button(template: MailTemplate, language: str) -> None:
    mail = RENDERER.render(letter(template, locale=language))
    page = _Page(mail.html)
    button = BASE_URL + expected_path(template)
    leave = [link for link in mail.links[1:] if "/unsubscribe/" in link]
    assert anchors(mail.html) == [button, *leave]
    assert mail.links == (button, *leave)
    assert bool(leave) == (template in LIST_MAIL)
    assert page.tags[0] == ("html", {"lang": language})
    assert mail.text.count(button) == 1
    assert mail.subject
    assert page.text.count(mail.subject) >= 1
    by = {"zh-CN": "时限：", "en": "By when:"}[language]
    following = {"zh-CN": "接下来", "en": "What comes next"}[language]
    for told in (mail.text, page.text):
        assert by in told
        assert following in told
        assert "None" not in told
        assert "{{" not in told
        assert "{%" not in told
        assert "Undefined" not in told


@pytest.mark.parametrize(("template", "language"), EVERY)
def test_text_and_html_say_the_same(template: MailTemplate, language: str) -> None:
    mail = RENDERER.render(letter(template, locale=language, note="第一行\n第二行"))
    words = _Page(mail.html).text
    squeezed = re.sub(r"\s+", "", words)
    for line in mail.text.splitlines():
        plain = re.sub(r"\s+", "", line.removeprefix("- ").removeprefix("> "))
        if plain.strip("-") and not plain.startswith("http"):
            assert plain.rstrip("：:") in squeezed, line


@pytest.mark.parametrize(("template", "language"), EVERY)
def test_hostile_values_stay_values(template: MailTemplate, language: str) -> None:
    safe = RENDERER.render(letter(template, locale=language, to_name="A", note="A", names=_named("A"))).html
    page = _Page(safe)
    for kind, typed in HOSTILE.items():
        data = sample(template) | {"topics": [typed, "finance"], "title": typed}
        mail = RENDERER.render(
            letter(template, locale=language, to_name=typed, note=typed, names=_named(typed), data=data)
        )
        _assert_same_shape(page, _Page(mail.html))
        assert anchors(mail.html)[:1] == anchors(safe)[:1], kind
        assert not UNWANTED.search(mail.subject + mail.text), kind
        assert "\n" not in mail.subject, kind
        assert len(mail.subject) <= 160, kind
        assert len(mail.html) < 40_000, kind
        shown = mail.text.replace(APPLICATION, "").replace(BALLOT, "").split("http")[0]
        assert "49" not in shown, kind


def _named(name: str) -> dict[str, str]:
    return {APPLICATION: name, CANDIDATE: name}


def _assert_same_shape(safe: _Page, hostile: _Page) -> None:
    """What people type adds text, never a tag or an attribute; a note may have more or fewer lines."""
    for tag in ("script", "a", "div", "h1", "h2", "ul", "img", "span", "style"):
        # An empty note leaves its own box out, and nothing else.
        assert hostile.count(tag) in (safe.count(tag), safe.count(tag) - (tag == "div")), tag
    assert {name for _, attributes in hostile.tags for name in attributes} <= {
        name for _, attributes in safe.tags for name in attributes
    }


def test_escaping_differs_between_html_and_text() -> None:
    mail = RENDERER.render(letter(to_name="<b>Tom & Ann</b>"))
    assert "&lt;b&gt;Tom &amp; Ann&lt;/b&gt;" in mail.html
    assert "<b>Tom & Ann</b>" in mail.text


def test_times_are_the_readers_own() -> None:
    shanghai = RENDERER.render(letter(MailTemplate.BALLOT_OPENED)).text
    berlin = RENDERER.render(letter(MailTemplate.BALLOT_OPENED, time_zone="Europe/Berlin", locale="en")).text
    assert "2026年11月29日星期日 14:30（中国标准时间）" in shanghai
    assert "Sunday, November 29, 2026, 7:30 AM (Central European Standard Time)" in berlin


@pytest.mark.parametrize("zone", ["Nowhere/Here", "", "../../etc/passwd", "\x00"])
def test_an_unknown_time_zone_falls_back(zone: str) -> None:
    assert "14:30" in RENDERER.render(letter(MailTemplate.BALLOT_OPENED, time_zone=zone)).text


NEEDED = {
    "deadline": {
        MailTemplate.STAFF_APPEAL,
        MailTemplate.CHANGES_REQUESTED,
        MailTemplate.CAMPAIGN_CHANGES_REQUESTED,
    },
    "missed": {MailTemplate.CAMPAIGN_DIGEST, MailTemplate.CAMPAIGN_NUDGE},
}
"""What some may leave out, and these must have."""


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("reapply_after", None),
        ("appeal_until", None),
        ("deadline", None),
        ("topics", []),
        ("missed", []),
        ("back_to", None),
        ("why", None),
        ("counts_as", None),
        ("escalates_at", None),
        ("certificate_code", None),
    ],
)
def test_what_may_be_absent_may(key: str, value: Any) -> None:
    for template, language in EVERY:
        if template in NEEDED.get(key, ()):
            continue
        mail = RENDERER.render(letter(template, locale=language, data=sample(template) | {key: value}))
        assert "None" not in mail.text


def test_what_must_be_there_must() -> None:
    data = {key: value for key, value in EVERYTHING.items() if key != "closes_at"}
    with pytest.raises((UndefinedError, TypeError)):
        RENDERER.render(letter(MailTemplate.BALLOT_OPENED, data=data))


@pytest.mark.parametrize("language", LOCALES)
@pytest.mark.parametrize("back_to", [Status.CREDENTIAL_REVIEW, Status.MEMBER_VOTE, Status.PROBATION])
def test_each_way_back_has_its_own_words(language: str, back_to: Status) -> None:
    others = {
        status: RENDERER.render(
            letter(
                MailTemplate.APPEAL_OVERTURNED, locale=language, data=EVERYTHING | {"back_to": status.value}
            )
        ).text
        for status in (Status.CREDENTIAL_REVIEW, Status.MEMBER_VOTE, Status.PROBATION)
    }
    assert sum(text == others[back_to] for text in others.values()) == 1


def test_an_early_review_says_why() -> None:
    early = letter(
        MailTemplate.PROBATION_UNDER_REVIEW, locale="en", data=EVERYTHING | {"reason": "violation"}
    )
    assert "violation" in RENDERER.render(early).text
    assert "violation" not in RENDERER.render(letter(MailTemplate.PROBATION_UNDER_REVIEW, locale="en")).text


def test_reasons_and_targets_are_words_not_codes() -> None:
    rejected = RENDERER.render(letter(MailTemplate.APPLICATION_REJECTED, locale="en")).text
    assert "- Your credentials could not be confirmed\n- The vote missed its quorum twice" in rejected
    midterm = RENDERER.render(letter(MailTemplate.PROBATION_MIDTERM, locale="en")).text
    assert "- Steady output (share of steady weeks): 75% so far, 80% needed · not met yet" in midterm
    assert "- Rating by members: 4.33 so far, 4.0 needed · met" in midterm
    assert "- Conduct: 0 confirmed violations · met" in midterm
    certified = RENDERER.render(letter(MailTemplate.CERTIFIED)).text
    assert "金融、Python" in certified


def test_the_note_is_quoted_in_both_forms() -> None:
    mail = RENDERER.render(letter(MailTemplate.CHANGES_REQUESTED, note="first <b>\r\n\r\n second"))
    assert "> first <b>\n> second\n" in mail.text
    assert "<b>" not in mail.html
    assert "first &lt;b&gt;" in mail.html


def test_the_secret_is_in_its_own_mail_only() -> None:
    sealed = Sealer(SECRET_KEY).seal("tok_en-1").encode()
    for template, language in EVERY:
        mail = RENDERER.render(letter(template, locale=language, secret_sealed=sealed))
        assert ("tok_en-1" in mail.text + mail.html) == (template is MailTemplate.SIGN_IN)


def test_a_wiped_or_broken_secret_is_told() -> None:
    with pytest.raises(SecretGone):
        RENDERER.render(letter(MailTemplate.SIGN_IN, secret_sealed=None))
    other = Sealer("another key").seal("x").encode()
    with pytest.raises(BrokenSeal):
        RENDERER.render(letter(MailTemplate.SIGN_IN, secret_sealed=other))


def test_dark_mode_survives_inlining() -> None:
    html = RENDERER.render(letter()).html
    assert "@media (prefers-color-scheme: dark)" in html
    assert re.search(r'<a class="button" [^>]*style="[^"]*background-color', html)


def test_tokens_name_one_person_and_cannot_be_made_up() -> None:
    tokens = UnsubscribeTokens(SECRET_KEY)
    token = tokens.make("person-1")
    assert tokens.read(token) == "person-1"
    assert tokens.read(token[:-1] + ("A" if token[-1] != "A" else "B")) is None
    assert UnsubscribeTokens("another key").read(token) is None
    assert tokens.read("") is None


def test_cleaning() -> None:
    assert one_line("a \r\n b\x00c\t") == "a b c"
    assert one_line("长" * 200, 120) == "长" * 119 + "…"
    assert lines("a\n\n b \r\nc", 100) == ["a", "b", "c"]
    assert sum(map(len, lines("x" * 5000, 2000))) == 2000


def test_rendering_is_quick_enough() -> None:
    """Far above what it takes (about 1 ms), so that only a change of order is found."""
    RENDERER.render(letter())
    started = time.process_time()
    for _ in range(50):
        RENDERER.render(letter())
    assert (time.process_time() - started) / 50 < 0.03


OF_CAMPAIGNS = [template for template in MailTemplate if template.startswith("campaign_")]


@pytest.mark.parametrize("language", LOCALES)
def test_every_letter_of_a_campaign_names_it_in_its_subject_and_its_text(language: str) -> None:
    for template in OF_CAMPAIGNS:
        mail = RENDERER.render(letter(template, locale=language))
        quoted = {"zh-CN": "「30 天学习计划」", "en": "“30 天学习计划”"}[language]
        assert "30 天学习计划" in mail.subject
        assert quoted in mail.text, template
        # The heading inside the quotes would be the layout's own `title`.
        assert not re.search("“[^”]*“|「[^」]*「", mail.text), template


@pytest.mark.parametrize("language", LOCALES)
def test_a_title_stays_on_one_line_and_a_letter_needs_one(language: str) -> None:
    for template in OF_CAMPAIGNS:
        data = sample(template)
        broken = RENDERER.render(
            letter(template, locale=language, data=data | {"title": "A\r\nBcc: x@evil.example <b>{{ 1 }}"})
        )
        assert "A Bcc: x@evil.example <b>{{ 1 }}" in broken.subject
        assert "<b>" not in broken.html
        without = {key: value for key, value in data.items() if key != "title"}
        with pytest.raises(UndefinedError):
            RENDERER.render(letter(template, locale=language, data=without))


def _told(template: MailTemplate, language: str = "en", **data: Any) -> str:
    values = {"campaign_id": CAMPAIGN, "title": "Thirty days"} | data
    return RENDERER.render(letter(template, locale=language, data=values)).text


def test_a_cancelled_campaign_has_reasons_only_where_there_are_some() -> None:
    by_hand = _told(MailTemplate.CAMPAIGN_CANCELLED)
    assert "This is why" not in by_hand
    dropped = _told(MailTemplate.CAMPAIGN_CANCELLED, reasons=["no_answer"])
    assert "This is why:\n\n- It was not changed and handed in again in time\n" in dropped
    noted = letter(MailTemplate.CAMPAIGN_CANCELLED, locale="en", note="We meet in spring")
    text = RENDERER.render(noted).text
    # The leader may have written the note: it is not said to be by staff.
    assert "\nNote\n> We meet in spring\n" in text


def test_a_waiting_list_is_not_a_place() -> None:
    data = {"starts_at": "2026-12-01T04:00:00+08:00"}
    active = _told(MailTemplate.CAMPAIGN_ENROLLED, place="active", **data)
    waiting = _told(MailTemplate.CAMPAIGN_ENROLLED, place="waiting", **data)
    assert "You have enrolled in “Thirty days”." in active
    assert "we have put you on the waiting list." in waiting
    assert "4:00 AM" in active
    assert "waiting list" not in active


def test_a_result_says_what_was_earned() -> None:
    data: dict[str, Any] = {"days_done": 1, "length_days": 30}
    full = _told(
        MailTemplate.CAMPAIGN_RESULT,
        completed=True,
        points=1_250,
        certificate_code="5f0c1d2e",
        **data | {"days_done": 30},
    )
    assert "on 30 of 30 days." in full
    assert "- Your reward: 1,250 points\n- Your certificate: 5f0c1d2e\n" in full
    bare = _told(MailTemplate.CAMPAIGN_RESULT, completed=False, points=0, certificate_code=None, **data)
    assert "reward" not in bare
    assert "certificate" not in bare
    assert "every day of it counts" in bare


def test_reminders_and_digests_count_in_words() -> None:
    reminded = _told(MailTemplate.CAMPAIGN_REMINDER, day=2, streak=1, closes_at="2026-11-29T20:00:00Z")
    assert "Your streak stands at 1 day." in reminded
    assert "streak" not in _told(MailTemplate.CAMPAIGN_REMINDER, day=2, streak=0, closes_at=None)
    digest = _told(MailTemplate.CAMPAIGN_DIGEST, day=2, checked_in=1, missed=12_000)
    assert "- Checked in: 1 member\n- Did not: 12,000 members\n" in digest
    assert "已打卡：0 人" in _told(MailTemplate.CAMPAIGN_DIGEST, "zh-CN", day=2, checked_in=0, missed=3)
