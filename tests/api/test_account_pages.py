"""What has access to an account, as pages: tokens, sessions and the second factor."""

import re
from collections.abc import AsyncIterator

import httpx2
import pytest

from api.security.credentials import TOKEN_PREFIX
from domain.people import Role
from settings import Settings
from tests.support.browser import add_person, browser, enrol, sign_in
from tests.support.vetting_api import Api, running_api

SITE = "http://kameng.test"
LIN = "lin@people.example"
PAGE = f"{SITE}/account/access"


@pytest.fixture
async def api(sqlite_url: str, settings: Settings) -> AsyncIterator[Api]:
    async with running_api(settings.model_copy(update={"database_url": sqlite_url})) as running:
        yield running


async def signed_in(api: Api, *roles: Role) -> httpx2.AsyncClient:
    await add_person(api, "lin", *roles, locale="en")
    client = await browser(api)
    await sign_in(api, client, LIN)
    return client


async def make(client: httpx2.AsyncClient, **fields: object) -> httpx2.Response:
    values: dict[str, object] = {"name": "my script", "scopes": ["read"], "expires_in_days": "30"} | fields
    return await client.post(f"{SITE}/account/tokens", data=values)


async def test_a_token_is_shown_once_works_and_is_revoked(api: Api) -> None:
    client = await signed_in(api)
    assert "no tokens yet" in (await client.get(PAGE)).text
    made = await make(client)
    assert made.status_code == 200
    found = re.search(rf"{TOKEN_PREFIX}[\w-]+", made.text)
    assert found is not None
    program = await browser(api, Authorization=f"Bearer {found[0]}")
    assert (await program.get("/me")).status_code == 200
    listed = (await client.get(PAGE)).text
    assert "my script" in listed
    assert found[0] not in listed
    (action,) = re.findall(r"/account/tokens/[\w-]+/revoke", listed)
    revoked = await client.post(SITE + action)
    assert (revoked.status_code, revoked.headers["location"]) == (303, "/account/access?done=token_revoked")
    assert (await program.get("/me")).status_code == 401
    assert (await client.post(SITE + action)).status_code == 404


async def test_what_is_wrong_with_a_token_is_told_where_it_is(api: Api) -> None:
    client = await signed_in(api)
    wrong = await make(client, name="", scopes=[])
    assert wrong.status_code == 422
    assert 'id="name-error"' in wrong.text
    assert 'id="scopes-error"' in wrong.text
    # Only administrators are offered what only they can give.
    assert "contributions:write" not in (await client.get(PAGE)).text
    refused = await make(client, scopes=["contributions:write"], expires_in_days="")
    assert refused.status_code == 403
    assert "Only an administrator" in refused.text
    assert 'value="my script"' in refused.text
    assert "no tokens yet" in refused.text


async def test_signing_out_everywhere(api: Api) -> None:
    client = await signed_in(api)
    other = await browser(api)
    await sign_in(api, other, LIN)
    ended = await client.post(f"{SITE}/account/sessions/end")
    assert ended.headers["location"] == "/?done=signed_out_everywhere"
    for one in (client, other):
        assert (await one.get("/me")).status_code == 401


async def test_the_second_factor_is_removed(api: Api) -> None:
    client = await signed_in(api, Role.REVIEWER)
    assert "second-factor/remove" not in (await client.get(PAGE)).text
    await enrol(client)
    assert (await client.get(f"{SITE}/staff")).status_code == 200
    assert "second-factor/remove" in (await client.get(PAGE)).text
    removed = await client.post(f"{SITE}/account/second-factor/remove")
    assert removed.headers["location"] == "/account/access?done=factor_removed"
    assert (await client.get(f"{SITE}/staff")).status_code != 200
