"""Pictures as proof of a check-in: proven by decoding, stripped, used once, swept, shown to few."""

import asyncio
import io
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image
from sqlalchemy import delete, select, update

from api.services.file_sweep import ORPHAN_SECONDS
from db.tables.people import people
from db.tables.shares import check_in_pictures
from domain.campaigns.terms import Status
from domain.ids import new_id
from domain.people import Role
from settings import Settings
from tests.api.test_documents import bomb_png
from tests.support.browser import OWN_PAGE, parts_of
from tests.support.campaigns import NOTE, Campaign
from tests.support.vetting_api import BASE, PDF, Api, User, problem, running_api

PICTURES = {"proofs": ("note", "picture"), "min_note_characters": 20}


@pytest.fixture
async def api(database_url: str, settings: Settings) -> AsyncIterator[Api]:
    async with running_api(settings.model_copy(update={"database_url": database_url})) as running:
        yield running


@pytest.fixture
async def lite(sqlite_url: str, settings: Settings) -> AsyncIterator[Api]:
    async with running_api(settings.model_copy(update={"database_url": sqlite_url})) as running:
        yield running


def jpeg_with_place(turned: int = 1) -> bytes:
    """A wide picture with a camera, a place and an orientation in its metadata."""
    exif = Image.Exif()
    exif[0x0110] = "Secret Camera 9"
    exif[0x0112] = turned
    exif.get_ifd(0x8825)[2] = (39.0, 54.0, 26.0)
    written = io.BytesIO()
    Image.new("RGB", (60, 20), "#1f5f4b").save(written, "JPEG", exif=exif)
    return written.getvalue()


async def started(api: Api, **plan: Any) -> tuple[Campaign, User]:
    campaign = await Campaign.at(api.db, **{"requirement": PICTURES} | plan)
    ann = await member_of(api, campaign, "ann")
    await campaign.go(1)
    return campaign, ann


async def member_of(api: Api, campaign: Campaign, name: str) -> User:
    user = await api.user(name)
    assert await campaign.enrol(user.id) == "enrolled"
    return user


async def sent(user: User, campaign: Campaign, content: bytes, name: str = "photo.jpg") -> httpx2.Response:
    return await user.http.post(
        f"/campaigns/{campaign.id}/pictures", files={"file": (name, content, "image/jpeg")}
    )


async def picture_of(user: User, campaign: Campaign) -> str:
    answer = await sent(user, campaign, jpeg_with_place())
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def check_in(user: User, campaign: Campaign, **body: Any) -> httpx2.Response:
    return await user.post(f"/campaigns/{campaign.id}/checkins", body)


def stored(api: Api) -> list[Path]:
    folder = parts_of(api).settings.pictures_dir
    return sorted(folder.iterdir()) if folder.is_dir() else []


async def test_a_picture_meets_the_day_and_is_used_once(api: Api) -> None:
    campaign, ann = await started(api)
    picture = await picture_of(ann, campaign)
    first = await check_in(ann, campaign, picture_id=picture)
    assert first.status_code == 201, first.text
    assert (await check_in(ann, campaign, picture_id=picture)).json() == first.json()
    problem(await check_in(ann, campaign, picture_id=new_id()), 409, "already_checked_in")
    problem(await check_in(ann, campaign, note=NOTE), 409, "already_checked_in")
    await campaign.go(2)
    problem(await check_in(ann, campaign, picture_id=picture), 422, "picture_unknown")
    problem(await check_in(ann, campaign, note=NOTE, picture_id=new_id()), 422, "picture_unknown")
    assert (await check_in(ann, campaign, note=NOTE)).status_code == 201
    used = await api.rows(select(check_in_pictures.c.check_in_id))
    assert used == [{"check_in_id": first.json()["id"]}]


async def test_pictures_belong_to_one_member_and_campaign(api: Api) -> None:
    campaign, ann = await started(api)
    bob = await member_of(api, campaign, "bob")
    other = await Campaign.at(api.db, requirement=PICTURES)
    await other.enrol(ann.id)
    await other.go(1)
    picture = await picture_of(ann, campaign)
    problem(await check_in(bob, campaign, picture_id=picture), 422, "picture_unknown")
    problem(await check_in(ann, other, picture_id=picture), 422, "picture_unknown")
    answers = await asyncio.gather(*(check_in(ann, campaign, picture_id=picture) for _ in range(8)))
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 1


async def test_metadata_is_gone_and_the_picture_stands_upright(lite: Api) -> None:
    campaign, ann = await started(lite)
    answer = await sent(ann, campaign, jpeg_with_place(turned=6), "../../../etc/x.html")
    shown = await ann.http.get(f"/campaigns/{campaign.id}/pictures/{answer.json()['id']}")
    assert shown.headers["content-type"] == "image/jpeg"
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert shown.headers["cache-control"].startswith("private")
    assert "sandbox" in shown.headers["content-security-policy"]
    assert b"Secret Camera" not in shown.content
    image = Image.open(io.BytesIO(shown.content))
    assert (image.size, dict(image.getexif())) == ((20, 60), {})
    [path] = stored(lite)
    assert "etc" not in path.name


