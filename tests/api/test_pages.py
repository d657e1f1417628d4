"""The pages without a browser: guarded, escaped, in the reader's language; forms say what is wrong."""

import html
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import insert

from api.pages.rendering import ZONE_COOKIE, Reader, environment
from db.tables.people import leaders
from domain.people import Role
from engine.processes import free_port
from locales import translate
from settings import Settings
from tests.support.browser import browser, mailed_tokens
from tests.support.vetting_api import PDF, Api, User, complete_draft, hand_in, running_api

SITE = "http://kameng.test"
TEMPLATES = Path(__file__).parents[2] / "templates" / "pages"
NASTY = "<script>alert(1)</script>\"'>&"
NOBODY = "00000000-0000-7000-8000-000000000000"


@pytest.fixture
async def api(sqlite_url: str, settings: Settings) -> AsyncIterator[Api]:
    """The application, with nobody at Temporal's address."""
    values = {"database_url": sqlite_url, "temporal_address": f"127.0.0.1:{free_port()}"}
    async with running_api(settings.model_copy(update=values)) as running:
        yield running


async def look(client: httpx2.AsyncClient, path: str, status: int = 200) -> httpx2.Response:
    """Open a page, which is guarded whatever it shows."""
    answer = await client.get(SITE + path)
    assert answer.status_code == status, answer.text[:500]
    guarded(answer)
    return answer


def guarded(answer: httpx2.Response) -> None:
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("name", sorted(path.name for path in TEMPLATES.glob("*.html")))
def test_every_template_compiles_and_has_nothing_that_the_policy_forbids(name: str) -> None:
    environment().get_template(name)
    source = (TEMPLATES / name).read_text("utf-8")
    assert not re.search(r"\sstyle=|\son[a-z]+=|javascript:|<style|\|\s*safe\b", source)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", source))


@pytest.mark.parametrize(("locale", "heard"), [("zh-CN", "zh-CN"), ("en-GB,en;q=0.8", "en"), ("", "zh-CN")])
async def test_strangers_are_answered_in_the_language_of_their_browser(
    api: Api, locale: str, heard: str
) -> None:
    client = await browser(api, SITE, **{"Accept-Language": locale})
    for path in ("/", "/leaders", "/ballots", "/sign-in", "/dev", "/outbox"):
        answer = await look(client, path)
        assert answer.headers["content-language"] == heard
        assert f'<html lang="{heard}">' in answer.text
    answer = await look(client, "/nowhere", 404)
    assert translate(heard, "problem.not_found.title") in answer.text


async def test_a_chosen_language_is_kept_and_leads_back_to_this_host_only(api: Api) -> None:
    client = await browser(api, SITE)
    for back, place in (("/leaders", "/leaders"), ("//evil.example", "/"), ("https://evil.example/", "/")):
        answer = await client.post("/language", data={"locale": "zh-CN", "back": back})
        assert (answer.status_code, answer.headers["location"]) == (303, place)
    assert '<html lang="zh-CN">' in (await look(client, "/")).text
    await client.post("/language", data={"locale": "xx", "back": "/"})
    assert '<html lang="zh-CN">' in (await look(client, "/")).text


async def test_the_switch_leads_back_to_just_what_is_shown(api: Api) -> None:
    client = await browser(api, SITE)
    token = "A" * 43
    for place in ("/leaders", "/sign-in?next=/i/abc", f"/sign-in?token={token}&next=/campaigns%3Fx%3D1"):
        text = (await look(client, place)).text
        [back] = re.findall('name="back" value="([^"]*)"', text)
        assert html.unescape(back) == place
        answer = await client.post("/language", data={"locale": "zh-CN", "back": html.unescape(back)})
        assert answer.headers["location"] == place
    # What is longer than an address may be leads back to the page at least.
    long = await look(client, f"/sign-in?next=/{'a' * 600}")
    assert 'name="back" value="/sign-in"' in long.text


