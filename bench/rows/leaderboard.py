"""Row 14: page 10,000 of a leaderboard of a million, against page 1 and a bare scan of the board's index."""

import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from itertools import cycle
from typing import Any

import httpx2
from itsdangerous import URLSafeSerializer
from sqlalchemy import Connection, text

from api.app import create_app
from bench.crowd import Crowd
from bench.measure import Check, Measure, Result, in_turn
from bench.place import Place
from db.database import Database
from db.repositories import leaderboards
from db.repositories.leaderboards import Line, Position
from domain.campaigns.plan import Board
from settings import Settings
from tests.support.postgres import PostgresMissing

KINDS = ("postgresql", "sqlite")
MEMBERS, QUICK_MEMBERS = 1_000_000, 20_000
PAGE, DEEP, QUICK_DEEP = 25, 10_000, 200
TIMES = 100
SCAN = "the same run of the board's index alone, without names, one statement through Database.read"
_SCAN = text(
    "SELECT days_done, best_streak, person_id FROM enrolments WHERE campaign_id = :campaign "
    "AND status = 'active' AND days_done = :value AND best_streak <= :second "
    "ORDER BY days_done DESC, best_streak DESC, person_id LIMIT :limit"
)
_NTH = text(
    "SELECT days_done, best_streak, person_id FROM enrolments WHERE campaign_id = :campaign "
    "AND status = 'active' AND days_done > 0 "
    "ORDER BY days_done DESC, best_streak DESC, person_id LIMIT 1 OFFSET :number"
)


async def measure(place: Place) -> list[Result]:
    """Measure on PostgreSQL and SQLite."""
    results = []
    for kind in KINDS:
        try:
            results += await _on(place, kind)
        except PostgresMissing as error:
            results.append(Result(14, f"leaderboard, {kind}", SCAN, "ms", missing=str(error)))
    return results


async def _on(place: Place, kind: str) -> list[Result]:
    members, deep = (QUICK_MEMBERS, QUICK_DEEP) if place.quick else (MEMBERS, DEEP)
    async with place.ground.copy(kind, members) as crowd, Database.connect(crowd.url) as db:
        # Ten neighbouring pages in turn, so that no page is the one that is always warm.
        positions = cycle([await _position(db, crowd, (deep - 1 + n) * PAGE) for n in range(10)])
        checks = [await _exact(db, crowd, (deep - 1) * PAGE)]
        settings = _settings(place, crowd.url)
        app = create_app(settings)
        headers = {"cookie": f"kameng_session={crowd.signed_in[0][0]}", "sec-fetch-site": "same-origin"}
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(
                transport=httpx2.ASGITransport(app=app), base_url="http://bench.test", headers=headers
            ) as http,
        ):
            second = (await _get(http, crowd, ""))["next_cursor"]
            cursors = _cursors(settings, second, positions)
            far, near, deep_read, first_read, scan = await in_turn(
                _times(lambda: _get(http, crowd, f"&cursor={next(cursors)}")),
                _times(lambda: _get(http, crowd, f"&cursor={second}")),
                _times(lambda: db.read(partial(_page, crowd=crowd, after=next(positions)))),
                _times(lambda: db.read(partial(_page, crowd=crowd, after=None))),
                _times(lambda: db.read(partial(_scanned, crowd=crowd, after=next(positions)))),
                rounds=place.pairs(),
            )
    what = f"leaderboard of {members:,}, {kind}"
    whole, read = f"GET page {deep:,} of the {what}", f"page {deep:,} of the {what}, read by itself"
    note = "A page of 25 with names and the reader's own place, in this process without a socket."
    return [
        Result(14, whole, "GET page 2", "ms", far, near, 1.2, True, checks, note),
        Result(14, read, "page 1, read by itself", "ms", deep_read, first_read, 1.2, at_most=True),
        Result(14, read, SCAN, "ms", deep_read, scan, 2.0, at_most=True),
        Result(14, whole, SCAN, "ms", far, scan),
    ]


def _settings(place: Place, url: str) -> Settings:
    return Settings(
        data_dir=place.directory / "data",
        database_url=url,
        temporal_address="127.0.0.1:9",
        log_level="WARNING",
    )


async def _position(db: Database, crowd: Crowd, number: int) -> Position:
    """Return the line ``number`` of the board of days."""
    asked = {"campaign": crowd.campaign_id, "number": number - 1}
    row = await db.read(lambda conn: conn.execute(_NTH, asked).one())
    return Position(number, 1, *row)


def _page(conn: Connection, crowd: Crowd, after: Position | None) -> list[Line]:
    return leaderboards.page(conn, crowd.campaign_id, crowd.leader_id, Board.DAYS, after, PAGE + 1)


def _scanned(conn: Connection, crowd: Crowd, after: Position) -> Any:
    asked = {"campaign": crowd.campaign_id, "value": after.value, "second": after.second, "limit": PAGE + 1}
    return conn.execute(_SCAN, asked).all()


def _cursors(settings: Settings, known: str, positions: Iterator[Position]) -> Iterator[str]:
    """Return cursors that go on after ``positions``, made from one that the API gave."""
    route = "/api/v1/campaigns/{campaign_id}/leaderboard"
    secret = settings.secret_key.get_secret_value()
    serializer = URLSafeSerializer(secret, salt=f"cursor:{route}")
    board, *_, actor_id, place, value = serializer.loads(known)
    return (str(serializer.dumps([board, *position, actor_id, place, value])) for position in positions)


async def _get(http: httpx2.AsyncClient, crowd: Crowd, rest: str) -> Any:
    answer = await http.get(f"/api/v1/campaigns/{crowd.campaign_id}/leaderboard?by=days&limit={PAGE}{rest}")
    assert answer.status_code == 200, answer.text[:500]
    return answer.json()


def _times(act: Callable[[], Awaitable[Any]]) -> Measure:
    """Return what measures one ``act`` after the other (milliseconds each)."""

    async def run() -> float:
        started = time.perf_counter()
        for _ in range(TIMES):
            await act()
        return (time.perf_counter() - started) * 1000 / TIMES

    return run


async def _exact(db: Database, crowd: Crowd, number: int) -> Check:
    """Compare a page deep down with as many lines of the whole board, counted off."""
    after = await _position(db, crowd, number)
    page = await db.read(partial(_page, crowd=crowd, after=after))
    expected = [await _position(db, crowd, number + 1 + n) for n in (0, PAGE // 2, PAGE)]
    shown = [page[n].person_id for n in (0, PAGE // 2, PAGE)]
    met = shown == [one.person_id for one in expected]
    return Check("the page is the one that counting off gives", f"lines from {number + 1:,}", met)
