"""Enum values in words: every value of these families has a text in every language."""

from enum import StrEnum

from domain.ballots import BallotOutcome, Choice
from domain.campaigns.invitation_doubts import DoubtDecision, DoubtReason, JoinStatus
from domain.campaigns.invitation_mails import Delivery
from domain.campaigns.invitations import InvitationStatus
from domain.campaigns.terms import IfNothing as CampaignIfNothing
from domain.campaigns.terms import ReasonCode as CampaignReasonCode
from domain.checks import Flag, Missing
from domain.documents import DocumentKind
from domain.people import Role
from domain.probation import Target
from domain.vetting import (
    AppealDecision,
    ChecklistItem,
    IfNothing,
    ProbationDecision,
    ReasonCode,
    ReviewDecision,
    Stage,
    Status,
    WaitingOn,
)
from domain.vetting.desk import Verdict, ViolationKind
from domain.vetting.standing import Standing
from locales.catalogue import translate

FAMILIES: dict[str, type[StrEnum]] = {
    "status": Status,
    "standing": Standing,
    "stage": Stage,
    "waiting_on": WaitingOn,
    "if_nothing": IfNothing,
    "campaign_if_nothing": CampaignIfNothing,
    "campaign_reason": CampaignReasonCode,
    "doubt_reason": DoubtReason,
    "doubt_decision": DoubtDecision,
    "join_status": JoinStatus,
    "invitation_delivery": Delivery,
    "invitation_step": InvitationStatus,
    "review_decision": ReviewDecision,
    "probation_decision": ProbationDecision,
    "appeal_decision": AppealDecision,
    "reason": ReasonCode,
    "checklist": ChecklistItem,
    "target": Target,
    "choice": Choice,
    "ballot_outcome": BallotOutcome,
    "role": Role,
    "document_kind": DocumentKind,
    "missing": Missing,
    "flag": Flag,
    "violation_kind": ViolationKind,
    "violation_verdict": Verdict,
}


def word(locale: str, family: str, code: str) -> str:
    """Return a value of an enum family in words; raises ``ValueError`` for a code that is not one."""
    return translate(locale, f"{family}.{FAMILIES[family](code).value}")
