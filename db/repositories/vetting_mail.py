"""Who a mail of the vetting process goes to, looked up in the transaction that queues it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, union

from contracts.mail import MailRequest
from contracts.vetting import RecordInput
from db.repositories import mail
from db.tables.people import circle_members, declared_conflicts, people, role_grants
from db.tables.vetting import credential_claims
from domain.mail import MailTemplate
from domain.people import PersonStatus, Role
from domain.vetting.state import Audience, MailOrder

_ROLES = {
    Audience.REVIEWERS: (Role.REVIEWER, Role.LEAD_REVIEWER),
    Audience.LEADS: (Role.LEAD_REVIEWER,),
}


def queue_orders(conn: Connection, given: RecordInput, now: datetime) -> None:
    """Queue the mails of one transition, one row a person, keyed by the transition."""
    requests = [
        _request(given, order, person_id, _data(conn, given, order))
        for order in given.mails
        for person_id in _recipients(conn, given, order.audience)
    ]
    mail.queue(conn, requests, now)


def _request(given: RecordInput, order: MailOrder, person_id: str, data: dict[str, Any]) -> MailRequest:
    key = f"{given.process_id}:{given.projection.revision}:{order.template}:{person_id}"
    return MailRequest(
        key=key, template=order.template, person_id=person_id, process_id=given.process_id, data=data
    )


def _data(conn: Connection, given: RecordInput, order: MailOrder) -> dict[str, Any]:
    data = {"application_id": given.projection.application_id, **order.data}
    if order.template is MailTemplate.CERTIFIED:
        data["topics"] = _topics(conn, given.certified_claims or ())
    return data


def _topics(conn: Connection, claim_ids: Iterable[str]) -> list[str]:
    chosen = credential_claims.c.id.in_(list(claim_ids))
    return sorted(set(conn.execute(select(credential_claims.c.scope).where(chosen)).scalars()))


def _recipients(conn: Connection, given: RecordInput, audience: Audience) -> list[str]:
    projection = given.projection
    if audience is Audience.APPLICANT:
        return [projection.person_id]
    if audience is Audience.CLAIMANT and projection.claimed_by is not None:
        return [projection.claimed_by]
    roles = _ROLES.get(audience, _ROLES[Audience.REVIEWERS])
    barred = {*given.excluded_staff, *_conflicted(conn, projection.person_id)}
    # Where nobody of the role is free to act, the administrators have to find somebody.
    return _holders(conn, roles, barred) or _holders(conn, (Role.ADMIN,), barred)


def _holders(conn: Connection, roles: tuple[Role, ...], barred: set[str]) -> list[str]:
    ids = conn.execute(
        select(role_grants.c.person_id)
        .join(people, people.c.id == role_grants.c.person_id)
        .where(
            role_grants.c.role.in_([role.value for role in roles]),
            people.c.status == PersonStatus.ACTIVE.value,
        )
        .distinct()
        .order_by(role_grants.c.person_id)
    ).scalars()
    return [person_id for person_id in ids if person_id not in barred]


def _conflicted(conn: Connection, applicant_id: str) -> set[str]:
    """Everyone who may not judge the applicant: self, inviter either way, same circle, declared."""
    mine = select(circle_members.c.circle).where(circle_members.c.person_id == applicant_id)
    inviter = select(people.c.invited_by).where(people.c.id == applicant_id, people.c.invited_by.is_not(None))
    invited = select(people.c.id).where(people.c.invited_by == applicant_id)
    same_circle = select(circle_members.c.person_id).where(circle_members.c.circle.in_(mine))
    declared = select(declared_conflicts.c.person_id).where(declared_conflicts.c.other_id == applicant_id)
    found = conn.execute(union(inviter, invited, same_circle, declared)).scalars()
    return {applicant_id, *found}
