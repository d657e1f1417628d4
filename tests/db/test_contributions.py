"""Contributions are recorded once, and counted as a naive reading of the rules counts them."""

import asyncio
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, insert, select

from contracts.contributions import MAX_BATCH, ContributionIn, RowOutcome
from db.database import Database
from db.repositories import contributions, people
from db.tables.contributions import contributions as table
from db.tables.vetting import applications, violations
from domain.contributions import ContributionKind as Kind
from domain.people import PersonStatus
from domain.probation import Figures
from tests.support.people import create_person

START = datetime(2026, 3, 1, 8, tzinfo=UTC)
NOW = datetime(2026, 9, 1, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


def contribution(reference: str, kind: Kind = Kind.POST, **values: Any) -> ContributionIn:
    values = {"email": "leader@kameng.org", "source": "forum", "occurred_at": START, **values}
    return ContributionIn.model_validate({"reference": reference, "kind": kind, **values})


async def record(db: Database, *rows: ContributionIn) -> list[RowOutcome]:
    return await db.write(lambda conn: contributions.record(conn, rows, NOW))


@pytest.fixture
async def leader(db: Database) -> str:
    return (await db.write(lambda conn: create_person(conn, "leader"))).id


async def figures(
    db: Database, leader: str, *, days: float = 7, as_of: datetime | None = None, within: int = 72
) -> Figures:
    end = START + timedelta(days=days)
    return await db.read(lambda conn: contributions.figures(conn, leader, START, end, as_of or end, within))


async def test_each_row_has_its_own_outcome(db: Database, leader: str):
    first = await record(db, contribution("1"), contribution("2"))
    assert first == [RowOutcome.RECORDED] * 2
    outcomes = await record(
        db,
        contribution("3"),
        contribution("1"),
        contribution("2", occurred_at=START + HOUR),
        contribution("4", email="nobody@kameng.org"),
        contribution("3"),
        contribution("3", Kind.SHARE),
        contribution("1", email=None, person_id=leader),
        contribution("1", source="chat"),
    )
    assert [outcome.value for outcome in outcomes] == [
        "recorded",
        "duplicate",
        "conflict",
        "unknown_person",
        "duplicate",
        "conflict",
        "duplicate",
        "recorded",
    ]
    assert (await figures(db, leader)).posts == 4
    assert await record(db) == []


async def test_what_has_not_happened_yet_is_not_stored(db: Database, leader: str):
    rows = contribution("1", occurred_at=NOW + 4 * MINUTE), contribution("2", occurred_at=NOW + 6 * MINUTE)
    assert await record(db, *rows) == [RowOutcome.RECORDED, RowOutcome.IN_FUTURE]
    assert await record(db, contribution("2")) == [RowOutcome.RECORDED]


async def test_the_same_batch_at_once_is_recorded_once(db: Database, leader: str):
    rows = [contribution(f"{n}") for n in range(50)]
    outcomes = await asyncio.gather(*(record(db, *rows) for _ in range(6)))
    for row in zip(*outcomes, strict=True):
        assert row.count(RowOutcome.RECORDED) == 1
        assert row.count(RowOutcome.DUPLICATE) == 5
    assert (await figures(db, leader)).posts == 50


async def test_a_full_batch_and_one_too_many(db: Database, leader: str):
    rows = [contribution(f"{n}", source=f"s{n % 3}") for n in range(MAX_BATCH)]
    assert set(await record(db, *rows)) == {RowOutcome.RECORDED}
    assert set(await record(db, *rows)) == {RowOutcome.DUPLICATE}
    with pytest.raises(ValueError, match="1000"):
        await record(db, *rows, contribution("more"))


async def test_a_deleted_person_is_unknown(db: Database, leader: str):
    await db.write(lambda conn: people.set_status(conn, leader, PersonStatus.DELETED))
    by_id = contribution("2", email=None, person_id=leader)
    assert await record(db, contribution("1"), by_id) == [RowOutcome.UNKNOWN_PERSON] * 2


async def test_posts_count_from_the_start_to_just_before_the_end(db: Database, leader: str):
    moment = timedelta(microseconds=1)
    times = [START - moment, START, START + 7 * DAY - moment, START + 7 * DAY]
    await record(db, *(contribution(f"{n}", occurred_at=at) for n, at in enumerate(times)))
    assert (await figures(db, leader)).posts == 2
    weeks = await db.read(lambda conn: contributions.weekly_posts(conn, leader, START, 3))
    assert weeks == (2, 1, 0)


@pytest.mark.parametrize(
    ("asked", "answered", "as_of", "expected"),
    [
        (0, 72, 72, (1, 1)),
        (0, 72 + 1 / 3600, 200, (1, 0)),
        (0, None, 72, (1, 0)),  # the window has just passed
        (0, None, 72 - 1 / 3600, (0, 0)),  # there is still time
        (0, 100, 50, (0, 0)),  # what came later had not happened yet
        (0, 100, 72, (1, 0)),
        (100, 110, 168, (1, 1)),
        (-1, 5, 168, (0, 0)),  # asked before the span
        (168, 169, 300, (0, 0)),  # asked after it
        (5, 4, 168, (1, 1)),  # clocks of two systems
    ],
)
async def test_a_question_counts_once_it_is_due(db: Database, leader: str, asked, answered, as_of, expected):
    rows = [contribution("q", Kind.QUESTION, occurred_at=START + asked * HOUR, actor_reference="ann")]
    if answered is not None:
        rows.append(
            contribution(
                "a",
                Kind.ANSWER,
                occurred_at=START + answered * HOUR,
                answers_reference="q",
                hours_to_answer=1,
            )
        )
    await record(db, *rows)
    found = await figures(db, leader, as_of=START + as_of * HOUR)
    assert (found.questions, found.answered_in_time) == expected


@pytest.mark.parametrize(("hours", "in_time"), [(0, 1), (72, 1), (72.01, 0)])
async def test_an_answer_to_an_unreported_question_counts_as_one(db: Database, leader: str, hours, in_time):
    await record(
        db,
        contribution("a", Kind.ANSWER, hours_to_answer=hours, answers_reference="far"),
        contribution("b", Kind.ANSWER, hours_to_answer=500, answers_reference="far"),
        contribution("c", Kind.ANSWER, answers_reference="unknown"),
    )
    found = await figures(db, leader)
    assert (found.questions, found.answered_in_time) == (1, in_time)


async def test_the_latest_rating_of_each_rater_counts_but_no_ones_own(db: Database, leader: str):
    def rating(reference: str, actor: str, stars: int, hours: float) -> ContributionIn:
        at = START + hours * HOUR
        return contribution(reference, Kind.RATING, actor_reference=actor, stars=stars, occurred_at=at)

    await record(
        db,
        rating("1", "ann", 1, 0),
        rating("2", "ann", 5, 2),
        rating("3", "ann", 2, 1),
        rating("4", "B.ob+x@gmail.com", 1, 0),
        rating("5", "bob@googlemail.com", 4, 1),
        rating("6", leader, 5, 0),
        rating("7", "Leader+self@kameng.org", 5, 0),
        rating("8", "zoe", 3, 500),
    )
    found = await figures(db, leader)
    assert (found.ratings, found.rating_sum) == (2, 9)


def add_violation(conn: Connection, leader: str, number: int, verdict: str, at: datetime) -> None:
    application = {"id": leader, "person_id": leader, "tags": [], "links": [], "flags": [], "reasons": []}
    if conn.execute(select(applications.c.id)).first() is None:
        conn.execute(insert(applications), {**application, "created_at": START, "updated_at": START})
    row = {"id": f"v{number}", "application_id": leader, "person_id": leader, "kind": "spam"}
    conn.execute(insert(violations), {**row, "verdict": verdict, "occurred_at": at, "created_at": START})


async def test_only_confirmed_violations_of_the_span_count(db: Database, leader: str):
    def add(conn: Connection) -> None:
        given = [("confirmed", 0), ("confirmed", 7), ("confirmed", -1), ("reported", 1), ("dismissed", 1)]
        for number, (verdict, days) in enumerate(given):
            add_violation(conn, leader, number, verdict, START + days * DAY)

    await db.write(add)
    assert (await figures(db, leader)).violations == 1


instants = st.integers(-30, 200).map(lambda hours: START + hours * HOUR)
actors = st.sampled_from(["ann", "bob", "cy", "LEADER", "leader@kameng.org"])
questions = st.sampled_from(["q0", "q1", "q2", "elsewhere"])


@st.composite
def activity(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Random reports about one leader and somebody else, in two sources."""
    rows = []
    for number in range(draw(st.integers(0, 25))):
        kind = draw(
            st.sampled_from([Kind.POST, Kind.QUESTION, Kind.ANSWER, Kind.ANSWER, Kind.RATING, Kind.READ])
        )
        row: dict[str, Any] = {"kind": kind, "reference": f"r{number}", "occurred_at": draw(instants)}
        row["source"] = draw(st.sampled_from(["forum", "chat"]))
        row["person"] = draw(st.sampled_from(["leader", "leader", "leader", "other"]))
        if kind is Kind.QUESTION:
            row["reference"] = f"q{number % 3}"
        if kind is Kind.ANSWER:
            row["answers_reference"] = draw(st.none() | questions)
            row["hours_to_answer"] = draw(st.sampled_from([0.0, 5.0, 71.9, 72.0, 80.0]))
            if row["answers_reference"] and draw(st.booleans()):
                row["hours_to_answer"] = None
        if kind is Kind.RATING:
            row["actor_reference"] = draw(actors)
            row["stars"] = draw(st.integers(1, 5))
        rows.append(row)
    return rows


def naive(rows: list[dict[str, Any]], end: datetime, as_of: datetime, within: int) -> Figures:
    """Count by the words of the rules, one row after the other."""
    mine = [row for row in rows if row["person"] == "leader"]
    inside = [row for row in mine if START <= row["occurred_at"] < end]
    limit = timedelta(hours=within)
    asked = in_time = 0
    for question in (row for row in inside if row["kind"] is Kind.QUESTION):
        times = [
            row["occurred_at"]
            for row in mine
            if row["kind"] is Kind.ANSWER
            and row["source"] == question["source"]
            and row["answers_reference"] == question["reference"]
            and row["occurred_at"] <= as_of
        ]
        if times or question["occurred_at"] + limit <= as_of:
            asked += 1
            in_time += bool(times) and min(times) - question["occurred_at"] <= limit
    reported = {(row["source"], row["reference"]) for row in rows if row["kind"] is Kind.QUESTION}
    hours = defaultdict(list)
    for row in inside:
        if row["kind"] is not Kind.ANSWER or row["hours_to_answer"] is None or row["occurred_at"] > as_of:
            continue
        if (row["source"], row["answers_reference"]) not in reported:
            hours[row["source"], row["answers_reference"] or row["reference"] + "!"].append(
                row["hours_to_answer"]
            )
    latest: dict[str, int] = {}
    for row in sorted(inside, key=lambda row: row["occurred_at"]):
        if row["kind"] is Kind.RATING and row["actor_reference"] not in ("LEADER", "leader@kameng.org"):
            latest[row["actor_reference"]] = row["stars"]
    return Figures(
        posts=sum(row["kind"] is Kind.POST for row in inside),
        questions=asked + len(hours),
        answered_in_time=in_time + sum(min(taken) <= within for taken in hours.values()),
        ratings=len(latest),
        rating_sum=sum(latest.values()),
    )


def as_contribution(row: dict[str, Any], ids: dict[str, str]) -> ContributionIn:
    values = {**row, "person_id": ids[row["person"]]}
    del values["person"]
    if values.get("actor_reference") == "LEADER":
        values["actor_reference"] = ids["leader"]
    return ContributionIn.model_validate(values)


@pytest.mark.parametrize("within", [24, 72])
def test_the_same_as_a_naive_count(database_url: str, within: int):
    with asyncio.Runner() as runner:
        db = Database.connect(database_url)
        ids = {
            name: runner.run(db.write(lambda conn, name=name: create_person(conn, name))).id  # type: ignore[misc]
            for name in ("leader", "other")
        }

        @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        @given(activity(), st.integers(1, 9), st.integers(0, 12))
        def compare(rows: list[dict[str, Any]], days: int, as_of_days: int) -> None:
            seen: dict[tuple[str, str], dict[str, Any]] = {}
            for row in rows:
                seen.setdefault((row["source"], row["reference"]), row)
            given = [as_contribution(row, ids) for row in rows]
            end, as_of = START + days * DAY, START + as_of_days * DAY

            def work(conn: Connection) -> tuple[Figures, tuple[int, ...]]:
                conn.execute(delete(table))
                contributions.record(conn, given, NOW)
                found = contributions.figures(conn, ids["leader"], START, end, as_of, within)
                return found, contributions.weekly_posts(conn, ids["leader"], START, 2)

            found, weeks = runner.run(db.write(work))
            kept = list(seen.values())
            assert found == naive(kept, end, as_of, within)
            assert weeks == tuple(naive_posts(kept, week) for week in range(2))

        compare()
        runner.run(db.close())


def naive_posts(rows: list[dict[str, Any]], week: int) -> int:
    begin = START + week * 7 * DAY
    return sum(
        row["kind"] is Kind.POST
        and row["person"] == "leader"
        and begin <= row["occurred_at"] < begin + 7 * DAY
        for row in rows
    )
