"""Every page of campaigns in every state, in both languages: accessible, light and dark, narrow, guarded."""

import pytest

from db.database import Database
from domain.campaigns.plan import Board
from engine.seed_campaigns import JOINABLE, PAST, PLANNED, RUNNING, WAITING
from tests.browser.campaign_states import campaign_of, certified_of, share_of
from tests.browser.conftest import NewCase, NewStates, Window
from tests.browser.looks import both_languages, look_over

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

DESK = ("in_review", "scheduled", "running", "settled", "cancelled")


@pytest.mark.parametrize(("locale", "scheme"), [("zh-CN", "dark"), ("en", "light")], ids=["zh", "en"])
async def test_pages_of_strangers(
    open_window: Window, database: Database, new_case: NewCase, locale: str, scheme: str
) -> None:
    running, past, joinable = [await campaign_of(database, told) for told in (RUNNING, PAST, JOINABLE)]
    leader = await (await new_case()).visitor(JOINABLE.leader)
    invitation = (await leader.post(f"/campaigns/{joinable}/invitations"))["code"]
    note, _ = await share_of(database, running)
    _, certificate = await certified_of(database, past)
    async with open_window(locale, color_scheme=scheme) as guest:
        found = []
        for path in ("/campaigns", f"/i/{invitation}", f"/s/{note}", f"/certificates/{certificate}"):
            found += await look_over(guest, path, dark=False)
        found += await look_over(guest, f"/campaigns/{running}", axe=False)
        assert not found, "\n".join(found)
        assert "/sign-in?next=" in guest.page.url


async def test_pages_of_a_participant(open_window: Window, database: Database) -> None:
    running, past, joinable = [
        f"/campaigns/{await campaign_of(database, told)}" for told in (RUNNING, PAST, JOINABLE)
    ]
    key, certificate = await certified_of(database, past.rpartition("/")[2])
    boards = [f"{running}/leaderboard?by={board.value}" for board in Board]
    of_running = [running, f"{running}/me", f"{running}/invitations", f"{running}/notes", *boards]
    of_others = [past, f"{past}/me", joinable, f"{joinable}/me", f"/certificates/{certificate}"]
    async with open_window() as guest:
        await guest.be(key)
        await both_languages(guest, ["/", "/campaigns", *of_running, *of_others, "/points"])


async def test_states_as_members_meet_them(open_window: Window, new_states: NewStates) -> None:
    states = await (await new_states()).with_days()
    outside = [f"/campaigns/{states.ids[name]}" for name in ("scheduled", "enrolling")]
    inside = [
        f"/campaigns/{states.ids[name]}"
        for name in ("in_line", "resting", "paused", "proofs", "settling", "cut_short")
    ]
    async with open_window() as guest:
        await guest.be(states.member.key)
        await both_languages(guest, ["/", *outside, inside[0], inside[2], *(f"{path}/me" for path in inside)])


async def test_the_studio(open_window: Window, database: Database) -> None:
    planned, running = [
        f"/studio/campaigns/{await campaign_of(database, told)}" for told in (PLANNED, RUNNING)
    ]
    _, note = await share_of(database, running.rpartition("/")[2])
    notes = [f"{running}/notes", f"{running}/notes?order=longest&day=1", f"{running}/notes/{note}/visits"]
    async with open_window() as guest:
        await guest.be(RUNNING.leader)
        paths = ["/studio", "/studio/campaigns/new", planned, f"{planned}/rehearsals", running]
        await both_languages(guest, [*paths, *notes, f"{running}/invitations"])


async def test_the_end_in_the_studio(open_window: Window, database: Database) -> None:
    waiting, past = [f"/studio/campaigns/{await campaign_of(database, told)}" for told in (WAITING, PAST)]
    async with open_window("en") as guest:
        await guest.be(PAST.leader)
        await both_languages(guest, ["/studio", waiting, past, f"{past}/report", f"{past}/invitations"])


async def test_states_in_the_studio(open_window: Window, new_states: NewStates) -> None:
    states = await (await (await new_states()).with_days()).decided()
    rehearsal = await states.rehearsed("sent_back")
    names = ("sent_back", "rejected", "cancelled", "scheduled", "paused", "settling", "cut_short")
    async with open_window() as guest:
        await guest.be(states.leader.key)
        paths = [f"/studio/campaigns/{states.ids[name]}" for name in names]
        rehearsals = [f"{paths[0]}/rehearsals", f"/studio/rehearsals/{rehearsal}"]
        await both_languages(guest, ["/studio", *paths, *rehearsals])


async def test_campaigns_at_the_desk(open_window: Window, new_states: NewStates, database: Database) -> None:
    states = await (await new_states()).with_days()
    told = [f"/staff/campaigns/{await campaign_of(database, one)}" for one in (WAITING, RUNNING, PAST)]
    lists = [f"/staff/campaigns?status={status}" for status in DESK]
    async with open_window() as guest:
        await guest.be("manager")
        await both_languages(guest, [*lists, *told, f"/staff/campaigns/{states.ids['paused']}"])


async def test_the_other_rooms_of_the_desk(
    open_window: Window, new_states: NewStates, new_case: NewCase
) -> None:
    states = await (await new_states()).with_days()
    doubtful, decided = [await states.doubted(await new_case()) for _ in range(2)]
    admin = await states.leader.visitor("admin")
    await admin.post(
        f"/staff/invitations/doubtful/{decided}/decision", {"decision": "reject", "note": "A ring."}
    )
    cases = ["/staff/invitations", *(f"/staff/invitations/{one}" for one in (doubtful, decided))]
    templates = [
        "/staff/templates",
        "/staff/templates/learning_plan",
        "/staff/campaign-policy",
        "/staff/pool",
    ]
    async with open_window() as guest:
        await guest.be("admin")
        await both_languages(guest, [*cases, *templates])
