"""Signing in by a link: once, in time, in the browser that asked, and the same to know-nothings."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from api.security.credentials import hashed
from db.repositories import access
from db.tables import metadata
from db.tables.access import magic_links, sessions
from db.tables.mail import mails
from db.tables.people import people, role_grants
from domain.people import Role
from settings import Settings
from tests.support.browser import add_person, ask_for_link, browser, mailed_tokens, parts_of, sign_in
from tests.support.vetting_api import Api, problem, running_api

LIN = "lin@people.example"


@pytest.fixture
async def api(database_url: str, settings: Settings) -> AsyncIterator[Api]:
    async with running_api(settings.model_copy(update={"database_url": database_url})) as running:
        yield running


@pytest.fixture
async def small(sqlite_url: str, settings: Settings) -> AsyncIterator[Api]:
    """The same on SQLite alone, where the database makes no difference."""
    async with running_api(settings.model_copy(update={"database_url": sqlite_url})) as running:
        yield running


async def test_a_link_signs_in(api: Api) -> None:
    person_id = await add_person(api, "lin")
    client = await browser(api)
    problem(await client.get("/me"), 401, "sign_in_required")
    told = await sign_in(api, client, LIN)
    assert told["person"]["id"] == person_id
    assert told["second_factor"] == "ok"
    me = (await client.get("/me")).json()
    assert (me["id"], me["email"], me["roles"], me["csrf_token"]) == (
        person_id,
        LIN,
        ["member"],
        told["csrf_token"],
    )


async def test_the_cookie_is_out_of_reach(small: Api) -> None:
    await add_person(small, "lin")
    client = await browser(small)
    token = await ask_for_link(small, client, LIN)
    answer = await client.post("/auth/sessions", json={"token": token})
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("kameng_session=")
    assert {"httponly", "samesite=lax", "path=/"} <= {part.strip() for part in cookie.split(";")}
    assert "secure" not in cookie


async def test_over_https_the_cookie_belongs_to_this_host(sqlite_url: str, settings: Settings) -> None:
    secure = settings.model_copy(update={"database_url": sqlite_url, "public_url": "https://kameng.test"})
    async with running_api(secure) as api:
        await add_person(api, "lin")
        client = await browser(api, base="https://kameng.test/api/v1")
        token = await ask_for_link(api, client, LIN)
        answer = await client.post("/auth/sessions", json={"token": token})
        assert answer.headers["set-cookie"].startswith("__Host-kameng_session=")
        assert "secure" in answer.headers["set-cookie"].lower()
        assert "domain" not in answer.headers["set-cookie"].lower()
        assert "max-age" in answer.headers["strict-transport-security"]
        assert (await client.get("/me")).status_code == 200


async def test_a_link_works_once_whoever_is_faster(api: Api) -> None:
    await add_person(api, "lin")
    client = await browser(api)
    token = await ask_for_link(api, client, LIN)
    tries = [client.post("/auth/sessions", json={"token": token}) for _ in range(6)]
    statuses = sorted(answer.status_code for answer in await asyncio.gather(*tries))
    assert statuses == [201, 401, 401, 401, 401, 401]
    now = datetime.now(UTC)
    assert not await api.db.write(lambda conn: access.consume_link(conn, hashed(token), now))
    problem(await client.post("/auth/sessions", json={"token": token}), 401, "link_invalid")


async def test_a_link_lasts_ten_minutes(api: Api) -> None:
    await add_person(api, "lin")
    client = await browser(api)
    token = await ask_for_link(api, client, LIN)
    row = (await api.rows(select(magic_links)))[0]
    assert row["expires_at"] - row["created_at"] == timedelta(minutes=10)
    await api.execute(update(magic_links).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    problem(await client.post("/auth/sessions", json={"token": token}), 401, "link_invalid")


async def test_known_and_unknown_addresses_get_the_same_answer(api: Api) -> None:
    await add_person(api, "lin")
    await add_person(api, "gone", status="suspended")
    answers = []
    for email in (LIN, "nobody@people.example", "gone@people.example"):
        client = await browser(api)
        answer = await client.post("/auth/magic-links", json={"email": email})
        shown = {name for name in answer.headers if name not in {"x-request-id"}}
        answers.append((answer.status_code, answer.content, shown))
    assert answers[0] == answers[1] == answers[2]
    assert answers[0][0] == 202
    assert len(await api.rows(select(magic_links))) == 3
    assert await mailed_tokens(api, "gone@people.example") == []


async def test_somebody_new_becomes_a_member_by_using_the_link(api: Api) -> None:
    client = await browser(api, **{"Accept-Language": "zh-CN"})
    token = await ask_for_link(api, client, "new@people.example")
    assert await api.rows(select(people)) == []
    answer = await client.post("/auth/sessions", json={"token": token})
    assert answer.status_code == 201
    me = answer.json()["person"]
    assert (me["email"], me["locale"], me["roles"]) == ("new@people.example", "zh-CN", ["member"])
    assert re.fullmatch(r"新成员 \d{6}", me["display_name"])
    joined = (await api.rows(select(people.c.joined_at)))[0]["joined_at"]
    assert datetime.now(UTC) - joined < timedelta(minutes=1)


async def test_newcomers_are_told_apart_before_they_have_said_a_name(api: Api) -> None:
    names = set()
    for number in range(3):
        client = await browser(api)
        token = await ask_for_link(api, client, f"new{number}@people.example")
        names.add(
            (await client.post("/auth/sessions", json={"token": token})).json()["person"]["display_name"]
        )
    assert len(names) == 3


async def test_two_links_of_somebody_new_make_one_person(api: Api) -> None:
    client = await browser(api)
    first = await ask_for_link(api, client, "new@people.example")
    second = await ask_for_link(api, client, "new@people.example")
    assert first != second
    for token in (first, second):
        assert (await client.post("/auth/sessions", json={"token": token})).status_code == 201
    assert len(await api.rows(select(people))) == 1


async def test_closed_registration_mails_nobody_new(sqlite_url: str, settings: Settings) -> None:
    closed = settings.model_copy(update={"database_url": sqlite_url, "open_registration": False})
    async with running_api(closed) as api:
        client = await browser(api)
        asked = await client.post("/auth/magic-links", json={"email": "new@people.example"})
        assert asked.status_code == 202
        assert await api.rows(select(mails)) == []
        link = (await api.rows(select(magic_links)))[0]
        assert (link["person_id"], link["email"]) == (None, None)


async def test_a_link_belongs_to_the_browser_that_asked(api: Api) -> None:
    await add_person(api, "lin")
    asking, other, program = await browser(api), await browser(api), await browser(api)
    token = await ask_for_link(api, asking, LIN)
    await ask_for_link(api, other, LIN)
    refused = await other.post("/auth/sessions", json={"token": token})
    problem(refused, 403, "link_other_browser")
    assert (await asking.post("/auth/sessions", json={"token": token})).status_code == 201
    for_program = await ask_for_link(api, asking, LIN)
    assert (await program.post("/auth/sessions", json={"token": for_program})).status_code == 201


async def test_asking_too_often_has_to_wait(api: Api) -> None:
    limited = parts_of(api).settings.sign_ins_per_address
    client = await browser(api)
    for _ in range(limited):
        assert (await client.post("/auth/magic-links", json={"email": LIN})).status_code == 202
    answer = await client.post("/auth/magic-links", json={"email": "LIN+again@people.example"})
    document = problem(answer, 429, "too_many_requests")
    assert 0 < int(answer.headers["retry-after"]) <= 900
    assert document["retry_after_seconds"] == int(answer.headers["retry-after"])


async def test_one_client_cannot_ask_for_everybody(sqlite_url: str, settings: Settings) -> None:
    few = settings.model_copy(update={"database_url": sqlite_url, "sign_ins_per_client": 2})
    async with running_api(few) as api:
        client = await browser(api)
        for number in range(2):
            asked = await client.post("/auth/magic-links", json={"email": f"a{number}@people.example"})
            assert asked.status_code == 202
        problem(
            await client.post("/auth/magic-links", json={"email": "a3@people.example"}),
            429,
            "too_many_requests",
        )


async def test_secrets_are_nowhere_in_the_clear(small: Api, sqlite_url: str) -> None:
    await add_person(small, "lin")
    client = await browser(small)
    token = await ask_for_link(small, client, LIN)
    await client.post("/auth/sessions", json={"token": token})
    session = client.cookies["kameng_session"]
    made = await client.post("/auth/tokens", json={"name": "n", "scopes": ["read"]})
    begun = await client.post("/auth/second-factor")
    secrets = [token, session, made.json()["token"], begun.json()["secret"]]
    directory = Path(sqlite_url.removeprefix("sqlite:///")).parent
    stored = b"".join(path.read_bytes() for path in directory.glob("kameng.db*"))
    assert LIN.encode() in stored
    assert [secret for secret in secrets if secret.encode() in stored] == []
    assert "sessions" in metadata.tables


async def test_signing_in_again_ends_the_earlier_session(api: Api) -> None:
    await add_person(api, "lin")
    client = await browser(api)
    await sign_in(api, client, LIN)
    before = client.cookies["kameng_session"]
    await sign_in(api, client, LIN)
    assert client.cookies["kameng_session"] != before
    old = await browser(api)
    old.cookies.set("kameng_session", before)
    problem(await old.get("/me"), 401, "sign_in_required")
    assert len(await api.rows(select(sessions))) == 1


async def test_signing_out_here_and_everywhere(api: Api) -> None:
    await add_person(api, "lin")
    one, two, three = await browser(api), await browser(api), await browser(api)
    for client in (one, two, three):
        await sign_in(api, client, LIN)
    gone = await one.delete("/auth/sessions/current")
    assert gone.status_code == 204
    assert 'kameng_session=""' in gone.headers["set-cookie"]
    problem(await one.get("/me"), 401, "sign_in_required")
    assert (await two.get("/me")).status_code == 200
    assert (await two.delete("/auth/sessions")).status_code == 204
    problem(await three.get("/me"), 401, "sign_in_required")


@pytest.mark.parametrize(
    ("role", "idle", "absolute"), [(None, 14 * 24, 90 * 24), (Role.REVIEWER, 12, 7 * 24)]
)
async def test_sessions_end_when_idle_and_when_old(
    small: Api, role: Role | None, idle: int, absolute: int
) -> None:
    await add_person(small, "lin", *([role] if role else []))
    client = await browser(small)
    await sign_in(small, client, LIN)
    now, hour, minute = datetime.now(UTC), timedelta(hours=1), timedelta(minutes=1)
    for seen, begun, status in (
        (now - idle * hour + minute, now - absolute * hour + minute, 200),
        (now - idle * hour - minute, now - idle * hour - minute, 401),
        (now, now - absolute * hour - minute, 401),
    ):
        await small.execute(update(sessions).values(last_seen_at=seen, created_at=begun))
        assert (await client.get("/me")).status_code == status, (seen, begun)


async def test_sessions_die_with_the_account(api: Api) -> None:
    await add_person(api, "lin")
    client = await browser(api)
    await sign_in(api, client, LIN)
    token = (await client.post("/auth/tokens", json={"name": "n", "scopes": ["read"]})).json()["token"]
    program = await browser(api, Authorization=f"Bearer {token}")
    assert (await program.get("/me")).status_code == 200
    await api.execute(update(people).values(status="suspended"))
    problem(await client.get("/me"), 401, "sign_in_required")
    problem(await program.get("/me"), 401, "sign_in_required")


async def test_roles_count_at_once(api: Api) -> None:
    person_id = await add_person(api, "lin", Role.CAMPAIGN_MANAGER)
    client = await browser(api)
    await sign_in(api, client, LIN)
    assert (await client.get("/policies/vetting")).status_code == 200
    await api.execute(role_grants.delete().where(role_grants.c.person_id == person_id))
    problem(await client.get("/policies/vetting"), 403, "forbidden")


async def test_use_of_sessions_is_noted_beside_the_request(small: Api) -> None:
    await add_person(small, "lin")
    client = await browser(small)
    await sign_in(small, client, LIN)
    gate = parts_of(small).gate
    await client.get("/me")
    assert gate.seen == {}
    earlier = datetime.now(UTC) - timedelta(minutes=6)
    await small.execute(update(sessions).values(last_seen_at=earlier))
    await client.get("/me")
    assert len(gate.seen) == 1
    assert (await small.rows(select(sessions.c.last_seen_at)))[0]["last_seen_at"] == earlier
    await small.app.state.housekeeping.flush()
    assert (await small.rows(select(sessions.c.last_seen_at)))[0]["last_seen_at"] > earlier
    assert gate.seen == {}


async def test_housekeeping_deletes_what_is_over(small: Api) -> None:
    await add_person(small, "lin")
    client = await browser(small)
    await sign_in(small, client, LIN)
    long_ago = datetime.now(UTC) - timedelta(days=3)
    await small.app.state.housekeeping.prune()
    assert len(await small.rows(select(sessions))) == 1
    assert len(await small.rows(select(magic_links))) == 1
    await small.execute(
        update(sessions).values(expires_at=long_ago), update(magic_links).values(expires_at=long_ago)
    )
    await small.app.state.housekeeping.prune()
    assert await small.rows(select(sessions)) == []
    assert await small.rows(select(magic_links)) == []


CSRF = [
    ({}, 200),
    ({"Sec-Fetch-Site": "same-origin"}, 200),
    ({"Sec-Fetch-Site": "none"}, 200),
    ({"Sec-Fetch-Site": "cross-site"}, 403),
    ({"Sec-Fetch-Site": "same-site"}, 403),
    ({"Origin": "http://kameng.test"}, 200),
    ({"Origin": "http://evil.example"}, 403),
    ({"Origin": "null"}, 403),
    ({"Origin": "http://kameng.test", "Sec-Fetch-Site": "cross-site"}, 403),
    ({"X-CSRF-Token": "right"}, 200),
    ({"X-CSRF-Token": "wrong"}, 403),
]


@pytest.mark.parametrize(("headers", "status"), CSRF)
async def test_only_our_own_pages_and_programs_can_use_the_cookie(
    small: Api, headers: dict[str, str], status: int
) -> None:
    await add_person(small, "lin")
    client = await browser(small)
    told = await sign_in(small, client, LIN)
    if headers.get("X-CSRF-Token") == "right":
        headers = {"X-CSRF-Token": told["csrf_token"]}
    bare = await browser(small)
    del bare.headers["Sec-Fetch-Site"]
    bare.cookies.update(client.cookies)
    answer = await bare.patch("/me", json={"display_name": "Changed"}, headers=headers)
    assert answer.status_code == status, answer.text
    assert (await client.get("/me")).json()["display_name"] == ("Changed" if status == 200 else "lin")


async def test_a_form_without_its_origin_is_refused(small: Api) -> None:
    await add_person(small, "lin")
    client = await browser(small)
    await sign_in(small, client, LIN)
    del client.headers["Sec-Fetch-Site"]
    answer = await client.post("http://kameng.test/sign-out")
    assert answer.status_code == 403, answer.text
    assert (await client.get("/me")).status_code == 200


async def test_another_site_cannot_sign_a_browser_in(small: Api) -> None:
    await add_person(small, "lin")
    client = await browser(small)
    token = await ask_for_link(small, client, LIN)
    forged = await client.post(
        "/auth/sessions", json={"token": token}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    problem(forged, 403, "cross_site_request")
    assert (await client.post("/auth/sessions", json={"token": token})).status_code == 201


async def test_a_person_changes_their_own_record(api: Api) -> None:
    await add_person(api, "lin")
    client = await browser(api)
    await sign_in(api, client, LIN)
    changes = {
        "display_name": "  林 Lin ",
        "locale": "zh-CN",
        "time_zone": "Asia/Shanghai",
        "list_mail": False,
    }
    answer = await client.patch("/me", json=changes)
    assert answer.status_code == 200
    kept = {name: answer.json()[name] for name in changes}
    assert kept == changes | {"display_name": "林 Lin"}
    again = (await client.get("/me")).json()
    assert {name: again[name] for name in changes} == kept


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"display_name": ""}, "display_name", "string_too_short"),
        ({"display_name": "   "}, "display_name", "string_too_short"),
        ({"display_name": "x" * 121}, "display_name", "string_too_long"),
        ({"display_name": "a\r\nBcc: b@c.d"}, "display_name", "control_characters"),
        ({"display_name": "a\x00b"}, "display_name", "control_characters"),
        ({"display_name": "a\u2028b"}, "display_name", "control_characters"),
        ({"display_name": 7}, "display_name", "string_type"),
        ({"locale": "fr"}, "locale", "literal_error"),
        ({"time_zone": "Mars/Olympus"}, "time_zone", "time_zone"),
        ({"list_mail": "maybe"}, "list_mail", "bool_parsing"),
        ({"roles": ["admin"]}, "roles", "extra_forbidden"),
        ({"email": "other@people.example"}, "email", "extra_forbidden"),
    ],
)
async def test_bad_records_are_refused_by_field(
    small: Api, changes: dict[str, object], field: str, code: str
) -> None:
    await add_person(small, "lin")
    client = await browser(small)
    await sign_in(small, client, LIN)
    before = await small.rows(select(people))
    document = problem(await client.patch("/me", json=changes), 422, "validation_failed")
    assert [(error["field"], error["code"]) for error in document["errors"]] == [(field, code)]
    assert document["errors"][0]["message"]
    assert await small.rows(select(people)) == before


@pytest.mark.parametrize(
    "email",
    [
        "",
        "no-at-sign",
        "a@",
        "@b.example",
        "a b@c.example",
        "a@b.example\r\nBcc: x@y.z",
        "a@b@c.example",
        "x" * 400,
    ],
)
async def test_only_addresses_are_mailed(small: Api, email: str) -> None:
    client = await browser(small)
    problem(await client.post("/auth/magic-links", json={"email": email}), 422, "validation_failed")
    assert await small.rows(select(magic_links)) == []
