"""The automatic checks at submission: a draft that is turned away stays a draft, and can come again."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select, update
from temporalio.client import Client, WorkflowExecutionStatus

from db.tables.people import people, sanctions
from db.tables.vetting import applications, documents, link_keys
from domain.ids import new_id
from domain.vetting import Refusal, Stage, Status
from tests.support.community import Community
from tests.support.vetting import Case, community, new_case, refused, until


async def stays_draft(case: Case) -> None:
    """Assert that the draft is untouched and that no process is left behind."""
    row = await case.row()
    assert (row["status"], row["stage"], row["revision"], row["submitted_at"]) == ("draft", "intake", 0, None)
    assert await case.entries() == []
    assert await case.mails() == []

    async def ended() -> bool:
        return (await case.handle.describe()).status is WorkflowExecutionStatus.COMPLETED

    await until(ended)


async def test_incomplete_drafts_are_turned_away_until_they_are_complete(here: Community, case: Case) -> None:
    await here.execute(update(applications).where(applications.c.id == case.id).values(headline="", tags=[]))
    async with refused(Refusal.INCOMPLETE):
        await case.submit()
    await stays_draft(case)
    await here.execute(
        update(applications).where(applications.c.id == case.id).values(headline="Bakes", tags=["bread"])
    )
    assert (await case.submit()).stage is Stage.FIRST_REVIEW
    await case.agrees()


async def test_a_draft_that_changed_meanwhile_is_turned_away(here: Community, case: Case) -> None:
    await here.execute(update(applications).where(applications.c.id == case.id).values(edit_version=7))
    async with refused(Refusal.DRAFT_CHANGED):
        await case.submit(edit_version=6)
    await stays_draft(case)
    assert (await case.submit(edit_version=7)).stage is Stage.FIRST_REVIEW


async def test_only_the_applicant_submits(case: Case) -> None:
    async with refused(Refusal.CONFLICT_OF_INTEREST):
        await case.submit(case.community.admin)
    assert (await case.row())["status"] == "draft"
    assert (await case.submit()).stage is Stage.FIRST_REVIEW


async def test_one_application_at_a_time(here: Community, case: Case) -> None:
    await case.submit()
    other = await new_case(here)
    async with refused(Refusal.OTHER_APPLICATION_OPEN):
        await other.submit()
    await stays_draft(other)
    await case.withdraw()
    assert (await other.submit()).stage is Stage.FIRST_REVIEW


async def test_no_other_application_while_an_appeal_is_heard(here: Community, case: Case) -> None:
    case.policy = case.policy.model_copy(update={"cooldown_days": 0})
    await case.submit()
    await case.reject()
    await case.appeal()
    other = await new_case(here)
    async with refused(Refusal.OTHER_APPLICATION_OPEN):
        await other.submit()


@pytest.mark.parametrize("ends", [None, timedelta(days=3)])
async def test_the_sanctioned_are_turned_away(here: Community, case: Case, ends: timedelta | None) -> None:
    now = datetime.now(UTC)
    sanction = {
        "id": new_id(),
        "person_id": case.applicant,
        "kind": "mute",
        "reason": "spam",
        "starts_at": now - timedelta(days=1),
        "ends_at": now + ends if ends else None,
    }
    await here.execute(insert(sanctions).values(sanction))
    async with refused(Refusal.SANCTIONED):
        await case.submit()
    await stays_draft(case)
    await here.execute(update(sanctions).values(ends_at=now - timedelta(minutes=1)))
    assert (await case.submit()).stage is Stage.FIRST_REVIEW


async def test_bad_standing_is_turned_away(here: Community, case: Case) -> None:
    await here.execute(update(people).where(people.c.id == case.applicant).values(good_standing=False))
    async with refused(Refusal.SANCTIONED):
        await case.submit()
    await stays_draft(case)


async def test_the_rejected_wait_for_the_end_of_the_cool_down(here: Community, case: Case) -> None:
    await case.submit()
    await case.reject()
    await case.skip(days=13)
    other = await new_case(here)
    async with refused(Refusal.COOL_DOWN):
        await other.submit()
    await stays_draft(other)
    # Where the first process's clock was skipped, the applicant's time has moved on with it.
    await here.execute(
        update(applications).where(applications.c.id == case.id).values(clock_offset_seconds=90 * 86400 - 60)
    )
    async with refused(Refusal.COOL_DOWN):
        await other.submit()
    await here.execute(
        update(applications).where(applications.c.id == case.id).values(clock_offset_seconds=90 * 86400 + 60)
    )
    again = await other.submit()
    assert again.stage is Stage.FIRST_REVIEW
    assert (await other.row())["flags"] == ["earlier_rejection"]


async def test_who_expired_or_withdrew_may_come_again_at_once(here: Community, case: Case) -> None:
    await case.submit()
    await case.withdraw()
    again = await new_case(here)
    assert (await again.submit()).stage is Stage.FIRST_REVIEW
    assert (await again.row())["flags"] == []


async def test_who_withdrew_after_a_confirmed_violation_is_flagged(here: Community, case: Case) -> None:
    await case.submit()
    await case.approve()
    await case.roll_mailed()
    await case.pass_vote()
    await case.confirm_violation()
    await case.withdraw()
    again = await new_case(here)
    assert (await again.submit()).stage is Stage.FIRST_REVIEW
    assert (await again.row())["flags"] == ["earlier_violation"]


async def test_the_same_file_and_the_same_link_of_another_person_are_flagged(here: Community) -> None:
    first = await new_case(here, links=["https://people.example/one"])
    second = await new_case(here, await here.person("second"), links=["http://www.People.example/one/"])
    same = {"sha256": "f" * 64}
    for case in (first, second):
        mine = documents.c.application_id == case.id
        await here.execute(update(documents).where(mine, documents.c.kind == "identity").values(same))
    await first.submit()
    assert (await first.row())["flags"] == ["duplicate_document"]
    await second.submit()
    assert (await second.row())["flags"] == ["duplicate_document", "duplicate_link"]
    assert len(await here.rows(select(link_keys))) == 2


async def test_one_s_own_earlier_file_and_link_are_no_duplicates(here: Community) -> None:
    first = await new_case(here, links=["https://people.example/one"])
    await first.submit()
    await first.withdraw()
    again = await new_case(here, links=["https://people.example/one"])
    await again.submit()
    assert (await again.row())["flags"] == []


async def test_a_closed_application_is_not_submitted_again(case: Case) -> None:
    """A second process under the same id must not take over what the first one ended."""
    await case.submit()
    await case.withdraw()
    assert (await case.handle.result()).status is Status.WITHDRAWN
    codes = await case.codes()
    async with refused(Refusal.NOT_OPEN):
        await case.submit()
    row = await case.row()
    assert (row["status"], row["stage"]) == ("withdrawn", "closed")
    assert await case.codes() == codes


async def test_two_drafts_of_one_person_at_once(
    database_url: str, temporal_client: Client, task_queue: str
) -> None:
    async with community(database_url, temporal_client, task_queue) as here:
        for _ in range(4):
            person = await here.person("twice")
            drafts = [await new_case(here, person) for _ in range(3)]
            answers = await asyncio.gather(*(d.submit() for d in drafts), return_exceptions=True)
            assert len([answer for answer in answers if not isinstance(answer, Exception)]) == 1
            statuses = [(await draft.row())["status"] for draft in drafts]
            assert sorted(statuses) == ["credential_review", "draft", "draft"]
