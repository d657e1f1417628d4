"""A whole Kameng of separate processes, people who do not give up, and what holds whatever was killed."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
from sqlalchemy import func, select

from db.database import Database
from db.tables.ballots import ballot_roll, ballot_votes
from db.tables.mail import mails
from db.tables.people import people, role_grants
from db.tables.vetting import applications, reviews, timeline_entries
from domain.ids import new_id
from domain.people import Role, normalise_email
from domain.vetting import ChecklistItem
from engine import processes
from engine.papers import paper
from engine.visitors import Entrance, Refusal, Visitor, entrance
from tests.faults.processes import START_SECONDS, Nursery, Victim
from tests.support.children import alive
from tests.support.postgres import DURABLE, Postgres
from tests.support.temporal import PrivateTemporal

PATIENCE_SECONDS = 120.0
"""How long people go on trying; longer than any outage here, and than a killed request holds its key."""
CALL_SECONDS = 3.0
HOST = "people.example"
REVIEWERS = ("reviewer1", "reviewer2", "reviewer3")
LEAD = "lead"


@dataclass
class World:
    """Temporal, worker and API, each to be killed and started again; and a way in for people."""

    directory: Path
    temporal: PrivateTemporal
    worker: Victim
    api: Victim
    db: Database
    door: Entrance
    journal: list[tuple[str, str, int]] = field(default_factory=list)
    """What was acknowledged: application, what was asked, status."""
    postgres: Postgres | None = None
    """The database's server, where it is the world's own to be killed."""

    async def kill(self, name: str) -> None:
        """SIGKILL one of them."""
        if name == "temporal":
            self.temporal.kill()
        elif name == "postgres":
            assert self.postgres is not None
            self.postgres.kill()
        else:
            await self._victim(name).kill()

    async def start(self, name: str) -> None:
        """Start one of them again, and wait until it serves."""
        if name == "temporal":
            await self.temporal.start()
            return
        if name == "postgres":
            assert self.postgres is not None
            self.postgres.start_again(DURABLE)
            return
        self._victim(name).spawn()
        await (self.worker.ready() if name == "worker" else self.serves())

    def _victim(self, name: str) -> Victim:
        return {"worker": self.worker, "api": self.api}[name]

    async def serves(self) -> None:
        """Return once the API answers."""
        deadline = time.monotonic() + START_SECONDS
        async with httpx2.AsyncClient() as http:
            while True:
                assert alive(self.api.pid), processes.tail(self.api.log, 30)
                assert time.monotonic() < deadline, processes.tail(self.api.log, 30)
                try:
                    answer = await http.get(f"http://127.0.0.1:{self.api.given['port']}/healthz")
                except httpx2.TransportError:
                    await asyncio.sleep(0.03)
                    continue
                if answer.status_code == 200:
                    return

    async def populate(self, members: int = 9, crowd: int = 0) -> None:
        """Add staff, members who vote, and a crowd on the roll that does not."""
        named = {**dict.fromkeys(REVIEWERS, Role.REVIEWER), LEAD: Role.LEAD_REVIEWER, "admin": Role.ADMIN}
        named |= {f"member{number}": Role.MEMBER for number in range(members)}
        named |= {f"crowd{number}": Role.MEMBER for number in range(crowd)}
        await self._add(named, timedelta(days=400))

    async def add_applicants(self, *names: str) -> None:
        """Add people who are too new to vote about each other."""
        await self._add(dict.fromkeys(names, Role.MEMBER), timedelta(days=1))

    async def _add(self, named: dict[str, Role], joined_ago: timedelta) -> None:
        now = datetime.now(UTC)
        rows = [_person(name, now - joined_ago) for name in named]
        pairs = list(zip(rows, named.values(), strict=True))
        grants = [
            {"person_id": row["id"], "role": held.value, "granted_at": now}
            for row, role in pairs
            for held in {role, Role.MEMBER}
        ]
        await self.db.write(lambda conn: conn.execute(people.insert(), rows) and None)
        await self.db.write(lambda conn: conn.execute(role_grants.insert(), grants) and None)

    async def rows(self, statement: Any) -> list[Any]:
        return list(await self.db.read(lambda conn: conn.execute(statement).all()))


def _person(name: str, joined_at: datetime) -> dict[str, Any]:
    email = f"{name}@{HOST}"
    return {
        "id": new_id(),
        "email": email,
        "email_normalised": normalise_email(email),
        "display_name": name,
        "locale": "en",
        "time_zone": "UTC",
        "status": "active",
        "good_standing": True,
        "list_mail": True,
        "joined_at": joined_at,
        "created_at": joined_at,
    }


@dataclass
class Patient:
    """Somebody who repeats a request, under one key, until it is acknowledged."""

    world: World
    name: str

    async def _visitor(self) -> Visitor:
        return await self.world.door.by_name(f"{self.name}@{HOST}")

    async def until_done(self, what: str, ask: Any) -> Any:
        """Return the answer of ``ask(visitor)``, tried until there is one that is final."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return await ask(await self._visitor())
            except httpx2.TransportError as error:
                said = repr(error)
            except Refusal as refusal:
                if refusal.status != 503 and refusal.code != "request_in_progress":
                    raise
                said = str(refusal)
            assert time.monotonic() < deadline, f"{self.name} gave {what} up: {said}"
            await asyncio.sleep(0.15)

    async def get(self, path: str) -> Any:
        return await self.until_done(path, lambda visitor: visitor.get(path))

    async def act(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Post once, however often it takes, and put the acknowledgement down."""
        key = new_id()
        answer = await self.until_done(path, lambda visitor: visitor.post(path, body, key=key))
        self.world.journal.append((path.split("/")[2], path.split("/")[-1], 200))
        return answer


@dataclass
class Application:
    """One application in the world, and everything that people do to it."""

    world: World
    name: str
    id: str = ""
    claims: list[str] = field(default_factory=list)

    @property
    def process(self) -> str:
        return f"application/{self.id}"

    def person(self, name: str = "") -> Patient:
        return Patient(self.world, name or self.name)

    async def draft(self) -> None:
        """Write a complete draft."""
        me = self.person()
        texts = {
            "headline": "Teaches plain cooking",
            "bio": "Has cooked for a large house for many years.",
            "statement": "I want to lead a monthly cooking circle for beginners and answer every question.",
            "tags": ["cooking"],
            "links": [f"https://{HOST}/{self.name}"],
        }
        key = new_id()
        made = await me.until_done("draft", lambda visitor: visitor.post("/applications", texts, key=key))
        self.id = made["id"]
        path, papers = f"/applications/{self.id}", {}
        for kind in ("identity", "credential"):
            page = paper(kind, [self.name])
            papers[kind] = await me.until_done(
                kind,
                lambda v, k=kind, p=page: v.upload(f"{path}/documents", k, f"{k}.pdf", p, "application/pdf"),
            )
        claims = [{"scope": "cooking", "issuer": "Guild", "document_ids": [papers["credential"]]}]
        whole = await me.until_done(
            "claims",
            lambda visitor: visitor.patch(path, {"claims": claims}, version=made["edit_version"]),
        )
        self.claims = [claim["id"] for claim in whole["claims"]]

    async def show(self) -> dict[str, Any]:
        return dict(await self.person().get(f"/applications/{self.id}"))

    async def submit(self) -> None:
        await self.person().act(f"/applications/{self.id}/submit")

    async def resubmit(self) -> None:
        await self.person().act(f"/applications/{self.id}/resubmit")

    async def review(self, reviewer: str, decision: str = "approve") -> None:
        body: dict[str, Any] = {"decision": decision, "note": f"A note of {reviewer}."}
        if decision == "approve":
            body["checklist"] = {item.value: True for item in ChecklistItem}
            body["findings"] = [{"claim_id": claim, "verdict": "verified"} for claim in self.claims]
        else:
            body["reasons"] = ["content_sample_weak"]
        await self.person(reviewer).act(f"/applications/{self.id}/review", body)

    async def approve(self) -> None:
        await self.review(REVIEWERS[0])
        await self.review(REVIEWERS[1])

    async def vote(self, member: str, choice: str = "yes") -> str:
        """Vote, and return the receipt."""
        ballot_id = (await self.show())["ballot_id"]
        body = {"choice": choice, "nonce": f"nonce-of-{member}-{ballot_id}"}
        path = f"/ballots/{ballot_id}/votes"
        voter = self.person(member)
        receipt = (await voter.until_done("vote", lambda visitor: visitor.post(path, body)))["receipt"]
        self.world.journal.append((self.id, "vote", 201))
        return str(receipt)

    async def votes(self, number: int) -> list[str]:
        return [await self.vote(f"member{member}") for member in range(number)]

    async def skip_to(self, at: datetime) -> None:
        """Move the clock to ``at``; what breaks on the way is tried again from where the clock is then."""

        async def once(visitor: Visitor) -> None:
            now = datetime.fromisoformat((await visitor.get(f"/applications/{self.id}"))["now"])
            if now < at:
                await visitor.skip(self.id, at - now + timedelta(seconds=1))

        await self.person().until_done("skip", once)

    async def skip(self, **length: float) -> None:
        now = datetime.fromisoformat((await self.show())["now"])
        await self.skip_to(now + timedelta(**length))

    async def decide(self, decision: str) -> None:
        body = {"decision": decision, "note": "It was seen to be so."}
        await self.person(REVIEWERS[2]).act(f"/applications/{self.id}/probation-decision", body)

    async def appeal(self) -> None:
        await self.person().act(f"/applications/{self.id}/appeal", {"reason": "Please look again."})

    async def decide_appeal(self, decision: str) -> None:
        await self.person(LEAD).act(f"/applications/{self.id}/appeal-decision", {"decision": decision})

    async def codes(self) -> list[str]:
        entries = timeline_entries.c
        found = await self.world.rows(
            select(entries.seq, entries.code).where(entries.process_id == self.process).order_by(entries.seq)
        )
        assert [row.seq for row in found] == list(range(1, len(found) + 1))
        return [row.code for row in found]

    async def letters(self) -> Counter[tuple[str, str]]:
        """How many of each letter each person has; the applicant under one name in every application."""
        statement = select(mails.c.template, people.c.display_name).join(
            people, people.c.id == mails.c.person_id
        )
        found = await self.world.rows(statement.where(mails.c.process_id == self.process))
        return Counter((template, "applicant" if name == self.name else name) for template, name in found)

    async def roll_mailed(self) -> None:
        """Wait until everybody on the roll of its ballot, if there is one, has the mail about it."""
        voters = select(func.count()).select_from(
            ballot_roll.join(applications, applications.c.ballot_id == ballot_roll.c.ballot_id)
        )
        roll = (await self.world.rows(voters.where(applications.c.id == self.id)))[0][0]
        opened = select(func.count()).where(
            mails.c.process_id == self.process, mails.c.template == "ballot_opened"
        )
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (queued := (await self.world.rows(opened))[0][0]) < roll:
            assert time.monotonic() < deadline, f"{queued} of {roll} have the mail"
            await asyncio.sleep(0.05)

    async def holds(self) -> None:
        """Assert what holds whatever was killed: every acknowledged step is there, and there once."""
        row = (await self.world.rows(select(applications).where(applications.c.id == self.id)))[0]
        acknowledged = Counter(what for case, what, _ in self.world.journal if case == self.id)
        codes = Counter(await self.codes())
        given = await self.world.rows(
            select(reviews.c.reviewer_id).where(reviews.c.application_id == self.id)
        )
        assert len(given) == acknowledged["review"]
        assert codes["submitted"] == acknowledged["submit"]
        assert codes["resubmitted"] == acknowledged["resubmit"]
        assert codes["appealed"] == acknowledged["appeal"]
        assert (
            sum(codes[f"appeal_{end}"] for end in ("upheld", "overturned")) == acknowledged["appeal-decision"]
        )
        decided = sum(codes[f"probation_{end}"] for end in ("pass", "extend", "fail"))
        assert decided == acknowledged["probation-decision"]
        if row.ballot_id:
            voted = select(func.count()).where(
                ballot_roll.c.ballot_id == row.ballot_id, ballot_roll.c.has_voted
            )
            counted = select(func.count()).where(ballot_votes.c.ballot_id == row.ballot_id)
            assert (await self.world.rows(voted))[0][0] == acknowledged["vote"]
            assert (await self.world.rows(counted))[0][0] == acknowledged["vote"]


@asynccontextmanager
async def world(
    directory: Path,
    temporal: PrivateTemporal,
    nursery: Nursery,
    url: str,
    *,
    settings: Mapping[str, str] | None = None,
    worker_kind: str = "worker",
    postgres: Postgres | None = None,
) -> AsyncIterator[World]:
    """Yield a running Kameng on ``url``; ``settings`` are further environment variables.

    ``worker_kind`` is one of the nursery's; ``postgres`` the server of ``url`` where it is to be killed.
    """
    port, ready = processes.free_port(), directory / "worker.ready"
    env = {
        "KAMENG_DATA_DIR": str(directory / "data"),
        "DATABASE_URL": url,
        "KAMENG_TEMPORAL_ADDRESS": temporal.address,
        "KAMENG_STAFF_SECOND_FACTOR": "false",
        "KAMENG_HTTP_PORT": str(port),
        "KAMENG_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "KAMENG_TEMPORAL_CALL_SECONDS": str(CALL_SECONDS),
        **(settings or {}),
    }
    own = env | {"KAMENG_READY_FILE": str(ready)}
    worker = Victim(nursery, worker_kind, directory / "worker.log", own, ready_file=ready)
    api = Victim(nursery, "api", directory / "api.log", env, {"port": port})
    async with Database.connect(url) as db, entrance(f"http://127.0.0.1:{port}") as door:
        here = World(directory, temporal, worker, api, db, door, postgres=postgres)
        worker.spawn()
        api.spawn()
        await worker.ready()
        await here.serves()
        yield here
