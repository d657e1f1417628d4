"""Whatever goes wrong is a problem document with a stable code, in the reader's language."""

from collections.abc import AsyncIterator
from string import Formatter
from typing import Any

import pytest
from fastapi import APIRouter

from api.field_errors import field_errors
from api.languages import preferred_locale
from api.problems import STATUS_OF, Problem
from api.security import allow
from domain.people import LOCALES
from domain.vetting import Refusal
from locales import load
from settings import Settings
from tests.mail.test_catalogue import texts_of
from tests.support.browser import add_person, browser, sign_in
from tests.support.vetting_api import Api, problem, running_api


@pytest.fixture
async def api(sqlite_url: str, settings: Settings) -> AsyncIterator[Api]:
    async with running_api(settings.model_copy(update={"database_url": sqlite_url})) as running:
        yield running


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("code", sorted(STATUS_OF))
def test_every_code_has_words(code: str, locale: str) -> None:
    forms = texts_of(locale)[f"problem.{code}.detail"]
    values: dict[str, Any] = {name: 3 for text in forms for _, name, _, _ in Formatter().parse(text) if name}
    document = Problem(code, **values).document(locale, "id")
    assert document.status == STATUS_OF[code]
    assert document.title
    assert document.detail
    assert "{" not in document.detail
    assert document.type == f"/docs#problem-{code}"


def test_every_refusal_of_a_process_is_a_code() -> None:
    assert {refusal.value for refusal in Refusal} <= set(STATUS_OF)


def test_both_languages_say_the_same_things() -> None:
    assert load("en").ids == load("zh-CN").ids


@pytest.mark.parametrize(
    ("header", "locale"),
    [
        ("", "zh-CN"),
        ("en", "en"),
        ("en-GB,en;q=0.9", "en"),
        ("fr,en;q=0.5,zh;q=0.4", "en"),
        ("fr,en;q=0.4,zh;q=0.5", "zh-CN"),
        ("zh-TW", "zh-CN"),
        ("fr", "zh-CN"),
        ("*", "zh-CN"),
        ("en;q=0", "zh-CN"),
        ("en;q=nonsense", "zh-CN"),
        (",,;;q=", "zh-CN"),
    ],
)
def test_the_language_is_the_readers(header: str, locale: str) -> None:
    assert preferred_locale(header) == locale


async def test_problems_are_told_in_the_persons_own_language(api: Api) -> None:
    await add_person(api, "lin", locale="zh-CN")
    client = await browser(api)
    await sign_in(api, client, "lin@people.example")
    told = problem(await client.patch("/me", json={"display_name": ""}), 422, "validation_failed")
    assert told["title"] == "部分字段有误"
    assert told["errors"][0]["message"] == "至少 1 个字符"


async def test_what_is_nowhere_and_what_is_not_done_there(api: Api) -> None:
    document = problem(await api.anyone.get("/nowhere"), 404, "not_found")
    assert document["detail"]
    wrong = await api.anyone.delete("/me")
    problem(wrong, 405, "method_not_allowed")
    assert set(wrong.headers["allow"].split(", ")) <= {"GET", "PATCH"}


