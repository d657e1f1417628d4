"""Doubtful friends: the queue of staff, a case, and the decision, whenever it comes."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from api.pagination import Page, Paging
from api.problems import Problem
from api.schemas.applications import PersonOut
from api.schemas.invitation_doubts import (
    CaseOut,
    DecidedOut,
    DoubtDecisionIn,
    DoubtOut,
    EarlierOut,
    WitnessOut,
)
from contracts.base import campaign_process_id
from db.repositories import invitation_doubts, invitation_evidence, invitation_late, notes
from db.repositories.notes import NoteKind
from domain.campaigns.invitation_doubts import DoubtDecision, DoubtOutcome, DoubtReason
from domain.campaigns.terms import ENDED, Refusal, Status
from domain.ids import derived_id
from domain.points import InsufficientPoints


def queue(conn: Connection, paging: Paging, reason: DoubtReason | None = None) -> Page[DoubtOut]:
    """Return a page of what waits for staff, the oldest first."""
    after = str(paging.after[0]) if paging.after else None
    rows = invitation_doubts.doubtful(conn, after, paging.fetch, reason)
    shown, cursor = paging.cut(rows, lambda one: (one.id,))
    return Page(items=[DoubtOut(**_fields(one)) for one in shown], next_cursor=cursor)


def _fields(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "campaign_id": row.campaign_id,
        "campaign_title": row.title,
        "inviter": PersonOut(id=row.inviter_id, display_name=row.inviter_name),
        "friend": PersonOut(id=row.friend_id, display_name=row.friend_name),
        "reasons": row.reasons,
        "new_member": row.new_member,
        "joined_at": row.joined_at,
    }


def case(conn: Connection, join_id: str) -> CaseOut:
    """Return a case, decided or not. Raises ``Problem`` for a join that never was one."""
    join = invitation_doubts.get_join(conn, join_id)
    if join is None or not join.reasons:
        raise Problem("not_found")
    found = invitation_evidence.of(conn, join)
    alike = DoubtReason.LOOKALIKE_ADDRESS.value in join.reasons
    return CaseOut(
        **_fields(join),
        status=join.status,
        inviter_about=_witness(found.inviter, alike),
        friend_about=_witness(found.friend, alike),
        days_done=found.days_done,
        severed=join.severed_at is not None,
        earlier=[_earlier(one) for one in found.earlier],
        earlier_by_status=found.by_status,
        same_client=found.of_client,
        same_client_elsewhere=found.others_of_client,
        decided_by=found.decided_by,
        decided_at=join.decided_at,
        note=found.note,
    )


def _witness(row: Row[Any], with_address: bool) -> WitnessOut:
    return WitnessOut(
        id=row.id,
        display_name=row.display_name,
        member_since=row.joined_at,
        status=row.status,
        email=row.email if with_address else None,
    )


def _earlier(row: Row[Any]) -> EarlierOut:
    return EarlierOut(
        id=row.id,
        friend_name=row.display_name,
        campaign_title=row.title,
        status=row.status,
        joined_at=row.joined_at,
    )


def decide(
    conn: Connection, join_id: str, given: DoubtDecisionIn, actor_id: str, now: datetime
) -> DecidedOut:
    """Decide about a doubtful friend. Raises ``Problem``; nobody decides about oneself.

    After the settlement one that counts is paid from the pool at once. If the pool holds too little nothing
    is decided: the case stays open.
    """
    join = invitation_doubts.get_join(conn, join_id)
    if join is None:
        raise Problem("not_found")
    if actor_id in {join.inviter_id, join.friend_id}:
        raise Problem("forbidden")
    row = invitation_doubts.locked_campaign(conn, join.campaign_id)
    if actor_id == row.leader_id:
        raise Problem(Refusal.OWN_CAMPAIGN.value)
    if row.status == Status.SETTLING.value:
        # What is paid right now was counted before; in a moment it is over, and one can decide again.
        raise Problem("campaign_settling", headers={"Retry-After": "60"})
    note_id = _keep(conn, join, given.note, actor_id, now)
    counts = given.decision is DoubtDecision.COUNT
    if not invitation_doubts.decide(
        conn, join_id, counts=counts, actor_id=actor_id, note_id=note_id, now=now
    ):
        raise Problem("invitation_decided")
    if not counts:
        return DecidedOut(outcome=DoubtOutcome.REJECTED, points=0)
    if Status(row.status) not in ENDED:
        return DecidedOut(outcome=DoubtOutcome.WAITS, points=0)
    try:
        outcome, paid = invitation_late.count(conn, row, join, now)
    except InsufficientPoints as error:
        raise Problem("late_reward_unfunded", available=error.available) from None
    return DecidedOut(outcome=outcome, points=paid)


def _keep(conn: Connection, join: Row[Any], note: str | None, actor_id: str, now: datetime) -> str | None:
    if not note:
        return None
    note_id = derived_id("invitation-decision", join.id)
    process_id = campaign_process_id(join.campaign_id)
    notes.keep(
        conn,
        note_id,
        process_id=process_id,
        author_id=actor_id,
        kind=NoteKind.INVITATION,
        body=note,
        now=now,
    )
    return note_id
