"""A member's page of invitations: a link, invitations by mail, taking back, and how far friends have come."""

import html
import io
import re
import unicodedata
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from PIL import Image
from sqlalchemy import update

from api.pages.pictures.poster import SIZE
from db.tables.campaigns import campaigns
from db.tables.invitations import invitations
from db.tables.people import people
from domain.campaigns.terms import Status
from settings import Settings
from tests.api.test_campaign_pages import SITE, en, look, send, window
from tests.support.browser import browser
from tests.support.campaigns import Campaign
from tests.support.vetting_api import Api, running_api

FRIEND = "new.friend@friends.example"
STATES = ("scheduled", "paused", "full", "line", "late")


@pytest.fixture
async def api(sqlite_url: str, settings: Settings) -> AsyncIterator[Api]:
    values = {"database_url": sqlite_url, "public_url": SITE}
    async with running_api(settings.model_copy(update=values)) as running:
        yield running


async def test_a_link_and_a_picture_are_made_once_and_taken_back(api: Api) -> None:
    ann, user = await window(api, "ann")
    campaign = await Campaign.at(api.db, day=2)
    await campaign.enrol(user.id)
    path = f"/campaigns/{campaign.id}/invitations"
    assert f'href="{path}"' in await look(ann, f"/campaigns/{campaign.id}/me")
    assert en("page.mine_invited.make") in await look(ann, path)
    await send(ann, path)
    await send(ann, path)
    made = (await user.get(f"/campaigns/{campaign.id}/invitations")).json()["invitations"]
    assert sorted(one["channel"] for one in made) == ["link", "qr"]
    text = await look(ann, path)
    for one in made:
        assert one["url"] in text or f"/i/{one['code']}/qr.svg" in text
    picture = next(one for one in made if one["channel"] == "qr")
    assert (await ann.get(f"{SITE}/i/{picture['code']}/qr.svg")).status_code == 200
    poster = await ann.get(f"{SITE}/i/{picture['code']}/poster.png")
    assert (poster.status_code, poster.headers["content-type"]) == (200, "image/png")
    assert poster.headers["cache-control"] == "private, no-cache"
    known = {"If-None-Match": f'"other", W/{poster.headers["etag"]}'}
    again = await ann.get(f"{SITE}/i/{picture['code']}/poster.png", headers=known)
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", poster.headers["etag"])
    assert Image.open(io.BytesIO(poster.content)).size == SIZE
    await send(ann, f"{path}/{picture['id']}/revoke")
    for name in ("qr.svg", "poster.png"):
        # A browser that has kept the picture asks as well, and is told that it is gone.
        gone = await ann.get(f"{SITE}/i/{picture['code']}/{name}", headers=known)
        assert gone.status_code == 404
    # The link is still good: it is shown, and can be taken back as well.
    link = next(one for one in made if one["channel"] == "link")
    left = await look(ann, path)
    assert link["url"] in left
    assert f"{path}/{link['id']}/revoke" in left
    assert f"/i/{picture['code']}/" not in left
    assert en("page.mine_invited.make_qr") in left
    await send(ann, f"{path}/{link['id']}/revoke")
    nothing = await look(ann, path)
    assert en("page.mine_invited.make") in nothing
    assert "/revoke" not in nothing


async def test_a_friend_is_invited_by_mail_and_mistakes_are_said(api: Api) -> None:
    ann, user = await window(api, "ann")
    campaign = await Campaign.at(api.db, day=2)
    await campaign.enrol(user.id)
    path = f"/campaigns/{campaign.id}/invitations"
    wrong = await send(ann, f"{path}/mail", 422, email="nobody at all")
    assert "nobody at all" in wrong.text
    own = (await user.get("/me")).json()["email"]
    refused = await send(ann, f"{path}/mail", 422, email=own)
    assert en("problem.invitation_own_address.detail") in refused.text
    for _ in range(2):
        await send(ann, f"{path}/mail", email=FRIEND)
    text = await look(ann, path)
    assert text.count(FRIEND) == 2  # in the list, and in the name of the button that takes it back
    assert en("invitation_delivery.waiting") in text
    (sent,) = (await user.get(f"/campaigns/{campaign.id}/invitations")).json()["invitations"]
    await send(ann, f"{path}/{sent['id']}/revoke")
    text = await look(ann, path)
    assert FRIEND not in text
    assert en("page.mine_invited.address_gone") in text


