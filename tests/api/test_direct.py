"""The shorter way to votes and check-ins: the same answers as FastAPI's own, whatever is sent."""

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, routing
from sqlalchemy import select
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from api.dependencies import DatabaseDep, ObjectId
from api.direct import DirectRoute
from api.routes import ballots, enrolments
from api.schemas.enrolments import CheckInIn
from api.security import allow
from api.security.rules import Guard
from db.tables.campaigns import check_ins
from domain.ids import new_id
from settings import Settings
from tests.support.campaigns import NOTE, Campaign
from tests.support.vetting_api import Api, User, running_api

DIRECT = {"content-type": "application/json"}
ROUND_ABOUT = {"content-type": "application/json;charset=utf-8"}
BODIES = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"\xff\xfe",
    b'{"note": "\\ud800"}',
    b'{"note": "first", "note": "the second of two, which is the one that counts"}',
    b'{"note": NaN}',
    b'{"private": "yes", "note": "long enough for a note of a day, surely"}',
    b'{"makeup_for_day": "1"}',
    b'{"makeup_for_day": 1e400}',
    json.dumps({"note": NOTE}).encode("utf-16"),
    json.dumps({"note": NOTE, "unknown": 1}).encode(),
    json.dumps({"note": f"  {NOTE} \r\n"}).encode(),
    json.dumps({"note": "x" * 5_001}).encode(),
]


@pytest.fixture
async def api(database_url: str, settings: Settings) -> AsyncIterator[Api]:
    async with running_api(settings.model_copy(update={"database_url": database_url})) as running:
        yield running


async def sent(user: User, campaign_id: str, body: bytes, headers: dict[str, str]) -> tuple[int, Any]:
    """Return status and answer of a check-in, without what names the one request."""
    answer = await user.http.post(f"/campaigns/{campaign_id}/checkins", content=body, headers=headers)
    told = answer.json()
    return answer.status_code, {
        name: told[name] for name in told if name not in ("id", "request_id", "instance")
    }


@pytest.mark.parametrize("body", BODIES)
async def test_both_ways_have_the_same_answers(api: Api, body: bytes) -> None:
    campaign, answers = await Campaign.at(api.db), []
    for name, headers in (("ann", DIRECT), ("bob", ROUND_ABOUT)):
        user = await api.user(name)
        await campaign.enrol(user.id)
        await campaign.go(1)
        answers.append(await sent(user, campaign.id, body, headers))
    assert answers[0] == answers[1]


@pytest.mark.parametrize("headers", [DIRECT, ROUND_ABOUT])
async def test_who_is_not_signed_in_is_told_so_before_all_else(api: Api, headers: dict[str, str]) -> None:
    stranger = User("", api.anyone)
    for campaign_id in (new_id(), "no-id"):
        for body in (b'{"note": ""}', json.dumps({"note": NOTE}).encode()):
            assert (await sent(stranger, campaign_id, body, headers))[0] == 401


@pytest.mark.parametrize("headers", [DIRECT, ROUND_ABOUT])
async def test_what_is_no_id_is_told_so(api: Api, headers: dict[str, str]) -> None:
    ann, body = await api.user("ann"), json.dumps({"note": NOTE}).encode()
    status, told = await sent(ann, "no-id", body, headers)
    assert (status, told["code"], told["errors"][0]["field"]) == (422, "validation_failed", "campaign_id")


@pytest.mark.parametrize("headers", [DIRECT, ROUND_ABOUT])
async def test_who_leaves_before_all_was_sent_changes_nothing(api: Api, headers: dict[str, str]) -> None:
    campaign, ann = await Campaign.at(api.db), await api.user("ann")
    await campaign.enrol(ann.id)
    await campaign.go(1)
    request = ann.http.build_request("POST", f"/campaigns/{campaign.id}/checkins", headers=headers)
    coming: list[Message] = [{"type": "http.request", "body": b'{"note": ', "more_body": True}]
    told: list[Message] = []

    async def receive() -> Message:
        return coming.pop() if coming else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        told.append(message)

    scope: Scope = {
        "type": "http",
        "method": "POST",
        "path": request.url.path,
        "query_string": b"",
        "http_version": "1.1",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "client": None,
    }
    await api.app(scope, receive, send)
    assert told[0]["status"] == 400
    assert not await api.rows(select(check_ins.c.id))


def test_votes_and_check_ins_go_this_way() -> None:
    assert [type(route) for route in (*ballots.direct.routes, *enrolments.direct.routes)] == [DirectRoute] * 2


async def test_the_usual_form_is_not_worked_out_by_fastapi(
    monkeypatch: pytest.MonkeyPatch, database_url: str, settings: Settings
) -> None:
    async def never(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise AssertionError("the long way")

    router = APIRouter(prefix="/api/v1/campaigns/{campaign_id}", route_class=DirectRoute)
    with monkeypatch.context() as patched:
        patched.setattr(routing, "request_response", lambda _handler: never)
        router.post("/checkins", status_code=201)(enrolments.check_in)
    monkeypatch.setattr(enrolments, "direct", router)
    async with running_api(settings.model_copy(update={"database_url": database_url})) as api:
        ann, campaign = await api.user("ann"), await Campaign.at(api.db)
        await campaign.enrol(ann.id)
        await campaign.go(1)
        assert (await sent(ann, campaign.id, json.dumps({"note": NOTE}).encode(), DIRECT))[0] == 201
        assert (await sent(ann, campaign.id, json.dumps({"note": NOTE}).encode(), ROUND_ABOUT))[0] == 500


Member = Annotated[Guard, allow.inside(allow.members)]


async def _no_body(guard: Member, campaign_id: ObjectId) -> Response:
    raise NotImplementedError


async def _no_guard(campaign_id: ObjectId, given: CheckInIn) -> Response:
    raise NotImplementedError


async def _query(guard: Member, campaign_id: ObjectId, given: CheckInIn, by: str = "") -> Response:
    raise NotImplementedError


async def _database(guard: Member, campaign_id: ObjectId, given: CheckInIn, db: DatabaseDep) -> Response:
    raise NotImplementedError


@pytest.mark.parametrize("function", [_no_body, _no_guard, _query, _database])
def test_what_it_does_not_know_is_refused_when_the_route_is_made(function: Any) -> None:
    with pytest.raises(TypeError, match="asks for more"):
        APIRouter(route_class=DirectRoute).post("/{campaign_id}")(function)
