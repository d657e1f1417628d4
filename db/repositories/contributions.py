"""Contributions: recorded once per source and reference, and counted for probation."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, exists, func, select, tuple_

from contracts.contributions import MAX_BATCH, ContributionIn, RowOutcome
from db.repositories import clocks
from db.repositories import people as people_repository
from db.statements import insert_ignore
from db.tables.contributions import contributions
from db.tables.people import people
from db.tables.vetting import violations
from domain.contributions import ContributionKind
from domain.ids import new_id
from domain.people import PersonStatus, normalise_email
from domain.probation import WEEK, Figures
from domain.vetting.desk import Verdict

_c = contributions.c

CLOCK_TOLERANCE: Final = timedelta(minutes=5)
"""By how much the clock of a program that reports may be ahead."""


def record(conn: Connection, rows: Sequence[ContributionIn], now: datetime) -> list[RowOutcome]:
    """Store ``rows`` (at most 1,000) and return the outcome of each, in their order.

    A source and reference seen before, here or earlier, is a ``duplicate`` if it says the same and a
    ``conflict`` if it says something else; what was stored first stays, so that what has not happened yet
    (``in_future``) is not stored. ``now``: of whoever tells of them (UTC).
    """
    if len(rows) > MAX_BATCH:
        raise ValueError(f"at most {MAX_BATCH} contributions at once")
    person_ids = _resolved(conn, rows)
    early = _in_future(conn, rows, person_ids, now)
    prepared = [
        None if person_id is None or index in early else _row(given, person_id, now)
        for index, (given, person_id) in enumerate(zip(rows, person_ids, strict=True))
    ]
    known = [row for row in prepared if row is not None]
    insert_ignore(conn, contributions, known, conflict=["source", "reference"])
    stored = _stored(conn, known)
    return [
        RowOutcome.IN_FUTURE if index in early else _outcome(row, stored)
        for index, row in enumerate(prepared)
    ]


def _in_future(
    conn: Connection, rows: Sequence[ContributionIn], person_ids: Sequence[str | None], now: datetime
) -> set[int]:
    """Return the places of rows that lie in the future of the person whom they concern.

    Where the clock of the person's process was skipped ahead, their now is later than the wall clock's.
    """
    latest = now + CLOCK_TOLERANCE
    late = [index for index, row in enumerate(rows) if row.occurred_at > latest]
    if not late:
        return set()
    ahead = clocks.furthest_of(conn, [known for index in late if (known := person_ids[index]) is not None])
    return {
        index
        for index in late
        if rows[index].occurred_at > latest + timedelta(seconds=ahead.get(person_ids[index] or "", 0.0))
    }


def _resolved(conn: Connection, rows: Sequence[ContributionIn]) -> list[str | None]:
    """Return the person's id of each row, None where nobody is known (any more)."""
    emails = {normalise_email(row.email) for row in rows if row.email is not None}
    by_email = people_repository.ids_by_email(conn, emails)
    wanted = [row.person_id or by_email.get(normalise_email(row.email or "")) for row in rows]
    usable = select(people.c.id).where(
        people.c.id.in_({person_id for person_id in wanted if person_id is not None}),
        people.c.status != PersonStatus.DELETED.value,
    )
    ids = set(conn.execute(usable).scalars())
    return [person_id if person_id in ids else None for person_id in wanted]


def _row(given: ContributionIn, person_id: str, now: datetime) -> dict[str, Any]:
    content = {
        "kind": given.kind.value,
        "person_id": person_id,
        "actor_reference": _actor(given.actor_reference),
        "answers_reference": given.answers_reference,
        "hours_to_answer": given.hours_to_answer,
        "stars": given.stars,
        "occurred_at": given.occurred_at,
    }
    hashed = json.dumps({**content, "occurred_at": given.occurred_at.timestamp()}, sort_keys=True)
    return {
        "id": new_id(),
        "source": given.source,
        "reference": given.reference,
        **content,
        "recorded_at": now,
        "content_hash": hashlib.sha256(hashed.encode()).hexdigest(),
    }


def _actor(reference: str | None) -> str | None:
    """Return the one name of an actor: two spellings of a mailbox are one rater."""
    return normalise_email(reference) if reference is not None and "@" in reference else reference


class _Kept(NamedTuple):
    id: str
    content_hash: str


def _stored(conn: Connection, rows: Iterable[dict[str, Any]]) -> dict[tuple[str, str], _Kept]:
    keys = {(row["source"], row["reference"]) for row in rows}
    statement = select(_c.source, _c.reference, _c.id, _c.content_hash).where(
        tuple_(_c.source, _c.reference).in_(sorted(keys))
    )
    return {(row.source, row.reference): _Kept(row.id, row.content_hash) for row in conn.execute(statement)}


def _outcome(row: dict[str, Any] | None, stored: dict[tuple[str, str], _Kept]) -> RowOutcome:
    if row is None:
        return RowOutcome.UNKNOWN_PERSON
    kept = stored[row["source"], row["reference"]]
    if kept.id == row["id"]:
        return RowOutcome.RECORDED
    same = kept.content_hash == row["content_hash"]
    return RowOutcome.DUPLICATE if same else RowOutcome.CONFLICT


