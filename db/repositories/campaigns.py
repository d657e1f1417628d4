"""Campaigns: drafts as their leaders write them, lists, and the record of one transition."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, func, insert, or_, select, update

from contracts.base import campaign_process_id
from contracts.campaigns import RecordInput, RecordResult, view_of
from contracts.mail import MailRequest
from db.repositories import amnesties, invitation_doubts, mail, points, processes
from db.statements import insert_ignore
from db.tables.campaigns import campaign_days, campaigns
from db.tables.people import people, role_grants
from domain.campaigns.plan import CampaignPlan
from domain.campaigns.state import Audience, CampaignState, MailOrder
from domain.campaigns.terms import Refusal, Status
from domain.ids import new_id
from domain.mail import MailTemplate
from domain.people import PersonStatus, Role
from domain.points import InsufficientPoints

_ROLES = {
    Audience.MANAGERS: (Role.CAMPAIGN_MANAGER.value, Role.ADMIN.value),
    Audience.JUDGES: (Role.CAMPAIGN_MANAGER.value, Role.MODERATOR.value, Role.ADMIN.value),
}


class NotEditable(Exception):
    """The campaign is not a draft."""


class Stale(Exception):
    """The campaign was edited since the editor read it; ``edit_version`` is the current one."""

    def __init__(self, edit_version: int) -> None:
        super().__init__(str(edit_version))
        self.edit_version = edit_version


def create(
    conn: Connection,
    leader_id: str,
    template: str,
    words: Mapping[str, str],
    plan: CampaignPlan,
    now: datetime,
) -> str:
    """Begin a draft and return its id; ``words`` are title, summary, description and task. ``now``: UTC."""
    campaign_id = new_id()
    row = {
        **words,
        "id": campaign_id,
        "leader_id": leader_id,
        "template": template,
        "plan": plan.model_dump(mode="json"),
        "reasons": [],
        "length_days": plan.length_days,
        "created_at": now,
        "updated_at": now,
    }
    conn.execute(insert(campaigns).values(row))
    return campaign_id


def edit(
    conn: Connection,
    campaign_id: str,
    edit_version: int,
    words: Mapping[str, str],
    plan: CampaignPlan | None,
    now: datetime,
) -> int:
    """Change a draft that is still at ``edit_version``; return its new version.

    Raises ``NotEditable`` and ``Stale``.
    """
    row = _locked(conn, campaign_id)
    if row is None or row.status != Status.DRAFT.value:
        raise NotEditable
    if row.edit_version != edit_version:
        raise Stale(row.edit_version)
    values: dict[str, Any] = {**words, "edit_version": edit_version + 1, "updated_at": now}
    if plan is not None:
        values |= {"plan": plan.model_dump(mode="json"), "length_days": plan.length_days}
    conn.execute(update(campaigns).where(campaigns.c.id == campaign_id).values(**values))
    return edit_version + 1


def drop_draft(conn: Connection, campaign_id: str) -> bool:
    """Delete a draft that was never handed in; False if it was, or if there is none."""
    never = (campaigns.c.status == Status.DRAFT.value) & (campaigns.c.revision == 0)
    gone = conn.execute(
        delete(campaigns).where(campaigns.c.id == campaign_id, never),
        execution_options={"preserve_rowcount": True},
    )
    return gone.rowcount > 0


def leader_of(conn: Connection, campaign_id: str) -> str | None:
    """Return who leads a campaign, None if there is none of that id."""
    found = select(campaigns.c.leader_id).where(campaigns.c.id == campaign_id)
    return conn.execute(found).scalar_one_or_none()


def get(conn: Connection, campaign_id: str) -> Row[Any] | None:
    """Return the row of a campaign with its leader's name as ``leader_name``."""
    return conn.execute(_with_leader().where(campaigns.c.id == campaign_id)).one_or_none()


def _with_leader() -> Any:
    return select(campaigns, people.c.display_name.label("leader_name")).join(
        people, people.c.id == campaigns.c.leader_id
    )


def listed(
    conn: Connection,
    statuses: Sequence[Status],
    *,
    leader_id: str | None = None,
    before: str | None = None,
    limit: int = 50,
) -> list[Row[Any]]:
    """Return campaigns in ``statuses``, newest first, older than the id ``before``."""
    found = _with_leader().where(campaigns.c.status.in_([status.value for status in statuses]))
    if leader_id is not None:
        found = found.where(campaigns.c.leader_id == leader_id)
    if before is not None:
        found = found.where(campaigns.c.id < before)
    return list(conn.execute(found.order_by(campaigns.c.id.desc()).limit(limit)))


def in_line(conn: Connection, after: tuple[datetime, str] | None = None, limit: int = 50) -> list[Row[Any]]:
    """Return campaigns that wait for approval, who waits longest first, after that (waiting since, id)."""
    found = _with_leader().where(campaigns.c.status == Status.IN_REVIEW.value)
    since = campaigns.c.waiting_since
    if after is not None:
        found = found.where(or_(since > after[0], and_(since == after[0], campaigns.c.id > after[1])))
    return list(conn.execute(found.order_by(since, campaigns.c.id).limit(limit)))


