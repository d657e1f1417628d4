"""Row 12: settling a campaign, against the bare bulk insert of what it posts; memory; the ledger proved.

Everybody is settled, and then told. On SQLite all of them, again and again, each time followed by the bare
insert of the very same rows into a copy of the database as it was before, the tables that refer to one
another in their order, each in a durable transaction of its own; so the insert of the postings alone can be
told from the rest. On PostgreSQL, where a million takes minutes, some parts of them.
"""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from bench import posted
from bench.bulk_work import Done, shards_of, work
from bench.crowd import Crowd
from bench.measure import Check, Result
from bench.place import Place
from bench.rows.close_day import FEW, QUICK, SIZES, flat
from db.database import Database
from db.repositories.point_checks import CHECKS
from db.tables.campaigns import settlements
from db.tables.mail import mails
from db.tables.points import point_accounts
from domain.campaigns.members import SHARDS
from domain.campaigns.policy import CampaignPolicy
from tests.support.postgres import PostgresMissing

# One part in so many is compared at a time; of a million that is about 60,000 members.
PARTS = {"postgresql": 16, "sqlite": 1}
# Each order walks past the members of all others: as many as a whole settlement has would do so for little.
AT_ONCE = 2
POSTINGS = "executemany of its postings alone, one transaction, through the driver"
LEDGER = "the same with the transfers and accounts that they belong to"
PAID = "the same with the settlements that say why"
LETTERS = "executemany of the letters alone, one transaction, through the driver"
ALL = "executemany of all that both write, a transaction for each table"


class Pair(NamedTuple):
    """How long paying and telling took, and the bare insert of each table (seconds)."""

    paid: float
    told: float
    bare: dict[str, float]


Compared = tuple[list[Pair], Done, list[Check]]
"""The pairs, the last run of paying, and what was looked for afterwards."""


async def measure(place: Place) -> list[Result]:
    """Measure on PostgreSQL and SQLite."""
    results = []
    for kind, members in SIZES.items():
        try:
            results += await _on(place, kind, QUICK if place.quick else members)
        except PostgresMissing as error:
            what = f"settling a campaign of {members:,}, {kind}"
            results.append(Result(12, what, POSTINGS, "s", missing=str(error)))
    return results


async def _on(place: Place, kind: str, members: int) -> list[Result]:
    shards = CampaignPolicy().shards(SIZES[kind])
    compare = _wholes if PARTS[kind] == 1 else _parts
    pairs, last, checks = await compare(place, kind, members, shards)
    async with place.ground.copy(kind, QUICK if place.quick else FEW) as crowd:
        few = await asyncio.to_thread(work, "settle", crowd, shards_of(crowd, shards))
    checks.append(flat(last, last.result.members, few, crowd.members))
    return _results(kind, members, shards, pairs, checks)


async def _wholes(place: Place, kind: str, members: int, shards: int) -> Compared:
    """Settle everybody, each time in a fresh copy."""
    pairs = []
    for _ in range(place.pairs(3)):
        async with place.ground.copy(kind, members) as crowd, place.ground.copy(kind, members) as bare:
            pair, done = await asyncio.to_thread(_pair, crowd, bare, shards, 0, SHARDS)
            pairs.append(pair)
            checks = await _all_paid(crowd, [done])
    return pairs, done, checks


async def _parts(place: Place, kind: str, members: int, shards: int) -> Compared:
    """Settle some parts, and then the rest; the first part warms both up."""
    pairs, runs, width = [], [], SHARDS // PARTS[kind]
    async with place.ground.copy(kind, members) as crowd, place.ground.copy(kind, members) as bare:
        for number in range(place.pairs(3) + 1):
            first, last = number * width, (number + 1) * width
            pair, done = await asyncio.to_thread(_pair, crowd, bare, AT_ONCE, first, last)
            pairs.append(pair)
            runs.append(done)
        rest = shards_of(crowd, shards, last)
        runs.append(await asyncio.to_thread(work, "settle", crowd, rest))
        await asyncio.to_thread(work, "tell", crowd, rest)
        return pairs[1:], runs[-1], await _all_paid(crowd, runs)


def _pair(crowd: Crowd, bare: Crowd, shards: int, first: int, last: int) -> tuple[Pair, Done]:
    """Pay and then tell the members in ``[first, last)``, and insert the same into ``bare``."""
    orders = shards_of(crowd, shards, first, last)
    paid, told = work("settle", crowd, orders), work("tell", crowd, orders)
    return Pair(paid.seconds, told.seconds, posted.write(bare.url, posted.read(crowd.url, first, last))), paid


def _results(
    kind: str,
    members: int,
    shards: int,
    pairs: Sequence[Pair],
    checks: list[Check],
) -> list[Result]:
    what = f"settling a campaign of {members:,}, {kind}"
    parts = PARTS[kind]
    compared_by = "" if parts == 1 else f"compared are parts, each 1/{parts} of the members, by {AT_ONCE}. "
    note = (
        f"{shards} shards at once; {compared_by}For each member a settlement, and a transfer with two "
        "postings for each reason to be paid, with every key looked at. The letters follow once all are paid."
    )
    ledger = ("point_accounts", "point_transfers", "point_postings")
    paid, told = [pair.paid for pair in pairs], [pair.told for pair in pairs]

    def bare(*tables: str) -> list[float]:
        return [sum(pair.bare[table] for table in tables) for pair in pairs]

    both = [pair.paid + pair.told for pair in pairs]
    return [
        Result(12, what, POSTINGS, "s", paid, bare("point_postings"), 2.5, True, checks, note),
        Result(12, what, LEDGER, "s", paid, bare(*ledger), at_most=True),
        Result(12, what, PAID, "s", paid, bare(*ledger, "settlements"), at_most=True),
        Result(12, f"telling the same members, {kind}", LETTERS, "s", told, bare("mails"), at_most=True),
        Result(12, f"both, {kind}", POSTINGS, "s", both, bare("point_postings"), at_most=True),
        Result(12, f"both, {kind}", ALL, "s", both, bare(*pairs[0].bare), at_most=True),
    ]


async def _all_paid(crowd: Crowd, runs: Sequence[Done]) -> list[Check]:
    """Look for everybody's settlement, letter and points, and prove the ledger."""

    def read(conn: Connection) -> tuple[int, int, int]:
        settled = conn.execute(select(func.count()).select_from(settlements)).scalar_one()
        told = conn.execute(select(func.count(mails.c.person_id.distinct()))).scalar_one()
        held = select(func.sum(point_accounts.c.balance)).where(point_accounts.c.kind == "available")
        return int(settled), int(told), int(conn.execute(held).scalar_one())

    points = sum(run.result.points for run in runs)
    async with Database.connect(crowd.url) as db:
        settled, told, held = await db.read(read)
        proofs = [await db.read(check) for check in CHECKS]
    wrong = sum(proof.wrong for proof in proofs)
    found = f"{settled:,} settled and {told:,} told of {crowd.members:,}; {points:,} owed, {held:,} held"
    met = settled == told == crowd.members and points == held
    examined = max(proof.examined for proof in proofs)
    return [
        Check("everybody is settled, paid and told once", found, met),
        Check("the ledger is whole", f"{wrong:,} wrong of {examined:,} rows", wrong == 0),
    ]
