"""API tokens: shown once, scoped, revocable, and never further than their person."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from api.security.tokens import MOST_TOKENS
from db.tables.access import api_tokens
from db.tables.people import role_grants
from domain.ids import new_id
from domain.people import Role
from settings import Settings
from tests.support.browser import add_person, browser, enrol, sign_in
from tests.support.vetting_api import Api, problem, running_api

LIN = "lin@people.example"


@pytest.fixture
async def api(database_url: str, settings: Settings) -> AsyncIterator[Api]:
    async with running_api(settings.model_copy(update={"database_url": database_url})) as running:
        yield running


async def test_a_token_acts_as_its_person(api: Api) -> None:
    person_id = await add_person(api, "lin")
    client = await browser(api)
    await sign_in(api, client, LIN)
    made = await client.post("/auth/tokens", json={"name": "script", "scopes": ["write", "read"]})
    assert made.status_code == 201
    token = made.json()["token"]
    assert token.startswith("kmg_")
    program = await browser(api, Authorization=f"bearer  {token}")
    del program.headers["Sec-Fetch-Site"]
    me = (await program.get("/me")).json()
    assert (me["id"], me["csrf_token"]) == (person_id, None)
    assert (await program.patch("/me", json={"display_name": "By script"})).status_code == 200
    listed = (await client.get("/auth/tokens")).json()["items"]
    assert [(item["name"], item["scopes"]) for item in listed] == [("script", ["read", "write"])]
    assert token not in (await client.get("/auth/tokens")).text


async def test_a_token_keeps_to_its_scopes(api: Api) -> None:
    await add_person(api, "lin")
    client = await browser(api)
    await sign_in(api, client, LIN)
    tokens = {}
    for scope in ("read", "write"):
        made = await client.post("/auth/tokens", json={"name": scope, "scopes": [scope]})
        tokens[scope] = await browser(api, Authorization=f"Bearer {made.json()['token']}")
    assert (await tokens["read"].get("/me")).status_code == 200
    refused = await tokens["read"].patch("/me", json={"display_name": "No"})
    assert problem(refused, 403, "scope_missing")["scope"] == "write"
    assert (await tokens["write"].patch("/me", json={"display_name": "Yes"})).status_code == 200
    problem(await tokens["write"].get("/me"), 403, "scope_missing")
    for method, path in (
        ("GET", "/auth/tokens"),
        ("POST", "/auth/second-factor"),
        ("DELETE", "/auth/sessions"),
    ):
        problem(await tokens["read"].request(method, path), 403, "session_required")


async def test_a_token_ends(api: Api) -> None:
    await add_person(api, "lin")
    client, other = await browser(api), await browser(api)
    await sign_in(api, client, LIN)
    made = (
        await client.post("/auth/tokens", json={"name": "n", "scopes": ["read"], "expires_in_days": 1})
    ).json()
    left = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=23) < left <= timedelta(days=1)
    program = await browser(api, Authorization=f"Bearer {made['token']}")
    assert (await program.get("/me")).status_code == 200
    await api.execute(update(api_tokens).values(expires_at=datetime.now(UTC)))
    problem(await program.get("/me"), 401, "sign_in_required")
    await api.execute(update(api_tokens).values(expires_at=None))
    assert (await program.get("/me")).status_code == 200
    await add_person(api, "mei")
    await sign_in(api, other, "mei@people.example")
    problem(await other.delete(f"/auth/tokens/{made['id']}"), 404, "not_found")
    assert (await client.delete(f"/auth/tokens/{made['id']}")).status_code == 204
    problem(await program.get("/me"), 401, "sign_in_required")
    problem(await client.delete(f"/auth/tokens/{made['id']}"), 404, "not_found")


async def test_staff_make_tokens_after_their_second_factor(api: Api) -> None:
    person_id = await add_person(api, "lin", Role.REVIEWER)
    client = await browser(api)
    await sign_in(api, client, LIN)
    wanted = {"name": "n", "scopes": ["read"]}
    problem(await client.post("/auth/tokens", json=wanted), 403, "second_factor_enrolment_required")
    await enrol(client)
    made = await client.post("/auth/tokens", json=wanted)
    program = await browser(api, Authorization=f"Bearer {made.json()['token']}")
    assert (await program.get("/staff/queue")).status_code == 200
    await api.execute(
        role_grants.delete().where(role_grants.c.person_id == person_id, role_grants.c.role == "reviewer")
    )
    problem(await program.get("/staff/queue"), 403, "forbidden")


async def test_a_token_from_before_a_role_has_not_passed_its_factor(api: Api) -> None:
    person_id = await add_person(api, "lin")
    client = await browser(api)
    await sign_in(api, client, LIN)
    made = await client.post("/auth/tokens", json={"name": "n", "scopes": ["read"]})
    program = await browser(api, Authorization=f"Bearer {made.json()['token']}")
    grant = {"person_id": person_id, "role": "reviewer", "granted_at": datetime.now(UTC)}
    await api.execute(role_grants.insert().values(**grant))
    problem(await program.get("/staff/queue"), 403, "second_factor_enrolment_required")


async def test_only_administrators_give_the_right_to_tell_contributions(api: Api) -> None:
    await add_person(api, "lin")
    client = await browser(api)
    await sign_in(api, client, LIN)
    wanted = {"name": "n", "scopes": ["contributions:write"]}
    problem(await client.post("/auth/tokens", json=wanted), 403, "scope_not_allowed")


async def test_there_is_an_end_to_tokens(api: Api) -> None:
    person_id = await add_person(api, "lin")
    now = datetime.now(UTC)
    rows = [
        {
            "id": new_id(),
            "token_hash": f"{number:064d}",
            "person_id": person_id,
            "name": "n",
            "scopes": ["read"],
            "created_at": now,
        }
        for number in range(MOST_TOKENS)
    ]
    await api.execute(api_tokens.insert().values(rows))
    client = await browser(api)
    await sign_in(api, client, LIN)
    wanted = {"name": "n", "scopes": ["read"]}
    problem(await client.post("/auth/tokens", json=wanted), 409, "too_many_tokens")
    assert (await client.delete(f"/auth/tokens/{rows[0]['id']}")).status_code == 204
    assert (await client.post("/auth/tokens", json=wanted)).status_code == 201
    assert len(await api.rows(select(api_tokens.c.id))) == MOST_TOKENS + 1


@pytest.mark.parametrize(
    "body",
    [
        {"name": "n", "scopes": []},
        {"name": "n", "scopes": ["everything"]},
        {"name": "", "scopes": ["read"]},
        {"name": "a\nb", "scopes": ["read"]},
        {"name": "n", "scopes": ["read"], "expires_in_days": 0},
        {"name": "n", "scopes": ["read"], "expires_in_days": 3651},
        {"name": "n", "scopes": ["read"], "roles": ["admin"]},
    ],
)
async def test_bad_tokens_are_not_made(sqlite_url: str, settings: Settings, body: dict[str, object]) -> None:
    async with running_api(settings.model_copy(update={"database_url": sqlite_url})) as api:
        await add_person(api, "lin")
        client = await browser(api)
        await sign_in(api, client, LIN)
        problem(await client.post("/auth/tokens", json=body), 422, "validation_failed")
        assert await api.rows(select(api_tokens)) == []
