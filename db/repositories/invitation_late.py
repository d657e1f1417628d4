"""Doubtful friends who count after all when the campaign has been settled.

Its reservation has gone back to the pool, so what is paid now is reserved anew and paid in the same
transaction: whole, or not at all.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from contracts.base import campaign_process_id
from contracts.mail import MailRequest
from db.repositories import enrolments as entries
from db.repositories import invitation_activation, mail, points, settlements
from db.tables import campaigns as tables
from db.tables.people import people
from domain.campaigns.invitation_doubts import DoubtOutcome
from domain.campaigns.plan import CampaignPlan
from domain.campaigns.rewards import invitation_points
from domain.mail import MailTemplate
from domain.points import Payment, PaymentReason


def count(conn: Connection, row: Row[Any], join: Row[Any], now: datetime) -> tuple[DoubtOutcome, int]:
    """Count a friend of the settled campaign ``row`` at once; return what that came to, and points paid.

    ``join`` has been decided to count. Raises ``InsufficientPoints`` if the pool holds less than is due.
    """
    if not invitation_activation.activate_one(conn, row, join, now):
        return DoubtOutcome.NOT_ACTIVE, 0
    due = _due(conn, row, join.inviter_id)
    if due == 0:
        return DoubtOutcome.COUNTED, 0
    _pay(conn, row, join, due, now)
    return DoubtOutcome.PAID, due


def _due(conn: Connection, row: Row[Any], inviter_id: str) -> int:
    """Return what the inviter should have been paid for friends beyond what the settlement paid.

    Who was not settled, because of having left, or never having taken part, is owed nothing.
    """
    settled = settlements.of_member(conn, row.id, inviter_id)
    entry = entries.get(conn, row.id, inviter_id)
    status = conn.execute(select(people.c.status).where(people.c.id == inviter_id)).scalar_one()
    if settled is None or entry is None:
        return 0
    if not settlements.is_paid_for_friends(inviter_id, status, row.leader_id):
        return 0
    plan = CampaignPlan.model_validate(row.plan).invitations
    due: int = invitation_points(plan, entry.friends_activated) - settled.invitation_points
    return max(0, due)


def _pay(conn: Connection, row: Row[Any], join: Row[Any], due: int, now: datetime) -> None:
    process_id = campaign_process_id(row.id)
    key = f"{process_id}:late:{join.id}"
    points.reserve(conn, row.id, due, key=f"{key}:reservation", at=now)
    payment = Payment(person_id=join.inviter_id, amount=due, reason=PaymentReason.INVITATION)
    points.pay(conn, row.id, [payment], key_prefix=key, at=now)
    paid = tables.settlements.c.invitation_points
    own = (tables.settlements.c.campaign_id == row.id, tables.settlements.c.person_id == join.inviter_id)
    conn.execute(update(tables.settlements).where(*own).values(invitation_points=paid + due))
    letter = MailRequest(
        key=f"{key}:{join.inviter_id}",
        template=MailTemplate.CAMPAIGN_FRIEND_COUNTED,
        person_id=join.inviter_id,
        process_id=process_id,
        data={"campaign_id": row.id, "title": row.title, "points": due},
    )
    mail.queue(conn, [letter], now)
