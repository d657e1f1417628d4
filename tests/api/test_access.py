"""Every route, asked by everybody: who is named in its rule gets past it, and nobody else."""

from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import APIRouter, FastAPI
from sqlalchemy import Connection

from api.access import Access, RouteWithoutRule, contexts, table_of
from api.access_table import TABLE, rendered
from api.app import create_app
from api.schemas.rehearsals import RehearseIn
from api.security import allow
from api.security.credentials import TOKEN_PREFIX, hashed, new_secret
from api.security.gate import Actor
from api.security.rules import Inside
from api.services.rehearsals import script_of
from db.repositories import campaigns, rehearsals
from db.tables.access import api_tokens, sessions
from db.tables.campaigns import campaigns as table
from domain.campaigns.policy import CampaignPolicy
from domain.campaigns.rehearsal import Temperament
from domain.campaigns.templates import TemplateCode, plan_for
from domain.ids import new_id
from domain.people import SECOND_FACTOR_ROLES, Role
from settings import Settings
from tests.support.browser import OWN_PAGE, add_person
from tests.support.vetting_api import BASE, Api, running_api

NOBODY = "11111111-1111-7111-8111-111111111111"
REFUSED = {
    "sign_in_required",
    "forbidden",
    "scope_missing",
    "session_required",
    "second_factor_required",
    "second_factor_enrolment_required",
    "cross_site_request",
}

# Bodies of routes that look at the body before the rule, because both happen in one transaction.
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/api/v1/ballots/{ballot_id}/votes"): {"choice": "yes", "nonce": "a" * 32},
    ("POST", "/api/v1/campaigns/{campaign_id}/checkins"): {"note": "a"},
}


@dataclass(frozen=True)
class Asker:
    """Somebody, by account; ``second_factor`` says whether it was passed."""

    name: str
    person_id: str
    roles: frozenset[Role]
    second_factor: bool = True