async def test_friends_are_shown_by_name_and_how_far_they_are(api: Api) -> None:
    ann, user = await window(api, "ann")
    campaign = await Campaign.at(api.db, day=2)
    await campaign.enrol(user.id)
    code = (await user.post(f"/campaigns/{campaign.id}/invitations")).json()["code"]
    ben = await api.user("ben")
    assert (await ben.post(f"/campaigns/{campaign.id}/enrolments", {"invite_code": code})).status_code == 201
    text = await look(ann, f"/campaigns/{campaign.id}/invitations")
    assert (await ben.get("/me")).json()["display_name"] in text
    assert en("invitation_step.joined") in text


async def test_who_does_not_take_part_is_led_to_the_campaign_and_the_leader_may_invite(api: Api) -> None:
    cleo, _ = await window(api, "cleo")
    ann, user = await window(api, "ann")
    campaign = await Campaign.at(api.db, day=2, leader=user.id)
    path = f"/campaigns/{campaign.id}/invitations"
    away = await cleo.get(SITE + path)
    assert (away.status_code, away.headers["location"]) == (303, f"/campaigns/{campaign.id}")
    await send(ann, path)
    assert "/i/" in await look(ann, path)


async def test_nobody_invites_to_what_is_over(api: Api) -> None:
    ann, user = await window(api, "ann")
    campaign = await Campaign.at(api.db, day=2)
    await campaign.enrol(user.id)
    await campaign.go(31, Status.SETTLED)
    path = f"/campaigns/{campaign.id}/invitations"
    assert en("page.mine_invited.closed") in await look(ann, path)
    await send(ann, path, 404)


async def test_nobody_invites_to_what_nobody_can_join_any_more(api: Api) -> None:
    ann, user = await window(api, "ann")
    campaign = await Campaign.at(api.db, day=2, late_enrolment_until_day=2)
    await campaign.enrol(user.id)
    path = f"/campaigns/{campaign.id}/invitations"
    await send(ann, path)
    [code, _] = [one["code"] for one in (await user.get(path)).json()["invitations"]]
    await campaign.go(3)
    text = await look(ann, path)
    assert en("page.mine_invited.joining_over") in text
    assert f'action="{path}"' not in text
    assert f'action="{path}/mail"' not in text
    refused = await send(ann, f"{path}/mail", 409, email=FRIEND)
    assert en("problem.joining_over.detail") in refused.text
    await send(ann, path, 409)
    # What was passed on stays readable, and asks nobody for an address.
    guest = await browser(api, SITE)
    told = await look(guest, f"/i/{code}")
    assert en("page.invitation.joining.late") in told
    assert 'name="email"' not in told
    bob, _ = await window(api, "bob")
    told = await look(bob, f"/i/{code}")
    assert en("page.invitation.joining.late") in told
    assert f'action="/i/{code}"' not in told


async def test_the_landing_says_whether_one_can_join_before_it_asks_for_an_address(api: Api) -> None:
    ann, user = await window(api, "ann")
    campaign = await Campaign.at(api.db, day=1, leader=user.id, capacity=1, waiting_list=False)
    lined = await Campaign.at(api.db, day=1, leader=user.id, capacity=1, waiting_list=True)
    guest, (bob, _) = await browser(api, SITE), await window(api, "bob")
    codes = {}
    for one in (campaign, lined):
        await send(ann, f"/campaigns/{one.id}/invitations")
        made = (await user.get(f"/campaigns/{one.id}/invitations")).json()["invitations"]
        codes[one.id] = made[0]["code"]

    async def told(one: Campaign, told: str, asks: bool) -> None:
        for reader, field in ((guest, 'name="email"'), (bob, f'action="/i/{codes[one.id]}"')):
            text = await look(reader, f"/i/{codes[one.id]}")
            assert (field in text) is asks
            said = [en(f"page.invitation.joining.{state}") in text for state in STATES]
            assert said == [state == told for state in STATES]

    await told(campaign, "", asks=True)
    await campaign.go(0, Status.SCHEDULED)
    await told(campaign, "scheduled", asks=False)
    await campaign.go(1, Status.PAUSED)
    await told(campaign, "paused", asks=False)
    await campaign.go(1)
    for one in (campaign, lined):
        await one.enrol((await api.user(f"first of {one.id}")).id)
    await told(campaign, "full", asks=False)
    await told(lined, "line", asks=True)
    # Who has a place, or waits for one, reads that and not that there is none.
    await send(bob, f"/i/{codes[lined.id]}")
    text = await look(bob, f"/i/{codes[lined.id]}")
    assert en("page.invitation.waiting") in text
    assert en("page.invitation.joining.line") not in text


