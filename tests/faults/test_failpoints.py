"""The worker dies after a commit and before its answer, at every single write of an application's life."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from contracts.vetting import Appeal, DecideAppeal, DecideProbation
from db.database import Database
from domain.policy import ProbationPolicy, VettingPolicy, VotePolicy
from domain.vetting import AppealDecision, ProbationDecision, Stage
from tests.faults.lives import Mortal, mortal, until_answered
from tests.faults.processes import Nursery
from tests.support.community import Community
from tests.support.vetting import Case, new_case
from workflows.vetting import VettingWorkflow

pytestmark = [pytest.mark.faults, pytest.mark.slow]

SHORT = VettingPolicy(
    vote=VotePolicy(mail_shards=2), probation=ProbationPolicy(length_days=14, extension_days=7)
)
LIVES = 8
LEAST_DEATHS = 3
TASK_SECONDS = timedelta(seconds=3)


@dataclass
class Life:
    """One application with a worker of its own that dies again and again."""

    case: Case
    worker: Mortal

    async def send(self, update: Any, request: Any) -> None:
        await until_answered(lambda update_id: self.case.send(update, request, update_id))

    async def review(self, reviewer_id: str) -> None:
        await until_answered(lambda update_id: self.case.review(reviewer_id, update_id=update_id))

    async def skip(self, days: int) -> None:
        """Move the clock a little beyond so many days, however often the worker dies on the way."""
        await self.case.skip_to(await self.case.now() + timedelta(days=days, minutes=1))

    async def live(self) -> None:
        """From the submission over a lost probation to an appeal that is turned down."""
        case, here = self.case, self.case.community
        await until_answered(lambda update_id: case.submit(update_id=update_id))
        await self.review(here.reviewers[0])
        await self.review(here.reviewers[1])
        await case.vote(yes=7)
        await self.skip(7)
        await self.skip(14)
        assert (await case.status()).stage is Stage.PROBATION_DECISION
        lost = DecideProbation(
            actor_id=here.reviewers[2], decision=ProbationDecision.FAIL, note_id=await case.note()
        )
        await self.send(VettingWorkflow.decide_probation, lost)
        appeal = Appeal(actor_id=case.applicant, note_id=await case.note())
        await self.send(VettingWorkflow.appeal, appeal)
        upheld = DecideAppeal(actor_id=here.lead, decision=AppealDecision.UPHOLD, note_id=await case.note())
        await self.send(VettingWorkflow.decide_appeal, upheld)
        await case.handle.result()

    async def mails(self) -> Counter[tuple[str, str]]:
        """How many of each letter went to whom; the applicant under one name in every life."""
        return Counter(
            (mail["template"], "applicant" if mail["person_id"] == self.case.applicant else mail["person_id"])
            for mail in await self.case.mails()
        )


@dataclass
class Bench:
    """Where lives are led side by side."""

    here: Community
    client: Client
    nursery: Nursery
    directory: Path
    url: str
    address: str

    @asynccontextmanager
    async def life(self, last: int) -> AsyncIterator[Life]:
        """Yield a fresh draft whose first worker dies after its ``last``-th commit (0: never)."""
        applicant = await self.here.person(f"applicant{last}", joined_at=datetime.now(UTC))
        async with mortal(
            self.nursery,
            self.directory,
            self.client,
            self.address,
            self.url,
            room="vetting",
            last=last,
            every=LIVES,
        ) as (worker, queue):
            own = Community(self.here.db, self.client, queue, applicant)
            own.reviewers, own.lead, own.members = self.here.reviewers, self.here.lead, self.here.members
            case = await new_case(own, applicant)
            case.policy, case.task_timeout = SHORT, TASK_SECONDS
            yield Life(case, worker)

    async def lead(self, last: int) -> tuple[list[str], Counter[tuple[str, str]], int]:
        """Lead one life; return its timeline, its letters, and how often its worker died."""
        async with self.life(last) as life:
            await life.live()
            await life.case.agrees()
            return await life.case.codes(), await life.mails(), life.worker.deaths


async def test_a_worker_that_dies_after_any_commit_does_nothing_twice(
    sqlite_url: str, temporal_client: Client, temporal_address: str, nursery: Nursery, tmp_path: Path
) -> None:
    async with Database.connect(sqlite_url) as db:
        here = Community(db, temporal_client, "")
        await here.populate()
        bench = Bench(here, temporal_client, nursery, tmp_path, sqlite_url, temporal_address)
        lives = await asyncio.gather(*(bench.lead(last) for last in range(LIVES + 1)))
    codes, mails, deaths = lives[0]
    assert deaths == 0
    assert codes[0] == "submitted"
    assert codes[-1] == "appeal_upheld"
    for last, life in enumerate(lives[1:], start=1):
        assert life[:2] == (codes, mails), f"the first worker died after write {last}"
        assert life[2] >= LEAST_DEATHS
