"""The whole path of an application, by clicking, in both languages, with scripts and without."""

import pytest

from db.database import Database
from engine.seed_people import MEMBERS, VOTERS
from tests.browser.conftest import Window
from tests.browser.journey import QUORUM_VOTES, Journey

pytestmark = pytest.mark.asyncio(loop_scope="session")

REVIEWERS = {"zh-CN": ("reviewer1", "reviewer3"), "en": ("reviewer2", "reviewer4")}


def voters_of(locale: str) -> list[str]:
    """Return members on the roll who read ``locale``, just enough for the quorum."""
    return [m.key for m in MEMBERS if m.key in VOTERS and m.locale == locale][:QUORUM_VOTES]


@pytest.mark.parametrize(
    ("locale", "scripts"), [("zh-CN", True), ("en", True), ("zh-CN", False)], ids=["zh", "en", "no-scripts"]
)
async def test_from_the_first_visit_to_the_certificate(
    open_window: Window, database: Database, locale: str, scripts: bool
) -> None:
    key = f"journey-{locale.lower()}-{'scripts' if scripts else 'plain'}"
    async with (
        open_window(locale, java_script_enabled=scripts) as applicant,
        open_window(locale, java_script_enabled=scripts) as other,
    ):
        journey = Journey(applicant, database, key, f"Star {key}")
        await journey.whole_way(other, REVIEWERS[locale], voters_of(locale))
        assert len(set(journey.receipts.values())) == QUORUM_VOTES