async def test_who_has_left_is_not_offered_what_would_be_refused(api: Api) -> None:
    ann, user = await window(api, "ann")
    campaign = await Campaign.at(api.db, day=2)
    await campaign.enrol(user.id)
    path = f"/campaigns/{campaign.id}/invitations"
    assert f'action="{path}/mail"' in await look(ann, path)
    await send(ann, f"/campaigns/{campaign.id}/leave")
    text = await look(ann, path)
    assert en("page.mine_invited.not_in") in text
    assert f'action="{path}"' not in text
    assert f'action="{path}/mail"' not in text


async def test_who_joins_by_a_link_goes_on_to_the_day_or_to_the_line(api: Api) -> None:
    ann, user = await window(api, "ann")
    campaign = await Campaign.at(api.db, day=2, leader=user.id, capacity=1, waiting_list=True)
    path = f"/campaigns/{campaign.id}"
    await send(ann, f"{path}/invitations")
    link = f"/i/{(await user.get(f'{path}/invitations')).json()['invitations'][0]['code']}"
    assert f'href="{path}/invitations"' in await look(ann, link)
    for name, leads_to in (("bob", f"{path}/me?done=enrolled"), ("cleo", f"{path}?done=in_line")):
        friend, their = await window(api, name)
        assert 'name="reminder_hour"' in await look(friend, link)
        wrong = await send(friend, link, 422, reminder_hour="99")
        assert 'name="reminder_hour" aria-describedby="reminder-hint" aria-invalid="true"' in wrong.text
        joined = await send(friend, link, reminder_hour="8")
        place = (await their.get(f"{path}/enrolments/me")).json()
        assert place["reminder_hour"] == 8
        assert joined.headers["location"] == leads_to
        await look(friend, leads_to)
        # Whoever follows the link again is not left there either.
        assert f'href="{leads_to.partition("?")[0]}"' in (await look(friend, link)).partition("</h2>")[2]


async def test_whoever_follows_a_link_that_leads_nowhere_is_told_what_may_have_become_of_it(api: Api) -> None:
    ann, user = await window(api, "ann")
    campaign = await Campaign.at(api.db, day=2)
    await campaign.enrol(user.id)
    path = f"/campaigns/{campaign.id}/invitations"
    made = (await user.post(path)).json()
    await send(ann, f"{path}/{made['id']}/revoke")
    guest = await browser(api, SITE)
    gone, unknown = [await look(guest, f"/i/{code}", 404) for code in (made["code"], "A" * 22)]
    assert en("problem.invitation_unknown.detail") in gone
    # The same for a code that was one and for one that never was.
    same = [re.sub(r"/i/[\w-]+|[0-9a-f-]{36}", "", text) for text in (gone, unknown)]
    assert same[0] == same[1]


async def test_an_invitation_is_good_until_the_last_day_to_join_on(api: Api) -> None:
    ann, user = await window(api, "ann")
    campaign = await Campaign.at(api.db, day=2, late_enrolment_until_day=5)
    await campaign.enrol(user.id)
    path = f"/campaigns/{campaign.id}/invitations"
    await send(ann, path)
    # March 2 is day 1, so day 5 is March 6, and closes in the night that follows.
    told = unicodedata.normalize("NFKC", await look(ann, path))
    assert re.findall("Valid until ([^<]*)<", told) == ["March 7, 2026"]


