"""Row 3: a vote through the whole API, against a POST that does nothing and one commit a request."""

import asyncio
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import cycle

from sqlalchemy import Connection, func, select

from bench import seed
from bench.api import baseline, serve
from bench.load import request, send
from bench.measure import Check, Measure, Result, in_turn
from bench.place import Place
from contracts.ballots import OpenBallot
from db.database import Database
from db.repositories import ballots
from db.tables.ballots import ballot_roll, ballot_votes
from db.urls import normalise_url
from domain.ids import new_id
from tests.support.postgres import PostgresMissing

KINDS = ("sqlite", "postgresql")
WHAT = "a vote through the whole API, durable"
NOTHING = "a FastAPI POST with the same models that does nothing"
COMMIT = "the same statements and one commit a request through aiosqlite"
INSERT = "one INSERT and one commit a request through aiosqlite, without session or roll"


@dataclass(frozen=True)
class _Others:
    """What ours is measured against: ports, and the votes for the one that counts them."""

    nothing: int
    commit: int
    insert: int
    votes: Iterator[bytes]


async def measure(place: Place) -> list[Result]:
    """Measure on SQLite and PostgreSQL, both against the same three servers."""
    many, few = (500, 200) if place.quick else (3_000, 800)
    url = place.database("sqlite")
    async with Database.connect(url) as db:
        votes = await _ballot(db, few * (place.pairs() + 1) * len(KINDS))
    others = _Others(
        nothing=await baseline(place, "nothing"),
        commit=await baseline(place, "commit", str(normalise_url(url).database)),
        insert=await baseline(place, "insert", str(place.directory / "votes.db")),
        votes=votes,
    )
    results = []
    for kind in KINDS:
        try:
            results += await _on(place, kind, others, many, few)
        except PostgresMissing as error:
            results.append(Result(3, f"{WHAT}, {kind}", NOTHING, "votes/s", missing=str(error)))
    return results


async def _on(place: Place, kind: str, others: _Others, many: int, few: int) -> list[Result]:
    rounds, database = place.pairs(), place.database(kind)
    async with Database.connect(database) as db:
        votes = await _ballot(db, many * (rounds + 1))
        port = await serve(place, database)
        # The same bytes as ours, cookie included.
        alike = list(_requests(new_id(), [{"cookie": "kameng_session=" + "x" * 43}] * many))
        ours, nothing, commit, insert = await in_turn(
            _rate(place, port, votes, many),
            _rate(place, others.nothing, cycle(alike), many),
            _rate(place, others.commit, others.votes, few),
            _rate(place, others.insert, _requests(new_id(), [{}] * (few * (rounds + 1))), few),
            rounds=rounds,
        )
        counted = Check(*await _all_counted(db, many * (rounds + 1)))
    what = f"{WHAT}, {kind}"
    note = "Sign-in by session, roll, secrecy, idempotent by nonce; answered after the commit is on the disk."
    return [
        Result(3, what, NOTHING, "votes/s", ours, nothing, 0.35, checks=[counted], note=note),
        Result(3, what, COMMIT, "votes/s", ours, commit, 3.0),
        Result(3, what, INSERT, "votes/s", ours, insert),
    ]


async def _ballot(db: Database, voters: int) -> Iterator[bytes]:
    """Open a ballot; return one vote of every person on its roll."""
    people, at, ballot_id = await seed.members(db, voters), datetime.now(UTC), new_id()
    headers = await seed.signed_in(db, people)
    candidate = (await seed.members(db, 1))[0]
    ballot = OpenBallot(
        ballot_id=ballot_id,
        process_id="application/none",
        subject_id=new_id(),
        candidate_id=candidate,
        kind="vetting",
        opens_at=at,
        closes_at=at + timedelta(days=7),
        member_for_days=30,
        quorum_share=0.1,
        quorum_minimum=5,
        approval_share=0.6,
    )
    await db.write(lambda conn: ballots.open_ballot(conn, ballot, at))
    return _requests(ballot_id, headers)


def _requests(ballot_id: str, headers: list[dict[str, str]]) -> Iterator[bytes]:
    path = f"/api/v1/ballots/{ballot_id}/votes"
    for number, own in enumerate(headers):
        choice = ("yes", "no", "abstain")[number % 3]
        body = json.dumps({"choice": choice, "nonce": secrets.token_urlsafe(24)}).encode()
        yield request("POST", path, own, body)


def _rate(place: Place, port: int, requests: Iterator[bytes], count: int) -> Measure:
    """Return what sends the next ``count`` requests and tells how many were answered 201 in a second."""

    async def run() -> float:
        some = [next(requests) for _ in range(count)]
        answers = await asyncio.to_thread(send, port, some, place.directory / "requests")
        return answers.rate(201)

    return run


async def _all_counted(db: Database, expected: int) -> tuple[str, str, bool]:
    def count(conn: Connection) -> tuple[int, int]:
        cast = conn.execute(select(func.count()).select_from(ballot_votes)).scalar_one()
        marked = select(func.count()).select_from(ballot_roll).where(ballot_roll.c.has_voted)
        return int(cast), int(conn.execute(marked).scalar_one())

    cast, marked = await db.read(count)
    found = f"{expected:,} answered 201, {cast:,} votes, {marked:,} marks on the roll"
    return "every vote that was answered is there once", found, cast == marked == expected
