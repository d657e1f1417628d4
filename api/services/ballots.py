"""Ballots as voters meet them: one transaction casts a vote, and totals stay hidden until the close."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row

from api.problems import Problem
from api.schemas.applications import PersonOut
from api.schemas.ballots import (
    BallotOut,
    BallotSummary,
    MyMark,
    ReceiptOut,
    ResultOut,
    VerifiedClaim,
    VoteIn,
)
from api.security.rules import Guard, entered
from api.services.vetting import process_now
from db.repositories import votes
from db.repositories.votes import Cast, CastVote, Vote
from domain.ballots import BallotStatus

GivenVote = tuple[str, VoteIn]
"""A vote and the id of its ballot, as a request gives them."""

DECIDES = {"vetting": "start_of_probation"}
"""What passing means, by kind of ballot."""

_REFUSED = {
    Cast.NO_BALLOT: "not_found",
    Cast.CLOSED: "ballot_closed",
    Cast.CANCELLED: "ballot_cancelled",
    Cast.NOT_ON_ROLL: "not_on_roll",
    Cast.ALREADY_VOTED: "already_voted",
}


def cast(conn: Connection, ballot_id: str, person_id: str, vote: VoteIn) -> str:
    """Cast a vote in the caller's transaction and return its receipt. Raises ``Problem``.

    Nothing of it is logged: a line that names voter and receipt would open the ballot.
    """
    given = Vote(ballot_id, person_id, vote.choice, vote.nonce)
    [outcome] = map(_told, votes.cast(conn, [given], datetime.now(UTC)))
    if isinstance(outcome, Problem):
        raise outcome
    return outcome


def cast_together(conn: Connection, asked: Sequence[tuple[Guard, GivenVote]]) -> list[str | Problem]:
    """Cast the votes of several requests in the caller's transaction: each one's receipt, or why not."""
    outcomes: list[str | Problem | None] = []
    given = []
    for actor, (_, (ballot_id, vote)) in zip(
        entered(conn, [guard for guard, _ in asked]), asked, strict=True
    ):
        if isinstance(actor, Problem):
            outcomes.append(actor)
        else:
            outcomes.append(None)
            given.append(Vote(ballot_id, actor.person_id, vote.choice, vote.nonce))
    done = map(_told, votes.cast(conn, given, datetime.now(UTC)))
    return [next(done) if outcome is None else outcome for outcome in outcomes]


def _told(done: CastVote) -> str | Problem:
    return Problem(_REFUSED[done.outcome]) if done.receipt is None else done.receipt


def place_of(after: list[Any] | None) -> tuple[datetime, str] | None:
    """Return opening time and id of the last ballot of a page, from the values of a cursor."""
    return None if after is None else (datetime.fromisoformat(after[0]), str(after[1]))


def takes_votes(row: Row[Any], now: datetime) -> bool:
    """Tell whether a ballot's row takes votes at ``now``, the time of its own clock."""
    return bool(row.status == BallotStatus.OPEN.value and now < row.closes_at)


def summary(row: Row[Any]) -> BallotSummary:
    """Return a row of a ballot with its candidate and the reader's mark as it stands in lists."""
    return BallotSummary(**_summary_fields(row))


def _summary_fields(row: Row[Any]) -> dict[str, Any]:
    on_roll = row.has_voted is not None
    return {
        "id": row.id,
        "kind": row.kind,
        "candidate": PersonOut(id=row.candidate_id, display_name=row.candidate_name),
        "headline": row.headline or "",
        "status": row.status,
        "opens_at": row.opens_at,
        "closes_at": row.closes_at,
        "extended": row.extended,
        "roll_size": row.roll_size,
        "outcome": row.outcome,
        "my": MyMark(
            on_roll=on_roll,
            has_voted=bool(row.has_voted),
            may_vote=on_roll and not row.has_voted and takes_votes(row, process_now(row)),
        ),
    }


def whole(conn: Connection, ballot_id: str, person_id: str) -> BallotOut:
    """Read a ballot as a voter sees it: verified claims, never documents or addresses. Raises ``Problem``."""
    row = _held(votes.profile(conn, ballot_id, person_id))
    return BallotOut(
        **_summary_fields(row),
        decides=DECIDES.get(row.kind, row.kind),
        bio=row.bio or "",
        statement=row.statement or "",
        tags=row.tags or [],
        claims=[
            VerifiedClaim(scope=claim.scope, issuer=claim.issuer, expires_on=claim.expires_on)
            for claim in votes.verified_claims(conn, row.subject_id)
        ],
        quorum=row.quorum,
        quorum_share=row.quorum_share,
        approval_share=row.approval_share,
        now=process_now(row),
    )


def result(conn: Connection, ballot_id: str) -> ResultOut:
    """Read the result of a closed ballot. Raises ``Problem`` while it is open."""
    row = _closed(conn, ballot_id)
    decisive = row.yes + row.no
    cast_votes = decisive + row.abstain
    return ResultOut(
        id=row.id,
        outcome=row.outcome,
        yes=row.yes,
        no=row.no,
        abstain=row.abstain,
        cast=cast_votes,
        roll_size=row.roll_size,
        quorum=row.quorum,
        quorum_reached=cast_votes >= row.quorum,
        approval=row.yes / decisive if decisive else None,
        approval_share=row.approval_share,
        extended=row.extended,
        closed_at=row.closed_at,
    )


def published_receipts(conn: Connection, ballot_id: str, after: str, limit: int) -> list[str]:
    """Read the receipts of a closed ballot. Raises ``Problem`` while it is open."""
    _closed(conn, ballot_id)
    return votes.receipts(conn, ballot_id, after, limit)


def receipt(conn: Connection, ballot_id: str, own: str) -> ReceiptOut:
    """Tell whether a vote with that receipt is there.

    Safe while the ballot is open: only who voted can know a receipt, and it says nothing about totals.
    """
    row = _shown(conn, ballot_id)
    present = votes.has_receipt(conn, ballot_id, own)
    closed = row.status == BallotStatus.CLOSED.value
    return ReceiptOut(receipt=own, present=present, counted=present if closed else None)


def _shown(conn: Connection, ballot_id: str) -> Row[Any]:
    return _held(votes.ballot(conn, ballot_id))


def _held(row: Row[Any] | None) -> Row[Any]:
    """Return a ballot that is or was held; who comes by an old mail is told of one that was called off."""
    if row is None:
        raise Problem("not_found")
    if row.status == BallotStatus.CANCELLED.value:
        raise Problem("ballot_cancelled")
    return row


def _closed(conn: Connection, ballot_id: str) -> Row[Any]:
    row = _shown(conn, ballot_id)
    if row.status != BallotStatus.CLOSED.value:
        raise Problem("ballot_open")
    return row
