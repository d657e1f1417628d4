"""The second factor: what staff need, once, and by whom it cannot be guessed."""

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from api.security import totp
from api.security.second_factor import TRIES
from db.tables.access import recovery_codes, sessions
from db.tables.mail import mails
from domain.people import SECOND_FACTOR_ROLES, Role
from settings import Settings
from tests.support.browser import (
    add_person,
    ask_for_link,
    browser,
    code_now,
    enrol,
    forget_steps,
    parts_of,
    sign_in,
)
from tests.support.vetting_api import Api, problem, running_api

RUI = "rui@people.example"
SEED = base64.b32encode(b"12345678901234567890").decode()


@pytest.fixture
async def api(database_url: str, settings: Settings) -> AsyncIterator[Api]:
    async with running_api(settings.model_copy(update={"database_url": database_url})) as running:
        yield running


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_codes_are_those_of_the_standard(seconds: int, code: str) -> None:
    assert totp.code_at(SEED, seconds // 30) == code
    assert totp.matching_step(SEED, code, seconds, 0) == seconds // 30


@given(st.integers(min_value=1000, max_value=10**10), st.integers(min_value=-4, max_value=4))
def test_one_step_of_drift_is_forgiven(seconds: int, drift: int) -> None:
    now = seconds // 30
    found = totp.matching_step(SEED, totp.code_at(SEED, now + drift), seconds, 0)
    if abs(drift) <= 1:
        assert found is not None
        assert totp.code_at(SEED, found) == totp.code_at(SEED, now + drift)
    else:
        codes = {totp.code_at(SEED, now + near) for near in (-1, 0, 1)}
        assert (found is None) == (totp.code_at(SEED, now + drift) not in codes)


def test_a_used_step_counts_no_more() -> None:
    assert totp.matching_step(SEED, totp.code_at(SEED, 1000), 30_000, last_step=1000) is None
    assert totp.matching_step(SEED, totp.code_at(SEED, 1001), 30_000, last_step=1000) == 1001


@pytest.mark.parametrize("role", sorted(SECOND_FACTOR_ROLES))
async def test_staff_need_it_before_they_can_act(sqlite_url: str, settings: Settings, role: Role) -> None:
    async with running_api(settings.model_copy(update={"database_url": sqlite_url})) as api:
        await add_person(api, "rui", role)
        client = await browser(api)
        assert (await sign_in(api, client, RUI))["second_factor"] == "enrol"
        assert (await client.get("/me")).json()["usable_roles"] == ["member"]
        problem(await client.get("/staff/queue"), 403, "second_factor_enrolment_required")
        before = client.cookies["kameng_session"]
        await enrol(client)
        assert client.cookies["kameng_session"] != before
        assert (await client.get("/staff/queue")).status_code == 200
        assert (await sign_in(api, client, RUI))["second_factor"] == "required"
        problem(await client.get("/staff/queue"), 403, "second_factor_required")


async def test_it_can_be_switched_off_for_trying_out(sqlite_url: str, settings: Settings) -> None:
    relaxed = settings.model_copy(update={"database_url": sqlite_url, "staff_second_factor": False})
    async with running_api(relaxed) as api:
        await add_person(api, "rui", Role.REVIEWER)
        client = await browser(api)
        assert (await sign_in(api, client, RUI))["second_factor"] == "ok"
        assert (await client.get("/staff/queue")).status_code == 200


async def test_verifying_opens_the_desk_and_changes_the_cookie(api: Api) -> None:
    await add_person(api, "rui", Role.REVIEWER)
    client = await browser(api)
    await sign_in(api, client, RUI)
    seed, _ = await enrol(client)
    await sign_in(api, client, RUI)
    before = client.cookies["kameng_session"]
    csrf_before = (await client.get("/me")).json()["csrf_token"]
    verified = await client.post("/auth/second-factor/verify", json={"code": code_now(seed, 1)})
    assert verified.status_code == 200
    assert client.cookies["kameng_session"] != before
    assert verified.json()["csrf_token"] == (await client.get("/me")).json()["csrf_token"] != csrf_before
    assert (await client.get("/staff/queue")).status_code == 200
    thief = await browser(api)
    thief.cookies.set("kameng_session", before)
    problem(await thief.get("/me"), 401, "sign_in_required")


async def test_a_code_works_once_whoever_is_faster(api: Api) -> None:
    await add_person(api, "rui", Role.REVIEWER)
    first = await browser(api)
    await sign_in(api, first, RUI)
    seed, _ = await enrol(first)
    replayed = await first.post("/auth/second-factor/verify", json={"code": code_now(seed)})
    problem(replayed, 401, "code_invalid")
    await forget_steps(api)
    clients = [await browser(api) for _ in range(4)]
    for client in clients:
        await sign_in(api, client, RUI)
    code = code_now(seed)
    answers = await asyncio.gather(
        *(client.post("/auth/second-factor/verify", json={"code": code}) for client in clients)
    )
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]