@dataclass
class Town:
    """A running API with an application and everybody who may ask about it."""

    api: Api
    application_id: str
    owner: Asker
    askers: list[Asker]
    campaign_id: str = NOBODY
    rehearsal_id: str = NOBODY

    async def ask(
        self, entry: Access, asker: Asker | None, scopes: list[str] | None = None
    ) -> httpx2.Response:
        """Ask by a fresh session, or by a fresh token with ``scopes``; by nothing for nobody."""
        headers = dict(OWN_PAGE)
        cookies = {}
        if asker is not None and scopes is not None:
            headers["Authorization"] = f"Bearer {await self.token(asker, scopes)}"
        elif asker is not None:
            cookies["kameng_session"] = await self.session(asker)
        transport = httpx2.ASGITransport(app=self.api.app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(
            transport=transport, base_url=BASE.removesuffix("/api/v1"), headers=headers, cookies=cookies
        ) as client:
            body = BODIES.get((entry.method, entry.path), {})
            json = None if entry.method in {"GET", "HEAD"} else body
            return await client.request(entry.method, self.path(entry.path), json=json)

    def path(self, template: str, application_id: str | None = None) -> str:
        """Fill a template in: application, campaign and rehearsal are there, everything else is not."""
        known = {
            "application_id": application_id or self.application_id,
            "campaign_id": self.campaign_id,
            "rehearsal_id": self.rehearsal_id,
            "receipt": "A" * 26,
            "token": "x",
        }
        return template.format_map(defaultdict(lambda: NOBODY, known))

    async def session(self, asker: Asker) -> str:
        secret, now = new_secret(), datetime.now(UTC)
        row = {
            "token_hash": hashed(secret),
            "person_id": asker.person_id,
            "created_at": now,
            "last_seen_at": now,
            "expires_at": now + timedelta(hours=1),
            "second_factor_at": now if asker.second_factor else None,
            "csrf_token": "csrf",
        }
        await self.api.execute(sessions.insert().values(**row))
        return secret

    async def token(self, asker: Asker, scopes: list[str]) -> str:
        secret, now = TOKEN_PREFIX + new_secret(), datetime.now(UTC)
        row = {
            "id": new_id(),
            "token_hash": hashed(secret),
            "person_id": asker.person_id,
            "name": "t",
            "scopes": scopes,
            "created_at": now,
            "second_factor_at": now if asker.second_factor else None,
        }
        await self.api.execute(api_tokens.insert().values(**row))
        return secret


def draft_of(conn: Connection, leader_id: str) -> str:
    now = datetime.now(UTC)
    plan = plan_for(TemplateCode.LEARNING_PLAN, now.date())
    words = {"title": "A campaign"}
    campaign_id = campaigns.create(conn, leader_id, TemplateCode.LEARNING_PLAN, words, plan, now)
    # As if it had been handed in: a draft that never was is deleted by whoever cancels it.
    conn.execute(table.update().values(revision=1, status="in_review"))
    return campaign_id


def rehearsal_of(conn: Connection, campaign_id: str, leader_id: str) -> str:
    rehearsal_id, now = new_id(), datetime.now(UTC)
    plan = plan_for(TemplateCode.LEARNING_PLAN, now.date())
    script = script_of(plan, CampaignPolicy(), RehearseIn())
    assert rehearsals.ask(conn, rehearsal_id, campaign_id, leader_id, script, Temperament.TYPICAL, now)
    return rehearsal_id


@pytest.fixture
async def town(sqlite_url: str, settings: Settings) -> AsyncIterator[Town]:
    # Nothing answers at this address: whoever gets past the rules of a process is told so, soon.
    away = settings.model_copy(
        update={
            "database_url": sqlite_url,
            "temporal_address": "127.0.0.1:1",
            "temporal_call_seconds": 0.05,
            "writes_per_minute": 100_000,
        }
    )
    async with running_api(away) as api:
        user = await api.user("owner")
        created = await user.post("/applications", {})
        other = await api.user("neighbour")
        assert (await other.post("/applications", {})).status_code == 201
        member = frozenset({Role.MEMBER})
        askers = [Asker("neighbour", other.id, member)]
        for role in Role:
            person = await add_person(api, role.value, *([role] if role is not Role.MEMBER else []))
            askers.append(Asker(role.value, person, member | {role}))
        campaign_id = await api.db.write(lambda conn: draft_of(conn, user.id))
        rehearsal_id = await api.db.write(lambda conn: rehearsal_of(conn, campaign_id, user.id))
        owner = Asker("owner", user.id, member)
        yield Town(api, created.json()["id"], owner, askers, campaign_id, rehearsal_id)


def guarded(town: Town) -> list[Access]:
    return [entry for entry in town.api.app.state.access if not entry.rule.public]


def code_of(response: httpx2.Response) -> str:
    is_problem = response.headers.get("content-type") == "application/problem+json"
    return str(response.json()["code"]) if is_problem else ""


def named(entry: Access, asker: Asker) -> bool:
    """Tell whether the rule names the asker, who owns nothing here."""
    rule = entry.rule
    return (not rule.roles and rule.owner is None) or bool(asker.roles & rule.roles)


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
    unsafe = [entry for entry in create_app(settings).state.access if entry.method not in {"GET", "HEAD"}]
    assert [entry.path for entry in unsafe if entry.idempotency in {"", "none"}] == []


def test_an_application_with_a_route_without_a_rule_does_not_start() -> None:
    router = APIRouter()

    @router.get("/open")
    async def forgotten() -> dict[str, str]:
        return {}

    @router.get("/twice", dependencies=[allow.anyone])
    async def twice(actor: Annotated[Actor, allow.signed_in]) -> dict[str, str]:
        return {}

    for number, path in enumerate(("/open", "/twice")):
        app = FastAPI()
        app.router.routes.append(router.routes[number])
        with pytest.raises(RouteWithoutRule, match=path):
            table_of(app)


def test_routes_that_enforce_their_own_rule_are_walked_with_a_body(settings: Settings) -> None:
    inside = {
        (method, route.path)
        for router in [create_app(settings).router]
        for route in contexts(router.routes)
        for method in route.methods or ()
        if any(isinstance(inner.call, Inside) for inner in route.dependant.dependencies)
        and route.body_field is not None
    }
    assert inside <= set(BODIES)
