"""The whole API in this process, on a real database and a real Temporal server, with a worker beside it."""

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
from fastapi import FastAPI
from sqlalchemy import insert
from temporalio.client import Client

from api.app import create_app
from api.security.credentials import TOKEN_PREFIX, hashed
from api.services.clocks import settled
from contracts.base import VETTING_QUEUE, task_queue
from db.database import Database
from db.tables.access import api_tokens
from db.tables.people import people, role_grants
from domain.ids import new_id
from domain.people import Role
from engine.observe import Observer, WorkerMetrics
from engine.timeskip import advance
from settings import Settings
from tests.support.people import person_row
from worker import vetting_worker

BASE = "http://kameng.test/api/v1"

PDF = (
    b"%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n"
    b"trailer<</Root 1 0 R/Size 3>>\nstartxref\n9\n%%EOF\n"
)

PROFILE = {
    "headline": "用数据讲清家庭财务",
    "bio": "Fifteen years of teaching plain book-keeping to families.",
    "statement": "I want to lead a monthly circle for beginners and to answer every question.",
    "tags": ["book-keeping", "家庭"],
    "links": ["https://people.example/books"],
}


@dataclass
class User:
    """Somebody signed in by a token."""

    id: str
    http: httpx2.AsyncClient

    async def get(self, path: str, **values: Any) -> httpx2.Response:
        return await self.http.get(path, **values)

    async def post(self, path: str, body: Any = None, **values: Any) -> httpx2.Response:
        return await self.http.post(path, json={} if body is None else body, **values)


@dataclass
class Api:
    """A running API; ``user`` signs somebody in."""

    app: FastAPI
    db: Database
    client: Client | None
    stack: AsyncExitStack
    anyone: httpx2.AsyncClient
    users: list[User] = field(default_factory=list)

    async def user(self, name: str, *roles: Role, **values: Any) -> User:
        """Add an active person who joined long ago, with a token that has passed the second factor."""
        token, now = TOKEN_PREFIX + secrets.token_urlsafe(32), datetime.now(UTC)
        row = person_row(name, **values)
        held = [
            {"person_id": row["id"], "role": role.value, "granted_at": now} for role in (Role.MEMBER, *roles)
        ]
        key = {
            "id": new_id(),
            "token_hash": hashed(token),
            "person_id": row["id"],
            "name": name,
            "scopes": ["read", "write"],
            "created_at": now,
            "second_factor_at": now,
        }

        def write(conn: Any) -> None:
            conn.execute(insert(people), row)
            conn.execute(insert(role_grants), held)
            conn.execute(insert(api_tokens), key)

        await self.db.write(write)
        http = await self.stack.enter_async_context(
            _http(self.app, {"Authorization": f"Bearer {token}", "Accept-Language": "en"})
        )
        user = User(row["id"], http)
        self.users.append(user)
        return user

    async def rows(self, statement: Any) -> list[dict[str, Any]]:
        """Return the rows of ``statement`` as dictionaries."""
        return await self.db.read(lambda conn: [dict(row._mapping) for row in conn.execute(statement)])

    async def execute(self, *statements: Any) -> None:
        """Run ``statements`` in one transaction."""
        await self.db.write(lambda conn: [conn.execute(statement) for statement in statements] and None)

    async def skip(self, application_id: str, delta: timedelta) -> datetime:
        """Move the clock of one application forward."""
        assert self.client is not None
        process = f"application/{application_id}"
        now = await advance(self.client, process, delta)
        await settled(self.db, process, now)
        return now


def _http(app: FastAPI, headers: dict[str, str]) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx2.AsyncClient(transport=transport, base_url=BASE, headers=headers, timeout=30)


@asynccontextmanager
async def running_api(settings: Settings, client: Client | None = None) -> AsyncIterator[Api]:
    """Run the API; with a ``client`` also the worker that serves its applications."""
    async with AsyncExitStack() as stack:
        app = create_app(settings)
        db = await stack.enter_async_context(Database.connect(settings.database_url))
        await stack.enter_async_context(app.router.lifespan_context(app))
        if client is not None:
            queue = task_queue(settings.task_queue_prefix, VETTING_QUEUE)
            await stack.enter_async_context(vetting_worker(client, db, queue, [Observer(WorkerMetrics())]))
        anyone = await stack.enter_async_context(_http(app, {"Accept-Language": "en"}))
        yield Api(app, db, client, stack, anyone)


def problem(response: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """Assert that ``response`` is this problem, and return the document."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    found: dict[str, Any] = response.json()
    assert (response.status_code, found["code"]) == (status, code), found
    return found


async def hand_in(user: User, application_id: str, kind: str, content: bytes, name: str = "paper.pdf") -> str:
    """Upload a document and return its id."""
    response = await upload(user, application_id, kind, content, name)
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


async def upload(
    user: User, application_id: str, kind: str, content: bytes, name: str = "paper.pdf"
) -> httpx2.Response:
    """Upload a document and return the answer."""
    return await user.http.post(
        f"/applications/{application_id}/documents",
        data={"kind": kind},
        files={"file": (name, content, "application/octet-stream")},
    )


async def complete_draft(user: User, scopes: Sequence[str] = ("cooking",)) -> dict[str, Any]:
    """Write a draft that lacks nothing, over several calls, and return it."""
    created = await user.post("/applications", PROFILE)
    assert created.status_code == 201, created.text
    application_id = created.json()["id"]
    await hand_in(user, application_id, "identity", PDF)
    paper = await hand_in(user, application_id, "credential", PDF)
    claims = [{"scope": scope, "issuer": "Guild of Fiction", "document_ids": [paper]} for scope in scopes]
    changed = await user.http.patch(
        f"/applications/{application_id}",
        json={"claims": claims},
        headers={"If-Match": created.headers["etag"]},
    )
    assert changed.status_code == 200, changed.text
    found: dict[str, Any] = changed.json()
    return found
