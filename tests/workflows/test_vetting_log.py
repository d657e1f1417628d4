"""Every transition is one line in the worker's log, and nothing in it says about whom."""

from structlog.testing import capture_logs

from domain.vetting import Refusal, Stage
from tests.support.vetting import Case, refused


async def test_each_transition_is_logged_once_with_its_process(case: Case) -> None:
    with capture_logs() as logged:
        await case.submit()
        await case.claim(case.community.reviewers[0])
        async with refused(Refusal.CLAIMED_BY_OTHER):
            await case.review(case.community.reviewers[1])
        await case.review(case.community.reviewers[0], note_id=await case.note("Between us."))
    told = [line for line in logged if line["event"] == "transition"]
    assert told == [
        {
            "event": "transition",
            "log_level": "info",
            "process_id": case.process_id,
            "revision": revision,
            "stage": stage.value,
        }
        for revision, stage in enumerate((Stage.FIRST_REVIEW, Stage.FIRST_REVIEW, Stage.SECOND_REVIEW), 1)
    ]


async def test_a_refused_submission_is_no_transition(case: Case) -> None:
    with capture_logs() as logged:
        async with refused(Refusal.DRAFT_CHANGED):
            await case.submit(edit_version=99)
    assert not [line for line in logged if line["event"] == "transition"]
