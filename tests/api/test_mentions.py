"""Mentions in check-ins over HTTP: who is told, what is invited, and that the check-in always stands."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import select, update

from api.services import mentions as service
from db.tables.campaigns import check_ins
from db.tables.invitation_mails import invitation_mails, mentions
from db.tables.people import people
from settings import Settings
from tests.api.test_campaign_pages import en
from tests.api.test_invitation_mails import change_policy
from tests.api.test_invitations import SITE, enrol
from tests.support.browser import browser
from tests.support.campaigns import Campaign
from tests.support.vetting_api import Api, User, problem, running_api

WORDS = "Read two chapters today"


@pytest.fixture
async def api(database_url: str, settings: Settings) -> AsyncIterator[Api]:
    async with running_api(settings.model_copy(update={"database_url": database_url})) as running:
        yield running


async def team(api: Api, *names: str, **changes: Any) -> tuple[Campaign, list[User]]:
    """A campaign on its third day, and people called ``names`` who take part."""
    campaign = await Campaign.at(api.db, **changes)
    users = [await api.user(f"u{number}") for number in range(len(names))]
    for user, name in zip(users, names, strict=True):
        await enrol(user, campaign)
        await api.execute(update(people).where(people.c.id == user.id).values(display_name=name))
    await campaign.go(3)
    return campaign, users


async def check_in(user: User, campaign: Campaign, note: str) -> dict[str, Any]:
    answer = await user.post(f"/campaigns/{campaign.id}/checkins", {"note": note})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_friends_are_mentioned_and_told(api: Api) -> None:
    campaign, (ann, bob, sam, sam_too) = await team(api, "Ann Lee", "林晓", "Sam", "sam")
    note = f"{WORDS} with @林晓和大家，@Sam and @nobody <script>"
    done = await check_in(ann, campaign, note)
    assert [(one["name"], one["outcome"]) for one in done["mentions"]] == [
        ("林晓", "mentioned"),
        ("Sam", "ambiguous"),
        ("nobody", "unknown"),
    ]
    assert done["mentions"][0]["person"] == {"id": bob.id, "display_name": "林晓"}
    assert done["invited"] == []
    # Sent again it is the same check-in, and who is mentioned is told once.
    again = await check_in(ann, campaign, note)
    assert (again["id"], len(again["mentions"])) == (done["id"], 1)
    assert len(await api.rows(select(mentions))) == 1
    told = (await bob.get(f"/campaigns/{campaign.id}/mentions")).json()["items"]
    assert [(one["author"]["id"], one["day"]) for one in told] == [(ann.id, 3)]
    assert {"text": "@林晓", "person_id": bob.id} in told[0]["note"]
    assert "".join(piece["text"] for piece in told[0]["note"]) == note
    for other in (sam, sam_too, ann):
        assert (await other.get(f"/campaigns/{campaign.id}/mentions")).json()["items"] == []
    problem(await (await api.user("out")).get(f"/campaigns/{campaign.id}/mentions"), 403, "not_enrolled")


async def test_names_of_several_words_are_found_and_told_whole(api: Api) -> None:
    campaign, (ann, bob, *_) = await team(api, "Ann", "Bob van Dyke", "Sue  Gap")
    done = await check_in(ann, campaign, f"{WORDS}, @bob  van dyke and @Two Words, @Sue  Gap!")
    assert [(one["name"], one["outcome"]) for one in done["mentions"]] == [
        ("bob  van dyke", "mentioned"),
        ("Two Words", "unknown"),
        ("Sue  Gap", "mentioned"),
    ]
    [told] = (await bob.get(f"/campaigns/{campaign.id}/mentions")).json()["items"]
    assert {"text": "@bob  van dyke", "person_id": bob.id} in told["note"]


async def test_people_of_other_campaigns_and_those_who_left_are_nobody(api: Api) -> None:
    campaign, (ann, bob) = await team(api, "Ann", "Bob")
    await team(api)
    other, _ = await api.user("elsewhere"), await Campaign.at(api.db)
    await api.execute(update(people).where(people.c.id == other.id).values(display_name="Cid"))
    assert (await bob.http.delete(f"/campaigns/{campaign.id}/enrolments/me")).status_code == 204
    done = await check_in(ann, campaign, f"{WORDS} @Cid @Bob")
    assert {one["outcome"] for one in done["mentions"]} == {"unknown"}


async def test_the_list_goes_on_by_cursor(api: Api) -> None:
    campaign, users = await team(api, "Ann", "B1", "B2", "B3")
    for user in users[1:]:
        await check_in(user, campaign, f"{WORDS} @ann")
    at, seen, cursor = f"/campaigns/{campaign.id}/mentions", [], None
    while True:
        page = (await users[0].get(at, params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
        seen += [one["author"]["display_name"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ["B3", "B2", "B1"]


async def test_addresses_are_invited_by_the_same_rules(api: Api) -> None:
    campaign, (ann, bob) = await team(api, "Ann", "Bob")
    await change_policy(api, ann, mails_a_day=2)
    note = f"{WORDS} @one@friends.example @x@mailinator.com @a@b@c.example @two@friends.example @3@f.example"
    done = await check_in(ann, campaign, note)
    assert [(one["email"], one["outcome"]) for one in done["invited"]] == [
        ("one@friends.example", "invited"),
        ("x@mailinator.com", "address_disposable"),
        ("two@friends.example", "invited"),
        ("3@f.example", "too_many_requests"),
    ]
    again = await check_in(ann, campaign, note)
    assert [one["invitation_id"] for one in again["invited"]] == [
        one["invitation_id"] for one in done["invited"] if one["outcome"] == "invited"
    ]
    assert len(await api.rows(select(invitation_mails))) == 2
    listed = (await ann.get(f"/campaigns/{campaign.id}/invitations")).json()["invitations"]
    assert [one["email"] for one in listed] == ["two@friends.example", "one@friends.example"]
    # Whoever is mentioned beside an address does not get to see it.
    await check_in(bob, campaign, f"{WORDS} @Ann @secret.person@friends.example")
    [told] = (await ann.get(f"/campaigns/{campaign.id}/mentions")).json()["items"]
    shown = "".join(piece["text"] for piece in told["note"])
    assert "secret.person" not in shown
    assert "@s…@friends.example" in shown


async def test_where_nobody_may_be_invited_the_check_in_stands(api: Api) -> None:
    campaign, (ann,) = await team(api, "Ann", invitations={"mode": "off"})
    done = await check_in(ann, campaign, f"{WORDS} @one@friends.example")
    assert [one["outcome"] for one in done["invited"]] == ["invitations_off"]
    assert len(await api.rows(select(check_ins))) == 1


async def test_what_breaks_behind_a_mention_undoes_nothing(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign, (ann, _bob) = await team(api, "Ann", "Bob")

    def broken(*_: Any) -> Any:
        raise ValueError("of the worst kind")

    monkeypatch.setattr(service, "addresses_in", broken)
    done = await check_in(ann, campaign, f"{WORDS} @Bob")
    assert (done["streak"], done["mentions"]) == (1, [])
    assert await api.rows(select(mentions)) == []
    assert len(await api.rows(select(check_ins))) == 1


async def test_many_at_once_who_invite_the_same_friends(api: Api) -> None:
    campaign, users = await team(api, *(f"N{number}" for number in range(6)))
    notes = [f"{WORDS} {number} @a@friends.example @b@friends.example @N0" for number in range(6)]
    done = await asyncio.gather(
        *(check_in(user, campaign, note) for user, note in zip(users, notes, strict=True))
    )
    assert {one["outcome"] for answer in done for one in answer["invited"]} == {"invited"}
    rows = await api.rows(select(invitation_mails))
    assert len(rows) == 12
    # Each mailbox is written to once.
    assert sum(row["mail_id"] is not None for row in rows) == 2
    assert len(await api.rows(select(mentions))) == 5


async def test_the_page_says_what_became_of_each_and_shows_the_notes(api: Api) -> None:
    campaign, (ann, bob, *_) = await team(api, "Ann", "示例·安然", "Sam", "sam")
    guest = await browser(api, SITE, authorization=ann.http.headers["authorization"])
    named = "@示例·安然 @示例·若谷 @Sam @pal@friends.example @x@mailinator.com"
    answer = await guest.post(f"/campaigns/{campaign.id}/check-ins", data={"note": f"{WORDS} <b> {named}"})
    assert answer.status_code == 303
    where = answer.headers["location"]
    # Addresses stay out of logs and of the browser's history.
    assert "friends.example" not in where
    text = (await guest.get(where)).text
    for said in (
        en("page.mentions.name.mentioned", name="示例·安然"),
        en("page.mentions.name.unknown", name="示例·若谷"),
        en("page.mentions.name.ambiguous", name="Sam"),
        en("page.mentions.invited", email="pal@friends.example"),
        en("page.mentions.not_invited", email="x@mailinator.com", why=en("problem.address_disposable.title")),
    ):
        assert said in text
    for made_up in (
        where.replace("address_disposable", "nonsense"),
        where.replace("check_in=", "check_in=0"),
        re.sub("check_in=[^&]*", "check_in=%00", where),
    ):
        told = await guest.get(made_up)
        assert told.status_code == 200
        assert "x@mailinator.com" not in told.text
    # Nobody else reads there what became of it.
    other = await browser(api, SITE, authorization=bob.http.headers["authorization"])
    text = (await other.get(where)).text
    assert en("page.mentions.done") not in text
    # Who is mentioned reads the note, and all of them on a page of their own.
    assert en("page.mentions") in text
    assert f"{WORDS} &lt;b&gt; <strong>@示例·安然</strong> @示例·若谷" in text
    assert "pal@" not in text
    whole = (await other.get(f"/campaigns/{campaign.id}/mentions")).text
    assert "<strong>@示例·安然</strong>" in whole
    text = (await guest.get(f"/campaigns/{campaign.id}/me")).text
    assert en("page.mentions") not in text
    assert en("page.mentions.none") in (await guest.get(f"/campaigns/{campaign.id}/mentions")).text
    stranger = await api.user("stranger")
    away = await browser(api, SITE, authorization=stranger.http.headers["authorization"])
    led = await away.get(f"/campaigns/{campaign.id}/mentions")
    assert (led.status_code, led.headers["location"]) == (303, f"/campaigns/{campaign.id}")
