"""Requests to durable processes: sent once, bounded in time, refusals and silence told apart."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from temporalio.client import Client, RPCError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCStatusCode

from api.problems import STATUS_OF, Problem
from api.temporal import bounded
from db.database import Database
from db.repositories import notes
from db.repositories.notes import NoteKind
from domain.ids import derived_id

T = TypeVar("T")


class Processes:
    """Asks processes of one kind; ``gone`` is the code for one that is not running any more."""

    def __init__(self, db: Database, temporal: Client, seconds: float, gone: str) -> None:
        self._db = db
        self._temporal = temporal
        self._seconds = seconds
        self._gone = gone

    async def update(self, process_id: str, update: Any, request: Any, update_id: str) -> Any:
        """Send an update of that id and return its answer. Raises ``Problem``."""
        handle = self._temporal.get_workflow_handle(process_id)
        return await self.answer(handle.execute_update(update, request, id=update_id))

    async def answer(self, call: Awaitable[T]) -> T:
        """Return what a process answers; raises ``Problem`` for its refusals and for silence."""
        try:
            return await bounded(call, self._seconds)
        except WorkflowUpdateFailedError as error:
            cause = error.cause
            if isinstance(cause, ApplicationError) and cause.type in STATUS_OF:
                raise refusal_problem(cause.type, *cause.details) from None
            if isinstance(cause, ApplicationError) and cause.type == "AcceptedUpdateCompletedWorkflow":
                raise Problem(self._gone) from None
            raise
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise Problem(self._gone) from None
            raise

    async def with_note(
        self,
        process_id: str,
        author_id: str,
        body: str | None,
        kind: NoteKind,
        update_id: str,
        act: Callable[[str | None], Awaitable[T]],
    ) -> T:
        """Keep a note, act with its id, and drop it again if the process refuses."""
        if not body:
            return await act(None)
        note_id = derived_id("note", update_id)
        await self._db.write(
            lambda conn: notes.keep(
                conn,
                note_id,
                process_id=process_id,
                author_id=author_id,
                kind=kind,
                body=body,
                now=datetime.now(UTC),
            )
        )
        try:
            return await act(note_id)
        except Problem as problem:
            # Without an answer the process may still take it: the note has to be there then.
            if problem.status < 500:
                await self._db.write(lambda conn: notes.drop(conn, note_id))
            raise


def refusal_problem(code: str, detail: Any = None) -> Problem:
    """Return a refusal of a process as a problem; its detail holds codes, ids and times."""
    filled = {name: value for name, value in dict(detail or {}).items() if value not in (None, [], ())}
    return Problem(code, **filled)
