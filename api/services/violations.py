"""Violations of a leader on probation: reported by any staff, confirmed or dismissed by moderators."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from api.problems import Problem
from api.security.gate import Actor
from api.services.vetting import LEADS, Case, VettingService
from contracts.base import application_process_id
from contracts.vetting import ConfirmViolation
from db.database import Database
from db.repositories import notes, review_desk
from db.repositories.notes import NoteKind
from domain.ids import derived_id
from domain.vetting.desk import Verdict, ViolationKind
from workflows.vetting import VettingWorkflow

CLOCK_TOLERANCE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Report:
    """A violation as it was typed; ``occurred_at`` None means now."""

    kind: ViolationKind | None
    verdict: Verdict
    occurred_at: datetime | None
    note: str | None
    violation_id: str | None


class ViolationService:
    """Violations as staff act on them."""

    def __init__(self, db: Database, vetting: VettingService) -> None:
        self._db = db
        self._vetting = vetting

    async def settle(self, actor: Actor, application_id: str, report: Report, update_id: str) -> str:
        """Note, confirm or dismiss a violation; return its id.

        A confirmed one goes through the process first, and the row follows: sent again with the same
        idempotency key, whatever is left undone is done.
        """
        case = await self._vetting.case(actor, application_id, judging=report.verdict is not Verdict.REPORTED)
        violation_id = report.violation_id or derived_id("violation", update_id)
        kind = await self._db.write(
            lambda conn: self._noted(conn, actor, case, report, violation_id, update_id)
        )
        if report.verdict is Verdict.CONFIRMED:
            request = ConfirmViolation(
                actor_id=actor.person_id,
                is_lead=actor.has(*LEADS),
                violation_id=violation_id,
                kind=kind,
            )
            await self._vetting.update(
                application_id,
                VettingWorkflow.confirm_violation,
                request,
                derived_id("confirm", violation_id),
            )
        if report.verdict is not Verdict.REPORTED:
            await self._close(actor, violation_id, report.verdict)
        return violation_id

    @staticmethod
    def _noted(
        conn: Connection, actor: Actor, case: Case, report: Report, violation_id: str, update_id: str
    ) -> str:
        """Write the violation down, or find the one that is meant; return its kind."""
        if report.violation_id is not None:
            return _kind_of(conn, case, report.violation_id, report.verdict)
        if report.kind is None:
            raise Problem("not_found")
        now = datetime.now(UTC)
        occurred_at = report.occurred_at or case.now
        if occurred_at > case.now + CLOCK_TOLERANCE:
            raise Problem("occurred_in_future")
        note_id = derived_id("note", update_id) if report.note else None
        if note_id and report.note:
            notes.keep(
                conn,
                note_id,
                process_id=application_process_id(case.row.id),
                author_id=actor.person_id,
                kind=NoteKind.VIOLATION,
                body=report.note,
                now=now,
            )
        review_desk.report_violation(
            conn,
            violation_id=violation_id,
            application_id=case.row.id,
            person_id=case.row.person_id,
            kind=report.kind,
            occurred_at=occurred_at,
            reported_by=actor.person_id,
            note_id=note_id,
            now=now,
        )
        return report.kind.value

    async def _close(self, actor: Actor, violation_id: str, verdict: Verdict) -> None:
        settled = await self._db.write(
            lambda conn: review_desk.settle_violation(conn, violation_id, verdict, actor.person_id)
        )
        if not settled:
            raise Problem("violation_settled")


def _kind_of(conn: Connection, case: Case, violation_id: str, verdict: Verdict) -> str:
    """Return the kind of a violation that was reported before and can still get this verdict."""
    known = review_desk.violation(conn, case.row.id, violation_id)
    if known is None:
        raise Problem("not_found")
    if known.verdict not in (Verdict.REPORTED.value, verdict.value):
        raise Problem("violation_settled", verdict=known.verdict)
    return str(known.kind)
