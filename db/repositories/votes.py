"""Casting votes, and what voters see of a ballot. Who voted and what was voted never meet in one row."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    ColumnElement,
    Connection,
    DateTime,
    Row,
    String,
    and_,
    bindparam,
    exists,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    tuple_,
    update,
)

from db.statements import among, list_of, listed, one_of, undone_by_its_caller
from db.tables.ballots import ballot_roll, ballot_votes, ballots
from db.tables.people import people
from db.tables.vetting import applications, credential_claims, reviews
from db.types import UtcDateTime
from domain.ballots import BallotStatus, Choice, receipt
from domain.credentials import ClaimVerdict
from domain.vetting import Opinion, agreed_claims


class Cast(StrEnum):
    """What became of a vote; only the first two mean that it counts."""

    COUNTED = "counted"
    REPEATED = "repeated"
    NO_BALLOT = "ballot_not_found"
    CLOSED = "ballot_closed"
    CANCELLED = "ballot_cancelled"
    NOT_ON_ROLL = "not_on_roll"
    ALREADY_VOTED = "already_voted"


@dataclass(frozen=True, slots=True)
class CastVote:
    """The outcome, and the voter's receipt where the vote counts."""

    outcome: Cast
    receipt: str | None = None


@dataclass(frozen=True, slots=True)
class Vote:
    """What a voter gives; ``nonce`` is the voter's secret."""

    ballot_id: str
    person_id: str
    choice: Choice
    nonce: str


_BALLOT = bindparam("ballot", type_=String)
_PERSON = bindparam("person", type_=String)
_RECEIPT = bindparam("receipt", type_=String)
_NOW = bindparam("now", type_=UtcDateTime)


def _still_open(closes_before: ColumnElement[Any]) -> ColumnElement[bool]:
    """The ballot takes votes: by its status, and by its own clock if its process is late to close it."""
    return and_(ballots.c.status == BallotStatus.OPEN.value, ballots.c.closes_at > closes_before)


# The ballot's own time, in the text that SQLite keeps instants in; its dates know milliseconds.
_SQLITE_NOW = func.strftime(
    "%Y-%m-%dT%H:%M:%f000Z",
    _NOW,
    func.printf("%+.3f seconds", ballots.c.clock_offset_seconds),
    type_=String,
)
_POSTGRES_NOW = _NOW + func.make_interval(
    0, 0, 0, 0, 0, 0, ballots.c.clock_offset_seconds, type_=DateTime(timezone=True)
)

# SQLite has one writer, so what the first statement saw still holds in the second.
_pair = func.json_each(bindparam("pairs", type_=JSON)).table_valued("value")
_SQLITE_MARK = (
    undone_by_its_caller(update(ballot_roll))
    .where(
        tuple_(ballot_roll.c.ballot_id, ballot_roll.c.person_id).in_(
            select(func.json_extract(_pair.c.value, "$[0]"), func.json_extract(_pair.c.value, "$[1]"))
        ),
        ballot_roll.c.has_voted.is_(False),
        exists(
            select(literal_column("1"))
            .select_from(ballots)
            .where(ballots.c.id == ballot_roll.c.ballot_id, _still_open(_SQLITE_NOW))
        ),
    )
    .values(has_voted=literal(True, Boolean))
    .returning(ballot_roll.c.ballot_id, ballot_roll.c.person_id)
)
_SQLITE_INSERT = insert(ballot_votes)

_given = listed("postgresql", "given", ballot=String(), person=String(), receipt=String(), choice=String())
# The share lock makes the count wait for these votes, and these votes for the count, whichever comes first.
_guard = (
    select(ballots.c.id)
    .where(one_of("postgresql", ballots.c.id, "ballots"), _still_open(_POSTGRES_NOW))
    .with_for_update(read=True)
    .cte("guard")
)
# Locked in one order by everybody: two processes that got the same clicks would otherwise block each other.
_unmarked = (
    select(ballot_roll.c.ballot_id, ballot_roll.c.person_id, _given.c.receipt, _given.c.choice)
    .select_from(_given)
    .join(_guard, _guard.c.id == _given.c.ballot)
    .join(
        ballot_roll,
        and_(ballot_roll.c.ballot_id == _guard.c.id, ballot_roll.c.person_id == _given.c.person),
    )
    .where(ballot_roll.c.has_voted.is_(False))
    .order_by(ballot_roll.c.ballot_id, ballot_roll.c.person_id)
    .with_for_update(of=ballot_roll)
    .cte("unmarked")
)
_mark = (
    update(ballot_roll)
    .where(ballot_roll.c.ballot_id == _unmarked.c.ballot_id, ballot_roll.c.person_id == _unmarked.c.person_id)
    .values(has_voted=literal(True, Boolean))
    .returning(_unmarked.c.ballot_id, _unmarked.c.receipt, _unmarked.c.choice)
    .cte("mark")
)
# Sorted by receipt: where the rows lie tells nothing of who came first.
_POSTGRES_CAST = (
    insert(ballot_votes)
    .from_select(
        ["ballot_id", "receipt", "choice"],
        select(_mark.c.ballot_id, _mark.c.receipt, _mark.c.choice).order_by(_mark.c.receipt),
    )
    .returning(ballot_votes.c.receipt)
)

