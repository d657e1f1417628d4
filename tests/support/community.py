"""People in the database around whom applications are carried through vetting."""

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, insert
from temporalio.client import Client

from db.database import Database
from db.tables.people import people, role_grants
from db.tables.vetting import applications, credential_claims, documents
from domain.ids import new_id
from domain.people import Role
from tests.support.people import person_row

MEMBERS = 12
ROLL = MEMBERS + 5
"""Everyone but the applicant: the members, three reviewers, a lead and an administrator."""


@dataclass
class Community:
    """People in the database, and the worker's queue that serves their applications."""

    db: Database
    client: Client
    queue: str
    applicant: str = ""
    reviewers: list[str] = field(default_factory=list)
    lead: str = ""
    admin: str = ""
    members: list[str] = field(default_factory=list)

    async def populate(self, members: int = MEMBERS) -> None:
        """Seed one applicant, three reviewers, a lead, an admin and ``members`` who may vote."""
        staff = [Role.REVIEWER, Role.REVIEWER, Role.REVIEWER, Role.LEAD_REVIEWER, Role.ADMIN]
        given = [person_row("applicant"), *(person_row(role.value) for role in staff)]
        given += [person_row(f"member{n}") for n in range(members)]
        ids = [row["id"] for row in given]
        grants = [_grant(person_id, role) for person_id, role in zip(ids[1:6], staff, strict=True)]
        await self.db.write(lambda conn: _write(conn, given, grants))
        self.applicant, self.lead, self.admin = ids[0], ids[4], ids[5]
        self.reviewers, self.members = ids[1:4], ids[6:]

    async def person(self, name: str, *roles: Role, **values: Any) -> str:
        """Add an active person who joined long ago; return the id."""
        row = person_row(name, **values)
        grants = [_grant(row["id"], role) for role in roles]
        await self.db.write(lambda conn: _write(conn, [row], grants))
        return str(row["id"])

    async def many(self, number: int) -> None:
        """Add ``number`` members who may vote."""
        given = [person_row(f"one-of-many{n}") for n in range(number)]
        await self.db.write(lambda conn: conn.execute(insert(people), given) and None)

    async def rows(self, statement: Any) -> list[dict[str, Any]]:
        """Return the rows of ``statement`` as dictionaries."""
        return await self.db.read(lambda conn: [dict(row._mapping) for row in conn.execute(statement)])

    async def execute(self, *statements: Any) -> None:
        """Run ``statements`` in one transaction."""
        await self.db.write(lambda conn: [conn.execute(statement) for statement in statements] and None)

    async def complete_draft(
        self, person_id: str, scopes: tuple[str, ...] = ("cooking",), **values: Any
    ) -> tuple[str, tuple[str, ...]]:
        """Add a draft that lacks nothing; return its id and those of its claims."""
        application_id, document_ids = new_id(), [new_id(), new_id()]
        claims = [_claim(application_id, scope, document_ids[1]) for scope in scopes]
        papers = zip(document_ids, ("identity", "credential"), strict=True)
        files = [_document(document_id, application_id, kind) for document_id, kind in papers]
        row = _draft(application_id, person_id, **values)

        def write(conn: Connection) -> None:
            conn.execute(insert(applications), row)
            conn.execute(insert(credential_claims), claims)
            conn.execute(insert(documents), files)

        await self.db.write(write)
        return application_id, tuple(claim["id"] for claim in claims)


def _write(conn: Connection, rows: list[dict[str, Any]], grants: list[dict[str, Any]]) -> None:
    for row in rows:
        conn.execute(insert(people), row)
    if grants:
        conn.execute(insert(role_grants), grants)


def _grant(person_id: str, role: Role) -> dict[str, Any]:
    return {"person_id": person_id, "role": role.value, "granted_at": datetime.now(UTC)}


def _draft(application_id: str, person_id: str, **values: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "id": application_id,
        "person_id": person_id,
        "headline": "Teaches plain cooking",
        "bio": "Has cooked for a large house for many years.",
        "statement": "I want to lead a monthly cooking circle for beginners and answer every question.",
        "tags": ["cooking"],
        "links": [f"https://people.example/{application_id}"],
        "flags": [],
        "reasons": [],
        "created_at": now,
        "updated_at": now,
        **values,
    }


def _claim(application_id: str, scope: str, document_id: str) -> dict[str, Any]:
    return {
        "id": new_id(),
        "application_id": application_id,
        "scope": scope,
        "issuer": "Guild of Plain Fiction",
        "document_ids": [document_id],
    }


def _document(document_id: str, application_id: str, kind: str) -> dict[str, Any]:
    return {
        "id": document_id,
        "application_id": application_id,
        "kind": kind,
        "original_name": f"{kind}.pdf",
        "media_type": "application/pdf",
        "size": 1000,
        "sha256": secrets.token_hex(32),
        "storage_name": secrets.token_hex(16),
        "created_at": datetime.now(UTC),
    }
