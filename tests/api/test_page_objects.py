"""Things of other people, asked for by their ids: they look like what is not there, and stay as they are."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, select

from api.access import SAFE, Access
from api.app import create_app
from api.services.uploads import FileStore
from db.repositories import pictures
from db.tables.access import api_tokens
from db.tables.campaigns import enrolments, settlements
from db.tables.invitations import invitations
from db.tables.people import people, role_grants
from db.tables.shares import featured_notes, note_shares
from domain.ids import new_id
from domain.people import STAFF_ROLES, Role
from settings import Settings
from tests.api.test_page_access import ask, pages, refusal
from tests.support.browser import OWN_PAGE
from tests.support.campaigns import Campaign
from tests.support.town import NOBODY, Asker, Town, draft_of, running_town
from tests.support.vetting_api import PDF, hand_in

CERTIFICATE = "5f0c1d2e3a6b7c8d"

# Routes whose rule does not name the owner of every object in them, and the objects that are left.
LEFT_TO_THE_ROUTE = {
    "/account/tokens/{token_id}/revoke": {"token_id"},
    "/applications/{application_id}/documents/{document_id}": {"document_id"},
    "/applications/{application_id}/documents/{document_id}/pages": {"document_id"},
    "/applications/{application_id}/documents/{document_id}/pages/{number}": {"document_id"},
    "/applications/{application_id}/documents/{document_id}/remove": {"document_id"},
    "/campaigns/{campaign_id}/invitations/{invitation_id}/revoke": {"campaign_id", "invitation_id"},
    "/campaigns/{campaign_id}/notes/{check_in_id}/private": {"campaign_id", "check_in_id"},
    "/campaigns/{campaign_id}/pictures/{picture_id}": {"campaign_id", "picture_id"},
    "/certificates/{code}": {"code"},
    "/studio/campaigns/{campaign_id}/notes/{check_in_id}/visits": {"check_in_id"},
    "/studio/campaigns/{campaign_id}/notes/{check_in_id}/{step}": {"check_in_id"},
}


@dataclass
class Things:
    """What the owner has, beside what the town knows; and the neighbour's own."""

    owners: dict[str, str]
    own: dict[str, str]
    campaign: Campaign


@pytest.fixture
async def town(sqlite_url: str, settings: Settings) -> AsyncIterator[Town]:
    async with running_town(sqlite_url, settings) as running:
        running.api.app.state.parts.draining.set()
        yield running


async def things_of(town: Town, settings: Settings) -> Things:
    """Give the owner one of everything, in a campaign that the neighbour takes part in as well."""
    api, owner, neighbour = town.api, town.owner.person_id, town.askers[0].person_id
    campaign = await Campaign.at(api.db)
    for person_id in (owner, neighbour):
        assert await campaign.enrol(person_id) == "enrolled"
    await campaign.go(1)
    checked_in = await campaign.check_in(owner)
    stored = FileStore(settings.pictures_dir).put(b"a picture")
    picture_id, now = new_id(), datetime.now(UTC)

    def write(conn: Connection) -> str:
        told: dict[str, Any] = {"media_type": "image/png", "size": 9, "storage_name": stored, "now": now}
        pictures.add(conn, picture_id=picture_id, campaign_id=campaign.id, person_id=owner, **told)
        certified = {"campaign_id": campaign.id, "person_id": owner, "days_done": 27, "completed": True}
        certified |= {"certificate_code": CERTIFICATE, "certificate_hidden_at": now, "settled_at": now}
        conn.execute(insert(settlements).values(certified))
        return draft_of(conn, neighbour)

    led = await api.db.write(write)
    await campaign.go(1)
    document_id = await hand_in(api.users[0], town.application_id, "identity", PDF)
    shown = OWN_PAGE | await town.shown(town.owner)
    assert (await town.send("POST", f"/campaigns/{campaign.id}/invitations", shown)).status_code == 303
    [invitation_id, *_] = [row["id"] for row in await api.rows(select(invitations.c.id))]
    [token] = await api.rows(select(api_tokens.c.id).where(api_tokens.c.person_id == owner))
    [applied] = [one["id"] for one in (await api.users[1].get("/me/applications")).json()["items"]]
    owners = {
        "token_id": token["id"],
        "document_id": document_id,
        "invitation_id": invitation_id,
        "check_in_id": checked_in.id,
        "picture_id": picture_id,
        "code": CERTIFICATE,
    }
    return Things(owners, {"application_id": applied, "campaign_id": led}, campaign)


def left(town: Town) -> list[Access]:
    return [
        entry
        for entry in [*pages(town), *pages(town, public=True)]
        if entry.path in LEFT_TO_THE_ROUTE or entry.path == "/certificates/{code}/qr.svg"
    ]


async def contents(town: Town) -> dict[str, list[str]]:
    """Return all rows but the counters of tries, which a refusal may count up."""
    found = await town.contents()
    del found["rate_counters"]
    return found


async def test_what_is_somebody_elses_looks_like_what_is_not_there(town: Town, settings: Settings) -> None:
    things, neighbour = await things_of(town, settings), town.askers[0]
    shown = OWN_PAGE | await town.shown(neighbour)
    before = await contents(town)
    for entry in left(town):
        # Inside what is the neighbour's own, or what both take part in.
        inside = {"campaign_id": things.campaign.id} if entry.path.startswith("/campaigns") else things.own
        for step in ("feature", "take-down"):
            answer = await ask(town, entry, shown, **things.owners, **inside, step=step)
            assert (answer.status_code, refusal(answer)) == (404, "not_found"), (entry, answer.text[-900:])
        assert await contents(town) == before, entry