def figures(
    conn: Connection,
    person_id: str,
    start: datetime,
    end: datetime,
    as_of: datetime,
    answer_within_hours: int,
) -> Figures:
    """Return what a leader did in ``[start, end)``, as far as it had happened by ``as_of`` (all UTC).

    Questions count once they are answered or their window of ``answer_within_hours`` has passed. Of each
    rater the latest rating counts, the leader's own never do; violations count once confirmed.
    """
    window = timedelta(hours=answer_within_hours)
    reported = _reported_questions(conn, person_id, start, end, as_of, window)
    unreported = _unreported_questions(conn, person_id, start, end, as_of, window)
    stars = _latest_stars(conn, person_id, start, end)
    posts = select(func.count()).where(_of(person_id, ContributionKind.POST, start, end))
    return Figures(
        posts=conn.execute(posts).scalar_one(),
        questions=len(reported) + len(unreported),
        answered_in_time=sum(reported) + sum(unreported),
        ratings=len(stars),
        rating_sum=sum(stars),
        violations=_confirmed_violations(conn, person_id, start, end),
    )


def ratings(conn: Connection, person_id: str, start: datetime, end: datetime) -> int:
    """Return how many people's ratings of a leader count in ``[start, end)`` (UTC)."""
    return len(_latest_stars(conn, person_id, start, end))


def weekly_posts(conn: Connection, person_id: str, starts_at: datetime, weeks: int) -> tuple[int, ...]:
    """Return the posts of each of ``weeks`` spans of seven days from ``starts_at`` (UTC)."""
    within = _of(person_id, ContributionKind.POST, starts_at, starts_at + weeks * WEEK)
    times = conn.execute(select(_c.occurred_at).where(within)).scalars()
    counts = Counter((at - starts_at) // WEEK for at in times)
    return tuple(counts[week] for week in range(weeks))


def _of(person_id: str, kind: ContributionKind, start: datetime, end: datetime) -> ColumnElement[bool]:
    return and_(
        _c.person_id == person_id, _c.kind == kind.value, _c.occurred_at >= start, _c.occurred_at < end
    )


def _reported_questions(
    conn: Connection, person_id: str, start: datetime, end: datetime, as_of: datetime, window: timedelta
) -> list[bool]:
    """Return, for each question that is due, whether its first answer came in time."""
    answer = contributions.alias("answer")
    first = (
        select(func.min(answer.c.occurred_at))
        .where(
            answer.c.source == _c.source,
            answer.c.answers_reference == _c.reference,
            answer.c.person_id == person_id,
            answer.c.kind == ContributionKind.ANSWER.value,
            answer.c.occurred_at <= as_of,
        )
        .correlate(contributions)
        .scalar_subquery()
    )
    asked = select(_c.occurred_at, first.label("answered_at")).where(
        _of(person_id, ContributionKind.QUESTION, start, end)
    )
    return [
        row.answered_at is not None and row.answered_at - row.occurred_at <= window
        for row in conn.execute(asked)
        if row.answered_at is not None or row.occurred_at + window <= as_of
    ]


def _unreported_questions(
    conn: Connection, person_id: str, start: datetime, end: datetime, as_of: datetime, window: timedelta
) -> list[bool]:
    """Return, for each question known only by its answers, whether the quickest of them was in time."""
    question = contributions.alias("question")
    reported = exists().where(
        question.c.source == _c.source,
        question.c.reference == _c.answers_reference,
        question.c.kind == ContributionKind.QUESTION.value,
    )
    # An answer that names no question stands for one of its own.
    asked = func.coalesce(_c.answers_reference, _c.id)
    hours = (
        select(func.min(_c.hours_to_answer))
        .where(
            _of(person_id, ContributionKind.ANSWER, start, end),
            _c.occurred_at <= as_of,
            _c.hours_to_answer.is_not(None),
            ~reported,
        )
        .group_by(_c.source, asked)
    )
    limit = window / timedelta(hours=1)
    return [quickest <= limit for quickest in conn.execute(hours).scalars()]


def _latest_stars(conn: Connection, person_id: str, start: datetime, end: datetime) -> list[int]:
    mailbox = select(people.c.email_normalised).where(people.c.id == person_id).scalar_subquery()
    place = func.row_number().over(
        partition_by=_c.actor_reference, order_by=(_c.occurred_at.desc(), _c.id.desc())
    )
    given = (
        select(_c.stars, place.label("place"))
        .where(
            _of(person_id, ContributionKind.RATING, start, end),
            _c.actor_reference != person_id,
            _c.actor_reference != mailbox,
        )
        .subquery()
    )
    return list(conn.execute(select(given.c.stars).where(given.c.place == 1)).scalars())


def _confirmed_violations(conn: Connection, person_id: str, start: datetime, end: datetime) -> int:
    statement = select(func.count()).where(
        violations.c.person_id == person_id,
        violations.c.verdict == Verdict.CONFIRMED.value,
        violations.c.occurred_at >= start,
        violations.c.occurred_at < end,
    )
    return conn.execute(statement).scalar_one()
