"""Every path through vetting, walked once: by the tests of the outcomes, and to record histories.

A path is a coroutine over a case. Its register says how it must end, and which mails it must have
queued, counted by template. The community has four who review (three reviewers and a lead), and all
but the applicant are on the roll.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from contracts.vetting import StatusView
from domain.policy import ProbationPolicy, VettingPolicy
from domain.vetting import Status
from tests.support.community import ROLL
from tests.support.vetting import Case

Walk = Callable[[Case], Awaitable[None]]
SHORT = VettingPolicy(probation=ProbationPolicy(length_days=14, extension_days=7))
"""The default rules but for a probation of two weeks and an extension of one."""


@dataclass(frozen=True)
class Path:
    """A walk and what it must leave behind; ``repeated`` names mails that one person gets again by rule."""

    walk: Walk
    status: Status
    mails: Counter[str]
    repeated: frozenset[str]
    policy: VettingPolicy


PATHS: dict[str, Path] = {}


def path(
    status: Status, mails: Counter[str], *repeated: str, policy: VettingPolicy = SHORT
) -> Callable[[Walk], Walk]:
    """Register a walk under its name."""

    def register(walk: Walk) -> Walk:
        PATHS[walk.__name__] = Path(walk, status, mails, frozenset(repeated), policy)
        return walk

    return register


class Watched(Case):
    """A case in which every step is followed by a look: process and projection must agree."""

    async def submit(self, *args: Any, **values: Any) -> StatusView:
        answer = await super().submit(*args, **values)
        await self.agrees()
        return answer

    async def send(self, name: Any, request: Any, update_id: str | None = None) -> StatusView:
        answer = await super().send(name, request, update_id)
        await self.agrees()
        return answer

    async def skip(self, **delta: float) -> StatusView:
        await super().skip(**delta)
        await self.agrees()
        return await self.status()


def mails(**counts: int) -> Counter[str]:
    """A table of mails."""
    return Counter(counts)


RECEIVED = mails(application_received=1, staff_review_needed=4)
SECOND = mails(staff_second_review_needed=3)
LEAD = mails(staff_lead_needed=1)
REJECTED = mails(application_rejected=1)
WITHDRAWN = mails(application_withdrawn=1)
ROLL_MAIL = mails(review_passed_vote_opened=1, ballot_opened=ROLL)
VOTE = RECEIVED + SECOND + ROLL_MAIL
EXTENDED_VOTE = mails(vote_extended_applicant=1)
TRIAL = VOTE + mails(ballot_reminder=ROLL, vote_passed_probation_started=1) - mails(ballot_reminder=7)
MIDTERM = mails(probation_midterm=1)
JUDGED = mails(probation_under_review=1, staff_probation_decision=4)
FAILED = mails(probation_failed=1)
CERTIFIED = mails(certified=1)
