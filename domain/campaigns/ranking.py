"""Leaderboards: who stands where, with ties. People who are equal share a place: 1, 1, 3."""

from collections import Counter
from collections.abc import Collection, Iterable

from pydantic import BaseModel, ConfigDict, Field

from domain.campaigns.plan import Board


class Score(BaseModel):
    """What the boards rank of one member: days checked in, best streak (days), friends activated."""

    model_config = ConfigDict(frozen=True)

    person_id: str
    days: int = Field(0, ge=0)
    streak: int = Field(0, ge=0)
    invitations: int = Field(0, ge=0)

    def on(self, board: Board) -> int:
        """Return the value that ``board`` ranks by."""
        return {
            Board.DAYS: self.days,
            Board.STREAK: self.streak,
            Board.INVITATIONS: self.invitations,
        }[board]


class Ranked(BaseModel):
    """One line of a board: the place that ``tied`` members share, this one included."""

    model_config = ConfigDict(frozen=True)

    person_id: str
    place: int
    tied: int
    value: int


def display_key(score: Score, board: Board) -> tuple[int, int, str]:
    """Return what lines of ``board`` are sorted by, rising.

    Within a tie the second value only orders the lines, days on most boards and the streak on that of
    days, then the id: everybody sees the same order, and it can be paged through.
    """
    second = score.streak if board is Board.DAYS else score.days
    return -score.on(board), -second, score.person_id


def ranked(scores: Iterable[Score], board: Board, left_out: Collection[str] = ()) -> tuple[Ranked, ...]:
    """Return the lines of ``board`` in their order, without those ``left_out`` and those who have nothing.

    The leader is left out of the own campaign's boards: whoever sets the prizes does not compete for them.
    """
    running = [score for score in scores if score.on(board) > 0 and score.person_id not in left_out]
    running.sort(key=lambda score: display_key(score, board))
    tied = Counter(score.on(board) for score in running)
    places: dict[int, int] = {}
    for number, score in enumerate(running, start=1):
        places.setdefault(score.on(board), number)
    return tuple(
        Ranked(
            person_id=score.person_id,
            place=places[score.on(board)],
            tied=tied[score.on(board)],
            value=score.on(board),
        )
        for score in running
    )


def place_of(values: Iterable[int], own: int) -> int | None:
    """Return the place of ``own`` among the ``values`` of everybody on the board; None for nothing."""
    return 1 + sum(value > own for value in values) if own > 0 else None
