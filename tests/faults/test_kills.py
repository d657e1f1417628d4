"""kill -9 of worker, API and Temporal server in the middle of every stage; started again, all goes on."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from tests.faults.processes import Nursery
from tests.faults.world import LEAD, REVIEWERS, Application, World, world
from tests.support.temporal import PrivateTemporal

pytestmark = [pytest.mark.faults, pytest.mark.slow]

Steps = Callable[[Application], Coroutine[Any, Any, Any]]
CROWD = 70


@pytest.fixture
async def here(
    private_temporal: PrivateTemporal, nursery: Nursery, sqlite_url: str, tmp_path: Path
) -> AsyncIterator[World]:
    """The world."""
    async with world(tmp_path, private_temporal, nursery, sqlite_url) as opened:
        await opened.populate(crowd=CROWD)
        yield opened


async def _submitted(case: Application) -> None:
    await case.draft()
    await case.submit()


async def _first_review_given(case: Application) -> None:
    await _submitted(case)
    await case.review(REVIEWERS[0])


async def _disputed(case: Application) -> None:
    await _first_review_given(case)
    await case.review(REVIEWERS[1], "reject")


async def _changes_requested(case: Application) -> None:
    await _submitted(case)
    await case.review(REVIEWERS[0], "request_changes")


async def _voting(case: Application) -> None:
    await _submitted(case)
    await case.approve()


async def _voted(case: Application) -> None:
    await _voting(case)
    await case.votes(9)


async def _extended_vote(case: Application) -> None:
    await _voting(case)
    await case.votes(1)
    await case.skip(days=7, minutes=1)


async def _on_probation(case: Application) -> None:
    await _voted(case)
    await case.skip(days=7, minutes=1)


async def _to_be_judged(case: Application) -> None:
    await _on_probation(case)
    await case.skip(days=60, minutes=1)


async def _extended_probation(case: Application) -> None:
    await _to_be_judged(case)
    await case.decide("extend")


async def _rejected(case: Application) -> None:
    await _submitted(case)
    await case.review(REVIEWERS[0], "reject")
    await case.review(REVIEWERS[1], "reject")


async def _appealing(case: Application) -> None:
    await _rejected(case)
    await case.appeal()


STAGES: dict[str, tuple[Steps, Steps, str]] = {
    "draft": (Application.draft, Application.submit, "first_review"),
    "credential_review": (_submitted, lambda c: c.review(REVIEWERS[0]), "second_review"),
    "roll mailing": (_first_review_given, lambda c: c.review(REVIEWERS[1]), "voting"),
    "lead_review": (_disputed, lambda c: c.review(LEAD, "reject"), "appeal_window"),
    "changes_requested": (_changes_requested, Application.resubmit, "first_review"),
    "voting": (_voting, lambda c: c.votes(9), "voting"),
    "voting_extended": (_extended_vote, lambda c: c.skip(days=3, minutes=1), "appeal_window"),
    "counting": (_voted, lambda c: c.skip(days=7, minutes=1), "probation"),
    "probation": (_on_probation, lambda c: c.skip(days=30, minutes=1), "probation"),
    "probation_extended": (_extended_probation, lambda c: c.skip(days=30, minutes=1), "probation_decision"),
    "probation_decision": (_to_be_judged, lambda c: c.decide("fail"), "appeal_window"),
    "appeal": (_rejected, Application.appeal, "appeal_review"),
    "appeal_review": (_appealing, lambda c: c.decide_appeal("overturn"), "first_review"),
}
"""What leads into the middle of each stage, what is asked while something is killed, and where that leads."""


async def test_in_the_middle_of_every_stage(here: World) -> None:
    """The same steps are taken for each stage, undisturbed and with each victim: the outcome is the same."""
    quiet = await _prepared(here, "quiet")
    await asyncio.gather(*(STAGES[stage][1](case) for stage, case in quiet.items()))
    for case in quiet.values():
        await case.roll_mailed()
    for victim in ("worker", "api", "temporal"):
        struck = await _struck(here, victim)
        for stage, case in struck.items():
            await case.roll_mailed()
            assert (await case.show())["stage"] == STAGES[stage][2], (victim, stage)
            await case.holds()
            assert await case.codes() == await quiet[stage].codes(), (victim, stage)
            assert await case.letters() == await quiet[stage].letters(), (victim, stage)


async def _struck(here: World, victim: str) -> dict[str, Application]:
    """Take the steps while ``victim`` is killed twice and started again: early, and when some are done."""
    chance = random.Random(victim)
    struck = await _prepared(here, victim)
    acting = [asyncio.create_task(STAGES[stage][1](case)) for stage, case in struck.items()]
    await asyncio.sleep(chance.uniform(0.02, 0.12))
    unfinished = [stage for stage, act in zip(STAGES, acting, strict=True) if not act.done()]
    await here.kill(victim)
    # Else the kill came too late to be in the middle of anything.
    assert len(unfinished) > len(STAGES) / 2, unfinished
    await asyncio.sleep(chance.uniform(0.0, 0.2))
    await here.start(victim)
    # What is done by now is less than everything: the others are on their way.
    done, left = await asyncio.wait(acting, return_when=asyncio.FIRST_COMPLETED)
    assert done, victim
    assert left, victim
    await here.kill(victim)
    await here.start(victim)
    await asyncio.gather(*acting)
    return struck


async def _prepared(here: World, name: str) -> dict[str, Application]:
    cases = {stage: Application(here, f"{name}-{number}") for number, stage in enumerate(STAGES)}
    await here.add_applicants(*(case.name for case in cases.values()))
    await asyncio.gather(*(STAGES[stage][0](case) for stage, case in cases.items()))
    return cases
