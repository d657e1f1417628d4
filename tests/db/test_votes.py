"""Votes cast many at a time, by several processes at once: each counts once, in whatever order it comes."""

import asyncio
import random
from collections import Counter
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, select

from contracts.ballots import CountBallot, OpenBallot
from db.database import Database
from db.repositories import ballots as process_side
from db.repositories import votes
from db.repositories.votes import Cast, CastVote, Vote
from db.tables.ballots import ballot_roll, ballot_votes, ballots
from domain.ballots import Choice
from domain.ids import new_id
from tests.support.people import create_person

VOTERS = 24


async def open_ballot(db: Database, voters: int = VOTERS) -> tuple[str, list[str]]:
    """Open a ballot; return its id and who is on its roll."""
    now = datetime.now(UTC)

    def write(conn: Connection) -> tuple[str, list[str]]:
        candidate = create_person(conn, "candidate")
        here = [create_person(conn, f"voter{n}").id for n in range(voters)]
        given = OpenBallot(
            ballot_id=new_id(),
            process_id="application/none",
            subject_id=new_id(),
            candidate_id=candidate.id,
            kind="vetting",
            opens_at=now,
            closes_at=now + timedelta(days=7),
            member_for_days=30,
            quorum_share=0.1,
            quorum_minimum=2,
            approval_share=0.6,
        )
        process_side.open_ballot(conn, given, now)
        return given.ballot_id, here

    return await db.write(write)


async def cast(db: Database, given: list[Vote]) -> list[CastVote]:
    return await db.write(lambda conn: votes.cast(conn, given, datetime.now(UTC)))


async def test_batches_in_any_order_from_several_processes_count_each_voter_once(database_url: str):
    async with Database.connect(database_url) as one, Database.connect(database_url) as other:
        ballot, here = await open_ballot(one)
        dice = random.Random(4)
        batches = []
        for number in range(12):
            some = [Vote(ballot, who, dice.choice(list(Choice)), f"{number:016}") for who in here]
            dice.shuffle(some)
            batches.append(some)
        done = await asyncio.gather(
            *(cast((one, other)[number % 2], batch) for number, batch in enumerate(batches))
        )
        counted = Counter[str]()
        kept = {}
        for batch, outcomes in zip(batches, done, strict=True):
            for vote, outcome in zip(batch, outcomes, strict=True):
                assert outcome.outcome in {Cast.COUNTED, Cast.ALREADY_VOTED}
                if outcome.outcome is Cast.COUNTED:
                    counted[vote.person_id] += 1
                    kept[outcome.receipt] = vote.choice.value
        assert counted == Counter(here)
        rows = await one.read(lambda conn: conn.execute(select(ballot_votes)).all())
        assert {row.receipt: row.choice for row in rows} == kept
        roll = await one.read(lambda conn: conn.execute(select(ballot_roll.c.has_voted)).scalars().all())
        assert all(roll)


async def test_of_one_persons_votes_in_a_batch_the_first_counts(db: Database):
    ballot, [ann, bob] = await open_ballot(db, 2)
    same = Vote(ballot, ann, Choice.YES, "n" * 16)
    outcomes = await cast(
        db,
        [
            same,
            Vote(ballot, bob, Choice.NO, "b" * 16),
            same,
            Vote(ballot, ann, Choice.NO, "n" * 16),
            Vote(ballot, ann, Choice.YES, "m" * 16),
        ],
    )
    assert [done.outcome for done in outcomes] == [
        Cast.COUNTED,
        Cast.COUNTED,
        Cast.REPEATED,
        Cast.ALREADY_VOTED,
        Cast.ALREADY_VOTED,
    ]
    assert outcomes[0].receipt == outcomes[2].receipt
    assert await cast(db, []) == []


async def test_batches_and_the_count_at_once_lose_no_vote(database_url: str):
    async with Database.connect(database_url) as one, Database.connect(database_url) as other:
        ballot, here = await open_ballot(one)
        closing = CountBallot(ballot_id=ballot, at=datetime.now(UTC) + timedelta(days=7))

        async def some(first: int) -> list[CastVote]:
            return await cast(
                one, [Vote(ballot, who, Choice.YES, "n" * 16) for who in here[first : first + 4]]
            )

        async def close() -> list[CastVote]:
            await other.write(lambda conn: process_side.count(conn, closing))
            return []

        firsts = list(range(0, VOTERS, 4))
        calls = [some(first) for first in firsts]
        done = await asyncio.gather(*calls[:3], close(), *calls[3:])
        outcomes = [vote.outcome for batch in done for vote in batch]
        assert set(outcomes) <= {Cast.COUNTED, Cast.CLOSED}
        row = await one.read(lambda conn: conn.execute(select(ballots)).one())
        kept = await one.read(lambda conn: conn.execute(select(ballot_votes)).all())
        assert row.yes == len(kept) == outcomes.count(Cast.COUNTED)