async def test_the_invited_read_who_leads_and_from_when_until_when(api: Api) -> None:
    ann, user = await window(api, "ann")
    campaign = await Campaign.at(api.db, day=2)
    await campaign.enrol(user.id)
    path = f"/campaigns/{campaign.id}/invitations"
    await send(ann, path)
    made = (await user.get(path)).json()["invitations"]
    code = made[0]["code"]
    guest = await browser(api, SITE)
    assert "30 days from March 2, 2026" in await look(guest, f"/i/{code}")
    instants = {
        "starts_at": datetime(2026, 3, 1, 20, tzinfo=UTC),
        "ends_at": datetime(2026, 4, 1, 20, tzinfo=UTC),
        "length_days": 31,
    }
    await api.execute(
        update(campaigns).values(**instants),
        update(people).where(people.c.id == campaign.leader).values(display_name="Lin <b>Rui</b>"),
    )
    text = await look(guest, f"/i/{code}")
    # Extended by a day: what is told is what has come of the plan.
    assert "31 days, Mar 2 – Apr 1, 2026" in unicodedata.normalize("NFKC", text)
    assert "Lin &lt;b&gt;Rui&lt;/b&gt;" in text


async def test_messengers_are_told_who_invites_to_what(api: Api) -> None:
    ann, user = await window(api, "ann")
    await api.execute(update(people).where(people.c.id == user.id).values(display_name='Ann "<b>'))
    campaign = await Campaign.at(api.db, day=2)
    await campaign.enrol(user.id)
    path = f"/campaigns/{campaign.id}/invitations"
    await send(ann, path)
    code = (await user.get(path)).json()["invitations"][0]["code"]
    guest = await browser(api, SITE)

    async def told() -> dict[str, str]:
        head = (await look(guest, f"/i/{code}")).partition("</head>")[0]
        found = re.findall(r'<meta (?:name|property)="((?:og:|twitter:)?[a-z:_]+)" content="([^"]*)">', head)
        return {name: html.unescape(text) for name, text in found}

    said = await told()
    assert said["og:title"] == said["twitter:title"] == 'Ann "<b> invites you: “Thirty days of book-keeping”'
    when = unicodedata.normalize("NFKC", said["og:description"])
    assert when.startswith("30 days from March 2, 2026"), "a campaign that says nothing of itself says when"
    assert said["og:url"] == f"{SITE}/i/{code}"
    assert said["twitter:card"] == "summary", "the poster stands upright"
    # Whoever fetches the picture has no session, and sees what was promised.
    picture = await guest.get(said["og:image"])
    assert (picture.status_code, picture.headers["content-type"]) == (200, said["og:image:type"])
    size = (int(said["og:image:width"]), int(said["og:image:height"]))
    assert Image.open(io.BytesIO(picture.content)).size == size == SIZE
    summary = "One page a day.\n" + "And more. " * 40
    await api.execute(update(campaigns).where(campaigns.c.id == campaign.id).values(summary=summary))
    said = await told()
    assert said["description"] == said["og:description"]
    assert said["og:description"].startswith("One page a day. And more.")
    assert len(said["og:description"]) <= 180


async def test_no_code_by_which_nobody_can_join_has_a_poster_and_codes_are_not_to_be_tried(api: Api) -> None:
    ann, user = await window(api, "ann")
    campaign = await Campaign.at(api.db, day=2)
    await campaign.enrol(user.id)
    path = f"/campaigns/{campaign.id}/invitations"
    await send(ann, path)
    code = (await user.get(path)).json()["invitations"][0]["code"]
    guest = await browser(api, SITE)
    await campaign.go(31, Status.SETTLED)
    told = [await guest.get(f"{SITE}/i/{one}/poster.png") for one in (code, "A" * 22)]
    await campaign.go(2)
    assert (await guest.get(f"{SITE}/i/{code}/poster.png")).status_code == 200
    past = datetime.now(UTC) - timedelta(days=1)
    await api.execute(update(invitations).values(expires_at=past))
    told.append(await guest.get(f"{SITE}/i/{code}/poster.png"))
    page = await guest.get(f"{SITE}/i/{'A' * 22}")
    assert [one.status_code for one in (*told, page)] == [404] * 4
    said = {re.sub(rf"{code}|A{{22}}|[0-9a-f-]{{36}}", "…", one.text) for one in told}
    assert len(said) == 1, "the answers tell which codes there are"
    last = 0
    for number in range(80):
        last = (await guest.get(f"{SITE}/i/{number:022d}/poster.png")).status_code
        if last == 429:
            break
    assert last == 429