async def test_what_is_ones_own_is_there(town: Town, settings: Settings) -> None:
    """The walk above would be refused everything by ids that lead nowhere."""
    things = await things_of(town, settings)
    leader = Asker("leader", things.campaign.leader, frozenset())
    # Reading before changing: what is thrown away is not there any more.
    for entry in sorted(left(town), key=lambda one: one.method not in SAFE):
        asker = leader if entry.path.startswith("/studio") else town.owner
        ids = things.owners | {"campaign_id": things.campaign.id}
        if "{number}" in entry.path:
            continue  # The document has no page to show.
        answer = await ask(town, entry, OWN_PAGE | await town.shown(asker), **ids)
        # 409: the note is kept private by then.
        assert answer.status_code in (200, 303, 409), (entry, answer.status_code, answer.text[-900:])
        assert refusal(answer) == "", entry


def test_every_object_in_a_path_is_somebodys_business(settings: Settings) -> None:
    """A page that leaves an object to its function, not to its rule, has its place in the walk above."""
    for entry in create_app(settings).state.page_access:
        rule, named = entry.rule, set(re.findall(r"{(\w+)}", entry.path))
        named -= {"step", "number", rule.owner_parameter}
        staff = rule.owner is None and bool(rule.roles) and rule.roles <= STAFF_ROLES
        of_all = rule.public or named <= {"campaign_id"} or named == {"ballot_id"}
        assert staff or of_all or named == LEFT_TO_THE_ROUTE.get(entry.path), entry


async def test_a_campaign_that_is_not_approved_looks_like_none(town: Town) -> None:
    shown = OWN_PAGE | await town.shown(town.askers[0])
    before = await contents(town)
    for entry in pages(town):
        if entry.path.startswith("/campaigns/{campaign_id}"):
            hidden, absent = [
                await ask(town, entry, shown, campaign_id=one) for one in (town.campaign_id, NOBODY)
            ]
            assert (hidden.status_code, refusal(hidden)) == (absent.status_code, refusal(absent)), entry
            assert "A campaign" not in hidden.text, entry
    assert await contents(town) == before


async def test_a_token_is_nobody_where_its_scope_does_not_reach(town: Town, settings: Settings) -> None:
    """Also on pages that everybody may see, and that tell and do more for whom they know."""
    things, owner = await things_of(town, settings), town.owner
    reading, writing, other = [
        OWN_PAGE | await town.shown(owner, [scope]) for scope in ("read", "write", "contributions:write")
    ]
    for path in (f"/certificates/{CERTIFICATE}", f"/api/v1/certificates/{CERTIFICATE}"):
        found = [(await town.send("GET", path, one)).status_code for one in (reading, writing, other)]
        assert found == [200, 404, 404], path
    for one, known in ((reading, True), (writing, False), (other, False)):
        assert (f"/campaigns/{things.campaign.id}/me" in (await town.send("GET", "/", one)).text) is known
    [code, *_] = [row["code"] for row in await town.api.rows(select(invitations.c.code))]
    friend = town.askers[-1]
    told = [
        OWN_PAGE | await town.shown(friend, [scope]) for scope in ("read", "contributions:write", "write")
    ]
    for number, one in enumerate(told):
        await town.send("POST", "/language", one, data={"locale": "zh-CN"})
        await town.send("POST", f"/i/{code}", one)
        here = select(enrolments.c.status).where(enrolments.c.person_id == friend.person_id)
        spoken = select(people.c.locale).where(people.c.id == friend.person_id)
        acted = number == 2
        assert len(await town.api.rows(here)) == acted
        assert await town.api.rows(spoken) == [{"locale": "zh-CN" if acted else "en"}]


async def test_a_note_is_passed_on_in_nobodys_name_by_a_token_for_reading(
    town: Town, settings: Settings
) -> None:
    things = await things_of(town, settings)
    leader = OWN_PAGE | await town.shown(Asker("leader", things.campaign.leader, frozenset()))
    note = f"/studio/campaigns/{things.campaign.id}/notes/{things.owners['check_in_id']}/feature"
    assert (await town.send("POST", note, leader)).status_code == 303
    [code] = [row["code"] for row in await town.api.rows(select(featured_notes.c.code))]
    for scope, person_id in (("read", None), ("write", town.owner.person_id)):
        shown = OWN_PAGE | await town.shown(town.owner, [scope])
        await town.send("POST", f"/s/{code}/shares", shown, data={"channel": "link"})
        await town.send("POST", f"/api/v1/shared-notes/{code}/shares", shown, json={"channel": "link"})
        shared = await town.api.rows(select(note_shares.c.person_id))
        assert shared[-1]["person_id"] == person_id, scope
        await town.api.execute(delete(note_shares))


async def test_who_is_no_member_joins_by_no_invitation(town: Town, settings: Settings) -> None:
    await things_of(town, settings)
    friend = town.askers[-1]
    [code, *_] = [row["code"] for row in await town.api.rows(select(invitations.c.code))]
    lost = (role_grants.c.person_id == friend.person_id, role_grants.c.role == Role.MEMBER.value)
    await town.api.execute(delete(role_grants).where(*lost))
    answer = await town.send("POST", f"/i/{code}", OWN_PAGE | await town.shown(friend))
    assert (answer.status_code, refusal(answer)) == (403, "forbidden")
    joined = select(enrolments.c.status).where(enrolments.c.person_id == friend.person_id)
    assert await town.api.rows(joined) == []
