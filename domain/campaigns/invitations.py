"""Invitations: how one proceeds, whose a new participant is, and where a plan would break the law.

Rewards for invitations are lawful only within narrow bounds (pyramid selling; the rules of messengers):
one level, for the friend's own activity, capped, never for headcount and never against payment. A plan
cannot express a second level or a payment; what it can express wrongly, :func:`warnings` says.
"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from domain.campaigns.plan import Board, CampaignPlan, InvitationMode
from domain.campaigns.rewards import liability_each
from domain.people import normalise_email
from domain.process import Refused


class Channel(StrEnum):
    """How an invitation reaches a friend."""

    LINK = "link"
    EMAIL = "email"
    QR = "qr"


class InvitationStatus(StrEnum):
    """How far an invitation has come; the last three are ends."""

    CREATED = "created"
    SENT = "sent"
    OPENED = "opened"
    JOINED = "joined"
    ACTIVATED = "activated"
    REWARDED = "rewarded"
    EXPIRED = "expired"
    REJECTED = "rejected"


class InvitationRefusal(StrEnum):
    """Why an invitation cannot go on; the stable ``code`` of the problem."""

    CLOSED = "invitation_closed"
    WRONG_STATUS = "invitation_wrong_status"


TRACK = (
    InvitationStatus.CREATED,
    InvitationStatus.SENT,
    InvitationStatus.OPENED,
    InvitationStatus.JOINED,
    InvitationStatus.ACTIVATED,
    InvitationStatus.REWARDED,
)
"""The steps of an invitation that succeeds, in their order."""
_BEFORE_JOINING = frozenset(TRACK[:3])
ENDED = frozenset({InvitationStatus.REWARDED, InvitationStatus.EXPIRED, InvitationStatus.REJECTED})


def advance(status: InvitationStatus, wanted: InvitationStatus) -> InvitationStatus:
    """Return the status after something happened that leads to ``wanted``.

    What is told twice or late (opened again, sent after it was opened) changes nothing. Before joining,
    steps may be left out: a link is never sent, and a code can be typed in. From there on each step has to
    be made. One that nobody joined by expires; one that has not been rewarded yet can be rejected. Raises
    ``Refused``.
    """
    if status in ENDED:
        if status is wanted or (status is InvitationStatus.REWARDED and wanted in TRACK):
            return status
        raise Refused(InvitationRefusal.CLOSED, status=status.value)
    if wanted is InvitationStatus.REJECTED or (
        wanted is InvitationStatus.EXPIRED and status in _BEFORE_JOINING
    ):
        return wanted
    if wanted in TRACK:
        at, to = TRACK.index(status), TRACK.index(wanted)
        if to <= at:
            return status
        if to == at + 1 or to <= TRACK.index(InvitationStatus.JOINED):
            return wanted
    raise Refused(InvitationRefusal.WRONG_STATUS, status=status.value)


def expires_at(created_at: datetime, valid_days: int) -> datetime:
    """Return the instant from which an invitation that nobody joined by has expired."""
    return created_at + timedelta(days=valid_days)


class Click(BaseModel):
    """Somebody followed an invitation at an instant (UTC)."""

    model_config = ConfigDict(frozen=True)

    invitation_id: str
    inviter_id: str
    at: datetime


class Attribution(BaseModel):
    """By whose invitation somebody came, and whether the community had not known that person before."""

    model_config = ConfigDict(frozen=True)

    invitation_id: str
    inviter_id: str
    new_member: bool


def attribute(
    clicks: Iterable[Click],
    *,
    oneself: Collection[str],
    joined_at: datetime,
    window_days: int,
    known_since: datetime | None,
    earlier: Attribution | None = None,
) -> Attribution | None:
    """Return by whose invitation somebody joined at ``joined_at``, or None.

    The first join decides for good (``earlier``); at it the last click within ``window_days`` wins,
    both ends included, and of two at one instant the greater id. ``oneself`` holds the ids of all accounts
    of that person, whose clicks on own invitations count for nothing. Who was known to the community at
    the click (``known_since``, None for never, by account or address) is not a new member.
    """
    if earlier is not None:
        return earlier
    opens = joined_at - timedelta(days=window_days)
    valid = (click for click in clicks if opens <= click.at <= joined_at and click.inviter_id not in oneself)
    last = max(valid, key=lambda click: (click.at, click.invitation_id), default=None)
    if last is None:
        return None
    new = known_since is None or known_since > last.at
    return Attribution(invitation_id=last.invitation_id, inviter_id=last.inviter_id, new_member=new)


def address_key(email: str) -> str:
    """Return what two spellings of one mailbox have in common: an address is invited and counted once."""
    return normalise_email(email)


def lookalike_key(email: str) -> str:
    """Return what addresses have in common that only punctuation in the name tells apart.

    They may well belong to two people: a reason to look at an invitation, never to refuse it.
    """
    local, _, host = normalise_email(email).rpartition("@")
    return f"{local.translate(_PUNCTUATION) or local}@{host}"


_PUNCTUATION = str.maketrans("", "", ".-_")


class PlanWarning(StrEnum):
    """Where a plan's rewards for invitations break the law or come near it."""

    HEADCOUNT_PRIZES = "headcount_prizes"
    OUTSIDE_PRIZES = "outside_prizes"
    OUTSIDE_POINTS = "outside_points"
    OUTSIDE_GOAL = "outside_goal"
    PRIZES_WITHOUT_INVITATIONS = "prizes_without_invitations"
    WEAK_ACTIVATION = "weak_activation"
    HIGH_CAP = "high_cap"
    INVITATIONS_DOMINATE = "invitations_dominate"


BLOCKING = frozenset({PlanWarning.HEADCOUNT_PRIZES, PlanWarning.OUTSIDE_PRIZES})
"""Warnings with which a plan cannot be handed in; with the others it can, and staff see them."""

STEADY_CHECK_INS = 3
"""Check-ins of the friend below which a reward comes near to one for mere headcount."""
MODEST_CAP = 10
"""Rewarded friends above which inviting begins to look like an occupation."""


def warnings(plan: CampaignPlan) -> tuple[PlanWarning, ...]:
    """Return what the editor has to say about the plan's invitations, the gravest first."""
    invitations, mode = plan.invitations, plan.invitations.mode
    prizes = any(prize.board is Board.INVITATIONS and prize.points for prize in plan.rewards.ranks)
    inside, outside = mode is InvitationMode.INSIDE, mode is InvitationMode.OUTSIDE
    paid = invitations.liability
    found = {
        PlanWarning.HEADCOUNT_PRIZES: inside and prizes,
        PlanWarning.OUTSIDE_PRIZES: outside and prizes,
        PlanWarning.OUTSIDE_POINTS: outside and invitations.points * invitations.rewarded_at_most > 0,
        PlanWarning.OUTSIDE_GOAL: outside and invitations.goal > 0,
        PlanWarning.PRIZES_WITHOUT_INVITATIONS: mode is InvitationMode.OFF and prizes,
        PlanWarning.WEAK_ACTIVATION: paid > 0 and invitations.activating_check_ins < STEADY_CHECK_INS,
        PlanWarning.HIGH_CAP: paid > 0 and invitations.rewarded_at_most > MODEST_CAP,
        PlanWarning.INVITATIONS_DOMINATE: paid > liability_each(plan) - paid,
    }
    return tuple(warning for warning, holds in found.items() if holds)


def warning_text_id(warning: PlanWarning) -> str:
    """Return the id of a warning's text in the catalogues."""
    return f"plan_warning.{warning.value}"
