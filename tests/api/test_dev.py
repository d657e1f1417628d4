"""Trying it out: the outbox, whom to be, and a clock that one process has for itself."""

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from sqlalchemy import select
from temporalio.client import Client

from api.routes.dev import LONGEST
from api.services import clocks
from db.tables.vetting import applications
from domain.people import Role
from engine.visitors import PREFIX, entrance
from settings import Settings
from tests.support.browser import add_person, browser, mailed_tokens
from tests.support.temporal import PrivateTemporal
from tests.support.vetting_api import BASE, Api, User, complete_draft, problem, running_api

CLOCK = "/dev/clock/advance"
NOBODY = "11111111-1111-7111-8111-111111111111"


@pytest.fixture
async def api(sqlite_url: str, settings: Settings) -> AsyncIterator[Api]:
    away = {"database_url": sqlite_url, "temporal_address": "127.0.0.1:1", "temporal_call_seconds": 1}
    async with running_api(settings.model_copy(update=away)) as running:
        yield running


@pytest.fixture
async def engine(engine_settings: Settings, temporal_client: Client) -> AsyncIterator[Api]:
    """The API with a Temporal server and a worker."""
    async with running_api(engine_settings, temporal_client) as running:
        yield running


async def test_the_outbox_shows_mails_as_they_are_read(api: Api) -> None:
    await add_person(api, "lin")
    for email in ("lin@people.example", "new@people.example"):
        assert (await api.anyone.post("/auth/magic-links", json={"email": email})).status_code == 202
    everything = (await api.anyone.get("/dev/outbox")).json()["items"]
    assert [mail["to"] for mail in everything] == ["new@people.example", "lin@people.example"]
    found = (await api.anyone.get("/dev/outbox", params={"to": "lin@people.example"})).json()["items"]
    assert len(found) == 1
    mail = found[0]
    token = (await mailed_tokens(api, "lin@people.example"))[0]
    assert mail["links"][0].endswith(f"/sign-in?token={token}")
    assert mail["subject"]
    assert token in mail["text"]
    assert token in mail["html"]
    signed_in = await api.anyone.post("/auth/sessions", json={"token": mail["links"][0].split("token=")[1]})
    assert signed_in.status_code == 201


async def test_signing_in_as_anybody_in_one_call(api: Api) -> None:
    await add_person(api, "lin")
    await add_person(api, "rui", Role.REVIEWER)
    await add_person(api, "gone", status="suspended")
    listed = (await api.anyone.get("/dev/people")).json()["items"]
    assert [(person["email"], person["roles"]) for person in listed] == [
        ("rui@people.example", ["member", "reviewer"]),
        ("lin@people.example", ["member"]),
    ]
    client = await browser(api)
    assert (await client.post("/dev/sessions", json={"email": "LIN@people.example"})).status_code == 201
    assert (await client.get("/me")).json()["email"] == "lin@people.example"
    for email in ("nobody@people.example", "gone@people.example"):
        problem(await client.post("/dev/sessions", json={"email": email}), 422, "person_unknown")


async def test_only_this_machine_may_try_it_out(api: Api) -> None:
    transport = httpx2.ASGITransport(app=api.app, client=("203.0.113.9", 1234))
    async with httpx2.AsyncClient(transport=transport, base_url=BASE) as elsewhere:
        for path in ("/dev/outbox", "/dev/people"):
            problem(await elsewhere.get(path), 404, "not_found")
        problem(await elsewhere.post("/dev/sessions", json={"email": "a@b.example"}), 404, "not_found")


