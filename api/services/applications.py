"""Reading applications: one read for the whole, and who is told what of it."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, cast

from sqlalchemy import Connection, Row

from api.problems import Problem
from api.schemas.applications import (
    OPINION_GIVEN,
    ApplicationOut,
    ApplicationSummary,
    ClaimOut,
    DocumentOut,
    EntryOut,
    PersonOut,
    ProbationOut,
    StaffView,
    StatusOut,
    TargetOut,
    WeekOut,
)
from api.security.gate import Actor
from api.services.independence import independent, round_of
from api.services.vetting import process_now
from contracts.vetting import StatusView
from db.repositories import applications, contributions, policies, vetting
from domain.checks import Submission, missing
from domain.credentials import CredentialClaim, is_expired, is_regulated
from domain.people import Role
from domain.policy import ProbationPolicy
from domain.probation import Figures, evaluate
from domain.vetting import Status
from domain.vetting.disclosure import Telling, tellings
from locales import word

VETTING_STAFF = (Role.REVIEWER, Role.LEAD_REVIEWER, Role.MODERATOR, Role.ADMIN)
"""Who reads other people's applications."""


def status_out(view: StatusView, locale: str) -> StatusOut:
    """Return what the process answered, with what happens next in the reader's language."""
    return StatusOut(
        **view.model_dump(exclude={"application_id", "revision", "claimed_by"}),
        id=view.application_id,
        if_nothing_happens_text=word(locale, "if_nothing", view.if_nothing_happens.value),
    )


def whole(conn: Connection, application_id: str, actor: Actor) -> ApplicationOut:
    """Read an application as ``actor`` may see it. Raises ``Problem``."""
    row = applications.whole(conn, application_id)
    if row is None:
        raise Problem("not_found")
    now = process_now(row)
    claims = [_claim(claim, now.date()) for claim in sorted(row.claims, key=_by_id)]
    files = [DocumentOut(**document) for document in sorted(row.documents, key=_by_id)]
    editable = applications.is_editable(row)
    return ApplicationOut(
        **_status_fields(row, actor.locale),
        now=now,
        applicant=PersonOut(id=row.person_id, display_name=row.applicant_name),
        headline=row.headline,
        bio=row.bio,
        statement=row.statement,
        tags=row.tags,
        links=row.links,
        claims=claims,
        documents=files,
        edit_version=row.edit_version,
        editable=editable and row.person_id == actor.person_id,
        missing=list(missing(_submission(row, claims, files))) if editable else [],
        reasons=row.reasons,
        probation=_probation(conn, row) if row.probation_starts_at else None,
        appeal_until=row.appeal_until,
        reapply_after=_reapply_after(conn, row, now),
        created_at=row.created_at,
        updated_at=row.updated_at,
        submitted_at=row.submitted_at,
        ended_at=row.ended_at,
        staff=_staff_view(row) if sees_as_staff(row.person_id, actor) else None,
    )


def _reapply_after(conn: Connection, row: Row[Any], now: datetime) -> datetime | None:
    """When the applicant may hand in again: for a draft, what an earlier application still holds up."""
    if row.status != Status.DRAFT.value:
        return cast("datetime | None", row.reapply_after)
    after = vetting.background_of(conn, row, now).reapply_after
    return after if after is not None and after > vetting.person_now(conn, row, now) else None


def sees_as_staff(owner_id: str, actor: Actor) -> bool:
    """Tell whether ``actor`` reads as staff: nobody does so with an application of their own."""
    return owner_id != actor.person_id and actor.has(*VETTING_STAFF)


def _by_id(item: dict[str, Any]) -> str:
    return str(item["id"])


def _status_fields(row: Row[Any], locale: str) -> dict[str, Any]:
    return {
        "id": row.id,
        "status": row.status,
        "stage": row.stage,
        "waiting_on": row.waiting_on,
        "waiting_since": row.waiting_since,
        "next_deadline": row.next_deadline,
        "if_nothing_happens": row.if_nothing_happens,
        "if_nothing_happens_text": word(locale, "if_nothing", row.if_nothing_happens),
        "round": row.round,
        "ballot_id": row.ballot_id,
    }


def _claim(stored: dict[str, Any], today: date) -> ClaimOut:
    claim = CredentialClaim(**{name: stored[name] for name in CredentialClaim.model_fields})
    return ClaimOut(**stored, regulated=is_regulated(claim.scope), expired=is_expired(claim, today))