async def test_signing_in_with_a_code_at_once(api: Api) -> None:
    await add_person(api, "rui", Role.ADMIN)
    client = await browser(api)
    await sign_in(api, client, RUI)
    seed, _ = await enrol(client)
    token = await ask_for_link(api, client, RUI)
    wrong = "000000" if code_now(seed, 1) != "000000" else "000001"
    refused = await client.post("/auth/sessions", json={"token": token, "totp": wrong})
    problem(refused, 401, "code_invalid")
    answer = await client.post("/auth/sessions", json={"token": token, "totp": code_now(seed, 1)})
    assert (answer.status_code, answer.json()["second_factor"]) == (201, "ok")


async def test_recovery_codes_work_once_however_typed(api: Api) -> None:
    await add_person(api, "rui", Role.REVIEWER)
    client = await browser(api)
    await sign_in(api, client, RUI)
    _, codes = await enrol(client)
    assert len(set(codes)) == totp.RECOVERY_CODES
    await sign_in(api, client, RUI)
    typed = codes[0].upper().replace("-", " ")
    assert (await client.post("/auth/second-factor/verify", json={"code": typed})).status_code == 200
    again = await client.post("/auth/second-factor/verify", json={"code": codes[0]})
    problem(again, 401, "code_invalid")
    assert (await client.post("/auth/second-factor/verify", json={"code": codes[1]})).status_code == 200
    stored = {row["code_hash"] for row in await api.rows(select(recovery_codes))}
    assert not stored & set(codes)


async def test_guessing_has_to_wait(api: Api) -> None:
    await add_person(api, "rui", Role.REVIEWER)
    client = await browser(api)
    await sign_in(api, client, RUI)
    seed, _ = await enrol(client)
    for _ in range(TRIES - 1):
        answer = await client.post("/auth/second-factor/verify", json={"code": "abcdef"})
        problem(answer, 401, "code_invalid")
    right = await client.post("/auth/second-factor/verify", json={"code": code_now(seed, 1)})
    problem(right, 429, "too_many_requests")
    token = await ask_for_link(api, client, RUI)
    right = await client.post("/auth/sessions", json={"token": token, "totp": code_now(seed, 1)})
    problem(right, 429, "too_many_requests")


async def test_setting_up_twice_and_removing(api: Api) -> None:
    await add_person(api, "rui", Role.REVIEWER)
    client, other = await browser(api), await browser(api)
    await sign_in(api, client, RUI)
    await sign_in(api, other, RUI)
    problem(await client.delete("/auth/second-factor"), 409, "second_factor_missing")
    unbegun = await client.post("/auth/second-factor/confirm", json={"code": "123456"})
    problem(unbegun, 409, "second_factor_missing")
    await enrol(client)
    problem(await other.get("/me"), 401, "sign_in_required")
    problem(await client.post("/auth/second-factor"), 409, "second_factor_exists")
    made = await client.post("/auth/tokens", json={"name": "desk", "scopes": ["read"]})
    program = await browser(api, Authorization=f"Bearer {made.json()['token']}")
    assert (await program.get("/staff/queue")).status_code == 200
    await sign_in(api, other, RUI)
    problem(await other.delete("/auth/second-factor"), 403, "second_factor_required")
    assert (await client.delete("/auth/second-factor")).status_code == 204
    problem(await client.get("/staff/queue"), 403, "second_factor_enrolment_required")
    problem(await program.get("/staff/queue"), 403, "second_factor_enrolment_required")
    told = await api.rows(select(mails.c.id).where(mails.c.template == "second_factor_changed"))
    assert len(told) == 2


async def test_a_session_that_ended_meanwhile_cannot_be_raised(api: Api) -> None:
    await add_person(api, "rui", Role.REVIEWER)
    client = await browser(api)
    await sign_in(api, client, RUI)
    _, codes = await enrol(client)
    await sign_in(api, client, RUI)
    await api.execute(update(sessions).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    refused = await client.post("/auth/second-factor/verify", json={"code": codes[0]})
    problem(refused, 401, "sign_in_required")
    unused = await api.rows(select(recovery_codes).where(recovery_codes.c.used_at.is_(None)))
    assert len(unused) == totp.RECOVERY_CODES
    assert parts_of(api).settings.staff_second_factor
