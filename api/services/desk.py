"""What staff read before they decide: opinions, earlier tries, violations; each as far as they may."""

from typing import Any

from sqlalchemy import Connection, Row

from api.problems import Problem
from api.schemas.applications import PersonOut
from api.schemas.staff import EarlierApplication, QueueItem, ReviewOut, ReviewsOut, ViolationOut
from api.security.gate import Actor
from api.services.applications import summary
from api.services.independence import round_of
from api.services.vetting import process_now
from db.repositories import applications, review_desk
from db.repositories.review_queue import NO_DEADLINE
from domain.people import ConflictKind
from domain.vetting import Refusal


def not_own(conn: Connection, actor: Actor, application_id: str) -> Row[Any]:
    """Return an application's row to staff whose own it is not: nobody reads what others say about them.

    A draft that was never handed in does not exist to staff. Raises ``Problem``.
    """
    row = applications.get(conn, application_id)
    if row is None or (row.submitted_at is None and row.person_id != actor.person_id):
        raise Problem("not_found")
    if row.person_id == actor.person_id:
        raise Problem(Refusal.CONFLICT_OF_INTEREST.value, conflict=ConflictKind.SELF.value)
    return row


def item(row: Row[Any]) -> QueueItem:
    """Return a row of the queue as it is listed."""
    now = process_now(row)
    holder = row.claimed_by and PersonOut(id=row.claimed_by, display_name=row.claimant_name or "")
    return QueueItem(
        id=row.id,
        now=now,
        applicant=PersonOut(id=row.person_id, display_name=row.applicant_name),
        headline=row.headline,
        status=row.status,
        stage=row.stage,
        waiting_on=row.waiting_on,
        waiting_since=row.waiting_since,
        next_deadline=row.next_deadline,
        if_nothing_happens=row.if_nothing_happens,
        overdue=row.deadline != NO_DEADLINE and row.deadline < now,
        escalated=row.escalated,
        round=row.round,
        flags=row.flags,
        claimed_by=holder or None,
    )


def reviews(conn: Connection, row: Row[Any], actor: Actor) -> ReviewsOut:
    """Return the opinions about ``row`` (of ``applications``), oldest first, and how many are hidden."""
    now = round_of(conn, row, actor)
    given = review_desk.given_reviews(conn, row.id)
    shown = [one for one in given if not (now.hidden and one.round == now.number)]
    return ReviewsOut(items=[_review(one) for one in shown], hidden=len(given) - len(shown))


def earlier(conn: Connection, application_id: str) -> list[EarlierApplication]:
    """Return the same person's other applications and why they were lost, newest first."""
    return [
        EarlierApplication(**summary(row).model_dump(), reasons=row.reasons, reapply_after=row.reapply_after)
        for row in review_desk.earlier(conn, application_id)
    ]


def violations(conn: Connection, application_id: str) -> list[ViolationOut]:
    """Return what was reported about a leader in this application, oldest first."""
    return [
        ViolationOut(**{name: getattr(row, name) for name in ViolationOut.model_fields})
        for row in review_desk.noted_violations(conn, application_id)
    ]


def _review(row: Row[Any]) -> ReviewOut:
    return ReviewOut(
        id=row.id,
        round=row.round,
        reviewer=PersonOut(id=row.reviewer_id, display_name=row.reviewer_name or ""),
        as_lead=row.as_lead,
        decision=row.decision,
        checklist=row.checklist,
        findings=row.findings,
        reasons=row.reasons,
        note=row.note,
        decided_at=row.decided_at,
    )
