"""The whole path of an application, by clicking, in both languages, with scripts and without."""

import pytest

from db.database import Database
from engine.seed_people import MEMBERS, VOTERS
from tests.browser.conftest import Window
from tests.browser.journey import QUORUM_VOTES, Journey

pytestmark = pytest.mark.asyncio(loop_scope="session")

REVIEWERS = {"zh-CN": ("reviewer1", "reviewer3"), "en": ("reviewer2", "reviewer4")}
KNOWN = {member.key: member for member in MEMBERS}


def voters_of(locale: str) -> list[str]:
    """Return members on the roll who read ``locale``, just enough for the quorum."""
    return [key for key in VOTERS if KNOWN[key].locale == locale][:QUORUM_VOTES]


@pytest.mark.parametrize(
    "locale", [pytest.param("zh-CN", id="zh", marks=pytest.mark.slow), pytest.param("en", id="en")]
)
async def test_from_the_first_visit_to_the_certificate(
    open_window: Window, database: Database, locale: str
) -> None:
    key = f"journey-{locale.lower()}"
    async with open_window(locale) as applicant, open_window(locale) as other:
        journey = Journey(applicant, database, key, f"Star {key}")
        await journey.whole_way(other, REVIEWERS[locale], voters_of(locale))
        assert len(set(journey.receipts.values())) == QUORUM_VOTES
        assert set(journey.languages) == {locale}


@pytest.mark.slow
async def test_the_same_without_scripts_by_people_of_both_languages(
    open_window: Window, database: Database
) -> None:
    """The applicant goes over to the other language after each step: one way, half as long as two."""
    reviewers = [keys[0] for keys in REVIEWERS.values()]
    voters = [key for pair in zip(voters_of("zh-CN"), voters_of("en"), strict=True) for key in pair]
    plain = {"java_script_enabled": False}
    async with open_window("en", **plain) as applicant, open_window("zh-CN", **plain) as other:
        journey = Journey(applicant, database, "journey-plain", "Star journey-plain", alternates=True)
        await journey.whole_way(other, reviewers, voters[:QUORUM_VOTES])
        assert len(set(journey.receipts.values())) == QUORUM_VOTES
        assert journey.languages == [("en", "zh-CN")[number % 2] for number in range(7)]