_WHY_NOT = (
    select(ballots.c.status, ballot_roll.c.has_voted, ballot_votes.c.choice)
    .select_from(ballots)
    .outerjoin(ballot_roll, and_(ballot_roll.c.ballot_id == ballots.c.id, ballot_roll.c.person_id == _PERSON))
    .outerjoin(
        ballot_votes, and_(ballot_votes.c.ballot_id == ballots.c.id, ballot_votes.c.receipt == _RECEIPT)
    )
    .where(ballots.c.id == _BALLOT)
)


def cast(conn: Connection, given: Sequence[Vote], now: datetime) -> list[CastVote]:
    """Cast votes in the caller's transaction, each with its own outcome; ``now`` is the wall clock (UTC).

    Sent again with the same nonce and choice it is the same vote, also after the close; with anything
    else it is refused. A vote counts if it was taken while the ballot was open and its voter unmarked.
    """
    asked = [(vote, receipt(vote.ballot_id, vote.person_id, vote.nonce)) for vote in given]
    # Of several votes of one person the first is the one that may count.
    first: _Asked = {}
    for vote, own in asked:
        first.setdefault((vote.ballot_id, vote.person_id), (vote, own))
    take = _take_on_postgres if conn.dialect.name == "postgresql" else _take_on_sqlite
    taken = take(conn, first, now) if first else set()
    outcomes = []
    for vote, own in asked:
        pair = vote.ballot_id, vote.person_id
        outcomes.append(CastVote(Cast.COUNTED, own) if pair in taken else _why_not(conn, vote, own))
        taken.discard(pair)
    return outcomes


_Pair = tuple[str, str]
_Asked = dict[_Pair, tuple[Vote, str]]


def _take_on_postgres(conn: Connection, asked: _Asked, now: datetime) -> set[_Pair]:
    rows = [(*pair, own, vote.choice.value) for pair, (vote, own) in asked.items()]
    open_ones = among("postgresql", [ballot_id for ballot_id, _ in asked])
    values = {**list_of("given", rows), "ballots": open_ones, "now": now}
    counted = set(conn.execute(_POSTGRES_CAST, values).scalars())
    return {pair for pair, (_, own) in asked.items() if own in counted}


def _take_on_sqlite(conn: Connection, asked: _Asked, now: datetime) -> set[_Pair]:
    marked = conn.execute(_SQLITE_MARK, {"pairs": [*asked], "now": now})
    taken = {(ballot_id, person_id) for ballot_id, person_id in marked}
    rows = [
        {"ballot_id": pair[0], "receipt": own, "choice": vote.choice.value}
        for pair, (vote, own) in asked.items()
        if pair in taken
    ]
    if rows:
        conn.execute(_SQLITE_INSERT, rows)
    return taken


def _why_not(conn: Connection, vote: Vote, own: str) -> CastVote:
    values = {"ballot": vote.ballot_id, "person": vote.person_id, "receipt": own}
    row = conn.execute(_WHY_NOT, values).first()
    if row is None:
        return CastVote(Cast.NO_BALLOT)
    if row.has_voted is None:
        return CastVote(Cast.NOT_ON_ROLL)
    if row.choice == vote.choice.value:
        return CastVote(Cast.REPEATED, own)
    if row.has_voted:
        return CastVote(Cast.ALREADY_VOTED)
    return CastVote(Cast.CANCELLED if row.status == BallotStatus.CANCELLED else Cast.CLOSED)


