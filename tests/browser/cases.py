"""People and applications of a test's own, brought where they are wanted over the JSON API."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection

from db.database import Database
from db.repositories import people
from domain.people import Role, normalise_email
from engine.papers import paper
from engine.seed_people import HOST
from engine.seed_stories import CHECKLIST
from engine.visitors import Entrance, Visitor
from tests.browser.journey import TEXTS

LATELY = timedelta(days=10)
"""Too short for a vote: people of tests change no roll, and so no quorum, that another test counts on."""


@dataclass
class Case:
    """Somebody new with an application; ``key`` is the local part of the address."""

    db: Database
    door: Entrance
    key: str
    id: str = ""
    locale: str = "zh-CN"

    @property
    def path(self) -> str:
        return f"/applications/{self.id}"

    async def visitor(self, key: str | None = None) -> Visitor:
        """Return the applicant, or somebody of the demo community, at the JSON API."""
        return await self.door.by_name(f"{key or self.key}@{HOST}")

    async def read(self) -> dict[str, Any]:
        return dict(await (await self.visitor()).get(self.path))

    async def draft(self) -> "Case":
        """Begin a draft that lacks nothing."""
        texts = TEXTS[self.locale]
        applicant = await self.visitor()
        body: dict[str, Any] = {name: texts[name] for name in ("headline", "bio", "statement")}
        body |= {"tags": ["天文"], "links": [texts["links"]]}
        self.id = (await applicant.post("/applications", body))["id"]
        for kind in ("identity", "credential"):
            content = paper(f"Fiction: {kind}", [self.key])
            paper_id = await applicant.upload(
                f"{self.path}/documents", kind, f"{kind}.pdf", content, "application/pdf"
            )
        version = (await self.read())["edit_version"]
        claim = {"scope": texts["scope"], "issuer": texts["issuer"], "document_ids": [paper_id]}
        await applicant.patch(self.path, {"claims": [claim]}, version=version)
        return self

    async def submit(self) -> "Case":
        """Hand it in."""
        if not self.id:
            await self.draft()
        await (await self.visitor()).post(f"{self.path}/submit")
        return self

    async def review(self, decision: str, *reviewers: str, **more: Any) -> "Case":
        """Have reviewers give the same opinion."""
        whole = await self.read()
        opinion: dict[str, Any] = {"decision": decision, "checklist": CHECKLIST} | more
        if decision == "approve":
            opinion["findings"] = [
                {"claim_id": c["id"], "verdict": "verified", "registry_checked": True}
                for c in whole["claims"]
            ]
        for key in reviewers:
            await (await self.visitor(key)).post(f"{self.path}/review", opinion)
        return self

    async def to_deadline(self) -> "Case":
        """Let its next deadline pass."""
        whole = await self.read()
        ahead = datetime.fromisoformat(whole["next_deadline"]) - datetime.fromisoformat(whole["now"])
        await (await self.visitor()).skip(self.id, max(ahead, timedelta(0)) + timedelta(seconds=2))
        return self


async def newcomer(
    db: Database,
    door: Entrance,
    locale: str = "zh-CN",
    zone: str = "Asia/Shanghai",
    roles: Sequence[Role] = (),
) -> Case:
    """Add a member who has no application yet, with ``roles`` besides."""
    key = f"own-{uuid4().hex[:8]}"
    now = datetime.now(UTC)
    person = people.NewPerson(f"{key}@{HOST}", f"Demo {key}", locale, zone, now - LATELY, None)

    def add(conn: Connection) -> None:
        people.create_many(conn, [person], now)
        email = normalise_email(person.email)
        person_id = people.ids_by_email(conn, [email])[email]
        for role in roles:
            people.grant_role(conn, person_id, role, now)

    await db.write(add)
    return Case(db, door, key, locale=locale)