def _submission(row: Row[Any], claims: list[ClaimOut], files: list[DocumentOut]) -> Submission:
    return Submission(
        headline=row.headline,
        bio=row.bio,
        statement=row.statement,
        tags=tuple(row.tags),
        links=tuple(row.links),
        claims=tuple(
            CredentialClaim(**claim.model_dump(include=set(CredentialClaim.model_fields))) for claim in claims
        ),
        document_kinds=tuple(file.kind.value for file in files),
    )


def _staff_view(row: Row[Any]) -> StaffView:
    return StaffView(
        flags=row.flags,
        claimed_by=row.claimed_by,
        escalated=row.escalated,
        policy_version=row.policy_version,
        revision=row.revision,
    )


def _probation(conn: Connection, row: Row[Any]) -> ProbationOut:
    version = policies.VETTING.get(conn, row.policy_version) or policies.VETTING.current(conn)
    rules = version.policy.probation
    weeks = applications.weeks(conn, row.id)
    return ProbationOut(
        starts_at=row.probation_starts_at,
        ends_at=row.probation_ends_at,
        posts_a_week=rules.posts_a_week,
        ratings=_ratings(conn, row, weeks),
        ratings_needed=rules.ratings_needed,
        evaluations=[
            WeekOut(
                period=week.period,
                week=week.week,
                starts_at=week.starts_at,
                ends_at=week.ends_at,
                figures=week.figures,
            )
            for week in weeks
        ],
        targets=_targets(row, weeks, rules),
        recommendation=row.recommendation,
    )


def _ratings(conn: Connection, row: Row[Any], weeks: Sequence[Row[Any]]) -> int:
    """Return how many ratings the target rests on: of the weeks so far or, once judged, of the period."""
    if row.evaluation is None:
        return sum(week.figures["ratings"] for week in weeks if week.starts_at >= row.probation_starts_at)
    return contributions.ratings(conn, row.person_id, row.probation_starts_at, row.probation_ends_at)


def _targets(row: Row[Any], weeks: Sequence[Row[Any]], rules: ProbationPolicy) -> list[TargetOut]:
    """Return the targets as they were judged or, before that, as they stand after the weeks so far."""
    if row.evaluation is not None:
        return [TargetOut(**target) for target in row.evaluation["targets"]]
    now = [Figures(**week.figures) for week in weeks if week.starts_at >= row.probation_starts_at]
    total = Figures(**{name: sum(getattr(week, name) for week in now) for name in Figures.model_fields})
    so_far = evaluate([week.posts for week in now], total, rules, extended=False)
    return [
        TargetOut(
            target=result.target.value,
            needed=result.needed,
            value=result.value if now else None,
            met=result.met if now else None,
        )
        for result in so_far.targets
    ]


def summary(row: Row[Any]) -> ApplicationSummary:
    """Return a row of ``applications`` with ``applicant_name`` as it stands in lists."""
    return ApplicationSummary(
        id=row.id,
        applicant=PersonOut(id=row.person_id, display_name=row.applicant_name),
        headline=row.headline,
        status=row.status,
        stage=row.stage,
        waiting_on=row.waiting_on,
        next_deadline=row.next_deadline,
        if_nothing_happens=row.if_nothing_happens,
        created_at=row.created_at,
        submitted_at=row.submitted_at,
        ended_at=row.ended_at,
    )


def timeline(conn: Connection, application_id: str, actor: Actor) -> list[EntryOut]:
    """Read the timeline as ``actor`` may see it. Raises ``Problem``."""
    row = applications.get(conn, application_id)
    if row is None:
        raise Problem("not_found")
    owner = row.person_id
    entries = applications.timeline(conn, application_id)
    if sees_as_staff(owner, actor):
        whole = [_entry(entry, owner, Telling.WHOLE, named=True) for entry in entries]
        return independent(whole, round_of(conn, row, actor))
    told = tellings([entry.code for entry in entries])
    return [
        _entry(entry, owner, telling, named=False)
        for entry, telling in zip(entries, told, strict=True)
        if telling is not Telling.NOTHING
    ]


def _entry(entry: Row[Any], owner: str, telling: Telling, *, named: bool) -> EntryOut:
    masked = telling is Telling.AS_GIVEN
    return EntryOut(
        seq=entry.seq,
        at=entry.at,
        code=OPINION_GIVEN if masked else entry.code,
        actor="process" if entry.actor_id is None else "applicant" if entry.actor_id == owner else "reviewer",
        actor_name=entry.actor_name if named else None,
        detail={"round": entry.detail.get("round")} if masked else entry.detail,
        note=entry.note if telling is Telling.WHOLE else None,
    )


def utc_now() -> datetime:
    """Return the wall clock in UTC."""
    return datetime.now(UTC)
