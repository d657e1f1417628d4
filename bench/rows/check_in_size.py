"""Row 10: how long one check-in takes in a campaign of a million, against one of ten thousand."""

from collections.abc import Iterator

from bench.api import serve
from bench.check_in_requests import all_there, answers, requests, standing
from bench.measure import Measure, Result, in_turn
from bench.place import Place
from tests.support.postgres import PostgresMissing

KINDS = ("postgresql", "sqlite")
MANY, FEW = 1_000_000, 10_000
QUICK_MANY, QUICK_FEW = 20_000, 2_000


async def measure(place: Place) -> list[Result]:
    """Measure on PostgreSQL and SQLite."""
    results = []
    for kind in KINDS:
        try:
            results.append(await _on(place, kind))
        except PostgresMissing as error:
            results.append(Result(10, _what(kind, MANY), f"in one of {FEW:,}", "ms", missing=str(error)))
    return results


def _what(kind: str, members: int) -> str:
    return f"p50 of a check-in in a campaign of {members:,}, {kind}"


async def _on(place: Place, kind: str) -> Result:
    many, few = (QUICK_MANY, QUICK_FEW) if place.quick else (MANY, FEW)
    rounds, count = place.pairs(), 100 if place.quick else 500
    async with place.ground.copy(kind, many) as large, place.ground.copy(kind, few) as small:
        befores = [await standing(crowd.url) for crowd in (large, small)]
        ports = [await serve(place, crowd.url) for crowd in (large, small)]
        ours, theirs = await in_turn(
            *(
                _p50(place, port, requests(crowd), count)
                for port, crowd in zip(ports, (large, small), strict=True)
            ),
            rounds=rounds,
        )
        checks = [
            await all_there(crowd.url, before, count * (rounds + 1))
            for crowd, before in zip((large, small), befores, strict=True)
        ]
        await place.stop_processes()
    note = "One at a time, of members all over the campaign, from a client in a process of its own."
    against = f"in one of {few:,}"
    return Result(10, _what(kind, many), against, "ms", ours, theirs, 1.3, True, checks, note)


def _p50(place: Place, port: int, given: Iterator[bytes], count: int) -> Measure:
    async def run() -> float:
        found = await answers(place, port, given, count, connections=1)
        found.rate(201)
        return found.p50_ms

    return run
