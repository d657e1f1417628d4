"""The whole path of a campaign, by clicking, in both languages, with scripts and without."""

import pytest

from db.database import Database
from domain.people import Role
from tests.browser.campaign_journey import CampaignJourney
from tests.browser.conftest import NewCase, Window
from tests.browser.guests import PHONE

pytestmark = pytest.mark.asyncio(loop_scope="session")

TITLES = {"zh-CN": "三晚认星星", "en": "Three evenings of stars"}


@pytest.mark.parametrize(
    ("locale", "scripts"),
    [
        pytest.param("zh-CN", True, id="zh"),
        pytest.param("en", False, id="en-no-scripts", marks=pytest.mark.slow),
    ],
)
async def test_from_the_template_to_everybodys_points(
    open_window: Window, new_case: NewCase, database: Database, locale: str, scripts: bool
) -> None:
    leader = await new_case(locale, roles=[Role.LEADER])
    manager = await new_case(locale, roles=[Role.CAMPAIGN_MANAGER])
    member = await new_case(locale)
    title = f"{TITLES[locale]} {leader.key}"
    may = {"permissions": ["clipboard-write"]} if scripts else {}
    async with (
        open_window(locale, java_script_enabled=scripts) as hers,
        open_window(locale, java_script_enabled=scripts) as other,
        open_window(locale, java_script_enabled=scripts, viewport=PHONE) as friend,
        open_window(locale, java_script_enabled=scripts, viewport=PHONE, **may) as stranger,
    ):
        journey = CampaignJourney(
            hers, other, friend, stranger, database, leader.key, manager.key, member.key, title
        )
        await journey.whole_way(scripts=scripts)
        (join,) = await journey.joins()
        assert join["new_member"]
        assert join["status"] == "activated"