LIES = {
    "html": (b"<html><script>alert(1)</script>", 422, "picture_type_unknown"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", 422, "picture_type_unknown"),
    "pdf": (PDF, 422, "picture_type_unknown"),
    "gif": (b"GIF89a" + b"\0" * 40, 422, "picture_type_unknown"),
    "begins like one": (b"\xff\xd8\xff\xe0" + b"<script>" * 99, 422, "document_damaged"),
    "bomb": (bomb_png(20_000, 20_000), 422, "image_too_large"),
    "11 MiB": (b"\xff\xd8\xff" + b"\0" * (11 * 2**20), 413, "file_too_large"),
    "nothing": (b"", 422, "file_empty"),
}


@pytest.mark.parametrize("name", LIES)
async def test_what_is_no_picture_is_refused_and_not_kept(lite: Api, name: str) -> None:
    campaign, ann = await started(lite)
    content, status, code = LIES[name]
    problem(await sent(ann, campaign, content), status, code)
    assert stored(lite) == []
    assert await lite.rows(select(check_in_pictures.c.id)) == []


async def test_only_who_can_check_in_with_one_hands_one_in(lite: Api) -> None:
    campaign, ann = await started(lite)
    problem(await sent(await lite.user("stranger"), campaign, jpeg_with_place()), 403, "not_enrolled")
    plain, _ = await started(lite, requirement={"proofs": ("note",)})
    await plain.go(0, Status.ENROLLING)
    assert await plain.enrol(ann.id) == "enrolled"
    problem(await sent(ann, plain, jpeg_with_place()), 409, "pictures_not_taken")
    for _ in range(5):
        await picture_of(ann, campaign)
    problem(await sent(ann, campaign, jpeg_with_place()), 409, "too_many_pictures")
    assert len(stored(lite)) == 5


async def test_who_takes_part_sees_what_was_handed_in(lite: Api) -> None:
    campaign, ann = await started(lite)
    bob, stranger = await member_of(lite, campaign, "bob"), await lite.user("stranger")
    manager = await lite.user("manager", Role.CAMPAIGN_MANAGER)
    picture = await picture_of(ann, campaign)
    path = f"/campaigns/{campaign.id}/pictures/{picture}"
    assert (await ann.http.get(path)).status_code == 200
    problem(await bob.http.get(path), 404, "not_found")
    await check_in(ann, campaign, picture_id=picture)
    asked = [await one.http.get(path) for one in (ann, bob, manager, stranger)]
    assert [answer.status_code for answer in asked] == [200, 200, 200, 404]
    await campaign.leave(bob.id)
    problem(await bob.http.get(path), 404, "not_found")
    other = await Campaign.at(lite.db)
    problem(await ann.http.get(f"/campaigns/{other.id}/pictures/{picture}"), 404, "not_found")


async def test_what_nobody_named_is_swept_after_a_day(api: Api) -> None:
    campaign, ann = await started(api)
    used, unused, fresh = [await picture_of(ann, campaign) for _ in range(3)]
    await check_in(ann, campaign, picture_id=used)
    long_ago = datetime.now(UTC) - timedelta(days=1, minutes=1)
    old = check_in_pictures.c.id.in_([used, unused])
    await api.execute(update(check_in_pictures).where(old).values(created_at=long_ago))
    names = {row["id"]: row["storage_name"] for row in await api.rows(select(check_in_pictures))}
    _age(api)
    assert await parts_of(api).pictures.sweep() == 1
    assert {row["id"] for row in await api.rows(select(check_in_pictures.c.id))} == {used, fresh}
    assert {path.name for path in stored(api)} == {names[used], names[fresh]}
    # With the account go its pictures.
    await api.execute(delete(people).where(people.c.id == ann.id))
    assert await parts_of(api).pictures.sweep() == 2
    assert stored(api) == []


def _age(api: Api) -> None:
    then = datetime.now(UTC).timestamp() - ORPHAN_SECONDS - 60
    for path in stored(api):
        os.utime(path, (then, then))


async def test_the_day_is_met_with_a_picture_without_scripts(lite: Api) -> None:
    campaign, ann = await started(lite)
    transport = httpx2.ASGITransport(app=lite.app)
    headers = OWN_PAGE | {"Authorization": ann.http.headers["authorization"]}
    site = BASE.removesuffix("/api/v1")
    own = f"/campaigns/{campaign.id}/me"
    async with httpx2.AsyncClient(transport=transport, base_url=site, headers=headers) as browser:
        page = (await browser.get(own)).text
        assert 'enctype="multipart/form-data"' in page
        refused = await browser.post(f"/campaigns/{campaign.id}/pictures", files={"file": ("a.jpg", PDF)})
        assert refused.status_code == 422
        assert "Hand in a PNG, JPEG or WebP." in refused.text
        done = await browser.post(
            f"/campaigns/{campaign.id}/pictures", files={"file": ("a.jpg", jpeg_with_place())}
        )
        assert (done.status_code, done.headers["location"]) == (303, f"{own}?done=picture_added")
        [row] = await lite.rows(select(check_in_pictures.c.id))
        page = (await browser.get(own)).text
        assert f'name="picture_id" value="{row["id"]}"' in page
        assert 'alt="The picture that you have added"' in page
        form = {"picture_id": row["id"], "note": "", "once": "k" * 20}
        done = await browser.post(f"/campaigns/{campaign.id}/check-ins", data=form)
        assert (done.status_code, done.headers["location"]) == (303, f"{own}?done=checked_in")
        assert "My pictures (1)" in (await browser.get(own)).text
