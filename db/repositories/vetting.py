"""The record of vetting: one transition of one application, written whole or not at all."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from contracts.base import application_process_id
from contracts.vetting import Admission, Projection, RecordInput, RecordResult
from db.repositories import processes, queue_search, vetting_mail
from db.repositories.people import is_sanctioned
from db.statements import insert_ignore
from db.tables.ballots import ballots
from db.tables.people import declared_conflicts, leaders, people, role_grants
from db.tables.vetting import (
    applications,
    credential_claims,
    documents,
    link_keys,
    reviews,
    violations,
)
from domain.ballots import BallotStatus
from domain.checks import Background, Flag, Submission, barred, flags, link_key, missing
from domain.credentials import CredentialClaim
from domain.ids import derived_id
from domain.vetting import OPEN_STATUSES, ReasonCode, Refusal, Stage, Status
from domain.vetting.desk import Verdict
from domain.vetting.review import Review
from domain.vetting.state import VettingState

FIRST_TIER = "certified"


def record(conn: Connection, given: RecordInput, now: datetime) -> RecordResult:
    """Write one transition; tried again it changes nothing. ``now`` is the wall clock (UTC).

    With an ``admission`` the automatic checks come first; a refusal in the result means that nothing
    was written. If the row is not behind the transition, the result tells the state it has reached.
    """
    row = _locked(conn, given.state.application_id)
    reached = processes.reached(conn, given.process_id)
    if row is None or (row.revision and (reached is None or reached.run_id != given.run_id)):
        # No such application, or one whose own process has come and gone: a second one must not take over.
        return RecordResult(refusal=Refusal.NOT_OPEN)
    if reached is not None and reached.revision >= given.state.revision:
        return RecordResult(ahead=VettingState.model_validate(reached.state))
    projection = given.projection
    result = RecordResult(flags=projection.flags)
    if given.admission is not None:
        result = _admit(conn, row, given.admission, given.at)
        if result.refusal is not None:
            return result
    state = given.state.model_copy(update={"flags": result.flags})
    processes.write_state(conn, given.process_id, given.run_id, state.revision, state.model_dump(mode="json"))
    _write_projection(conn, row, projection, result.flags, given.at, now)
    processes.write_timeline(conn, given.process_id, given.entries, now)
    _write_consequences(conn, given)
    vetting_mail.queue_orders(conn, given, now)
    return result


def _locked(conn: Connection, application_id: str) -> Row[Any] | None:
    return conn.execute(
        select(applications).where(applications.c.id == application_id).with_for_update()
    ).one_or_none()


def _write_projection(
    conn: Connection,
    row: Row[Any],
    projection: Projection,
    found: tuple[Flag, ...],
    at: datetime,
    now: datetime,
) -> None:
    values = projection.model_dump(exclude={"application_id", "person_id"})
    values["flags"] = [flag.value for flag in found]
    values["reasons"] = list(projection.reasons)
    values["clock_offset_seconds"] = processes.clock_offset(row, at, now)
    conn.execute(update(applications).where(applications.c.id == row.id).values(**values))
    queue_search.moved(conn, row.id, row.stage, projection.stage.value)


def _write_consequences(conn: Connection, given: RecordInput) -> None:
    projection = given.projection
    if given.review is not None:
        conn.execute(insert(reviews), _review_row(given, given.review))
    if given.revoke is not None:
        conn.execute(
            delete(role_grants).where(
                role_grants.c.person_id == projection.person_id, role_grants.c.role == given.revoke.value
            )
        )
    if given.grant is not None:
        grant = {"person_id": projection.person_id, "role": given.grant.value, "granted_at": given.at}
        insert_ignore(conn, role_grants, [grant])
    if given.certified_claims is not None:
        _certify(conn, given, given.certified_claims)
    if given.cancelled_ballot is not None:
        cancel_ballot(conn, given.cancelled_ballot)
    if given.conflict_of is not None:
        conflict = {
            "person_id": given.conflict_of,
            "other_id": projection.person_id,
            "declared_at": given.at,
        }
        insert_ignore(conn, declared_conflicts, [conflict])


def cancel_ballot(conn: Connection, ballot_id: str) -> None:
    """Take an open ballot away: no votes any more, and none is ever counted."""
    conn.execute(
        update(ballots)
        .where(ballots.c.id == ballot_id, ballots.c.status == BallotStatus.OPEN.value)
        .values(status=BallotStatus.CANCELLED.value)
    )


def _review_row(given: RecordInput, review: Review) -> dict[str, Any]:
    projection = given.projection
    # A decision that asked for changes or began an appeal's fresh round still belongs to its own round.
    entry = next(entry for entry in given.entries if entry.code.startswith("review_"))
    round_number = entry.detail["round"]
    return {
        "id": derived_id("review", projection.application_id, str(round_number), review.reviewer_id),
        "application_id": projection.application_id,
        "round": round_number,
        "reviewer_id": review.reviewer_id,
        "as_lead": entry.detail["as_lead"],
        "decision": review.decision.value,
        "checklist": {item.value: checked for item, checked in review.checklist.items()},
        "findings": [finding.model_dump(mode="json") for finding in review.findings],
        "reasons": [reason.value for reason in review.reasons],
        "note_id": review.note_id,
        "decided_at": given.at,
    }


def _certify(conn: Connection, given: RecordInput, claim_ids: tuple[str, ...]) -> None:
    projection = given.projection
    conn.execute(
        update(credential_claims).where(credential_claims.c.id.in_(claim_ids)).values(verified_at=given.at)
    )
    leader = {
        "person_id": projection.person_id,
        "application_id": projection.application_id,
        "since": given.at,
        "tier": FIRST_TIER,
    }
    insert_ignore(conn, leaders, [leader])


def _admit(conn: Connection, row: Row[Any], admission: Admission, at: datetime) -> RecordResult:
    """Run the automatic checks on what is stored now: the draft is locked until the answer is written."""
    # Two drafts of one person take turns, or each would find the other not yet submitted.
    conn.execute(select(people.c.id).where(people.c.id == row.person_id).with_for_update())
    first_time = row.status == Status.DRAFT.value
    if not first_time and row.stage != Stage.CHANGES_REQUESTED.value:
        return RecordResult(refusal=Refusal.WRONG_STAGE)
    if admission.edit_version is not None and admission.edit_version != row.edit_version:
        return RecordResult(refusal=Refusal.DRAFT_CHANGED)
    submission = submission_of(conn, row)
    lacks = missing(submission)
    if lacks:
        return RecordResult(refusal=Refusal.INCOMPLETE, missing=lacks)
    known = background_of(conn, row, at)
    refusal = barred(known, person_now(conn, row, at)) if first_time else None
    if refusal is not None:
        return RecordResult(refusal=refusal, reapply_after=known.reapply_after)
    keys = [{"application_id": row.id, "key": key} for key in _link_keys(row)]
    insert_ignore(conn, link_keys, keys)
    return RecordResult(flags=flags(submission, known, at))


def submission_of(conn: Connection, row: Row[Any]) -> Submission:
    """Return what the completeness check looks at, for an ``applications`` row."""
    kinds = conn.execute(select(documents.c.kind).where(documents.c.application_id == row.id)).scalars()
    return Submission(
        headline=row.headline,
        bio=row.bio,
        statement=row.statement,
        tags=tuple(row.tags),
        links=tuple(row.links),
        claims=claims_of(conn, row.id),
        document_kinds=tuple(kinds),
    )


def claims_of(conn: Connection, application_id: str) -> tuple[CredentialClaim, ...]:
    """Return the credential claims of an application, in order of creation."""
    rows = conn.execute(
        select(credential_claims)
        .where(credential_claims.c.application_id == application_id)
        .order_by(credential_claims.c.id)
    )
    return tuple(claim_of(row) for row in rows)


def claim_of(row: Row[Any]) -> CredentialClaim:
    """Return the claim that a whole row of ``credential_claims`` holds."""
    return CredentialClaim(
        id=row.id,
        scope=row.scope,
        issuer=row.issuer,
        expires_on=row.expires_on,
        document_ids=tuple(row.document_ids),
    )


def person_now(conn: Connection, row: Row[Any], at: datetime) -> datetime:
    """Return what time it is for the applicant.

    Where an earlier application's clock was skipped ahead, its cool-down has passed that much sooner;
    without skipping this is ``at``.
    """
    ahead = conn.execute(
        select(func.max(applications.c.clock_offset_seconds)).where(
            applications.c.person_id == row.person_id, applications.c.id != row.id
        )
    ).scalar_one()
    return at + timedelta(seconds=ahead or 0.0)


def background_of(conn: Connection, row: Row[Any], at: datetime) -> Background:
    """Return what else is known about the applicant of ``row`` at ``at`` (UTC)."""
    others = conn.execute(
        select(
            applications.c.status, applications.c.stage, applications.c.reapply_after, applications.c.reasons
        ).where(applications.c.person_id == row.person_id, applications.c.id != row.id)
    ).all()
    open_statuses = {status.value for status in OPEN_STATUSES}
    under_appeal = {Stage.APPEAL_REVIEW.value}
    found = set(_duplicates(conn, row))
    if any(other.status == Status.REJECTED.value for other in others):
        found.add(Flag.EARLIER_REJECTION)
    if any(ReasonCode.FRAUD.value in other.reasons for other in others):
        found.add(Flag.EARLIER_FRAUD)
    if _has_violated(conn, row.person_id):
        found.add(Flag.EARLIER_VIOLATION)
    return Background(
        reapply_after=max((o.reapply_after for o in others if o.reapply_after), default=None),
        sanctioned=is_sanctioned(conn, row.person_id, at) or not _in_good_standing(conn, row.person_id),
        other_application_open=any(
            other.status in open_statuses or other.stage in under_appeal for other in others
        ),
        flags=tuple(sorted(found)),
    )


def _has_violated(conn: Connection, person_id: str) -> bool:
    """Tell whether a violation was ever confirmed: who withdrew from probation then was never rejected."""
    confirmed = select(violations.c.id).where(
        violations.c.person_id == person_id, violations.c.verdict == Verdict.CONFIRMED.value
    )
    return conn.execute(confirmed.limit(1)).first() is not None


def _in_good_standing(conn: Connection, person_id: str) -> bool:
    standing = select(people.c.good_standing).where(people.c.id == person_id)
    return bool(conn.execute(standing).scalar_one())


def _duplicates(conn: Connection, row: Row[Any]) -> list[Flag]:
    """Tell what hints that the applicant also has another account: the same file, or the same link."""
    found = []
    own = select(documents.c.sha256).where(documents.c.application_id == row.id)
    same_file = (
        select(documents.c.id)
        .join(applications, applications.c.id == documents.c.application_id)
        .where(documents.c.sha256.in_(own), applications.c.person_id != row.person_id)
        .limit(1)
    )
    if conn.execute(same_file).first() is not None:
        found.append(Flag.DUPLICATE_DOCUMENT)
    same_link = (
        select(link_keys.c.key)
        .join(applications, applications.c.id == link_keys.c.application_id)
        .where(link_keys.c.key.in_(_link_keys(row)), applications.c.person_id != row.person_id)
        .limit(1)
    )
    if conn.execute(same_link).first() is not None:
        found.append(Flag.DUPLICATE_LINK)
    return found


def _link_keys(row: Row[Any]) -> list[str]:
    return sorted({link_key(link) for link in row.links})


def timeline_of(conn: Connection, application_id: str) -> list[Row[Any]]:
    """Return the timeline rows of an application, oldest first."""
    return processes.timeline(conn, application_process_id(application_id))
