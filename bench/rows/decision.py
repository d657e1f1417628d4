"""Row 2: how long a decision takes, against an update of the same workflow that does nothing."""

import time
from collections.abc import Awaitable
from statistics import median

from bench.measure import Result
from bench.people import at_once, community, drafts, target
from bench.place import Place
from db.database import Database
from tests.support.vetting import Case


async def measure(place: Place) -> list[Result]:
    """Review applications one after the other, each beside an update that does nothing to it."""
    blocks, size = place.pairs(), 4 if place.quick else 12
    client, url = await place.temporal(), place.database("sqlite")
    first: tuple[list[float], list[float]] = ([], [])
    second: tuple[list[float], list[float]] = ([], [])
    async with Database.connect(url) as db:
        here = await community(db, client)
        arguments = ["-m", "bench.worker", "noop", *target(client), here.queue, url]
        async with place.running(arguments):
            cases = await drafts(here, (blocks + 1) * size)
            await at_once(lambda case: case.submit(), cases, 8)
            for block in range(blocks + 1):
                some = cases[block * size : (block + 1) * size]
                idle, early = await _nothing(some), await _p50(some, 0)
                idle_again, late = await _nothing(some), await _p50(some, 1, mailed=True)
                pairs = [(early, idle), (late, idle_again)]
                if block:
                    for (ours, theirs), (a, b) in zip((first, second), pairs, strict=True):
                        ours.append(a)
                        theirs.append(b)
    against = "the same workflow's no-op update"
    note = "p50 of one update at a time, from a client, to the answer; the record is in the database by then."
    opens = (
        "The deciding approval freezes the roll and opens the ballot before it answers. "
        "The mail to the roll, which follows, is awaited between one and the next."
    )
    return [
        Result(2, "a decision (review)", against, "ms", *first, 2.0, at_most=True, note=note),
        Result(
            2, "the deciding review, which opens the ballot", against, "ms", *second, 2.0, True, note=opens
        ),
    ]


async def _p50(cases: list[Case], reviewer: int, *, mailed: bool = False) -> float:
    """Return the median of reviews one at a time; with ``mailed`` the next waits for the last one's mail."""
    found = []
    for case in cases:
        found.append(await _timed(case.review(case.community.reviewers[reviewer])))
        if mailed:
            await case.roll_mailed()
    return median(found)


async def _nothing(cases: list[Case]) -> float:
    return median([await _timed(case.handle.execute_update("nothing")) for case in cases])


async def _timed(call: Awaitable[object]) -> float:
    """Return the milliseconds that ``call`` takes."""
    started = time.perf_counter()
    await call
    return (time.perf_counter() - started) * 1000
