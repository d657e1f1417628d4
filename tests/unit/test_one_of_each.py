"""One visit, one friend, one day: what pages say of campaigns is English where there is one of a thing."""

import re
from typing import Any

import pytest

from api.services.rehearsal_views import finding_text
from domain.campaigns.forecast import Finding, Warn
from locales import translate

ONES = re.compile(
    r"(?<![\d.,])1 (\w+ )?(visits|invitations|friends|people|members|days|check-ins|times|characters|seats"
    r"|places|tries|participants|seconds)\b"
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


def test_a_rehearsal_finds_one_of_a_thing() -> None:
    for code, one, more in (
        (Warn.CHEATS_PASSED, "1 try to cheat was let through", "2 tries to cheat were let through"),
        (Warn.TURNED_AWAY, "1 person found no place", "2 people found no place"),
    ):
        for number, text in ((1, one), (2, more)):
            found = Finding(code=code, values={"number": number, "capacity": 5})
            assert text in finding_text(found, "en")
