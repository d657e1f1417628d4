"""Whether the process lives, whether it can work, its numbers, and its reference."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import httpx2
import pytest
from temporalio.client import Client

from api.reference import PAGE_POLICY
from api.routes.health import CHECK_SECONDS
from contracts.base import MAIL_QUEUE, VETTING_QUEUE, task_queue
from db.migrate import downgrade, upgrade
from engine.mail_dispatch import ensure_mail_dispatch
from engine.workers import polling
from settings import Settings
from tests.support.browser import add_person, browser, sign_in
from tests.support.vetting import until
from tests.support.vetting_api import Api, problem, running_api

ROOT = "http://kameng.test"


@pytest.fixture
async def api(sqlite_url: str, settings: Settings) -> AsyncIterator[Api]:
    away = settings.model_copy(update={"database_url": sqlite_url, "temporal_address": "127.0.0.1:1"})
    async with running_api(away) as running:
        yield running


async def answered(api: Api) -> httpx2.Response:
    """Ask for readiness until no check is late, as one of a server under load may be: that is told, too."""
    late = f"no answer within {CHECK_SECONDS:g} s"
    async with asyncio.timeout(30):
        while True:
            ready = await api.anyone.get(f"{ROOT}/readyz")
            if late not in ready.json()["checks"].values():
                return ready


async def test_it_lives_and_starts_without_anybody_else(settings: Settings) -> None:
    alone = settings.model_copy(
        update={"database_url": "postgresql://nobody@127.0.0.1:1/none", "temporal_address": "127.0.0.1:1"}
    )
    async with running_api(alone) as api:
        assert (await api.anyone.get(f"{ROOT}/healthz")).json() == {"status": "ok"}
        began = time.monotonic()
        ready = await api.anyone.get(f"{ROOT}/readyz")
        assert time.monotonic() - began < 4
        assert ready.status_code == 503
        assert set(ready.json()["checks"]) == {
            *("database", "migrations", "temporal", "mail_dispatch", "worker")
        }
        assert "ok" not in ready.json()["checks"].values()


async def test_readiness_names_what_is_away(api: Api) -> None:
    ready = await answered(api)
    checks = ready.json()["checks"]
    assert (ready.status_code, ready.json()["status"]) == (503, "unavailable")
    assert (checks["database"], checks["migrations"]) == ("ok", "ok")
    assert checks["temporal"] == checks["mail_dispatch"] == "cannot be reached"


async def test_readiness_with_everything_there(engine_settings: Settings, temporal_client: Client) -> None:
    async with running_api(engine_settings) as api:
        before = (await answered(api)).json()["checks"]
        assert before["worker"] == "none takes work; start one: kameng worker"
        assert (before["temporal"], before["mail_dispatch"]) == ("ok", "not running; start a worker")
        await ensure_mail_dispatch(temporal_client, task_queue(engine_settings.task_queue_prefix, MAIL_QUEUE))
        # Pages, drafts, votes and check-ins are served without a worker too.
        lonely = await answered(api)
        assert (lonely.status_code, lonely.json()["status"]) == (200, "degraded"), lonely.text
    async with running_api(engine_settings, temporal_client) as api:

        async def all_there() -> bool:
            ready = await answered(api)
            return bool(ready.json()["status"] == "ok")

        await until(all_there)
        ready = await answered(api)
        assert (ready.status_code, set(ready.json()["checks"].values())) == (200, {"ok"}), ready.text
        queue = task_queue(engine_settings.task_queue_prefix, VETTING_QUEUE)
        assert await polling(temporal_client, queue) == 1
        # A worker that is gone stays in the server's list for minutes.
        assert await polling(temporal_client, queue, timedelta(0)) == 0


async def test_a_sqlite_file_that_is_gone_is_told(api: Api, sqlite_url: str) -> None:
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    file.rename(file.with_suffix(".away"))
    ready = await api.anyone.get(f"{ROOT}/readyz")
    assert (ready.status_code, ready.json()["checks"]["database"]) == (503, "its file is gone")
    file.with_suffix(".away").rename(file)
    assert (await api.anyone.get(f"{ROOT}/readyz")).json()["checks"]["database"] == "ok"


async def test_a_database_that_is_not_migrated_is_told(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "empty.db").touch()
    empty = settings.model_copy(update={"database_url": f"sqlite:///{tmp_path}/empty.db"})
    async with running_api(empty) as api:
        checks = (await api.anyone.get(f"{ROOT}/readyz")).json()["checks"]
        assert (checks["database"], checks["migrations"]) == ("ok", "run `kameng migrate`")


async def test_nothing_is_served_from_a_database_that_is_not_migrated_and_why_is_said(
    database_url: str, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    downgrade(database_url)
    async with running_api(settings.model_copy(update={"database_url": database_url})) as api:
        asked = {"email": "lin@people.example"}
        told = problem(await api.anyone.post("/auth/magic-links", json=asked), 503, "database_not_migrated")
        assert "kameng migrate" in told["detail"]
        page = await api.anyone.get(f"{ROOT}/")
        assert (page.status_code, "kameng migrate" in page.text) == (503, True)
        assert "run: kameng migrate" in "".join(capsys.readouterr())
        upgrade(database_url)
        assert (await api.anyone.get(f"{ROOT}/")).status_code == 200


async def test_numbers_are_by_route_and_not_by_address(api: Api) -> None:
    await add_person(api, "lin")
    client = await browser(api)
    await sign_in(api, client, "lin@people.example")
    await client.get("/me")
    await client.get("/applications/11111111-1111-7111-8111-111111111111")
    await client.get("/nowhere-at-all")
    text = (await api.anyone.get(f"{ROOT}/metrics")).text
    assert 'kameng_http_requests_total{method="GET",route="/api/v1/me",status="200"} 1.0' in text
    expected = 'method="GET",route="/api/v1/applications/{application_id}",status="404"} 1.0'
    assert f"kameng_http_requests_total{{{expected}" in text
    assert 'kameng_http_request_seconds_bucket{le="0.01",method="GET",route="/api/v1/me"}' in text
    for private in ("11111111", "nowhere", "lin@"):
        assert private not in text


async def test_logs_hold_ids_and_no_people(
    api: Api, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.envelope.SLOW_SECONDS", 0.0)
    await add_person(api, "lin")
    client = await browser(api)
    told = await sign_in(api, client, "lin@people.example")
    await client.get("/me?token=very-secret", headers={"X-Request-Id": "request-12345"})
    logged = "".join(capsys.readouterr())
    assert "request-12345" in logged
    assert "/api/v1/me" in logged
    for private in ("lin@", "very-secret", told["csrf_token"], client.cookies["kameng_session"]):
        assert private not in logged


async def test_what_is_asked_of_a_process_is_logged_with_its_id(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    await add_person(api, "lin")
    client = await browser(api)
    await sign_in(api, client, "lin@people.example")
    draft = (await client.post("/applications", json={"headline": "Quiet words"})).json()["id"]
    capsys.readouterr()
    headers = {"X-Request-Id": "request-12345"}
    assert (await client.post(f"/applications/{draft}/withdraw", headers=headers)).status_code == 200
    await client.post("/applications/lin@people.example/withdraw")
    logged = "".join(capsys.readouterr())
    assert f"process_id=application/{draft}" in logged
    assert "request-12345" in logged
    for private in ("lin@", "Quiet words"):
        assert private not in logged


class _Page(HTMLParser):
    """Collects what a page would load and where its links go."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.ids: set[str] = set()
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.loads += [str(found[name]) for name in ("src", "data", "srcset") if name in found]
        if tag in {"script", "link", "img", "iframe"}:
            self.loads.append(tag)
        if found.get("id"):
            self.ids.add(str(found["id"]))
        if tag == "a":
            self.targets.append(str(found["href"]))