async def test_other_sites_cannot_reach_in(api: Api) -> None:
    await add_person(api, "lin")
    client = await browser(api)
    forged = await client.post(
        "/dev/sessions", json={"email": "lin@people.example"}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    problem(forged, 403, "cross_site_request")


@pytest.mark.parametrize(
    "duration",
    ["", "P", "PT", "1D", "P1", "P0D", "-P1D", "P-1D", "P1.5D", "P1M", "P1DT", "P401D", "P9999W", "P1D "],
)
async def test_only_durations_move_a_clock(api: Api, duration: str) -> None:
    body = {"process": f"application/{NOBODY}", "duration": duration}
    problem(await api.anyone.post(CLOCK, json=body), 422, "validation_failed")


@pytest.mark.parametrize(
    "target",
    [
        {},
        {"duration": "P1D", "until": "2027-01-01T00:00:00Z"},
        {"until": "2027-01-01T00:00:00"},
        {"until": "tomorrow"},
    ],
)
async def test_a_clock_is_moved_one_way(api: Api, target: dict[str, str]) -> None:
    body = {"process": f"application/{NOBODY}"} | target
    problem(await api.anyone.post(CLOCK, json=body), 422, "validation_failed")


@pytest.mark.parametrize("process", ["", "mail/dispatch", "application/", "application/x/y", f"../{NOBODY}"])
async def test_only_processes_have_a_clock_to_move(api: Api, process: str) -> None:
    body = {"process": process, "duration": "P1D"}
    problem(await api.anyone.post(CLOCK, json=body), 422, "validation_failed")


async def test_without_temporal_no_clock_moves(api: Api) -> None:
    body = {"process": f"application/{NOBODY}", "duration": "P1D"}
    answer = await api.anyone.post(CLOCK, json=body)
    problem(answer, 503, "temporal_unavailable")
    assert int(answer.headers["retry-after"]) > 0


async def test_a_clock_moves_and_its_process_with_it(engine: Api) -> None:
    lin = await engine.user("lin")
    draft = await complete_draft(lin)
    process = f"application/{draft['id']}"
    unknown = await engine.anyone.post(CLOCK, json={"process": f"application/{NOBODY}", "duration": "P1D"})
    problem(unknown, 404, "not_found")
    assert (await lin.post(f"/applications/{draft['id']}/submit")).status_code == 200
    began = datetime.now(UTC)
    moved = await engine.anyone.post(CLOCK, json={"process": process, "duration": "P1DT2H30M"})
    assert moved.status_code == 200, moved.text
    now = datetime.fromisoformat(moved.json()["now"])
    ahead = timedelta(days=1, hours=2, minutes=30)
    assert ahead <= now - began < ahead + timedelta(minutes=1)
    row = (await engine.rows(select(applications)))[0]
    assert abs(row["clock_offset_seconds"] - ahead.total_seconds()) < 60
    again = await engine.anyone.post(CLOCK, json={"process": process, "duration": "P1W"})
    later = datetime.fromisoformat(again.json()["now"])
    assert timedelta(days=7) <= later - now < timedelta(days=7, minutes=1)


async def test_a_clock_that_is_moved_to_an_instant_is_moved_there_once(engine: Api) -> None:
    lin = await engine.user("lin")
    draft = await complete_draft(lin)
    process = f"application/{draft['id']}"
    assert (await lin.post(f"/applications/{draft['id']}/submit")).status_code == 200
    now = (await engine.anyone.get("/dev/clock", params={"process": process})).json()["now"]
    until = datetime.fromisoformat(now) + timedelta(days=2)
    for _ in range(2):
        moved = await engine.anyone.post(CLOCK, json={"process": process, "until": until.isoformat()})
        assert moved.status_code == 200, moved.text
        reached = datetime.fromisoformat(moved.json()["now"])
        assert until <= reached < until + timedelta(minutes=1)
        seen = (await engine.anyone.get("/dev/clock", params={"process": process})).json()["now"]
        assert reached <= datetime.fromisoformat(seen) < until + timedelta(minutes=1)
    too_far = (until + LONGEST + timedelta(days=1)).isoformat()
    problem(
        await engine.anyone.post(CLOCK, json={"process": process, "until": too_far}), 422, "validation_failed"
    )


class _Reluctant(httpx2.AsyncBaseTransport):
    """Hands requests on, counts those that move a clock, and loses the answer to the first of them."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner
        self.statuses: list[int] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._inner.handle_async_request(request)
        if request.url.path.endswith(CLOCK):
            self.statuses.append(response.status_code)
            if len(self.statuses) == 1:
                raise httpx2.ReadTimeout("no answer", request=request)
        return response


async def test_a_long_way_takes_several_requests_and_ends_where_it_should(
    engine: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    lin = await engine.user("lin")
    draft = await complete_draft(lin)
    assert (await lin.post(f"/applications/{draft['id']}/submit")).status_code == 200
    monkeypatch.setattr(clocks, "_SKIP_SECONDS", 0.25)
    reluctant = _Reluctant(httpx2.ASGITransport(app=engine.app))
    process, ahead = f"application/{draft['id']}", timedelta(days=60)
    async with entrance(BASE.removesuffix(PREFIX), reluctant) as door:
        visitor = door.stranger()
        before = datetime.fromisoformat((await visitor.get("/dev/clock", process=process))["now"])
        moved = await visitor.skip_process(process, ahead)
    assert reluctant.statuses[-1] == 200
    assert set(reluctant.statuses[1:-1]) <= {503}
    assert len(reluctant.statuses) > 2
    assert ahead <= datetime.fromisoformat(moved) - before < ahead + timedelta(minutes=1)


async def test_after_the_end_time_goes_on_for_the_people(engine: Api) -> None:
    lin: User = await engine.user("lin")
    draft = await complete_draft(lin)
    path = f"/applications/{draft['id']}"
    assert (await lin.post(f"{path}/submit")).status_code == 200
    assert (await lin.post(f"{path}/withdraw")).status_code == 200
    body = {"process": f"application/{draft['id']}", "duration": f"P{LONGEST.days}D"}
    for times in (1, 2):
        moved = await engine.anyone.post(CLOCK, json=body)
        assert moved.status_code == 200, moved.text
        ahead = datetime.fromisoformat(moved.json()["now"]) - datetime.now(UTC)
        assert abs(ahead - times * LONGEST) < timedelta(minutes=1)
        row = (await engine.rows(select(applications)))[0]
        assert abs(row["clock_offset_seconds"] - ahead.total_seconds()) < 60
        assert row["status"] == "withdrawn"


async def test_a_process_that_ends_on_the_way_takes_no_time_from_its_people(engine: Api) -> None:
    lin, ann = await engine.user("lin"), await engine.user("ann", Role.REVIEWER)
    draft = await complete_draft(lin)
    path = f"/applications/{draft['id']}"
    assert (await lin.post(f"{path}/submit")).status_code == 200
    changes = {"decision": "request_changes", "reasons": ["incomplete"]}
    assert (await ann.post(f"{path}/review", changes)).status_code == 200
    body = {"process": f"application/{draft['id']}", "duration": "P30D"}
    moved = await engine.anyone.post(CLOCK, json=body)
    ahead = datetime.fromisoformat(moved.json()["now"]) - datetime.now(UTC)
    assert abs(ahead - timedelta(days=30)) < timedelta(minutes=1)
    assert (await lin.get(path)).json()["status"] == "expired"


async def test_the_api_starts_before_temporal_and_finds_it_again(
    sqlite_url: str, settings: Settings, private_temporal: PrivateTemporal
) -> None:
    private_temporal.kill()
    away = {
        "database_url": sqlite_url,
        "temporal_address": private_temporal.address,
        "temporal_call_seconds": 3,
    }
    body = {"process": f"application/{NOBODY}", "duration": "P1D"}
    async with running_api(settings.model_copy(update=away)) as api:
        for _ in range(2):
            began = time.monotonic()
            problem(await api.anyone.post(CLOCK, json=body), 503, "temporal_unavailable")
            assert time.monotonic() - began < 5
            await private_temporal.start()
            problem(await api.anyone.post(CLOCK, json=body), 404, "not_found")
            private_temporal.kill()
