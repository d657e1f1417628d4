"""A town to walk the access rules in: everybody who may ask, and an owner whose things they ask about."""

from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
from sqlalchemy import Connection, select

from api.access import SAFE, Access
from api.schemas.rehearsals import RehearseIn
from api.security.credentials import TOKEN_PREFIX, hashed, new_secret
from api.services.rehearsals import script_of
from db.repositories import campaigns, rehearsals
from db.tables.access import api_tokens, sessions
from db.tables.base import metadata
from db.tables.campaigns import campaigns as table
from domain.campaigns.policy import CampaignPolicy
from domain.campaigns.rehearsal import Temperament
from domain.campaigns.templates import TemplateCode, plan_for
from domain.ids import new_id
from domain.people import Role
from settings import Settings
from tests.support.browser import OWN_PAGE, add_person
from tests.support.vetting_api import BASE, Api, running_api

NOBODY = "11111111-1111-7111-8111-111111111111"
SITE = BASE.removesuffix("/api/v1")

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
        """Ask the API by a fresh session, or by a fresh token with ``scopes``; by nothing for nobody."""
        body = BODIES.get((entry.method, entry.path), {})
        json = None if entry.method in SAFE else body
        shown = await self.shown(asker, scopes)
        return await self.send(entry.method, self.path(entry.path), {**OWN_PAGE, **shown}, json=json)

    async def shown(self, asker: Asker | None, scopes: list[str] | None = None) -> dict[str, str]:
        """Return the headers of a fresh session, of a fresh token with ``scopes``, of nobody."""
        if asker is None:
            return {}
        if scopes is not None:
            return {"Authorization": f"Bearer {await self.token(asker, scopes)}"}
        return {"Cookie": f"kameng_session={await self.session(asker)}"}

    async def send(self, method: str, path: str, headers: dict[str, str], **body: Any) -> httpx2.Response:
        """Send a request as it is, by a client that keeps nothing."""
        transport = httpx2.ASGITransport(app=self.api.app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url=SITE, headers=headers) as client:
            return await client.request(method, path, **body)

    def path(self, template: str, **others: str) -> str:
        """Fill a template in: application, campaign and rehearsal are there, everything else is not."""
        known = {
            "application_id": self.application_id,
            "campaign_id": self.campaign_id,
            "rehearsal_id": self.rehearsal_id,
            "receipt": "A" * 26,
            "token": "x",
        }
        return template.format_map(defaultdict(lambda: NOBODY, known | others))

    async def contents(self) -> dict[str, list[str]]:
        """Return every row of every table, to see that nothing has changed."""

        def read(conn: Connection) -> dict[str, list[str]]:
            return {one.name: sorted(map(str, conn.execute(select(one)))) for one in metadata.sorted_tables}

        return await self.api.db.read(read)

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
    conn.execute(table.update().where(table.c.id == campaign_id).values(revision=1, status="in_review"))
    return campaign_id


def rehearsal_of(conn: Connection, campaign_id: str, leader_id: str) -> str:
    rehearsal_id, now = new_id(), datetime.now(UTC)
    plan = plan_for(TemplateCode.LEARNING_PLAN, now.date())
    script = script_of(plan, CampaignPolicy(), RehearseIn())
    assert rehearsals.ask(conn, rehearsal_id, campaign_id, leader_id, script, Temperament.TYPICAL, now)
    return rehearsal_id


@asynccontextmanager
async def running_town(sqlite_url: str, settings: Settings) -> AsyncIterator[Town]:
    """Run a town whose processes are away."""
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
        # What it notes and deletes every half a minute would be taken for what a request has stored.
        await api.app.state.housekeeping.stop()
        owner = Asker("owner", user.id, member)
        yield Town(api, created.json()["id"], owner, askers, campaign_id, rehearsal_id)


def named(entry: Access, asker: Asker) -> bool:
    """Tell whether the rule names the asker, who owns nothing here."""
    rule = entry.rule
    return (not rule.roles and rule.owner is None) or bool(asker.roles & rule.roles)