async def test_the_reference_loads_nothing_and_leads_everywhere(api: Api) -> None:
    answer = await api.anyone.get(f"{ROOT}/docs")
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"] == PAGE_POLICY
    page = _Page()
    page.feed(answer.text)
    assert page.loads == []
    inner = {target[1:] for target in page.targets if target.startswith("#")}
    assert inner
    assert inner - page.ids == set()
    assert "problem-validation_failed" in page.ids
    document = (await api.anyone.get(f"{ROOT}/api/v1/openapi.json")).json()
    for path in document["paths"]:
        assert path in answer.text


async def test_the_document_names_who_may_use_what(api: Api) -> None:
    document = (await api.anyone.get(f"{ROOT}/api/v1/openapi.json")).json()
    me = document["paths"]["/api/v1/me"]["get"]
    assert (me["x-access"], me["security"]) == ("signed in", [{"session": []}, {"token": []}])
    tokens = document["paths"]["/api/v1/auth/tokens"]["get"]
    assert tokens["security"] == [{"session": []}]
    for methods in document["paths"].values():
        for operation in methods.values():
            assert {"4XX", "5XX"} <= set(operation["responses"])
            assert operation["summary"]


async def test_production_has_nothing_for_trying_out(sqlite_url: str, settings: Settings) -> None:
    serious = settings.model_copy(
        update={
            "database_url": sqlite_url,
            "environment": "production",
            "public_url": "https://kameng.test",
        }
    )
    async with running_api(serious) as api:
        paths = (await api.anyone.get(f"{ROOT}/api/v1/openapi.json")).json()["paths"]
        assert [path for path in paths if "/dev/" in path] == []
        for method, path in (
            ("GET", "/dev/outbox"),
            ("GET", "/dev/people"),
            ("POST", "/dev/sessions"),
            ("POST", "/dev/clock/advance"),
        ):
            problem(await api.anyone.request(method, path), 404, "not_found")


async def test_many_at_once_are_counted_in_flight(api: Api) -> None:
    client: httpx2.AsyncClient = api.anyone
    await asyncio.gather(*(client.get(f"{ROOT}/healthz") for _ in range(20)))
    text = (await client.get(f"{ROOT}/metrics")).text
    assert "kameng_http_requests_in_flight 1.0" in text
    assert 'route="/healthz",status="200"} 20.0' in text
