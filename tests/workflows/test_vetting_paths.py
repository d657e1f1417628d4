"""Every path through vetting ends as it must, with the mails it must send and no other."""

from collections import Counter

import pytest
from temporalio.client import Client

from tests.support.community import Community
from tests.support.letters import every_mail_reads_well
from tests.support.vetting import community, new_case
from tests.workflows import paths_conflict, paths_late, paths_later, paths_review
from tests.workflows.paths import PATHS, Path, Watched

assert paths_conflict
assert paths_late
assert paths_later
assert paths_review


async def walk(here: Community, name: str) -> tuple[Watched, Path]:
    """Walk the path ``name`` in the community; return the case and what was expected."""
    way = PATHS[name]
    draft = await new_case(here, scopes=("cooking", "baking"))
    case = Watched(here, draft.id, draft.applicant, draft.claims, way.policy)
    await way.walk(case)
    return case, way


async def check_end(case: Watched, way: Path) -> None:
    """Assert how the path ended, in the process, in its row and in the mails."""
    result = await case.handle.result()
    row = await case.row()
    assert (result.status, row["status"], row["stage"]) == (way.status, way.status.value, "closed")
    assert row["ended_at"] is not None
    assert await case.mail_table() == way.mails
    got = Counter((mail["template"], mail["person_id"]) for mail in await case.mails())
    assert {template for (template, _), times in got.items() if times > 1} == way.repeated
    numbers = [entry["seq"] for entry in await case.entries()]
    assert numbers == list(range(1, len(numbers) + 1))
    await every_mail_reads_well(case)


@pytest.mark.parametrize("name", sorted(PATHS))
async def test_path(here: Community, name: str) -> None:
    await check_end(*await walk(here, name))


async def test_path_on_postgresql(postgres_url: str, temporal_client: Client, task_queue: str) -> None:
    async with community(postgres_url, temporal_client, task_queue) as here:
        await check_end(*await walk(here, "probation_extended_then_passed"))


@pytest.mark.slow
async def test_path_replayed_at_every_step(sqlite_url: str, temporal_client: Client, task_queue: str) -> None:
    """Without a cache every workflow task starts from the whole history: what is not deterministic fails."""
    async with community(sqlite_url, temporal_client, task_queue, cached_workflows=0) as here:
        await check_end(*await walk(here, "probation_extended_then_passed"))
