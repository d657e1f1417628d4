"""The design that many would write first: a workflow for each member, and a signal for each check-in.

Nothing is imported that a workflow of ours would add.
"""

from datetime import timedelta

from temporalio import workflow


@workflow.defn(name="Member")
class MemberWorkflow:
    """One member of a campaign: counts the days, and has each written to the database."""

    def __init__(self) -> None:
        self._waiting: list[int] = []
        self._last_day = self._streak = 0

    @workflow.run
    async def run(self, member: str) -> None:
        """Take check-ins one after the other; a campaign would end it."""
        while True:
            await workflow.wait_condition(lambda: bool(self._waiting))
            day = self._waiting.pop(0)
            if day <= self._last_day:
                continue
            self._streak = self._streak + 1 if day == self._last_day + 1 else 1
            self._last_day = day
            await workflow.execute_local_activity(
                "keep_check_in",
                args=[member, day, self._streak],
                start_to_close_timeout=timedelta(seconds=20),
            )

    @workflow.signal
    async def check_in(self, given: list) -> None:
        """Check in on a day, with a note."""
        self._waiting.append(int(given[0]))
