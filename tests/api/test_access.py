"""Every route of the API, asked by everybody: who is named in its rule gets past it, and nobody else."""

from collections.abc import AsyncIterator
from typing import Annotated

import httpx2
import pytest
from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.responses import Response

from api.access import SAFE, Access, RouteWithoutRule, contexts, table_of
from api.access_table import TABLE, rendered
from api.app import create_app
from api.pages import app as pages
from api.pages.app import page_routers
from api.security import allow
from api.security.gate import Actor
from api.security.rules import Inside
from domain.people import SECOND_FACTOR_ROLES
from settings import Settings
from tests.support.town import BODIES, NOBODY, Asker, Town, named, running_town

REFUSED = {
    "sign_in_required",
    "forbidden",
    "scope_missing",
    "session_required",
    "second_factor_required",
    "second_factor_enrolment_required",
    "cross_site_request",
}


@pytest.fixture
async def town(sqlite_url: str, settings: Settings) -> AsyncIterator[Town]:
    async with running_town(sqlite_url, settings) as running:
        yield running


def guarded(town: Town) -> list[Access]:
    return [entry for entry in town.api.app.state.access if not entry.rule.public]


def code_of(response: httpx2.Response) -> str:
    is_problem = response.headers.get("content-type") == "application/problem+json"
    return str(response.json()["code"]) if is_problem else ""


async def test_strangers_are_asked_to_sign_in(town: Town) -> None:
    for entry in guarded(town):
        answer = await town.ask(entry, None)
        assert (answer.status_code, code_of(answer)) == (401, "sign_in_required"), entry
        assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_every_route_lets_in_exactly_who_is_named(town: Town) -> None:
    for entry in guarded(town):
        for asker in town.askers:
            answer = await town.ask(entry, asker)
            where = (entry.method, entry.path, asker.name, answer.status_code, answer.text)
            if named(entry, asker):
                assert code_of(answer) not in REFUSED, where
            elif entry.rule.owner is not None:
                assert (answer.status_code, code_of(answer)) == (404, "not_found"), where
            else:
                assert (answer.status_code, code_of(answer)) == (403, "forbidden"), where


async def test_owners_get_at_what_is_theirs(town: Town) -> None:
    owned = [entry for entry in guarded(town) if entry.rule.owner is not None]
    assert owned
    for entry in owned:
        answer = await town.ask(entry, town.owner)
        gone = code_of(answer) == "not_found" and "document_id" not in entry.path
        assert code_of(answer) not in REFUSED, (entry, answer.text)
        assert not gone, (entry, answer.text)


async def test_what_is_not_yours_looks_like_what_is_not_there(town: Town) -> None:
    neighbour = town.askers[0]
    for entry in guarded(town):
        if entry.rule.owner is None:
            continue
        private = await town.ask(entry, neighbour)
        missing = Town(town.api, NOBODY, town.owner, town.askers)
        absent = await missing.ask(entry, neighbour)
        told = [{**answer.json(), "request_id": ""} for answer in (private, absent)]
        assert told[0] == told[1], entry
        assert private.headers.keys() == absent.headers.keys()


async def test_staff_roles_wait_for_the_second_factor(town: Town) -> None:
    for entry in guarded(town):
        if not entry.rule.roles or not entry.rule.roles <= SECOND_FACTOR_ROLES:
            continue
        for asker in town.askers:
            if not asker.roles & entry.rule.roles:
                continue
            unproven = Asker(asker.name, asker.person_id, asker.roles, second_factor=False)
            answer = await town.ask(entry, unproven)
            assert code_of(answer) == "second_factor_enrolment_required", (entry, asker.name, answer.text)


async def test_tokens_keep_to_their_scope_everywhere(town: Town) -> None:
    everything = ["read", "write", "contributions:write"]
    admin = next(asker for asker in town.askers if asker.name == "admin")
    for entry in guarded(town):
        needed = entry.rule.scope.value if entry.rule.scope else "read" if entry.method == "GET" else "write"
        wrong = await town.ask(entry, admin, [scope for scope in everything if scope != needed])
        expected = "session_required" if entry.rule.session_only else "scope_missing"
        assert (wrong.status_code, code_of(wrong)) == (403, expected), (entry, wrong.text)
        if not entry.rule.session_only and named(entry, admin):
            right = await town.ask(entry, admin, [needed])
            assert code_of(right) not in REFUSED, (entry, right.text)


async def test_no_request_of_the_walk_ends_badly(town: Town) -> None:
    for entry in town.api.app.state.access:
        for asker in (None, town.owner, town.askers[-1]):
            answer = await town.ask(entry, asker)
            assert answer.status_code < 500 or answer.status_code == 503, (entry, answer.text)


def test_the_table_in_the_documentation_is_this_one(settings: Settings) -> None:
    assert TABLE.read_text(encoding="utf-8") == rendered(create_app(settings)), (
        "run `python -m api.access_table`"
    )


def test_every_unsafe_route_says_how_it_is_repeated(settings: Settings) -> None:
    state = create_app(settings).state
    unsafe = [entry for entry in [*state.access, *state.page_access] if entry.method not in SAFE]
    assert [entry.path for entry in unsafe if entry.idempotency in {"", "none"}] == []


def test_an_application_with_a_route_without_a_rule_does_not_start(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    router = APIRouter()

    @router.get("/open")
    async def forgotten() -> dict[str, str]:
        return {}

    @router.get("/twice", dependencies=[allow.anyone])
    async def twice(actor: Annotated[Actor, allow.signed_in]) -> dict[str, str]:
        return {}

    @router.route("/aside")
    async def aside(request: Request) -> Response:
        return Response()

    routers = page_routers(settings)
    for number, path in enumerate(("/open", "/twice", "/aside")):
        app, one = FastAPI(openapi_url=None), APIRouter()
        one.routes.append(router.routes[number])
        app.router.routes.extend(one.routes)
        with pytest.raises(RouteWithoutRule, match=path):
            table_of(app)
        monkeypatch.setattr(pages, "page_routers", lambda _, one=one: [*routers, one])
        with pytest.raises(RouteWithoutRule, match=path):
            create_app(settings)


def test_routes_that_enforce_their_own_rule_are_walked_with_a_body(settings: Settings) -> None:
    inside = {
        (method, route.path)
        for app in [create_app(settings)]
        for route in contexts([*app.routes, *app.state.pages.routes])
        for method in route.methods or ()
        if any(isinstance(inner.call, Inside) for inner in route.dependant.dependencies)
        and route.body_field is not None
    }
    assert inside <= set(BODIES)
