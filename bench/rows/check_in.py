"""Row 9: a check-in through the whole API, against a POST that does nothing and one commit a request."""

from collections.abc import Iterator
from itertools import cycle

from bench import crowd
from bench.api import baseline, serve
from bench.check_in_requests import all_there, rate, requests, standing
from bench.measure import Result, in_turn
from bench.place import Place
from db.urls import normalise_url
from tests.support.postgres import PostgresMissing

KINDS = ("sqlite", "postgresql")
WHAT = "a check-in through the whole API, durable"
NOTHING = "a FastAPI POST with the same models that does nothing"
COMMIT = "the same statements and one commit a request through aiosqlite"


async def measure(place: Place) -> list[Result]:
    """Measure on SQLite and PostgreSQL, both against the same two servers."""
    many, few = (400, 200) if place.quick else (3_000, 800)
    url, number = place.database("sqlite"), few * (place.pairs() + 1) * len(KINDS)
    theirs = await crowd.gather(url, _members(number), number)
    nothing = await baseline(place, "check_in_nothing")
    commit = await baseline(place, "check_in_commit", str(normalise_url(url).database))
    plain = requests(theirs)
    results = []
    for kind in KINDS:
        try:
            results += await _on(place, kind, nothing, (commit, plain), many, few)
        except PostgresMissing as error:
            results.append(Result(9, f"{WHAT}, {kind}", NOTHING, "check-ins/s", missing=str(error)))
    return results


def _members(signed_in: int) -> int:
    # One in a hundred has checked in today already and is not asked to.
    return signed_in + signed_in // 20 + 100


async def _on(
    place: Place, kind: str, nothing: int, commit: tuple[int, Iterator[bytes]], many: int, few: int
) -> list[Result]:
    rounds, url = place.pairs(), place.database(kind)
    number = many * (rounds + 1)
    here = await crowd.gather(url, _members(number), number)
    before, own = await standing(url), list(requests(here))
    port = await serve(place, url)
    ours, idle, plain = await in_turn(
        rate(place, port, iter(own), many),
        # The same bytes as ours, cookie and key included.
        rate(place, nothing, cycle(own), many),
        rate(place, commit[0], commit[1], few),
        rounds=rounds,
    )
    checks = [await all_there(url, before, number)]
    what = f"{WHAT}, {kind}"
    note = (
        "Sign-in by session, role, campaign and day under lock, streak, points, idempotent by key; answered "
        "after the commit is on the disk. A commit is cheap on this disk, so that the plain way loses less "
        "by one for each request than it would elsewhere."
    )
    return [
        Result(9, what, NOTHING, "check-ins/s", ours, idle, 0.35, checks=checks, note=note),
        Result(9, what, COMMIT, "check-ins/s", ours, plain, 3.0),
    ]