@pytest.mark.parametrize(
    ("body", "media_type", "status", "code"),
    [
        (b"{", "application/json", 400, "unreadable_body"),
        (b'{"email": "a@b.example"} x', "application/json", 400, "unreadable_body"),
        (b"\xff\xfe", "application/json", 400, "unreadable_body"),
        (b'{"email":"\\ud800@b.example"}', "application/json", 422, "validation_failed"),
        (b"[" * 100_000, "application/json", 400, "unreadable_body"),
        (b"email=a@b.example", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (b'{"email": "a@b.example"}', "text/plain", 415, "unsupported_media_type"),
        (b'{"email": "a@b.example"}', "", 415, "unsupported_media_type"),
        (b"", "application/json", 422, "validation_failed"),
        (b"null", "application/json", 422, "validation_failed"),
        (b"[]", "application/json", 422, "validation_failed"),
        (b'"text"', "application/json", 422, "validation_failed"),
        (b'{"email": NaN}', "application/json", 422, "validation_failed"),
    ],
)
async def test_bodies_that_are_none(api: Api, body: bytes, media_type: str, status: int, code: str) -> None:
    headers = {"Content-Type": media_type} if media_type else {}
    problem(await api.anyone.post("/auth/magic-links", content=body, headers=headers), status, code)


async def test_too_much_at_once(api: Api) -> None:
    limit = api.app.state.settings.request_max_bytes
    headers = {"Content-Type": "application/json"}
    declared = await api.anyone.post("/auth/magic-links", content=b" " * (limit + 1), headers=headers)
    problem(declared, 413, "body_too_large")

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(limit // 65536 + 2):
            yield b" " * 65536

    problem(
        await api.anyone.post("/auth/magic-links", content=endless(), headers=headers), 413, "body_too_large"
    )
    filled = b'{"email": "a@b.example"}' + b" " * (limit - 24)
    assert (await api.anyone.post("/auth/magic-links", content=filled, headers=headers)).status_code == 202


async def test_what_was_typed_is_not_repeated(api: Api) -> None:
    secret = "sesame-open-sesame"
    answer = await api.anyone.post("/auth/sessions", json={"token": secret + "!", secret: 1})
    problem(answer, 422, "validation_failed")
    assert secret + "!" not in answer.text


async def test_many_mistakes_are_told_up_to_fifty(api: Api) -> None:
    body = {f"x{number}": 1 for number in range(200)}
    document = problem(await api.anyone.post("/auth/magic-links", json=body), 422, "validation_failed")
    assert len(document["errors"]) == 50


async def test_answers_carry_an_id_and_safe_headers(api: Api) -> None:
    answer = await api.anyone.get("/me", headers={"X-Request-Id": "my-request-0001"})
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == "my-request-0001"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    for bad in ("short", "x" * 65, "with space in it", "line\\nbreak", "<script>alert"):
        answer = await api.anyone.get("/me", headers={"X-Request-Id": bad})
        assert answer.headers["x-request-id"] != bad


async def test_what_nobody_foresaw_is_told_without_a_word_about_it(
    sqlite_url: str, settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    router = APIRouter(dependencies=[allow.anyone])

    @router.get("/api/v1/broken")
    async def broken() -> None:
        raise ZeroDivisionError("secret thing of lin@people.example")

    monkeypatch.setattr("api.app.all_routers", lambda _settings: [router])
    async with running_api(settings.model_copy(update={"database_url": sqlite_url})) as api:
        answer = await api.anyone.get("/broken")
        document = problem(answer, 500, "internal_error")
        assert "secret" not in answer.text
        assert document["request_id"] == answer.headers["x-request-id"]
    logged = capsys.readouterr()
    assert "ZeroDivisionError" in logged.out + logged.err
    assert document["request_id"] in logged.out + logged.err


async def test_a_database_that_is_away_is_told_as_such(settings: Settings) -> None:
    gone = settings.model_copy(update={"database_url": "postgresql://nobody@127.0.0.1:1/none"})
    async with running_api(gone) as api:
        client = await browser(api)
        client.cookies.set("kameng_session", "x" * 43)
        answer = await client.get("/me")
        problem(answer, 503, "database_unavailable")
        assert int(answer.headers["retry-after"]) > 0
        asked = await client.post("/auth/magic-links", json={"email": "a@b.example"})
        problem(asked, 503, "database_unavailable")


async def test_writes_are_generous_but_not_endless(sqlite_url: str, settings: Settings) -> None:
    few = settings.model_copy(update={"database_url": sqlite_url, "writes_per_minute": 3})
    async with running_api(few) as api:
        await add_person(api, "lin")
        client = await browser(api)
        await sign_in(api, client, "lin@people.example")
        statuses = [(await client.patch("/me", json={})).status_code for _ in range(8)]
        # A minute may turn over in between.
        assert statuses[:3] == [200, 200, 200]
        assert 429 in statuses
        assert (await client.get("/me")).status_code == 200


@pytest.mark.parametrize(
    ("language", "said"),
    [("en", "must be one of: 'zh-CN' or 'en'"), ("zh-CN", "须为以下之一：'zh-CN'或'en'")],
)
async def test_the_values_that_are_allowed_are_listed_in_the_readers_language(
    api: Api, language: str, said: str
) -> None:
    reader = await api.user("reader", locale=language)
    answer = await reader.http.patch("/me", json={"locale": "fr"})
    assert [error["message"] for error in problem(answer, 422, "validation_failed")["errors"]] == [said]


def test_a_list_of_values_is_said_as_people_say_it() -> None:
    three = [{"type": "enum", "loc": ("kind",), "ctx": {"expected": "'order', 'b c' or 'for'"}}]
    assert [error.message for error in field_errors("zh-CN", three)] == [
        "须为以下之一：'order'、'b c'或'for'"
    ]
    assert field_errors("en", three)[0].message == "must be one of: 'order', 'b c', or 'for'"
    numbers = [{"type": "literal_error", "loc": ("body", "kind"), "ctx": {"expected": "1, 2 or 3"}}]
    assert field_errors("zh-CN", numbers)[0].message == "须为以下之一：1、2或3"
