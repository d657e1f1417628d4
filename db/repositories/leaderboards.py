"""Leaderboards: a page is one run of an index, wherever it begins, and everybody who is tied shares a place.

Shown is who takes part with an open account and has something to show; the leader stays out of the own
campaign's boards.
"""

from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Integer, and_, bindparam, func, literal_column, select

from db.tables.campaigns import enrolments
from db.tables.people import people
from domain.campaigns.members import Place
from domain.campaigns.plan import Board
from domain.people import PersonStatus


class Line(NamedTuple):
    """One line of a board.

    ``number`` counts the lines from 1; ``place`` is the number of the first line with the same value.
    """

    number: int
    place: int
    value: int
    second: int
    person_id: str
    display_name: str


class Position(NamedTuple):
    """The line after which a page begins."""

    number: int
    place: int
    value: int
    second: int
    person_id: str


_ORDER: dict[Board, tuple[Any, Any]] = {
    Board.DAYS: (enrolments.c.days_done, enrolments.c.best_streak),
    Board.STREAK: (enrolments.c.best_streak, enrolments.c.days_done),
    Board.INVITATIONS: (enrolments.c.friends_activated, enrolments.c.days_done),
}
_OPEN_ACCOUNT = people.c.status == PersonStatus.ACTIVE.value
_CLOSED_ACCOUNT = people.c.status.in_(
    [status.value for status in PersonStatus if status is not PersonStatus.ACTIVE]
)
# Written, not bound: only so is an index used that holds none of those with nothing.
_NOTHING: ColumnElement[int] = literal_column("0")


def page(
    conn: Connection, campaign_id: str, leader_id: str, board: Board, after: Position | None, limit: int
) -> list[Line]:
    """Return up to ``limit`` lines of a board, from the top or after a position."""
    asked: dict[str, Any] = {"campaign": campaign_id, "leader": leader_id}
    if after is not None:
        asked |= {"value": after.value, "second": after.second, "person": after.person_id}
    found: list[Any] = []
    for run in _FROM_TOP[board] if after is None else _FROM_LINE[board]:
        found += conn.execute(run, asked | {"limit": limit - len(found)}).all()
        if len(found) == limit:
            break
    return _numbered(found, after)


def _on_board(campaign_id: Any, leader_id: Any, value: Any) -> list[ColumnElement[bool]]:
    return [
        enrolments.c.campaign_id == campaign_id,
        enrolments.c.status == Place.ACTIVE.value,
        value > _NOTHING,
        enrolments.c.person_id != leader_id,
    ]


def _run(board: Board, *begin: ColumnElement[bool]) -> Any:
    """Return the statement that reads one run of a board's index."""
    value, second = _ORDER[board]
    on_board = _on_board(bindparam("campaign"), bindparam("leader"), value)
    return (
        select(value.label("value"), second.label("second"), enrolments.c.person_id, people.c.display_name)
        .select_from(enrolments)
        .join(people, and_(people.c.id == enrolments.c.person_id, _OPEN_ACCOUNT))
        .where(*on_board, *begin)
        .order_by(value.desc(), second.desc(), enrolments.c.person_id)
        .limit(bindparam("limit", type_=Integer))
    )


def _runs(board: Board) -> list[Any]:
    """Return what reads each run of the index after a position; one comparison of all would bound none."""
    value, second = _ORDER[board]
    given = bindparam("value", type_=Integer)
    given_second: Any = bindparam("second", type_=Integer)
    given_person: Any = bindparam("person")
    return [
        _run(board, value == given, second == given_second, enrolments.c.person_id > given_person),
        _run(board, value == given, second < given_second),
        _run(board, value < given),
    ]


# Written once: to put a statement together takes longer than to read a page.
_FROM_TOP = {board: [_run(board)] for board in Board}
_FROM_LINE = {board: _runs(board) for board in Board}


def _numbered(found: list[Any], after: Position | None) -> list[Line]:
    number, place, last = (after.number, after.place, after.value) if after else (0, 0, None)
    lines = []
    for value, second, person_id, display_name in found:
        number += 1
        if value != last:
            place, last = number, value
        lines.append(Line(number, place, value, second, person_id, display_name))
    return lines


def own(
    conn: Connection, campaign_id: str, leader_id: str, board: Board, person_id: str
) -> tuple[int, int] | None:
    """Return place and value of one member, None for who is not on the board. Counts who is ahead."""
    value, _ = _ORDER[board]
    on_board = _on_board(campaign_id, leader_id, value)
    mine = conn.execute(
        select(value)
        .join(people, and_(people.c.id == enrolments.c.person_id, _OPEN_ACCOUNT))
        .where(*on_board, enrolments.c.person_id == person_id)
    ).scalar_one_or_none()
    if mine is None:
        return None
    ahead = select(func.count()).select_from(enrolments).where(*on_board, value > mine)
    # Closed accounts are few: looked up one by one, and the many are counted on the index alone.
    theirs = select(value).where(*on_board, enrolments.c.person_id == people.c.id).scalar_subquery()
    unseen = select(func.count()).select_from(people).where(_CLOSED_ACCOUNT, theirs > mine)
    return 1 + conn.execute(ahead).scalar_one() - conn.execute(unseen).scalar_one(), mine
