"""Who may do what, and who votes: the process refuses what its state forbids and stays as it was."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from db.tables.ballots import ballot_roll
from db.tables.people import declared_conflicts
from domain.vetting import AppealDecision, ProbationDecision, Refusal, ReviewDecision, Stage
from tests.support.community import Community
from tests.support.vetting import Case, new_case, refused, until

DAY = timedelta(days=1)


async def test_a_hold_keeps_others_out_until_it_is_released(case: Case) -> None:
    first, second, _ = case.community.reviewers
    await case.submit()
    async with refused(Refusal.NOT_CLAIMED):
        await case.release(first)
    assert (await case.claim(first)).claimed_by == first
    assert (await case.claim(first)).claimed_by == first
    async with refused(Refusal.CLAIMED_BY_OTHER):
        await case.claim(second)
    async with refused(Refusal.CLAIMED_BY_OTHER):
        await case.review(second)
    async with refused(Refusal.CLAIMED_BY_OTHER):
        await case.release(second)
    assert (await case.release(case.community.lead, is_lead=True)).claimed_by is None
    assert (await case.claim(second)).claimed_by == second
    await case.agrees()
    assert await case.codes() == ["submitted", "claimed", "released", "claimed"]


async def test_nobody_with_a_conflict_of_interest_decides(case: Case) -> None:
    first, second, third = case.community.reviewers
    await case.submit()
    async with refused(Refusal.CONFLICT_OF_INTEREST):
        await case.review(case.applicant)
    async with refused(Refusal.CONFLICT_OF_INTEREST):
        await case.claim(case.applicant)
    await case.claim(first)
    assert (await case.declare_conflict(first)).claimed_by is None
    await case.declare_conflict(first)
    assert await case.codes() == ["submitted", "claimed", "conflict_declared"]
    async with refused(Refusal.CONFLICT_OF_INTEREST):
        await case.review(first)
    declared = await case.community.rows(select(declared_conflicts))
    assert [(row["person_id"], row["other_id"]) for row in declared] == [(first, case.applicant)]
    await case.review(second)
    asked = {mail["person_id"] for mail in await case.mails("staff_second_review_needed")}
    assert asked == {third, case.community.lead}
    await case.agrees()


async def test_a_conflict_lasts_until_the_appeal(case: Case) -> None:
    await case.submit()
    await case.declare_conflict(case.community.lead)
    await case.reject()
    await case.appeal()
    assert {mail["person_id"] for mail in await case.mails("staff_appeal")} == {case.community.reviewers[2]}
    async with refused(Refusal.CONFLICT_OF_INTEREST):
        await case.decide_appeal(AppealDecision.OVERTURN)
    await case.decide_appeal(AppealDecision.OVERTURN, case.community.reviewers[2])


async def test_one_reviewer_is_not_two(case: Case) -> None:
    await case.submit()
    await case.review(case.community.reviewers[0])
    async with refused(Refusal.ALREADY_DECIDED):
        await case.review(case.community.reviewers[0])
    assert (await case.status()).stage is Stage.SECOND_REVIEW


async def under_review(case: Case) -> None:
    await case.submit()


async def changing(case: Case) -> None:
    await case.submit()
    await case.review(case.community.reviewers[0], ReviewDecision.REQUEST_CHANGES)


async def voting(case: Case) -> None:
    """Open the vote, and wait for the last step of its own: the mail to the roll."""
    await case.submit()
    await case.approve()

    async def mailed() -> bool:
        # Submitted, two opinions, opened, mailed.
        return (await case.status()).revision >= 5

    await until(mailed)


async def on_probation(case: Case) -> None:
    await voting(case)
    await case.pass_vote()


async def rejected(case: Case) -> None:
    await case.submit()
    await case.reject()


ACTIONS: dict[str, Callable[[Case], Awaitable[object]]] = {
    "submit": lambda case: case.submit(),
    "resubmit": lambda case: case.resubmit(),
    "claim": lambda case: case.claim(case.community.reviewers[2]),
    "release": lambda case: case.release(case.community.reviewers[2]),
    "review": lambda case: case.review(case.community.reviewers[2]),
    "violation": lambda case: case.confirm_violation(),
    "decide_probation": lambda case: case.decide_probation(ProbationDecision.PASS),
    "appeal": lambda case: case.appeal(),
    "decide_appeal": lambda case: case.decide_appeal(AppealDecision.OVERTURN),
}
OPEN_TO: dict[Callable[[Case], Awaitable[None]], set[str]] = {
    under_review: {"claim", "review", "release"},
    changing: {"resubmit"},
    voting: set(),
    on_probation: {"violation"},
    rejected: {"appeal"},
}
WRONG = {"appeal": Refusal.APPEAL_CLOSED}


@pytest.mark.parametrize("arrive", OPEN_TO, ids=lambda arrive: arrive.__name__)
async def test_every_request_out_of_its_stage_is_refused(
    case: Case, arrive: Callable[[Case], Awaitable[None]]
) -> None:
    # A task that a busy machine lets time out is written down.
    case.task_timeout = timedelta(minutes=1)
    await arrive(case)
    await case.agrees()
    before = (await case.status(), await case.codes())
    length = await settled_length(case)
    for name, act in ACTIONS.items():
        if name not in OPEN_TO[arrive]:
            async with refused(WRONG.get(name, Refusal.WRONG_STAGE)):
                await act(case)
    assert (await case.status(), await case.codes()) == before
    # The validator turns them away: whoever asks in vain, however often, makes no history longer.
    assert await case.history_length() == length


async def settled_length(case: Case) -> int:
    """How many events the history has once the process waits for people or time alone."""

    async def waits() -> bool:
        described = (await case.handle.describe()).raw_description
        return not described.pending_activities and not described.HasField("pending_workflow_task")

    await until(waits)
    return await case.history_length()


async def test_the_roll_is_frozen_when_the_ballot_opens(here: Community, case: Case) -> None:
    now = datetime.now(UTC)
    voters = {
        await here.person("thirty-days", joined_at=now - 30 * DAY),
        await here.person("no-list-mail", list_mail=False),
    }
    barred: dict[str, dict[str, Any]] = {
        "twenty-nine-days": {"joined_at": now - 29 * DAY},
        "a-minute-short": {"joined_at": now - 30 * DAY + timedelta(minutes=1)},
        "bad-standing": {"good_standing": False},
        "suspended": {"status": "suspended"},
        "deleted": {"status": "deleted"},
    }
    for name, values in barred.items():
        await here.person(name, **values)
    await voting(case)
    await here.person("joined-later")
    roll = await here.rows(select(ballot_roll).order_by(ballot_roll.c.position))
    staff = {*here.reviewers, here.lead, here.admin}
    assert {entry["person_id"] for entry in roll} == {*here.members, *staff, *voters}
    assert [entry["position"] for entry in roll] == list(range(len(roll)))
    ballot = (await case.ballots())[0]
    assert (ballot["roll_size"], ballot["quorum"], ballot["candidate_id"]) == (len(roll), 5, case.applicant)
    # Who switched list mail off votes without being written to.
    await case.roll_mailed(people=len(roll) - 1)
    assert len(await case.mails("ballot_opened")) == len(roll) - 1


async def test_the_certified_topics_are_those_that_both_vouch_for(here: Community) -> None:
    case = await new_case(here, scopes=("cooking", "baking", "brewing"))
    cooking, baking, brewing = case.claims
    await case.submit()
    await case.review(here.reviewers[0], verified=(cooking, baking))
    await case.review(here.reviewers[1], verified=(baking, brewing))
    await case.pass_vote()
    await case.confirm_violation()
    await case.decide_probation(ProbationDecision.PASS, note_id=await case.note())
    certified = await case.entries("certified")
    assert certified[0]["detail"] == {"claims": [baking]}
    assert (await case.mails("certified"))[0]["data"]["topics"] == ["baking"]


async def test_the_visibility_store_finds_a_process_by_its_stage(here: Community) -> None:
    cases = [await new_case(here, await here.person(f"applicant{n}")) for n in range(2)]
    for case in cases:
        await case.submit()
    await cases[1].review(here.reviewers[0])
    await finds(here, "KamengStage = 'first_review'", [cases[0].process_id])
    await finds(here, "KamengStage = 'second_review'", [cases[1].process_id])
    await finds(here, "KamengProcess = 'vetting'", sorted(case.process_id for case in cases))
    await finds(here, "KamengWaitingOn = 'second_reviewer'", [cases[1].process_id])
    in_two_days, in_four = (datetime.now(UTC) + n * DAY for n in (2, 4))
    await finds(here, f"KamengDeadline < '{in_two_days.isoformat()}'", [])
    both = sorted(case.process_id for case in cases)
    await finds(here, f"KamengDeadline < '{in_four.isoformat()}'", both)
    await cases[0].withdraw()
    await finds(here, "KamengStage = 'closed' AND KamengDeadline IS NULL", [cases[0].process_id])


async def finds(here: Community, query: str, expected: list[str]) -> None:
    """Wait until the listing answers so: the visibility store is a moment behind."""

    async def found() -> bool:
        ids = [execution.id async for execution in here.client.list_workflows(query)]
        return sorted(ids) == expected

    await until(found)
