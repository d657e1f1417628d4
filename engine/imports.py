"""Imports from CSV: members and contributions of a community that lives elsewhere.

A file can be imported again at any time: what is there already stays as it is.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final, Generic, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError
from sqlalchemy import Connection, bindparam, update

from contracts.contributions import ContributionIn, RowOutcome
from contracts.members import MemberIn
from db.database import Database
from db.repositories import contributions, people
from db.statements import chunked, insert_ignore
from db.tables.people import circle_members, role_grants
from db.tables.people import people as people_table
from domain.people import normalise_email
from engine.csv_files import BadLine, Columns, Line, read_csv

Model = TypeVar("Model", bound=BaseModel)

CHUNK: Final = 1_000

# A day without a time is its first moment in UTC; in the easternmost zone it began this much before.
EASTERNMOST: Final = timedelta(hours=14)

MEMBER_COLUMNS: Final = Columns(
    required=("email", "name"),
    optional=("locale", "time_zone", "joined_at", "circles", "invited_by", "roles"),
    known_as={"display_name": "name"},
)
CONTRIBUTION_COLUMNS: Final = Columns(
    required=("source", "reference", "kind", "occurred_at"),
    optional=("person_id", "email", "actor_reference", "answers_reference", "hours_to_answer", "stars"),
)

_INVITED = (
    update(people_table)
    .where(people_table.c.id == bindparam("guest"), people_table.c.invited_by.is_(None))
    .values(invited_by=bindparam("host"))
)
_REFUSED: Final = {
    RowOutcome.CONFLICT: "this source and reference is there already and says something else",
    RowOutcome.UNKNOWN_PERSON: "nobody here has that person_id or email",
    RowOutcome.IN_FUTURE: "occurred_at: this has not happened yet",
}


_IN_WORDS: Final = {
    "missing": "a value is needed",
    "timezone_aware": "a time needs its offset, as in 2026-01-31T08:00:00+08:00",
    "datetime_from_date_parsing": "write a time as 2026-01-31T08:00:00+08:00",
    "datetime_parsing": "write a time as 2026-01-31T08:00:00+08:00",
    "int_parsing": "write a whole number",
    "float_parsing": "write a number",
}


def _ignore(_what: object) -> None:
    return None


class Parsed(NamedTuple, Generic[Model]):
    """A good row and the line that it begins on."""

    number: int
    row: Model


@dataclass(slots=True)
class Import:
    """One run: what became of the rows, and who is told of bad ones and of the position in bytes.

    Each row is counted once, as added, already there or bad; ``incomplete`` are those of the first two that
    are in without something they named.
    """

    on_bad: Callable[[BadLine], object] = _ignore
    on_progress: Callable[[int], object] = _ignore
    added: int = 0
    already_there: int = 0
    bad: int = 0
    incomplete: int = 0
    _seen: dict[str, int] = field(default_factory=dict)

    def refuse(self, number: int, reason: str) -> None:
        """Count a bad row and tell of it."""
        self.bad += 1
        self.on_bad(BadLine(number, reason))

    def lack(self, number: int, what: str) -> None:
        """Count a row that is in, but not with all of it, and tell of it."""
        self.incomplete += 1
        self.on_bad(BadLine(number, what))

    def parse(self, lines: Iterable[Line | BadLine], model: type[Model]) -> Iterator[Parsed[Model]]:
        """Yield the good rows of a file; the bad ones are told."""
        for line in lines:
            if isinstance(line, BadLine):
                self.refuse(*line)
                continue
            try:
                parsed = model.model_validate(line.cells)
            except ValidationError as error:
                self.refuse(line.number, _reason(error))
            else:
                yield Parsed(line.number, parsed)

    def once(self, number: int, key: str) -> bool:
        """Tell whether ``key`` is new in this file; tells of it otherwise."""
        first = self._seen.setdefault(key, number)
        if first != number:
            self.refuse(number, f"the same mailbox as in line {first}")
        return first == number


def _reason(error: ValidationError) -> str:
    """Return the first fault of a row in one line: the column and what is wrong with it."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    column = f"{first['loc'][0]}: " if first["loc"] else ""
    if first["type"] in _IN_WORDS:
        return column + _IN_WORDS[first["type"]]
    return column + " ".join(first["msg"].removeprefix("Value error, ").split())


