"""Applications as their applicants write and read them: drafts, claims, and one read of the whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    Row,
    String,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    type_coerce,
    update,
)

from contracts.base import application_process_id
from db.repositories import queue_search
from db.tables.people import notes, people
from db.tables.vetting import (
    applications,
    credential_claims,
    documents,
    evaluations,
    timeline_entries,
)
from domain.ids import new_id
from domain.vetting import OPEN_STATUSES, Stage, Status


@dataclass(frozen=True, slots=True)
class Claim:
    """A credential claim as the applicant writes it."""

    scope: str
    issuer: str
    expires_on: date | None
    document_ids: tuple[str, ...]


class OtherApplicationOpen(Exception):
    """The person has an application under way; ``application_id`` names it."""

    def __init__(self, application_id: str) -> None:
        super().__init__(application_id)
        self.application_id = application_id


class NotEditable(Exception):
    """The application is neither a draft nor sent back for changes."""


class Stale(Exception):
    """The application was edited since the editor read it; ``edit_version`` is the current one."""

    def __init__(self, edit_version: int) -> None:
        super().__init__(str(edit_version))
        self.edit_version = edit_version


class UnknownDocuments(Exception):
    """A claim refers to documents that are not in this application; ``positions`` are those claims."""

    def __init__(self, positions: Sequence[int]) -> None:
        super().__init__(str(positions))
        self.positions = tuple(positions)


_UNDER_WAY = or_(
    applications.c.status.in_([Status.DRAFT.value, *sorted(status.value for status in OPEN_STATUSES)]),
    applications.c.stage == Stage.APPEAL_REVIEW.value,
)


def is_editable(row: Row[Any]) -> bool:
    """Tell whether the applicant may change an ``applications`` row: a draft, or one sent back."""
    return bool(row.status == Status.DRAFT.value or row.stage == Stage.CHANGES_REQUESTED.value)


def create(
    conn: Connection, person_id: str, values: Mapping[str, Any], claims: Sequence[Claim], now: datetime
) -> str:
    """Create a draft and return its id; ``values`` are profile columns. ``now`` is the wall clock.

    Raises ``OtherApplicationOpen``, ``UnknownDocuments``.
    """
    # Two requests at once wait for each other here, so that one of them sees the other's draft.
    conn.execute(select(people.c.id).where(people.c.id == person_id).with_for_update()).one()
    other = conn.execute(
        select(applications.c.id).where(applications.c.person_id == person_id, _UNDER_WAY).limit(1)
    ).scalar_one_or_none()
    if other is not None:
        raise OtherApplicationOpen(other)
    application_id = new_id()
    row = {"tags": [], "links": [], "flags": [], "reasons": [], **values}
    conn.execute(
        insert(applications),
        {**row, "id": application_id, "person_id": person_id, "created_at": now, "updated_at": now},
    )
    write_claims(conn, application_id, claims)
    return application_id


def edit(
    conn: Connection,
    application_id: str,
    edit_version: int,
    values: Mapping[str, Any],
    claims: Sequence[Claim] | None,
    now: datetime,
) -> int:
    """Change an editable application that is still at ``edit_version``; return the new version.

    ``claims`` replace all earlier ones, None leaves them. Raises ``NotEditable``, ``Stale``,
    ``UnknownDocuments``.
    """
    row = lock_editable(conn, application_id)
    if row.edit_version != edit_version:
        raise Stale(row.edit_version)
    conn.execute(
        update(applications)
        .where(applications.c.id == application_id)
        .values(**values, edit_version=edit_version + 1, updated_at=now)
    )
    if claims is not None:
        write_claims(conn, application_id, claims)
    if values.get("headline", row.headline) != row.headline:
        queue_search.headline_changed(conn, application_id)
    return edit_version + 1


def lock_editable(conn: Connection, application_id: str) -> Row[Any]:
    """Hold an application until the transaction ends, so that no submission comes between; return its row.

    Raises ``NotEditable``, also for one that does not exist.
    """
    row = conn.execute(
        select(applications).where(applications.c.id == application_id).with_for_update()
    ).one_or_none()
    if row is None or not is_editable(row):
        raise NotEditable
    return row


def write_claims(conn: Connection, application_id: str, claims: Sequence[Claim]) -> None:
    """Make ``claims`` those of the application. One that stays (same scope and issuer) keeps its id."""
    _require_documents(conn, application_id, claims)
    known = {
        (row.scope.casefold(), row.issuer.casefold()): row.id
        for row in conn.execute(
            select(credential_claims.c.id, credential_claims.c.scope, credential_claims.c.issuer).where(
                credential_claims.c.application_id == application_id
            )
        )
    }
    conn.execute(delete(credential_claims).where(credential_claims.c.application_id == application_id))
    rows = [
        {
            "id": known.get((claim.scope.casefold(), claim.issuer.casefold())) or new_id(),
            "application_id": application_id,
            "scope": claim.scope,
            "issuer": claim.issuer,
            "expires_on": claim.expires_on,
            "document_ids": list(claim.document_ids),
        }
        for claim in claims
    ]
    if rows:
        conn.execute(insert(credential_claims), rows)


def _require_documents(conn: Connection, application_id: str, claims: Sequence[Claim]) -> None:
    if not any(claim.document_ids for claim in claims):
        return
    own = set(
        conn.execute(select(documents.c.id).where(documents.c.application_id == application_id)).scalars()
    )
    wrong = [number for number, claim in enumerate(claims) if not own.issuperset(claim.document_ids)]
    if wrong:
        raise UnknownDocuments(wrong)


def withdraw_draft(conn: Connection, application_id: str, person_id: str, now: datetime) -> bool:
    """End a draft that was never submitted; False if its process has begun meanwhile.

    The timeline entry is the first one of the application, as the process would number it.
    """
    ended = conn.execute(
        update(applications)
        .where(applications.c.id == application_id, applications.c.status == Status.DRAFT.value)
        .values(
            status=Status.WITHDRAWN.value,
            stage=Stage.CLOSED.value,
            waiting_on="nobody",
            if_nothing_happens="nothing",
            ended_at=now,
            updated_at=now,
        )
    )
    if ended.rowcount != 1:
        return False
    entry = {
        "process_id": application_process_id(application_id),
        "seq": 1,
        "at": now,
        "recorded_at": now,
        "code": "withdrawn",
        "actor_id": person_id,
        "detail": {},
        "note_id": None,
    }
    conn.execute(insert(timeline_entries), entry)
    return True


_APPLICATION = bindparam("application", type_=String)
_ROW = select(applications).where(applications.c.id == _APPLICATION)


def get(conn: Connection, application_id: str) -> Row[Any] | None:
    """Return the bare row of an application."""
    return conn.execute(_ROW, {"application": application_id}).one_or_none()


def _rows_as_json(dialect: str, fields: Mapping[str, ColumnElement[Any]], of: Any, where: Any) -> Any:
    """Return a scalar subquery: the rows of ``of`` as a JSON list, so that one statement reads a tree."""
    pairs = [part for name, column in fields.items() for part in (name, column)]
    listed: ColumnElement[Any]
    if dialect == "postgresql":
        listed = func.coalesce(func.json_agg(func.json_build_object(*pairs)), func.json_build_array())
    else:
        listed = func.json_group_array(func.json_object(*pairs))
    return select(type_coerce(listed, JSON)).select_from(of).where(where).scalar_subquery()


@cache
def _whole(dialect: str) -> Any:
    # SQLite keeps JSON as text, which would be quoted once more inside JSON.
    as_json = func.json if dialect == "sqlite" else lambda column: column
    claims = _rows_as_json(
        dialect,
        {
            "id": credential_claims.c.id,
            "scope": credential_claims.c.scope,
            "issuer": credential_claims.c.issuer,
            "expires_on": credential_claims.c.expires_on,
            "document_ids": as_json(credential_claims.c.document_ids),
            "verified_at": credential_claims.c.verified_at,
        },
        credential_claims,
        credential_claims.c.application_id == _APPLICATION,
    )
    files = _rows_as_json(
        dialect,
        {
            "id": documents.c.id,
            "kind": documents.c.kind,
            "name": documents.c.original_name,
            "media_type": documents.c.media_type,
            "size": documents.c.size,
            "created_at": documents.c.created_at,
        },
        documents,
        documents.c.application_id == _APPLICATION,
    )
    return (
        select(
            applications,
            people.c.display_name.label("applicant_name"),
            claims.label("claims"),
            files.label("documents"),
        )
        .join(people, people.c.id == applications.c.person_id)
        .where(applications.c.id == _APPLICATION)
    )


def whole(conn: Connection, application_id: str) -> Row[Any] | None:
    """Return an application with the lists ``claims`` and ``documents`` in one statement, in no order."""
    return conn.execute(_whole(conn.dialect.name), {"application": application_id}).one_or_none()


_WEEKS = (
    select(evaluations)
    .where(evaluations.c.application_id == _APPLICATION)
    .order_by(evaluations.c.period, evaluations.c.week)
)


def weeks(conn: Connection, application_id: str) -> Sequence[Row[Any]]:
    """Return the weekly evaluations of a probation, oldest first."""
    return conn.execute(_WEEKS, {"application": application_id}).all()


def page(
    conn: Connection,
    *,
    person_id: str | None = None,
    status: Status | None = None,
    before: str | None = None,
    limit: int,
) -> Sequence[Row[Any]]:
    """Return up to ``limit`` applications, newest first, with ``applicant_name``.

    ``person_id`` keeps those of one person; without it other people's drafts are left out, because
    nobody has handed them in. ``before`` is the id of the last one of the page before.
    """
    query = select(applications, people.c.display_name.label("applicant_name")).join(
        people, people.c.id == applications.c.person_id
    )
    if person_id is not None:
        query = query.where(applications.c.person_id == person_id)
    else:
        query = query.where(applications.c.submitted_at.is_not(None))
    if status is not None:
        query = query.where(applications.c.status == status.value)
    if before is not None:
        query = query.where(applications.c.id < before)
    return conn.execute(query.order_by(applications.c.id.desc()).limit(limit)).all()


def timeline(conn: Connection, application_id: str) -> Sequence[Row[Any]]:
    """Return the timeline, oldest first, with the actor's name and the text behind each note."""
    process = application_process_id(application_id)
    return conn.execute(
        select(
            timeline_entries,
            people.c.display_name.label("actor_name"),
            notes.c.body.label("note"),
        )
        .outerjoin(people, people.c.id == timeline_entries.c.actor_id)
        .outerjoin(
            notes,
            and_(notes.c.id == timeline_entries.c.note_id, notes.c.process_id == process),
        )
        .where(timeline_entries.c.process_id == process)
        .order_by(timeline_entries.c.seq)
    ).all()


_OWNER = select(applications.c.person_id).where(applications.c.id == _APPLICATION)


def owner_of(conn: Connection, application_id: str) -> str | None:
    """Return whose application it is, None if there is none of that id."""
    return conn.execute(_OWNER, {"application": application_id}).scalar_one_or_none()


def never_handed_in(conn: Connection, application_id: str) -> bool:
    """Tell whether an application is, or ended as, a draft that only its applicant knows of."""
    submitted = select(applications.c.submitted_at).where(applications.c.id == application_id)
    return conn.execute(submitted).scalar() is None
