"""The walks through vetting, whose mails are all rendered at their end, queue every mail that vetting has."""

import pytest

from domain.mail import MailTemplate
from tests.support.letters import HOLES
from tests.workflows import paths_conflict, paths_late, paths_later, paths_review
from tests.workflows.paths import PATHS

assert paths_conflict
assert paths_late
assert paths_later
assert paths_review
OF_ACCOUNTS = {MailTemplate.SIGN_IN, MailTemplate.SECOND_FACTOR_CHANGED}


def test_every_mail_of_vetting_is_queued_on_some_path() -> None:
    queued = {template for way in PATHS.values() for template in way.mails}
    of_vetting = {template for template in MailTemplate if not template.startswith("campaign_")}
    assert queued == of_vetting - OF_ACCOUNTS


@pytest.mark.parametrize(
    "text", ["ends on None", "Hello {name}", "your topic “” is", "ends on , and", "for  days", "截止于 。"]
)
def test_a_hole_in_a_text_is_seen(text: str) -> None:
    assert HOLES.search(text)


@pytest.mark.parametrize(
    "text", ["Reason: a, b.\n\n> note\n", "> a note (short).", "林晓，您好：\n时限：见下。"]
)
def test_a_whole_text_has_none(text: str) -> None:
    assert not HOLES.search(text)
