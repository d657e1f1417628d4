"""One visit, one friend, one day: what is said is English where there is one of a thing."""

import re
from typing import Any

import pytest

from api.field_errors import field_errors
from api.problems import Problem
from api.services.rehearsal_views import finding_text
from domain.campaigns.forecast import Finding, Warn
from locales import translate

ONES = re.compile(
    r"(?<![\d.,])1 (\w+ )?(visits|invitations|friends|people|members|days|check-ins|times|characters|seats"
    r"|places|tries|participants|seconds|votes|ratings|weeks|points|items|minutes)\b"
)
SAID: list[tuple[str, dict[str, Any], str]] = [
    ("page.report.featured_text", {"visits": 1, "joins": 1}, "visits: 1, enrolled after reading one: 1"),
    ("page.report.cancelled", {"days": 1}, "Days that it ran: 1."),
    ("page.growth.k_text", {"each": 1, "conversion": "50%"}, "1 invitation a participant × 50%"),
    ("page.growth.plot", {"created": 1, "joined": 1, "activated": 0, "rewarded": 0}, "Of 1 invitation 1 "),
    ("page.tree.figures", {"people": 1, "roots": 1, "depth": 1}, "1 person came"),
    ("page.tree.counts", {"participants": 1, "invited": 0}, "1 person has taken part"),
    ("page.doubts.same_client_text", {"own": 1, "others": 0}, "1 other friend of this inviter"),
    ("page.doubts.all_shown", {}, "The 1 friend of this page"),
    (
        "page.certificate.days",
        {"done": 1, "days": "1 day", "first": "a", "last": "a"},
        "1 check-in in a campaign",
    ),
    ("page.mine_invited.lead", {"check_ins": 1}, "after 1 check-in."),
    (
        "page.mine_invited.lead_inside",
        {"check_ins": 1, "points": "1 point", "most": "1 friend"},
        "checks in 1 time",
    ),
    (
        "page.campaign.reward.invitation",
        {"check_ins": 1, "points": "1 point", "most": "1 friend"},
        "in 1 time, for 1",
    ),
    ("page.campaign.proof.note", {"characters": 1}, "1 character or more"),
    ("page.campaign.cards_text", {"cards": 1, "days": 1}, "reaching back 1 day"),
    ("page.studio.at_most", {"points": "1 point", "members": 1}, "with 1 member"),
    ("page.studio.estimate_text", {"members": 1, "days": 1}, "every place taken (1)"),
    ("page.rehearsals.saved_plan", {"points": "1 point", "members": 1, "days": 1}, "seats: 1, days: 1."),
    ("page.rehearsal.people", {}, "1 participant"),
    ("page.rehearsal.refused", {"number": 1, "through": 0, "doubtful": 1}, "refused: 1, "),
    ("page.rehearsal.points_words", {"earned": 1, "full": 1, "reserved": 1}, "day: 1 as simulated"),
    ("page.rehearsal.growth_words", {"members": 1, "invited": 1}, "last day: 1 (solid line)"),
    ("page.campaign.members_of", {"members": 0, "capacity": 1}, "Places taken: 0 of 1"),
    ("page.campaign.plot", {"day": 1, "done": 0, "members": 1}, "0 of 1 member checked in"),
    ("page.report.completed", {"completed": 0, "members": 1}, "0 of 1 member"),
    ("page.report.later", {"friends": 1, "points": "1 point"}, "1 friend counts, for 1 point."),
    ("page.ballot.quorum_text", {"quorum": 1, "share": "20%"}, "1 vote (20% of the roll)"),
    ("page.probation.plot.missed", {"missed": 1, "weeks": 1}, "Missed in 1 of 1 week."),
    ("page.probation.ratings_so_far", {"given": 0, "needed": 1}, "0 of 1 rating"),
    ("mail.target.ratings", {"line": "Mean", "given": 0, "needed": 1}, "0 of 1 rating"),
    ("mail.counted.minutes", {"number": 1}, "1 minute"),
    ("page.sign_in.sent_text", {"email": "a@b.example", "minutes": "1 minute"}, "for 1 minute."),
    ("field.beyond_server_max_files", {"max_files": 1}, "takes 1 file for"),
    ("page.rehearsal.how", {"seed": 7, "seconds": 1}, "in 1 s."),
]


@pytest.mark.parametrize(("msgid", "values", "text"), SAID)
def test_there_is_one_of_a_thing(msgid: str, values: dict[str, Any], text: str) -> None:
    said = translate("en", msgid, count=1, **values)
    assert text in said
    assert not ONES.search(said)


@pytest.mark.parametrize(
    ("msgid", "values", "text"),
    [
        ("page.growth.k_text", {"each": "1.5", "conversion": "50%"}, "1.5 invitations a participant"),
        ("page.tree.figures", {"people": 3, "roots": 1, "depth": 2}, "3 people came by 1"),
        ("page.mine_invited.lead", {"check_ins": 3}, "after 3 check-ins."),
        (
            "page.certificate.days",
            {"done": 3, "days": "5 days", "first": "a", "last": "b"},
            "of 5 days,",
        ),
    ],
)
def test_there_are_more_of_it(msgid: str, values: dict[str, Any], text: str) -> None:
    assert text in translate("en", msgid, count=3, **values)


@pytest.mark.parametrize(
    ("code", "value", "one", "more"),
    [
        ("too_many_requests", "retry_after_seconds", "Wait 1 second and", "Wait 2 seconds and"),
        ("database_unavailable", "retry_after_seconds", "in 1 second.", "in 2 seconds."),
        ("points_insufficient", "available", "only 1 point;", "only 2 points;"),
        ("late_reward_unfunded", "available", "holds 1 point.", "holds 2 points."),
        ("invitations_used_up", "most", "invited 1 address to", "invited 2 addresses to"),
        ("too_many_documents", "max_files", "at most 1 file.", "at most 2 files."),
        ("campaign_too_long", "longest_days", "last 1 day at", "last 2 days at"),
    ],
)
def test_a_problem_counts_one_of_a_thing(code: str, value: str, one: str, more: str) -> None:
    for number, text in ((1, one), (2, more)):
        values: dict[str, Any] = {value: number}
        assert text in Problem(code, **values).document("en").detail


@pytest.mark.parametrize(
    ("code", "limit", "one", "more"),
    [
        ("string_too_short", "min_length", "at least 1 character", "at least 2 characters"),
        ("string_too_long", "max_length", "at most 1 character", "at most 2 characters"),
        ("too_short", "min_length", "at least 1 item", "at least 2 items"),
        ("too_long", "max_length", "at most 1 item", "at most 2 items"),
    ],
)
def test_a_field_asks_for_one_of_a_thing(code: str, limit: str, one: str, more: str) -> None:
    for number, text in ((1, one), (2, more)):
        [error] = field_errors("en", [{"type": code, "loc": ("body", "x"), "ctx": {limit: number}}])
        assert error.message == f"must have {text}"


def test_a_rehearsal_finds_one_of_a_thing() -> None:
    for code, one, more in (
        (Warn.CHEATS_PASSED, "1 try to cheat was let through", "2 tries to cheat were let through"),
        (Warn.TURNED_AWAY, "1 person found no place", "2 people found no place"),
    ):
        for number, text in ((1, one), (2, more)):
            found = Finding(code=code, values={"number": number, "capacity": 5})
            assert text in finding_text(found, "en")
