"""The path of a process that no worker carried on for weeks."""

from datetime import UTC, datetime, timedelta

from contracts.vetting import VettingInput
from domain.vetting import Stage, Status, review
from domain.vetting.state import VettingState
from tests.support.vetting import Case, until
from tests.workflows.paths import WITHDRAWN, mails, path
from workflows.vetting import VettingWorkflow

OUTAGE = timedelta(days=101)


async def wake_late(case: Case) -> None:
    """Go on with a process as it was when the outage began: without a worker no clock can be skipped."""
    then = datetime.now(UTC) - OUTAGE
    state = VettingState(
        application_id=case.id, person_id=case.applicant, policy=case.policy, policy_version=1
    )
    review.submit(state, case.applicant, then)
    state.count_step("submit")
    state.timeline = ()
    given = VettingInput(
        application_id=case.id,
        person_id=case.applicant,
        policy=case.policy,
        policy_version=1,
        carried=state,
    )
    await case.community.client.start_workflow(
        VettingWorkflow.run, given, id=case.process_id, task_queue=case.community.queue
    )


@path(Status.WITHDRAWN, mails(staff_lead_needed=1, staff_review_reminder=1) + WITHDRAWN)
async def overdue_after_an_outage(case: Case) -> None:
    await wake_late(case)

    async def escalated() -> bool:
        return bool((await case.row())["escalated"])

    await until(escalated)
    await case.agrees()
    status = await case.status()
    assert status.stage is Stage.FIRST_REVIEW
    assert await case.codes() == ["escalated"]
    # Every five days from the escalation on; what was missed is not made up for.
    assert status.next_deadline is not None
    assert timedelta(days=3) < status.next_deadline - await case.now() < timedelta(days=4, seconds=1)
    await case.skip_to(status.next_deadline + timedelta(seconds=5))
    assert await case.codes() == ["escalated", "staff_reminded"]
    await case.withdraw()
