"""Deadlines ring at their instant, once: nothing before it, and one thing at it."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from db.tables.vetting import evaluations
from tests.support.community import ROLL
from tests.support.vetting import Case
from tests.support.vetting_stages import (
    Arrive,
    appealed,
    changing,
    on_probation,
    probation_to_decide,
    rejected,
    under_lead_review,
    under_review,
    voting,
)
from tests.workflows.paths import SHORT

# A skipped clock runs on at the wall clock's speed. On a machine that is so busy that the deadline comes
# while we look, what is seen cannot tell when it came; what is written down still can.
JUST_BEFORE, JUST_AFTER = timedelta(seconds=6), timedelta(seconds=30)
# Of two alarms of one instant the second is answered after the first, by when the clock has gone on.
ANSWERED = timedelta(seconds=30)


@dataclass(frozen=True)
class Ring:
    """After so many days: this entry on the timeline, and so many mails of this template.

    ``second``: another alarm of the same instant is answered first.
    """

    days: float
    code: str
    template: str | None = None
    mails: int = 0
    second: bool = False


REMINDED, LEAD = "staff_review_reminder", "staff_lead_needed"
RINGS: dict[Arrive, list[Ring]] = {
    changing: [
        Ring(7, "applicant_reminded", "changes_reminder", 1),
        Ring(12, "applicant_reminded", "changes_reminder", 1),
        Ring(14, "expired", "application_expired", 1),
    ],
    under_review: [
        Ring(3, "staff_reminded", REMINDED, 4),
        Ring(5, "escalated", LEAD, 1),
        Ring(10, "staff_reminded", REMINDED, 1),
        Ring(15, "staff_reminded", REMINDED, 1),
    ],
    under_lead_review: [Ring(3, "staff_reminded", REMINDED, 1), Ring(8, "staff_reminded", REMINDED, 1)],
    voting: [
        Ring(6, "voters_reminded", "ballot_reminder", ROLL),
        Ring(7, "ballot_extended", "ballot_extended", ROLL),
        Ring(9, "voters_reminded", "ballot_reminder", ROLL),
        Ring(10, "ballot_counted", "application_rejected", 1),
    ],
    on_probation: [
        Ring(7, "week_evaluated"),
        Ring(7, "midterm_feedback", "probation_midterm", 1, second=True),
        Ring(14, "probation_judged", "staff_probation_decision", 4, second=True),
    ],
    probation_to_decide: [
        Ring(3, "staff_reminded", "staff_probation_reminder", 4),
        Ring(5, "escalated", "staff_probation_reminder", 1),
        Ring(10, "escalated", "staff_probation_reminder", 1),
    ],
    rejected: [Ring(14, "appeal_window_closed")],
    appealed: [
        Ring(5, "staff_reminded", "staff_appeal_reminder", 2),
        Ring(7, "appeal_overdue", "staff_appeal_overdue", 1),
        Ring(14, "appeal_overdue", "staff_appeal_overdue", 1),
    ],
}


@pytest.mark.parametrize("arrive", RINGS, ids=lambda arrive: arrive.__name__)
async def test_each_alarm_rings_once_at_its_instant(case: Case, arrive: Arrive) -> None:
    case.policy = SHORT
    await arrive(case)
    since = (await case.status()).waiting_since
    assert since is not None
    queued = await case.mail_table()
    for ring in RINGS[arrive]:
        due = since + timedelta(days=ring.days)
        await nothing_before(case, due, ring, queued)
        queued += Counter({ring.template: ring.mails} if ring.template else {})
        await once_at(case, due, ring, queued)


async def nothing_before(case: Case, due: datetime, ring: Ring, queued: Counter[str]) -> None:
    """Go to just before ``due`` (unless another alarm of that instant led there) and see that it is quiet."""
    if await case.now() >= due:
        return
    await case.skip_to(due - JUST_BEFORE)
    rung, mailed = await case.entries(ring.code), await case.mail_table()
    assert not [at for entry in rung if due - JUST_BEFORE <= (at := entry["at"]) < due.replace(microsecond=0)]
    now = await case.now()
    if now < due:
        assert not [entry for entry in rung if entry["at"] >= due - JUST_BEFORE]
        assert not ring.template or mailed[ring.template] == queued[ring.template]
    if now < due + JUST_AFTER:
        await case.skip_to(due + JUST_AFTER)


async def once_at(case: Case, due: datetime, ring: Ring, queued: Counter[str]) -> None:
    """See that it rang in the second of ``due``, once, with its mails."""
    if ring.template:
        await case.roll_mailed(ring.template, queued[ring.template])
        assert (await case.mail_table())[ring.template] == queued[ring.template]
    rung = [entry["at"] for entry in await case.entries(ring.code) if entry["at"] >= due - JUST_BEFORE]
    assert len(rung) == 1
    latest = due + JUST_AFTER + (ANSWERED if ring.second else timedelta(0))
    assert due.replace(microsecond=0) <= rung[0] < latest
    await case.agrees()


async def test_midterm_mail_tells_every_target(case: Case) -> None:
    case.policy = SHORT
    await voting(case)
    await case.pass_vote()
    await case.contribute("post", [1, 2, 3])
    await case.contribute("rating", [1.0, 2.0], stars=3)
    await case.skip(days=7, seconds=5)
    data = (await case.mails("probation_midterm"))[0]["data"]
    assert {target["target"]: (target["value"], target["met"]) for target in data["targets"]} == {
        "steady_output": (1.0, True),
        "answers": (None, True),
        "rating": (3.0, False),
        "conduct": (0.0, True),
    }
    assert datetime.fromisoformat(data["ends_at"]) == (await case.row())["probation_ends_at"]


async def test_what_is_reported_late_counts_in_its_own_week(case: Case) -> None:
    await on_probation(case)
    await case.contribute("post", [1, 2, 3])
    await case.skip(days=7, seconds=5)
    assert await _posts(case) == [3]
    await case.contribute("post", [-1, 1])
    await case.skip(days=7)
    assert await _posts(case) == [4, 1]


async def _posts(case: Case) -> list[int]:
    found = select(evaluations.c.figures).where(evaluations.c.application_id == case.id)
    rows = await case.community.rows(found.order_by(evaluations.c.week))
    return [row["figures"]["posts"] for row in rows]


async def test_reminder_of_a_claimed_application_goes_to_its_reviewer_alone(case: Case) -> None:
    await case.submit()
    await case.claim(case.community.reviewers[1])
    await case.skip(days=3, seconds=1)
    assert [mail["person_id"] for mail in await case.mails(REMINDED)] == [case.community.reviewers[1]]