async def test_the_switch_of_a_refused_form_leads_to_a_page_that_can_be_opened(api: Api) -> None:
    client = await browser(api, SITE)
    applicant = await _signed_in(api, client, "applicant")
    draft = await complete_draft(applicant)
    for form, place in (
        (f"/applications/{draft['id']}/appeal", f"/applications/{draft['id']}"),
        ("/account/second-factor/verify", "/account/second-factor"),
        ("/account", "/account"),
    ):
        refused = await client.post(SITE + form, data={"code": "x", "display_name": ""})
        assert refused.status_code >= 400, form
        assert f'name="back" value="{place}"' in refused.text


@pytest.mark.parametrize(
    ("said", "shown", "begun"),
    [
        ("America/St_Johns", "America/St_Johns", "America/St_Johns"),
        ("America%2FSt_Johns", "America/St_Johns", "America/St_Johns"),
        ("../../etc/passwd", "Asia/Shanghai", "UTC"),
        ("<script>", "Asia/Shanghai", "UTC"),
        ("", "Asia/Shanghai", "UTC"),
    ],
)
async def test_the_browser_says_in_which_time_zone_somebody_new_reads(
    api: Api, said: str, shown: str, begun: str
) -> None:
    client = await browser(api, SITE, **{"Accept-Language": "en"})
    client.cookies.set(ZONE_COOKIE, said)
    assert translate("en", "page.zone", zone=shown) in (await look(client, "/")).text
    assert (await client.post("/sign-in", data={"email": "new@example.com"})).status_code == 200
    token = (await mailed_tokens(api, "new@example.com"))[-1]
    assert (await client.post("/sign-in/confirm", data={"token": token})).status_code == 303
    assert translate("en", "page.zone", zone=begun) in (await look(client, "/account")).text


