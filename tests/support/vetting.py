"""An application that can be carried through vetting, on the real server and database."""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select, update
from temporalio.client import Client, WithStartWorkflowOperation, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError

from contracts.base import application_process_id
from contracts.vetting import (
    Act,
    Appeal,
    ConfirmViolation,
    DecideAppeal,
    DecideProbation,
    StatusView,
    Submit,
    VettingInput,
    VettingResult,
)
from db.database import Database
from db.tables.ballots import ballot_roll, ballot_votes, ballots
from db.tables.contributions import contributions
from db.tables.mail import mails
from db.tables.people import notes, role_grants
from db.tables.vetting import applications, timeline_entries, violations
from domain.credentials import ClaimFinding, ClaimVerdict
from domain.ids import new_id
from domain.policy import VettingPolicy
from domain.vetting import (
    AppealDecision,
    ChecklistItem,
    ProbationDecision,
    ReasonCode,
    ReviewDecision,
)
from domain.vetting.review import Review
from engine.timeskip import advance, process_now
from tests.support.community import MEMBERS, Community
from worker import vetting_worker
from workflows.vetting import VettingWorkflow

FULL_CHECKLIST = dict.fromkeys(ChecklistItem, True)
PATIENCE_SECONDS = 120.0


async def until(probe: Callable[[], Awaitable[bool]], seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until ``probe`` says yes; fails after ``seconds``."""
    give_up = time.monotonic() + seconds
    while not await probe():
        assert time.monotonic() < give_up, "waited in vain"
        await asyncio.sleep(0.02)


@asynccontextmanager
async def refused(refusal: StrEnum) -> AsyncIterator[None]:
    """Assert that the update in the block is refused, with this code."""
    with pytest.raises(WorkflowUpdateFailedError) as failure:
        yield
    cause = failure.value.cause
    assert isinstance(cause, ApplicationError), cause
    assert cause.type == refusal.value


@dataclass
class Case:
    """One application and everything that people can do to it."""

    community: Community
    id: str
    applicant: str
    claims: tuple[str, ...]
    policy: VettingPolicy = field(default_factory=VettingPolicy)
    task_timeout: timedelta | None = None

    @property
    def process_id(self) -> str:
        return application_process_id(self.id)

    @property
    def handle(self) -> WorkflowHandle[VettingWorkflow, VettingResult]:
        return self.community.client.get_workflow_handle_for(VettingWorkflow.run, self.process_id)

    async def submit(
        self, actor_id: str | None = None, update_id: str | None = None, edit_version: int | None = None
    ) -> StatusView:
        start = WithStartWorkflowOperation(
            VettingWorkflow.run,
            VettingInput(
                application_id=self.id, person_id=self.applicant, policy=self.policy, policy_version=1
            ),
            id=self.process_id,
            task_queue=self.community.queue,
            task_timeout=self.task_timeout,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )
        return await self.community.client.execute_update_with_start_workflow(
            VettingWorkflow.submit,
            Submit(actor_id=actor_id or self.applicant, edit_version=edit_version),
            start_workflow_operation=start,
            id=update_id,
        )

    async def note(self, body: str = "A note.") -> str:
        """Store a free text as the API does before it sends a decision."""
        note_id = new_id()
        row = {
            "id": note_id,
            "process_id": self.process_id,
            "author_id": None,
            "kind": "note",
            "body": body,
            "created_at": datetime.now(UTC),
        }
        await self.community.execute(insert(notes).values(row))
        return note_id

    async def send(self, name: Any, request: Any, update_id: str | None = None) -> StatusView:
        """Send an update, then see that process and projection agree."""
        answer: StatusView = await self.handle.execute_update(name, request, id=update_id)
        return answer

    async def resubmit(self) -> StatusView:
        return await self.send(VettingWorkflow.resubmit, Submit(actor_id=self.applicant))

    async def withdraw(self, actor_id: str | None = None) -> StatusView:
        return await self.send(VettingWorkflow.withdraw, Act(actor_id=actor_id or self.applicant))

    async def claim(
        self, actor_id: str, *, is_lead: bool = False, update_id: str | None = None
    ) -> StatusView:
        return await self.send(VettingWorkflow.claim, Act(actor_id=actor_id, is_lead=is_lead), update_id)

    async def release(self, actor_id: str, *, is_lead: bool = False) -> StatusView:
        return await self.send(VettingWorkflow.release, Act(actor_id=actor_id, is_lead=is_lead))

    async def declare_conflict(self, actor_id: str) -> StatusView:
        return await self.send(VettingWorkflow.declare_conflict, Act(actor_id=actor_id))

    async def review(
        self,
        reviewer_id: str,
        decision: ReviewDecision = ReviewDecision.APPROVE,
        *,
        is_lead: bool = False,
        reasons: tuple[ReasonCode, ...] = (ReasonCode.CREDENTIALS_UNPROVEN,),
        verified: tuple[str, ...] | None = None,
        note_id: str | None = None,
        update_id: str | None = None,
    ) -> StatusView:
        """Give an opinion; an approval verifies every claim unless ``verified`` names some."""
        approving = decision is ReviewDecision.APPROVE
        chosen = self.claims if verified is None else verified
        findings = tuple(
            ClaimFinding(
                claim_id=claim,
                verdict=ClaimVerdict.VERIFIED if claim in chosen else ClaimVerdict.REFUSED,
                registry_checked=True,
            )
            for claim in self.claims
        )
        request = Review(
            reviewer_id=reviewer_id,
            is_lead=is_lead,
            decision=decision,
            checklist=FULL_CHECKLIST if approving else {},
            findings=findings if approving else (),
            reasons=() if approving else reasons,
            note_id=note_id,
        )
        return await self.send(VettingWorkflow.review, request, update_id)

    async def approve(self) -> StatusView:
        """Two reviewers approve: the vote opens."""
        await self.review(self.community.reviewers[0])
        return await self.review(self.community.reviewers[1])

    async def reject(self) -> StatusView:
        """Two reviewers reject."""
        await self.review(self.community.reviewers[0], ReviewDecision.REJECT)
        return await self.review(self.community.reviewers[1], ReviewDecision.REJECT)

    async def vote(self, yes: int = 0, no: int = 0, abstain: int = 0, skip: int = 0) -> None:
        """Cast votes as the vote's transaction leaves them, by members in order after ``skip``."""
        ballot = (await self.ballots())[-1]
        choices = ["yes"] * yes + ["no"] * no + ["abstain"] * abstain
        voters = self.community.members[skip : skip + len(choices)]
        rows = [
            {"ballot_id": ballot["id"], "receipt": secrets.token_hex(13), "choice": choice}
            for choice in choices
        ]

        def write(conn: Connection) -> None:
            conn.execute(
                update(ballot_roll)
                .where(ballot_roll.c.ballot_id == ballot["id"], ballot_roll.c.person_id.in_(voters))
                .values(has_voted=True)
            )
            if rows:
                conn.execute(insert(ballot_votes), rows)

        await self.community.db.write(write)

    async def pass_vote(self) -> StatusView:
        """Seven vote yes and the window passes: probation begins."""
        await self.vote(yes=7)
        return await self.skip(days=7, seconds=1)

    async def good_probation(self, days: int = 60) -> None:
        """Record, from now on the process's clock, what meets every target."""
        await self.contribute("post", [day + 0.5 for day in range(0, days, 3)])
        await self.contribute("rating", [1 + n / 10 for n in range(12)], stars=5)

    async def contribute(self, kind: str, days: list[float], **values: Any) -> None:
        """Record contributions at so many days from now on the process's clock."""
        start, wall = await self.now(), datetime.now(UTC)
        rows = [
            {
                "id": new_id(),
                "source": "forum",
                "reference": secrets.token_hex(8),
                "kind": kind,
                "person_id": self.applicant,
                "actor_reference": secrets.token_hex(6),
                "occurred_at": start + timedelta(days=day),
                "recorded_at": wall,
                "content_hash": secrets.token_hex(32),
                **values,
            }
            for day in days
        ]
        await self.community.execute(insert(contributions).values(rows))

    async def confirm_violation(self, actor_id: str | None = None) -> StatusView:
        violation_id, now = new_id(), datetime.now(UTC)
        row = {
            "id": violation_id,
            "application_id": self.id,
            "person_id": self.applicant,
            "kind": "spam",
            "verdict": "confirmed",
            "occurred_at": await self.now(),
            "created_at": now,
        }
        await self.community.execute(insert(violations).values(row))
        request = ConfirmViolation(
            actor_id=actor_id or self.community.admin, violation_id=violation_id, kind="spam"
        )
        return await self.send(VettingWorkflow.confirm_violation, request)

    async def decide_probation(
        self, decision: ProbationDecision, actor_id: str | None = None, note_id: str | None = None
    ) -> StatusView:
        request = DecideProbation(
            actor_id=actor_id or self.community.reviewers[2], decision=decision, note_id=note_id
        )
        return await self.send(VettingWorkflow.decide_probation, request)

    async def appeal(self, actor_id: str | None = None) -> StatusView:
        note_id = await self.note("Please look again.")
        return await self.send(
            VettingWorkflow.appeal, Appeal(actor_id=actor_id or self.applicant, note_id=note_id)
        )

    async def decide_appeal(self, decision: AppealDecision, actor_id: str | None = None) -> StatusView:
        request = DecideAppeal(
            actor_id=actor_id or self.community.lead, decision=decision, note_id=await self.note()
        )
        return await self.send(VettingWorkflow.decide_appeal, request)

    async def skip(self, **delta: float) -> StatusView:
        """Move the process's clock and return where it stands."""
        await advance(
            self.community.client, self.process_id, timedelta(**delta), seconds=2 * PATIENCE_SECONDS
        )
        return await self.status()

    async def skip_to(self, at: datetime) -> StatusView:
        """Move the process's clock to ``at`` and return where it stands."""
        return await self.skip(seconds=(at - await self.now()).total_seconds())

    async def now(self) -> datetime:
        return await process_now(self.community.client, self.process_id)

    async def status(self) -> StatusView:
        return await self.handle.query(VettingWorkflow.status)

    async def history_length(self) -> int:
        """How many events the history of the process's current run has."""
        return (await self.handle.describe()).history_length

    async def row(self) -> dict[str, Any]:
        """The projection."""
        return (await self.community.rows(select(applications).where(applications.c.id == self.id)))[0]

    async def ballots(self) -> list[dict[str, Any]]:
        return await self.community.rows(
            select(ballots).where(ballots.c.process_id == self.process_id).order_by(ballots.c.opens_at)
        )

    async def entries(self, code: str | None = None) -> list[dict[str, Any]]:
        """The timeline in the database, oldest first."""
        entries = await self.community.rows(
            select(timeline_entries)
            .where(timeline_entries.c.process_id == self.process_id)
            .order_by(timeline_entries.c.seq)
        )
        return [entry for entry in entries if code in (None, entry["code"])]

    async def codes(self) -> list[str]:
        """The codes of the timeline in the database, oldest first."""
        return [entry["code"] for entry in await self.entries()]

    async def mails(self, template: str | None = None) -> list[dict[str, Any]]:
        """Mails of this process, oldest first."""
        statement = select(mails).where(mails.c.process_id == self.process_id).order_by(mails.c.created_at)
        found = await self.community.rows(statement)
        return [mail for mail in found if template in (None, mail["template"])]

    async def mail_table(self) -> Counter[str]:
        """How many mails of each template there are."""
        return Counter(mail["template"] for mail in await self.mails())

    async def roll_mailed(self, template: str = "ballot_opened", people: int = MEMBERS + 5) -> None:
        """Wait until a mail to the roll is queued; nobody who acts waits for that."""

        async def mailed() -> bool:
            return len(await self.mails(template)) >= people

        await until(mailed)

    async def roles(self) -> set[str]:
        grants = await self.community.rows(
            select(role_grants.c.role).where(role_grants.c.person_id == self.applicant)
        )
        return {grant["role"] for grant in grants}

    async def agrees(self) -> None:
        """Assert that the process and its projection say the same, once the process has taken its next step.

        Between the commit of a step and the moment when the process knows of it, the row is one ahead.
        """

        async def same_step() -> bool:
            return bool((await self.row())["revision"] == (await self.status()).revision)

        await until(same_step)
        status, row = await self.status(), await self.row()
        if status.revision != row["revision"]:
            return await self.agrees()
        shown = status.model_dump(mode="json", exclude={"application_id", "next_deadline", "waiting_since"})
        assert {name: row[name] for name in shown} == shown
        assert row["next_deadline"] == status.next_deadline
        assert row["waiting_since"] == status.waiting_since
        told = await self.handle.query(VettingWorkflow.timeline)
        entries = (await self.entries())[: len(told)]
        assert [(e["seq"], e["code"], e["at"], e["detail"]) for e in entries] == [
            (e.seq, e.code, e.at, e.detail) for e in told
        ]
        return None


async def new_case(community: Community, person_id: str | None = None, **values: Any) -> Case:
    """Add a complete draft of the applicant, or of ``person_id``; return the case around it."""
    applicant = person_id or community.applicant
    application_id, claims = await community.complete_draft(applicant, **values)
    return Case(community, application_id, applicant, claims)


@asynccontextmanager
async def community(
    url: str, client: Client, queue: str, *, members: int = MEMBERS, cached_workflows: int = 1000
) -> AsyncIterator[Community]:
    """Yield a populated community whose worker runs."""
    async with Database.connect(url) as db:
        people_here = Community(db, client, queue)
        await people_here.populate(members)
        async with vetting_worker(client, db, queue, cached_workflows=cached_workflows):
            yield people_here