async def import_members(db: Database, path: Path, now: datetime, run: Import) -> Import:
    """Create the members of ``path`` that are unknown; ``now`` is when those without a date joined.

    Who is known stays unchanged, save for an inviter that was missing. Raises ``UnusableFile``,
    ``DatabaseUnavailable``; what was read until then is in.
    """
    lines = run.parse(read_csv(path, MEMBER_COLUMNS, run.on_progress), MemberIn)
    past = (line for line in lines if _has_joined(line, now, run))
    rows = (line for line in past if run.once(line.number, normalise_email(line.row.email)))
    invited: list[_Invited] = []
    for chunk in chunked(rows, CHUNK):
        members = [line.row for line in chunk]
        added = await db.write(partial(_create, members=members, now=now))
        run.added += added
        run.already_there += len(chunk) - added
        invited += [_Invited.of(line) for line in chunk if line.row.invited_by is not None]
    for guests in chunked(invited, CHUNK):
        unknown = await db.write(partial(_connect, invited=guests))
        for guest in unknown:
            run.lack(guest.number, "invited_by: nobody here has that address; imported without it")
    return run


def _has_joined(line: Parsed[MemberIn], now: datetime, run: Import) -> bool:
    """Tell whether a member joined by ``now`` (UTC); tells of it otherwise."""
    joined_at = line.row.joined_at
    if joined_at is None or joined_at <= now + EASTERNMOST:
        return True
    run.refuse(line.number, f"joined_at: {joined_at.isoformat()} is in the future")
    return False


class _Invited(NamedTuple):
    """Who was invited by whom (normalised addresses), on which line."""

    number: int
    guest: str
    host: str

    @classmethod
    def of(cls, line: Parsed[MemberIn]) -> "_Invited":
        host = line.row.invited_by or ""
        return cls(line.number, normalise_email(line.row.email), normalise_email(host))


def _create(conn: Connection, members: Sequence[MemberIn], now: datetime) -> int:
    keys = [normalise_email(member.email) for member in members]
    known = people.ids_by_email(conn, keys)
    fresh = {key: member for key, member in zip(keys, members, strict=True) if key not in known}
    added = people.create_many(conn, [_new_person(member, now) for member in fresh.values()], now)
    ids = people.ids_by_email(conn, fresh)
    insert_ignore(
        conn,
        circle_members,
        [
            {"circle": circle, "person_id": ids[key]}
            for key, member in fresh.items()
            for circle in member.circles
        ],
    )
    insert_ignore(
        conn,
        role_grants,
        [
            {"person_id": ids[key], "role": role.value, "granted_at": now}
            for key, member in fresh.items()
            for role in member.roles
        ],
    )
    return added


def _new_person(member: MemberIn, now: datetime) -> people.NewPerson:
    return people.NewPerson(
        email=member.email,
        display_name=member.name,
        locale=member.locale,
        time_zone=member.time_zone,
        joined_at=min(member.joined_at or now, now),
    )


def _connect(conn: Connection, invited: Sequence[_Invited]) -> list[_Invited]:
    """Write down who invited whom where nothing is known yet; return those whose inviter is unknown."""
    ids = people.ids_by_email(conn, [key for row in invited for key in (row.guest, row.host)])
    known = [row for row in invited if row.host in ids]
    if known:
        conn.execute(_INVITED, [{"guest": ids[row.guest], "host": ids[row.host]} for row in known])
    return [row for row in invited if row.host not in ids]


async def import_contributions(db: Database, path: Path, now: datetime, run: Import) -> Import:
    """Record the contributions of ``path``; ``now`` is when they were recorded.

    Raises ``UnusableFile``, ``DatabaseUnavailable``; what was read until then is in.
    """
    lines = run.parse(read_csv(path, CONTRIBUTION_COLUMNS, run.on_progress), ContributionIn)
    for chunk in chunked(lines, CHUNK):
        rows = [line.row for line in chunk]
        outcomes = await db.write(partial(contributions.record, rows=rows, now=now))
        for line, outcome in zip(chunk, outcomes, strict=True):
            if outcome is RowOutcome.RECORDED:
                run.added += 1
            elif outcome is RowOutcome.DUPLICATE:
                run.already_there += 1
            else:
                run.refuse(line.number, _REFUSED[outcome])
    return run
