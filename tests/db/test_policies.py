"""Versions of the policy never change, and two editors never overwrite each other."""

import asyncio
from datetime import UTC, datetime
from functools import partial

import pytest

from db.database import Database
from db.repositories import policies
from domain.policy import VettingPolicy, VotePolicy
from tests.support.people import create_person

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STRICTER = VettingPolicy(vote=VotePolicy(approval_share=0.75))


def stricter(expected: int, by: str | None = None):
    return partial(
        policies.VETTING.add_version,
        policy=STRICTER,
        expected_version=expected,
        now=NOW,
        created_by=by,
        note="why",
    )


async def test_a_new_version_leaves_the_old_ones(db: Database):
    editor = await db.write(lambda conn: create_person(conn, "editor"))
    assert await db.write(stricter(1, editor.id)) == 2
    newest = await db.read(policies.VETTING.current)
    assert (newest.version, newest.policy, newest.created_by, newest.note) == (2, STRICTER, editor.id, "why")
    assert newest.created_at == NOW
    assert [version.version for version in await db.read(policies.VETTING.history)] == [2, 1]
    first = await db.read(lambda conn: policies.VETTING.get(conn, 1))
    assert first is not None
    assert first.policy == VettingPolicy()
    assert await db.read(lambda conn: policies.VETTING.get(conn, 3)) is None


@pytest.mark.parametrize("expected", [0, 2, 7])
async def test_who_did_not_see_the_newest_is_refused(db: Database, expected: int):
    with pytest.raises(policies.PolicyChanged) as caught:
        await db.write(stricter(expected))
    assert caught.value.current == 1
    assert len(await db.read(policies.VETTING.history)) == 1


async def test_of_editors_at_once_one_wins(db: Database):
    outcomes = await asyncio.gather(*(db.write(stricter(1)) for _ in range(8)), return_exceptions=True)
    assert outcomes.count(2) == 1
    assert sum(isinstance(outcome, policies.PolicyChanged) for outcome in outcomes) == 7
