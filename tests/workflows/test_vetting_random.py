"""Random requests at real processes: never two stages at once, never past an end, never a step twice."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.service import RPCError

from db.database import Database
from domain.vetting import AppealDecision, ProbationDecision, ReviewDecision, Stage
from engine.temporal_client import connect
from engine.timeskip import TimeSkippingError
from settings import Settings
from tests.support.community import Community
from tests.support.vetting import PATIENCE_SECONDS, Case, new_case
from tests.workflows.paths import SHORT
from worker import vetting_worker

Scripts = list[list[tuple[str, int]]]
Act = Callable[[Case, int], Awaitable[object]]
ACTS: dict[str, Act] = {
    "approve": lambda case, n: case.review(case.community.reviewers[n % 3]),
    "approve_again": lambda case, n: case.review(case.community.reviewers[n % 3]),
    "reject": lambda case, n: case.review(case.community.reviewers[n % 3], ReviewDecision.REJECT),
    "lead": lambda case, n: case.review(case.community.lead, is_lead=True),
    "changes": lambda case, n: case.review(case.community.reviewers[n % 3], ReviewDecision.REQUEST_CHANGES),
    "resubmit": lambda case, n: case.resubmit(),
    "claim": lambda case, n: case.claim(case.community.reviewers[n % 3]),
    "step_aside": lambda case, n: case.declare_conflict(case.community.reviewers[0]),
    "violation": lambda case, n: case.confirm_violation(),
    "decide": lambda case, n: case.decide_probation(list(ProbationDecision)[n % 3], note_id="note"),
    "appeal": lambda case, n: case.appeal(),
    "judge": lambda case, n: case.decide_appeal(list(AppealDecision)[n % 2]),
    "vote": lambda case, n: case.vote(yes=7),
    "skip": lambda case, n: case.skip(days=(1, 3, 8)[n % 3], seconds=2),
    "withdraw": lambda case, n: case.withdraw() if n == 17 else asyncio.sleep(0),
}
steps = st.lists(st.tuples(st.sampled_from(sorted(ACTS)), st.integers(0, 17)), min_size=8, max_size=18)


async def attempt(case: Case, name: str, number: int) -> None:
    """Do it, if it is allowed; anything but a refusal or an ended process is a failure."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await ACTS[name](case, number)
    except (WorkflowUpdateFailedError, RPCError, TimeSkippingError, IndexError):
        # Refused, over already, or no ballot to vote in.
        pass


async def whole_story(case: Case) -> None:
    """Assert what must hold after whatever happened."""
    await case.agrees()
    entries = await case.entries()
    assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
    codes = Counter(entry["code"] for entry in entries)
    for once in ("submitted", "certified", "appealed", "expired", "withdrawn"):
        assert codes[once] <= 1
    keys = [mail["key"] for mail in await case.mails()]
    assert len(keys) == len(set(keys))
    row, roles = await case.row(), await case.roles()
    assert ("provisional_leader" in roles) == (row["status"] == "probation")
    assert ("leader" in roles) == (row["status"] == "certified")
    open_ballots = [ballot for ballot in await case.ballots() if ballot["status"] == "open"]
    assert len(open_ballots) == (row["status"] == "member_vote")
    if row["stage"] == Stage.CLOSED.value:
        assert row["next_deadline"] is None
        await case.handle.result()


async def live(
    url: str, address: str, namespace: str, queue: str, scripts: list[list[tuple[str, int]]]
) -> None:
    """Carry one application through each of ``scripts``, all at the same time."""
    client: Client = await connect(Settings(temporal_address=address, temporal_namespace=namespace))
    async with Database.connect(url) as db:
        here = Community(db, client, queue)
        await here.populate()
        async with vetting_worker(client, db, queue):
            await asyncio.gather(*(one_life(here, script) for script in scripts))


async def one_life(here: Community, script: list[tuple[str, int]]) -> None:
    """Carry one application through ``script``, looking after every step."""
    case = await new_case(here, await here.person("random"))
    case.policy = SHORT
    await case.submit()
    for name, number in script:
        await attempt(case, name, number)
        await case.agrees()
    await whole_story(case)


def test_random_requests(
    sqlite_url: str, temporal_address: str, temporal_client: Client, task_queue: str
) -> None:
    @settings(
        max_examples=3,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(scripts=st.lists(steps, min_size=4, max_size=4))
    def run(scripts: Scripts) -> None:
        asyncio.run(live(sqlite_url, temporal_address, temporal_client.namespace, task_queue, scripts))

    run()