_LISTED = (
    ballots,
    people.c.display_name.label("candidate_name"),
    applications.c.headline.label("headline"),
    ballot_roll.c.has_voted.label("has_voted"),
)


def _with_candidate() -> Any:
    own = and_(ballot_roll.c.ballot_id == ballots.c.id, ballot_roll.c.person_id == _PERSON)
    return (
        ballots.join(people, people.c.id == ballots.c.candidate_id)
        .outerjoin(applications, applications.c.id == ballots.c.subject_id)
        .outerjoin(ballot_roll, own)
    )


_PAGE = (
    select(*_LISTED).select_from(_with_candidate()).order_by(ballots.c.opens_at.desc(), ballots.c.id.desc())
)
_PROFILE = (
    select(*_LISTED, applications.c.bio, applications.c.statement, applications.c.tags)
    .select_from(_with_candidate())
    .where(ballots.c.id == _BALLOT)
)


def page(
    conn: Connection,
    person_id: str,
    status: BallotStatus | None,
    before: tuple[datetime, str] | None,
    limit: int,
) -> Sequence[Row[Any]]:
    """Return up to ``limit`` ballots, newest first, each with the reader's own mark on its roll.

    ``before`` is opening time and id of the last ballot of the page before. Cancelled ones are left out.
    """
    query = _PAGE.where(ballots.c.status != BallotStatus.CANCELLED.value)
    if status is not None:
        query = query.where(ballots.c.status == status.value)
    if before is not None:
        opens_at, ballot_id = before
        earlier = and_(ballots.c.opens_at == opens_at, ballots.c.id < ballot_id)
        query = query.where(or_(ballots.c.opens_at < opens_at, earlier))
    return conn.execute(query.limit(limit), {"person": person_id}).all()


def profile(conn: Connection, ballot_id: str, person_id: str) -> Row[Any] | None:
    """Return a ballot with its candidate's public profile and the reader's own mark, None if unknown."""
    return conn.execute(_PROFILE, {"ballot": ballot_id, "person": person_id}).one_or_none()


def ballot(conn: Connection, ballot_id: str) -> Row[Any] | None:
    """Return the row of a ballot, None if unknown."""
    return conn.execute(select(ballots).where(ballots.c.id == ballot_id)).one_or_none()


def verified_claims(conn: Connection, application_id: str) -> Sequence[Any]:
    """Return scope, issuer and expiry of the claims that the deciding reviewers agreed on, by scope."""
    claim_ids = agreed_claims(_last_opinions(conn, application_id))
    return conn.execute(
        select(credential_claims.c.scope, credential_claims.c.issuer, credential_claims.c.expires_on)
        .where(credential_claims.c.application_id == application_id, credential_claims.c.id.in_(claim_ids))
        .order_by(credential_claims.c.scope, credential_claims.c.issuer)
    ).all()


def _last_opinions(conn: Connection, application_id: str) -> list[Opinion]:
    last = select(func.max(reviews.c.round)).where(reviews.c.application_id == application_id)
    rows = conn.execute(
        select(reviews)
        .where(reviews.c.application_id == application_id, reviews.c.round == last.scalar_subquery())
        .order_by(reviews.c.as_lead, reviews.c.decided_at, reviews.c.id)
    )
    return [
        Opinion(
            reviewer_id=row.reviewer_id,
            decision=row.decision,
            verified_claims=tuple(
                finding["claim_id"]
                for finding in row.findings
                if finding["verdict"] == ClaimVerdict.VERIFIED.value
            ),
            as_lead=row.as_lead,
        )
        for row in rows
    ]


def receipts(conn: Connection, ballot_id: str, after: str, limit: int) -> list[str]:
    """Return up to ``limit`` receipts greater than ``after``, sorted: their order tells nothing."""
    return list(
        conn.execute(
            select(ballot_votes.c.receipt)
            .where(ballot_votes.c.ballot_id == ballot_id, ballot_votes.c.receipt > after)
            .order_by(ballot_votes.c.receipt)
            .limit(limit)
        ).scalars()
    )


def has_receipt(conn: Connection, ballot_id: str, own: str) -> bool:
    """Tell whether a vote with that receipt is in the ballot."""
    found: Any = select(literal_column("1")).where(
        ballot_votes.c.ballot_id == ballot_id, ballot_votes.c.receipt == own
    )
    return conn.execute(found).first() is not None
