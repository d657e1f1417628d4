"""The queues of the staff's desk: what waits, in the order of its deadlines, at any size."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Row,
    Select,
    String,
    Subquery,
    and_,
    bindparam,
    func,
    literal,
    or_,
    select,
    true,
    tuple_,
    union_all,
)

from db.repositories import queue_search
from db.tables.people import people
from db.tables.vetting import application_grams, application_search, applications
from domain.search import folded
from domain.vetting import Stage
from domain.vetting.desk import QUEUE_STAGES, Queue

NO_DEADLINE = datetime(9999, 12, 31, tzinfo=UTC)
"""Where an application without a deadline stands in the order of deadlines: last."""

MOST_COUNTED = 100
"""A queue is counted up to here: that there are more is all that its tab says."""

_claimant = people.alias("claimant")
_deadline: ColumnElement[Any] = func.coalesce(
    applications.c.next_deadline, literal(NO_DEADLINE, applications.c.next_deadline.type)
)
# Without the texts, which no list shows and which would be read for nothing.
_LISTED = (
    applications.c.id,
    applications.c.person_id,
    applications.c.headline,
    applications.c.status,
    applications.c.stage,
    applications.c.waiting_on,
    applications.c.waiting_since,
    applications.c.next_deadline,
    applications.c.if_nothing_happens,
    applications.c.escalated,
    applications.c.round,
    applications.c.flags,
    applications.c.claimed_by,
    applications.c.clock_offset_seconds,
)
_READER = bindparam("reader", type_=applications.c.person_id.type)
_PLACE_ID = bindparam("place_id", type_=applications.c.id.type)
_FIRST_KEY = bindparam("first_key", type_=application_grams.c.gram.type)
_LAST_KEY = bindparam("last_key", type_=application_grams.c.gram.type)
_MOST = bindparam("most", type_=Integer)
_IN_REVIEW = (Stage.FIRST_REVIEW, Stage.SECOND_REVIEW)


class QueuePlace(NamedTuple):
    """Where a page of the queue ended: deadline (UTC) and id of its last application."""

    deadline: datetime
    application_id: str


class _Shape(NamedTuple):
    """What a query of the queue leaves out: together with the values, all that tells two of them apart."""

    kind: Queue | None
    searched: bool
    rare: bool
    """Whether the search is looked up in the index, or met by reading the queue in its order."""
    held: bool
    unclaimed: bool
    escalated: bool
    first: bool
    dated: bool
    """Whether applications with a deadline are read, or those without, which follow them all."""


def queue(
    conn: Connection,
    *,
    kind: Queue | None,
    search: str | None = None,
    claimed_by: str | None = None,
    unclaimed: bool = False,
    escalated: bool = False,
    without_person: str,
    after: QueuePlace | None = None,
    limit: int,
) -> Sequence[Row[Any]]:
    """Return up to ``limit`` applications that wait, by deadline, the earliest first.

    ``search`` is looked for in the applicant's name and the headline; ``without_person`` is the reader,
    whose own application is not theirs to handle. ``claimed_by``, ``unclaimed`` and ``escalated`` leave
    out the others. Columns: those of ``applications`` that a list shows, ``applicant_name``,
    ``claimant_name``, ``deadline``.
    """
    wanted = folded(search or "")
    keys = queue_search.rarest(conn, wanted)
    shape = _Shape(
        kind,
        searched=bool(wanted),
        rare=keys is not None,
        held=claimed_by is not None,
        unclaimed=unclaimed,
        escalated=escalated,
        first=after is None,
        dated=after is None or after.deadline != NO_DEADLINE,
    )
    given: dict[str, Any] = {"reader": without_person}
    if wanted:
        given["search"] = f"%{_escaped(wanted)}%"
    if keys is not None:
        given |= {"first_key": keys.first, "last_key": keys.last}
    if claimed_by is not None:
        given["holder"] = claimed_by
    if after is not None:
        given |= {"place_deadline": after.deadline, "place_id": after.application_id}
    found = conn.execute(_statement(shape), given | {"most": limit}).all()
    if shape.dated and len(found) < limit:
        rest = _statement(shape._replace(first=True, dated=False))
        found = [*found, *conn.execute(rest, given | {"most": limit - len(found)}).all()]
    return found


@cache
def _statement(shape: _Shape) -> Select[Any]:
    found = _earliest(shape)
    return (
        select(
            *_LISTED,
            people.c.display_name.label("applicant_name"),
            _claimant.c.display_name.label("claimant_name"),
            found.c.deadline,
        )
        .join(found, found.c.id == applications.c.id)
        .join(people, people.c.id == applications.c.person_id)
        .outerjoin(_claimant, _claimant.c.id == applications.c.claimed_by)
        .order_by(found.c.deadline, applications.c.id)
    )


def _earliest(shape: _Shape) -> Subquery:
    """Return ids and deadlines of the page.

    Each stage is read along its index and cut off there, so that a page costs the same however many wait.
    A search for what few have begins with those, whatever their stage.
    """
    wanted, parts = [_following(shape), *_wanted(shape)], _parts(shape.kind)
    if shape.rare:
        parts = [[or_(*(and_(*part) for part in parts))]]
    found = union_all(*(select(_first([*part, *wanted])) for part in parts)).subquery()
    return select(found).order_by(found.c.deadline, found.c.id).limit(_MOST).subquery()


def _first(conditions: Sequence[ColumnElement[bool]]) -> Subquery:
    return (
        select(applications.c.id, _deadline.label("deadline"))
        .where(*conditions)
        .order_by(applications.c.next_deadline, applications.c.id)
        .limit(_MOST)
        .subquery()
    )


def _wanted(shape: _Shape) -> list[ColumnElement[bool]]:
    wanted = [applications.c.person_id != _READER]
    if shape.searched:
        wanted.append(_mentions(shape.rare))
    if shape.held:
        wanted.append(applications.c.claimed_by == bindparam("holder", type_=applications.c.claimed_by.type))
    if shape.unclaimed:
        wanted.append(applications.c.claimed_by.is_(None))
    if shape.escalated:
        wanted.append(_escalated())
    return wanted


def _following(shape: _Shape) -> ColumnElement[bool]:
    """Return the condition that an application comes after the place where the page before ended."""
    if not shape.dated:
        undated = applications.c.next_deadline.is_(None)
        return undated if shape.first else and_(undated, applications.c.id > _PLACE_ID)
    if shape.first:
        return applications.c.next_deadline.is_not(None)
    place = tuple_(bindparam("place_deadline", type_=applications.c.next_deadline.type), _PLACE_ID)
    return tuple_(applications.c.next_deadline, applications.c.id) > place


def _parts(kind: Queue | None) -> list[list[ColumnElement[bool]]]:
    """Return the conditions of each stage that makes up the queue; no application meets two of them."""
    kinds = list(Queue) if kind is None else [kind]
    stages = [stage for each in kinds for stage in sorted(QUEUE_STAGES[each])]
    parts: list[list[ColumnElement[bool]]] = [[applications.c.stage == stage.value] for stage in stages]
    if kind is Queue.LEAD_REVIEW:
        parts += [[_escalated(), applications.c.stage == stage.value] for stage in _IN_REVIEW]
    return parts


def _escalated() -> ColumnElement[bool]:
    return applications.c.escalated == true()


def _mentions(rare: bool) -> ColumnElement[bool]:
    text = application_search.c.text.like(bindparam("search", type_=String), escape="\\")
    if not rare:
        own = application_search.c.application_id == applications.c.id
        return select(application_search.c.text).where(own, text).correlate(applications).exists()
    keys = queue_search.Range(_FIRST_KEY, _LAST_KEY)
    having = select(application_grams.c.application_id).where(*queue_search.within(keys))
    return applications.c.id.in_(
        select(application_search.c.application_id).where(
            application_search.c.application_id.in_(having), text
        )
    )


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def counts(conn: Connection, without_person: str) -> dict[Queue, int]:
    """Return how many applications wait in each queue, counted up to ``MOST_COUNTED``.

    The reader's own, of which one can be under way, is not theirs to handle and is left out.
    """
    rows = conn.execute(_counts()).all()
    waiting = Counter({row.stage: row.waiting for row in rows})
    escalated = Counter({row.stage: row.escalated for row in rows})
    for own in conn.execute(_OWN, {"reader": without_person}):
        waiting[own.stage] -= 1
        escalated[own.stage] -= own.escalated
    return {kind: min(_how_many(kind, waiting, escalated), MOST_COUNTED) for kind in Queue}


_OWN = select(applications.c.stage, applications.c.escalated).where(applications.c.person_id == _READER)


def _how_many(kind: Queue, waiting: Counter[str], escalated: Counter[str]) -> int:
    early = _IN_REVIEW if kind is Queue.LEAD_REVIEW else ()
    return sum(waiting[stage] for stage in QUEUE_STAGES[kind]) + sum(escalated[stage] for stage in early)


@cache
def _counts() -> Select[Any]:
    """Return what counts every stage along its indexes: one small statement, because planning costs most.

    The stages are not a VALUES, which SQLAlchemy would compile anew each time: it costs ten times the query.
    """
    listed = [stage.value for kind in Queue for stage in sorted(QUEUE_STAGES[kind])]
    stages = union_all(*(select(literal(stage, String).label("stage")) for stage in listed)).cte("stages")

    def counted(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
        # One more than is told, because the reader's own is taken off afterwards.
        seen = select(applications.c.id).where(applications.c.stage == stages.c.stage, *conditions)
        seen = seen.limit(MOST_COUNTED + 1).correlate(stages)
        return select(func.count()).select_from(seen.subquery()).scalar_subquery()

    return select(
        stages.c.stage, counted().label("waiting"), counted(_escalated()).label("escalated")
    ).select_from(stages)
