"""The process of one rehearsal: it sees to it that some worker carries it to an end, or says that none did.

A rehearsal keeps nothing between two tries: one that was broken off begins anew.
"""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.rehearsals import RehearsalActivities
    from contracts.rehearsals import LONGEST, RehearsalInput

SPARE = timedelta(minutes=1)
HEARTBEAT = timedelta(seconds=10)
FEW_TRIES = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_attempts=4)
UNTIL_DONE = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30))


@workflow.defn(name="Rehearsal")
class RehearsalWorkflow:
    """One rehearsal; its id is ``rehearsal/{id}``. How it stands is in its row alone."""

    @workflow.run
    async def run(self, given: RehearsalInput) -> None:
        """Have the rehearsal carried out."""
        try:
            await workflow.execute_activity_method(
                RehearsalActivities.perform,
                given,
                start_to_close_timeout=LONGEST + SPARE,
                heartbeat_timeout=HEARTBEAT,
                retry_policy=FEW_TRIES,
            )
        except ActivityError:
            workflow.logger.warning("rehearsal given up")
            await workflow.execute_activity_method(
                RehearsalActivities.give_up,
                given,
                start_to_close_timeout=timedelta(seconds=30),
                retry_policy=UNTIL_DONE,
            )