def counted(conn: Connection, statuses: Sequence[Status]) -> dict[Status, int]:
    """Return how many campaigns there are of each of ``statuses``."""
    found = (
        select(campaigns.c.status, func.count())
        .where(campaigns.c.status.in_([status.value for status in statuses]))
        .group_by(campaigns.c.status)
    )
    numbers: dict[str, int] = {row[0]: row[1] for row in conn.execute(found)}
    return {status: numbers.get(status.value, 0) for status in statuses}


def timeline_of(conn: Connection, campaign_id: str) -> list[Row[Any]]:
    """Return the timeline of a campaign, oldest first."""
    return processes.timeline(conn, campaign_process_id(campaign_id))


def record(conn: Connection, given: RecordInput, now: datetime) -> RecordResult:
    """Write one transition; tried again it changes nothing. ``now`` is the wall clock (UTC).

    A refusal in the result means that nothing was written; if the row is not behind the transition, the
    result tells the state it has reached.
    """
    state = given.state
    row, known = _locked(conn, state.campaign_id), processes.reached(conn, given.process_id)
    if row is None or (row.revision and (known is None or known.run_id != given.run_id)):
        # No such campaign, or one whose own process has come and gone: a second one must not take over.
        return RecordResult(refusal=Refusal.NOT_OPEN)
    if known is not None and known.revision >= state.revision:
        return RecordResult(ahead=CampaignState.model_validate(known.state))
    if given.edit_version is not None and given.edit_version != row.edit_version:
        return RecordResult(refusal=Refusal.PLAN_CHANGED)
    if given.reserve:
        key = f"{given.process_id}:reservation:{state.revision}"
        try:
            points.reserve(conn, state.campaign_id, given.reserve, key=key, at=given.at)
        except InsufficientPoints as error:
            return RecordResult(refusal=Refusal.POOL_TOO_SMALL, available=error.available)
    if given.release:
        points.release(conn, state.campaign_id, key=f"{given.process_id}:release", at=given.at)
    processes.write_state(conn, given.process_id, given.run_id, state.revision, state.model_dump(mode="json"))
    _write_projection(conn, row, given, now)
    processes.write_timeline(conn, given.process_id, given.entries, now)
    _write_days(conn, given)
    if given.amnesty is not None:
        amnesties.write(conn, state.campaign_id, given.amnesty)
    _queue_mails(conn, row, given, now)
    return RecordResult()


def _locked(conn: Connection, campaign_id: str) -> Row[Any] | None:
    return conn.execute(
        select(campaigns).where(campaigns.c.id == campaign_id).with_for_update()
    ).one_or_none()


def _write_projection(conn: Connection, row: Row[Any], given: RecordInput, now: datetime) -> None:
    state = given.state
    values = view_of(state).model_dump(exclude={"campaign_id"})
    values["reasons"] = [reason.value for reason in state.reasons]
    if state.plan is not None:
        values["plan"] = state.plan.model_dump(mode="json")
    values |= {
        "clock_offset_seconds": processes.clock_offset(row, given.at, now),
        "policy_version": state.policy_version,
        "submitted_at": state.submitted_at,
        "ended_at": state.ended_at,
    }
    conn.execute(update(campaigns).where(campaigns.c.id == row.id).values(**values))


def _write_days(conn: Connection, given: RecordInput) -> None:
    campaign_id = given.state.campaign_id
    for entry in given.entries:
        if entry.code == "day_opened":
            day = {"campaign_id": campaign_id, "day": entry.detail["day"], "opened_at": entry.at}
            insert_ignore(conn, campaign_days, [day])
        elif entry.code == "day_closed":
            done, missed = entry.detail["checked_in"], entry.detail["missed"]
            conn.execute(
                update(campaign_days)
                .where(campaign_days.c.campaign_id == campaign_id, campaign_days.c.day == entry.detail["day"])
                .values(closed_at=entry.at, active=done + missed, checked_in=done, missed=missed)
            )


def _queue_mails(conn: Connection, row: Row[Any], given: RecordInput, now: datetime) -> None:
    state = given.state
    requests = [
        MailRequest(
            key=f"{given.process_id}:{_occasion(state, order)}:{order.template}:{person_id}",
            template=order.template,
            person_id=person_id,
            process_id=given.process_id,
            data={"campaign_id": row.id, "title": row.title, **order.data},
            list_mail=order.template is MailTemplate.CAMPAIGN_DIGEST,
        )
        for order in given.mails
        if order.template is not MailTemplate.CAMPAIGN_DOUBTS_OPEN or invitation_doubts.are_open(conn, row.id)
        for person_id in _recipients(conn, state, order.audience)
    ]
    mail.queue(conn, requests, now)


def _occasion(state: CampaignState, order: MailOrder) -> str:
    """Return what a letter is written for: its step; the one about doubts comes once."""
    return "once" if order.template is MailTemplate.CAMPAIGN_DOUBTS_OPEN else str(state.revision)


def _recipients(conn: Connection, state: CampaignState, audience: Audience) -> list[str]:
    if audience is Audience.LEADER:
        return [state.leader_id]
    managers = (
        select(role_grants.c.person_id)
        .join(people, people.c.id == role_grants.c.person_id)
        .where(role_grants.c.role.in_(_ROLES[audience]), people.c.status == PersonStatus.ACTIVE.value)
        .distinct()
        .order_by(role_grants.c.person_id)
    )
    return [person_id for person_id in conn.execute(managers).scalars() if person_id != state.leader_id]
