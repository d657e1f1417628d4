"""Messages of the campaign process. All instants are UTC of the process's own clock."""

from datetime import datetime

from contracts.base import Message
from domain.campaigns.plan import CampaignPlan
from domain.campaigns.policy import CampaignPolicy
from domain.campaigns.state import Amnesty, CampaignState, MailOrder, Notice
from domain.campaigns.terms import (
    IfNothing,
    ReasonCode,
    Refusal,
    ReviewDecision,
    Status,
    WaitingOn,
)
from domain.process import Entry


class CampaignInput(Message):
    """Starts a process: whose campaign, under which policy.

    ``carried`` and ``answered`` (update id to answer) continue an earlier run.
    """

    campaign_id: str
    leader_id: str
    policy: CampaignPolicy
    policy_version: int
    carried: CampaignState | None = None
    answered: dict[str, "CampaignView"] = {}


class CampaignResult(Message):
    """How a process ended."""

    campaign_id: str
    status: Status


class Act(Message):
    """A request by one person; what was typed is kept behind ``note_id``."""

    actor_id: str
    note_id: str | None = None


class Submit(Act):
    """Hand in a plan; ``edit_version`` is the version of the row that it was read from."""

    plan: CampaignPlan
    edit_version: int


class Decide(Act):
    """A decision of staff."""

    decision: ReviewDecision
    reasons: tuple[ReasonCode, ...] = ()


class Extend(Act):
    """Add ``days`` days at the end."""

    days: int


class Declare(Act):
    """Let everybody rest on ``days`` after an outage."""

    days: tuple[int, ...]


class CampaignView(Message):
    """Where a campaign stands: who must act, by when, and what happens if nobody does."""

    campaign_id: str
    status: Status
    waiting_on: WaitingOn
    waiting_since: datetime | None
    next_deadline: datetime | None
    if_nothing_happens: IfNothing
    revision: int
    day: int
    day_closes_at: datetime | None
    closed_through: int
    length_days: int
    starts_at: datetime | None
    ends_at: datetime | None
    reserved: int
    reasons: tuple[ReasonCode, ...]


CampaignInput.model_rebuild()


def view_of(state: CampaignState) -> CampaignView:
    """Return what people are told of ``state``, which is also the row that lists read."""
    deadline, plan = state.deadline, state.plan
    running = plan is not None and state.status in (Status.RUNNING, Status.PAUSED)
    return CampaignView(
        campaign_id=state.campaign_id,
        status=state.status,
        waiting_on=state.waiting_on,
        waiting_since=state.waiting_since,
        next_deadline=deadline.at if deadline else None,
        if_nothing_happens=state.if_nothing_happens,
        revision=state.revision,
        day=state.day,
        day_closes_at=state.closes(state.day) if running else None,
        closed_through=state.closed_through,
        length_days=plan.length_days if plan else 0,
        starts_at=state.opens(1) if plan else None,
        ends_at=state.closes(plan.length_days) if plan else None,
        reserved=state.reserved,
        reasons=state.reasons,
    )


class RecordInput(Message):
    """One transition, written whole in one transaction, once however often it is tried.

    ``state`` is what the transition leads to; ``run_id`` names the process for its whole life.
    ``edit_version`` asks that the row still be as it was when the plan was read.
    """

    process_id: str
    run_id: str
    at: datetime
    state: CampaignState
    entries: tuple[Entry, ...] = ()
    mails: tuple[MailOrder, ...] = ()
    reserve: int = 0
    release: bool = False
    edit_version: int | None = None
    amnesty: Amnesty | None = None


class RecordResult(Message):
    """``refusal`` set means that nothing was written; ``detail`` has what to say about it.

    ``ahead`` set means that nothing was written either, because the database is at that state already.
    """

    refusal: Refusal | None = None
    available: int | None = None
    ahead: CampaignState | None = None


class BulkInput(Message):
    """One shard of bulk work on a campaign's members: ``day`` and ``slot`` as the work needs them.

    A shard is the range ``[first, last)`` of the enrolments' shard numbers. ``number`` is that of a notice
    or an amnesty. A settlement that is not ``told_apart`` tells each member as it pays them: processes that
    began it so end it so.
    """

    campaign_id: str
    process_id: str
    at: datetime
    first: int
    last: int
    day: int = 0
    slot: int = 0
    nudge_after: int = 0
    cancelled: bool = False
    told_apart: bool = False
    number: int = 0
    notice: Notice | None = None
    amnesty: Amnesty | None = None


class BulkResult(Message):
    """Sums over one shard."""

    members: int = 0
    done: int = 0
    points: int = 0


class FinishInput(Message):
    """Asks for the report, once everybody of the campaign is paid."""

    campaign_id: str
    at: datetime