async def test_another_site_cannot_send_our_forms(api: Api) -> None:
    client = await browser(api, SITE, **{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"})
    await _signed_in(api, client, "applicant")
    answer = await client.post("/applications/new")
    assert answer.status_code == 403
    guarded(answer)


async def _signed_in(api: Api, client: httpx2.AsyncClient, name: str, *roles: Role) -> User:
    """Sign the browser in by one click of the panel for trying out."""
    user = await api.user(name, *roles)
    told = (await user.get("/me")).json()
    own = await browser(api, SITE)
    answer = await own.post("/dev/sign-in", data={"email": told["email"]})
    assert answer.status_code == 303
    client.cookies.update(own.cookies)
    return user


async def test_what_people_write_is_shown_as_text(api: Api) -> None:
    client = await browser(api, SITE)
    user = await _signed_in(api, client, "applicant")
    await user.http.patch("/me", json={"display_name": NASTY.replace('"', "")})
    draft = await complete_draft(user)
    body = {"headline": NASTY, "bio": NASTY * 3, "statement": NASTY * 5, "tags": ["<b>tag</b>"]}
    version = (await user.get(f"/applications/{draft['id']}")).headers["etag"]
    changed = await user.http.patch(f"/applications/{draft['id']}", json=body, headers={"If-Match": version})
    assert changed.status_code == 200, changed.text
    await hand_in(user, draft["id"], "sample", PDF + b"%", "<img src=x onerror=alert(1)>.pdf")
    at = f"/applications/{draft['id']}/edit"
    steps = [f"{at}/{step}" for step in ("profile", "statement", "credentials", "documents", "check")]
    for path in ("/", "/account", "/applications", *steps):
        text = (await look(client, path)).text
        assert "<script>alert" not in text
        assert "<b>tag" not in text
        assert "<img src=x" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in (await look(client, f"{at}/check")).text


async def test_a_form_comes_back_with_what_was_typed_and_what_is_wrong(api: Api) -> None:
    client = await browser(api, SITE)
    user = await _signed_in(api, client, "applicant")
    answer = await client.post(
        "/account", data={"display_name": " ", "locale": "en", "time_zone": "Mars/One"}
    )
    assert answer.status_code == 422
    assert 'id="display_name-error"' in answer.text
    assert 'aria-invalid="true"' in answer.text
    draft = await complete_draft(user)
    at = f"/applications/{draft['id']}/edit/profile"
    typed = {"headline": "Kept words", "links": "not a link", "edit_version": str(draft["edit_version"])}
    answer = await client.post(at, data=typed)
    assert answer.status_code == 422
    assert "Kept words" in answer.text
    assert "not a link" in answer.text
    stale = await client.post(at, data={"headline": "Later words", "edit_version": "0"})
    assert stale.status_code == 422
    assert translate("en", "page.edit_conflict") in stale.text
    assert "Later words" in stale.text
    assert (await user.get(f"/applications/{draft['id']}")).json()["headline"] == draft["headline"]


async def test_a_save_by_script_says_why_it_was_refused(api: Api) -> None:
    client = await browser(api, SITE)
    user = await _signed_in(api, client, "applicant")
    draft = await complete_draft(user)
    at, script = f"/applications/{draft['id']}/edit/statement", {"X-Autosave": "1"}
    now = {"statement": "x" * 60, "edit_version": str(draft["edit_version"])}
    saved = await client.post(at, data=now, headers=script)
    assert (saved.status_code, saved.headers["x-edit-version"]) == (204, str(draft["edit_version"] + 1))
    stale = await client.post(at, data=now | {"statement": "y" * 60}, headers=script)
    assert (stale.status_code, stale.text) == (409, translate("en", "page.edit_conflict"))
    long = now | {"statement": "z" * 10_001, "edit_version": str(draft["edit_version"] + 1)}
    refused = await client.post(at, data=long, headers=script)
    assert refused.status_code == 422
    assert refused.text
    assert (await user.get(f"/applications/{draft['id']}")).json()["statement"] == "x" * 60


async def test_the_last_words_before_leaving_are_kept_beside_a_save_under_way(api: Api) -> None:
    """Whichever of the two arrives first, the later words stand; other edits are not overwritten."""
    client = await browser(api, SITE)
    user = await _signed_in(api, client, "applicant")
    draft = await complete_draft(user)
    at, version = f"/applications/{draft['id']}/edit/statement", draft["edit_version"]

    async def save(text: str, seen: int, how: str) -> int:
        fields = {"statement": text * 60, "edit_version": str(seen)}
        return (await client.post(at, data=fields, headers={"X-Autosave": how})).status_code

    async def statement() -> str:
        return str((await user.get(f"/applications/{draft['id']}")).json()["statement"])[0]

    assert [await save("a", version, "typing"), await save("b", version, "leaving")] == [204, 204]
    assert await statement() == "b"
    version += 2
    assert [await save("d", version, "leaving"), await save("c", version, "typing")] == [204, 409]
    assert await statement() == "d"
    assert await save("e", version - 2, "leaving") == 409
    assert await statement() == "d"


async def test_the_newest_leaders_stand_first(api: Api) -> None:
    now = datetime.now(UTC)
    for number, name in enumerate(("First", "Second", "Third")):
        leader = await api.user(name.lower(), display_name=f"{name} Leader")
        draft = await complete_draft(leader)
        row = {"person_id": leader.id, "application_id": draft["id"], "tier": "certified"}
        await api.execute(insert(leaders).values(**row, since=now + timedelta(days=[2, 3, 1][number])))
    client = await browser(api, SITE)
    shown = re.compile(r"(First|Second|Third) Leader")
    for path in ("/", "/leaders"):
        assert shown.findall((await look(client, path)).text) == ["Second", "First", "Third"], path
    first = (await look(client, "/leaders?limit=2")).text
    cursor = re.search(r"/leaders\?cursor=([^\"]+)", first)
    assert shown.findall(first) == ["Second", "First"]
    assert cursor is not None
    assert shown.findall((await look(client, f"/leaders?cursor={cursor[1]}")).text) == ["Third"]


@pytest.mark.parametrize(
    ("ahead", "english", "chinese"),
    [
        ({}, "just now", "刚刚"),
        ({"seconds": -59}, "just now", "刚刚"),
        ({"seconds": 30}, "in 1 minute", "1分钟后"),
        ({"seconds": -100}, "2 minutes ago", "2分钟前"),
        ({"hours": -47}, "47 hours ago", "47小时前"),
        ({"days": 13}, "in 13 days", "13天后"),
        ({"days": 21}, "in 3 weeks", "3周后"),
        ({"days": -800}, "2 years ago", "2年前"),
    ],
)
def test_how_far_away_is_told_in_units_that_people_use(
    ahead: dict[str, int], english: str, chinese: str
) -> None:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    told = [Reader(locale, "UTC").span(now + timedelta(**ahead), now) for locale in ("en", "zh-CN")]
    assert told == [english, chinese]


async def test_without_temporal_the_draft_stays_and_the_page_says_so(api: Api) -> None:
    client = await browser(api, SITE)
    user = await _signed_in(api, client, "applicant")
    draft = await complete_draft(user)
    fields = {"edit_version": str(draft["edit_version"])}
    answer = await client.post(f"/applications/{draft['id']}/submit", data=fields)
    assert answer.status_code == 503
    guarded(answer)
    assert "The engine that carries processes does not answer." in answer.text
    assert (await user.get(f"/applications/{draft['id']}")).json()["status"] == "draft"


async def test_others_see_neither_an_application_nor_its_documents(api: Api) -> None:
    client, other = await browser(api, SITE), await browser(api, SITE)
    user = await _signed_in(api, client, "applicant")
    await _signed_in(api, other, "somebody")
    draft = await complete_draft(user)
    at = f"/applications/{draft['id']}"
    for path in (at, f"{at}/edit/profile", f"{at}/documents/{draft['documents'][0]['id']}", f"{at}/events"):
        await look(other, path, 404)
    assert (await other.post(f"{at}/withdraw")).status_code == 404
    stranger = await browser(api, SITE)
    answer = await stranger.get(at)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/sign-in?next={at}")


async def test_documents_are_saved_never_run(api: Api) -> None:
    client = await browser(api, SITE)
    user = await _signed_in(api, client, "applicant")
    draft = await complete_draft(user)
    answer = await client.get(f"/applications/{draft['id']}/documents/{draft['documents'][0]['id']}")
    assert answer.status_code == 200
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    for content in (
        b"<!doctype html><script>alert(1)</script>",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    ):
        sent = await client.post(
            f"/applications/{draft['id']}/documents",
            data={"kind": "sample"},
            files={"file": ("picture.png", content, "image/png")},
        )
        assert sent.status_code == 422
        guarded(sent)


async def test_a_made_up_message_is_not_shown(api: Api) -> None:
    client = await browser(api, SITE)
    text = (await look(client, "/?done=%3Cscript%3Eyou+won")).text
    assert "you won" not in text
    assert translate("en", "page.done.signed_out") in (await look(client, "/?done=signed_out")).text


async def test_nothing_for_trying_out_is_there_in_production(sqlite_url: str, settings: Settings) -> None:
    values = {
        "environment": "production",
        "public_url": "https://kameng.test",
        "database_url": sqlite_url,
        "temporal_address": f"127.0.0.1:{free_port()}",
    }
    async with running_api(settings.model_copy(update=values)) as running:
        client = await browser(running, "https://kameng.test")
        for path in ("/dev", "/outbox", f"/outbox/{NOBODY}"):
            assert (await client.get(path)).status_code == 404
        for path in ("/dev/sign-in", "/dev/clock"):
            assert (await client.post(path)).status_code in (404, 405)
        assert "/dev" not in (await client.get("/")).text
