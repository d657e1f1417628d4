"""Ballots as their process handles them: freeze the roll, open, mail, count or extend."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, insert, literal, select, text, update
from sqlalchemy.sql.expression import Select

from contracts.ballots import CountBallot, CountedBallot, MailRoll, OpenBallot, OpenedBallot
from contracts.mail import RollMail
from db.repositories import mail
from db.tables.ballots import ballot_roll, ballot_votes, ballots
from db.tables.people import people
from domain.ballots import BallotStatus, Choice, Tally, outcome, quorum
from domain.people import PersonStatus


def open_ballot(conn: Connection, given: OpenBallot, now: datetime) -> OpenedBallot:
    """Freeze the roll and open the ballot in one transaction; a second try returns what the first did.

    On the roll: active members in good standing who joined at least ``member_for_days`` days before
    the opening, without the candidate. ``now`` is the wall clock (UTC).
    """
    known = conn.execute(select(ballots).where(ballots.c.id == given.ballot_id)).one_or_none()
    if known is not None:
        return OpenedBallot(opens_at=known.opens_at, closes_at=known.closes_at, roll=known.roll_size)
    ahead = (given.opens_at - now).total_seconds()
    conn.execute(
        insert(ballots),
        {
            "id": given.ballot_id,
            "process_id": given.process_id,
            "subject_id": given.subject_id,
            "kind": given.kind,
            "candidate_id": given.candidate_id,
            "status": BallotStatus.OPEN.value,
            "opens_at": given.opens_at,
            "closes_at": given.closes_at,
            "roll_size": 0,
            "quorum": 0,
            "quorum_share": given.quorum_share,
            "approval_share": given.approval_share,
            "clock_offset_seconds": ahead if ahead > 5 else 0.0,
        },
    )
    frozen = conn.execute(
        insert(ballot_roll).from_select(
            ["ballot_id", "person_id", "position", "has_voted"], _suffrage(given), include_defaults=False
        ),
        # Without the option a plain psycopg connection answers -1.
        execution_options={"preserve_rowcount": True},
    )
    roll = int(frozen.rowcount)
    needed = quorum(roll, given.quorum_share, given.quorum_minimum)
    conn.execute(update(ballots).where(ballots.c.id == given.ballot_id).values(roll_size=roll, quorum=needed))
    return OpenedBallot(opens_at=given.opens_at, closes_at=given.closes_at, roll=roll)


def _suffrage(given: OpenBallot) -> Select[Any]:
    joined_by = given.opens_at - timedelta(days=given.member_for_days)
    position = func.row_number().over(order_by=people.c.id) - 1
    return select(literal(given.ballot_id), people.c.id, position, literal(False)).where(
        people.c.status == PersonStatus.ACTIVE.value,
        people.c.good_standing,
        people.c.joined_at <= joined_by,
        people.c.id != given.candidate_id,
    )


def queue_page(conn: Connection, given: MailRoll, first: int, last: int, now: datetime) -> int | None:
    """Queue the mail to roll positions ``[first, last)``; None if the ballot is not open any more."""
    status = conn.execute(
        select(ballots.c.status).where(ballots.c.id == given.ballot_id)
    ).scalar_one_or_none()
    if status != BallotStatus.OPEN.value:
        return None
    order = RollMail(
        ballot_id=given.ballot_id,
        process_id=given.process_id,
        template=given.template,
        data={
            "application_id": given.application_id,
            "ballot_id": given.ballot_id,
            "candidate_id": given.candidate_id,
            "closes_at": given.closes_at.isoformat(),
        },
        only_not_voted=given.only_not_voted,
        round=given.number or None,
    )
    return mail.queue_roll(conn, order, first, last, now)


def roll_size(conn: Connection, ballot_id: str) -> int:
    """Return how many people are on the frozen roll."""
    return int(conn.execute(select(ballots.c.roll_size).where(ballots.c.id == ballot_id)).scalar_one())


def count(conn: Connection, given: CountBallot) -> CountedBallot:
    """Close and count the ballot, or extend it once if the quorum is missed; repeatable.

    The decision and the close are one transaction: a vote is either in the count or was refused.
    """
    row = conn.execute(select(ballots).where(ballots.c.id == given.ballot_id).with_for_update()).one()
    if row.status != BallotStatus.OPEN.value:
        counts = {choice.value: getattr(row, choice.value) or 0 for choice in Choice}
        return CountedBallot(tally=Tally(roll=row.roll_size, **counts))
    if given.extend_to is not None and row.extended:
        # An earlier try extended it and its answer was lost: votes since then must not close it early.
        return CountedBallot(extended_to=row.closes_at)
    tally = _tally(conn, row)
    if given.extend_to is not None and tally.cast < row.quorum:
        conn.execute(
            update(ballots).where(ballots.c.id == row.id).values(extended=True, closes_at=given.extend_to)
        )
        return CountedBallot(extended_to=given.extend_to)
    _close(conn, row, tally, given.at)
    return CountedBallot(tally=tally)


def _tally(conn: Connection, row: Row[Any]) -> Tally:
    counts = conn.execute(
        select(ballot_votes.c.choice, func.count().label("number"))
        .where(ballot_votes.c.ballot_id == row.id)
        .group_by(ballot_votes.c.choice)
    ).all()
    by_choice = {count.choice: count.number for count in counts}
    return Tally(roll=row.roll_size, **{choice.value: by_choice.get(choice.value, 0) for choice in Choice})


def _close(conn: Connection, row: Row[Any], tally: Tally, at: datetime) -> None:
    result = outcome(
        tally,
        quorum_share=row.quorum_share,
        quorum_minimum=row.quorum,
        approval_share=row.approval_share,
    )
    conn.execute(
        update(ballots)
        .where(ballots.c.id == row.id)
        .values(
            status=BallotStatus.CLOSED.value,
            closed_at=at,
            yes=tally.yes,
            no=tally.no,
            abstain=tally.abstain,
            outcome=result.value,
        )
    )
    _shuffle(conn, row.id)


_SHUFFLE = (
    "CREATE TEMPORARY TABLE shuffled ON COMMIT DROP AS "
    "SELECT * FROM ballot_votes WHERE ballot_id = :ballot_id",
    "DELETE FROM ballot_votes WHERE ballot_id = :ballot_id",
    "INSERT INTO ballot_votes SELECT * FROM shuffled WHERE ballot_id = :ballot_id ORDER BY receipt",
)


def _shuffle(conn: Connection, ballot_id: str) -> None:
    """Write the votes again in the order of their receipts.

    PostgreSQL keeps with each row the transaction that wrote it and its place on the page, and the
    voter's roll entry was written by the same transaction. After this all votes come from one. SQLite
    keeps neither, and its table lies in the order of the receipts anyway.
    """
    if conn.dialect.name == "postgresql":
        for statement in _SHUFFLE:
            conn.execute(text(statement), {"ballot_id": ballot_id})
