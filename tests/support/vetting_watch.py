"""What must hold of every application in vetting, whatever was asked of it in whatever order.

A trigger writes down each step that is committed, so that none passes between two looks.
"""

from collections import Counter
from datetime import timedelta
from itertools import pairwise
from typing import Any, Final

from sqlalchemy import text

from domain.vetting import Stage, Status
from tests.support.community import Community
from tests.support.legal_states import ENDS, STATUSES
from tests.support.vetting import Case

DECIDED = {Stage.CHANGES_REQUESTED, Stage.VOTING, Stage.APPEAL_WINDOW, Stage.CLOSED}
COUNTED = {Stage.PROBATION, Stage.APPEAL_WINDOW, Stage.CLOSED}
SUCCESSORS: Final[dict[Stage, set[Stage]]] = {
    Stage.INTAKE: {Stage.FIRST_REVIEW},
    Stage.FIRST_REVIEW: {Stage.SECOND_REVIEW, Stage.CHANGES_REQUESTED, Stage.CLOSED},
    # Back where a reviewer steps aside: that opinion counts no more.
    Stage.SECOND_REVIEW: {Stage.LEAD_REVIEW, Stage.FIRST_REVIEW, *DECIDED},
    Stage.LEAD_REVIEW: {Stage.SECOND_REVIEW, *DECIDED},
    Stage.CHANGES_REQUESTED: {Stage.FIRST_REVIEW, Stage.CLOSED},
    Stage.VOTING: {Stage.VOTING_EXTENDED, *COUNTED},
    Stage.VOTING_EXTENDED: COUNTED,
    Stage.PROBATION: {Stage.PROBATION_DECISION, Stage.CLOSED},
    Stage.PROBATION_EXTENDED: {Stage.PROBATION_DECISION, Stage.CLOSED},
    Stage.PROBATION_DECISION: {Stage.PROBATION_EXTENDED, Stage.APPEAL_WINDOW, Stage.CLOSED},
    Stage.APPEAL_WINDOW: {Stage.APPEAL_REVIEW, Stage.CLOSED},
    Stage.APPEAL_REVIEW: {Stage.FIRST_REVIEW, Stage.VOTING, Stage.PROBATION_EXTENDED, Stage.CLOSED},
    Stage.CLOSED: set(),
}

ONCE: Final = (
    *("submitted", "expired", "withdrawn", "certified", "probation_pass", "probation_started"),
    *("midterm_feedback", "appealed", "appeal_upheld", "appeal_overturned", "appeal_withdrawn"),
    *("appeal_window_closed", "probation_extend"),
)
BEGINS: Final = {
    *("submitted", "resubmitted", "review_approve", "review_reject", "review_request_changes"),
    *("opinion_dropped", "review_passed", "ballot_opened", "ballot_extended", "ballot_counted"),
    *("probation_started", "probation_extended", "probation_judged", "rejected"),
    *("became_ordinary_creator", "appealed", "appeal_overturned"),
}
"""With these a round begins, in which nothing may be told twice; how often they may come is told apart."""
AGAIN: Final = {"staff_reminded", "escalated", "appeal_overdue"}
HOLD: Final = ("claimed", "released", "escalated", "conflict_declared")


async def watch(here: Community) -> None:
    """Write down from now on each step that any application takes."""
    await here.execute(
        text(
            "CREATE TABLE steps_seen (number INTEGER PRIMARY KEY, id TEXT, was_revision INTEGER, "
            "revision INTEGER, was_stage TEXT, stage TEXT, was_status TEXT, status TEXT)"
        ),
        text(
            "CREATE TRIGGER step_seen AFTER UPDATE OF revision ON applications BEGIN "
            "INSERT INTO steps_seen (id, was_revision, revision, was_stage, stage, was_status, status) "
            "VALUES (new.id, old.revision, new.revision, old.stage, new.stage, old.status, new.status); END"
        ),
    )


async def steps_taken(case: Case) -> list[dict[str, Any]]:
    """Return each committed step of ``case``, oldest first."""
    steps = text("SELECT * FROM steps_seen WHERE id = :id ORDER BY number").bindparams(id=case.id)
    return await case.community.rows(steps)


async def legal(case: Case) -> set[Stage]:
    """Assert that each step of ``case`` led on as it may; return the stages it was in."""
    steps = await steps_taken(case)
    for step in steps:
        assert step["revision"] == step["was_revision"] + 1, step
        was, stage = Stage(step["was_stage"]), Stage(step["stage"])
        assert was is not Stage.CLOSED, f"went past an end: {step}"
        assert stage in {was, *SUCCESSORS[was]}, step
        assert Status(step["status"]) in STATUSES[stage], step
        if step["was_status"] in ENDS and was is not Stage.APPEAL_REVIEW:
            assert step["status"] == step["was_status"], f"went past an end: {step}"
    return {Stage(step["stage"]) for step in steps}


async def one_stage(case: Case) -> None:
    """Assert that roles, ballots and deadline are those of the one stage that ``case`` is in."""
    row, roles = await case.row(), await case.roles()
    assert ("provisional_leader" in roles) == (row["status"] == "probation")
    assert ("leader" in roles) == (row["status"] == "certified")
    held = await case.ballots()
    assert len([ballot for ballot in held if ballot["status"] == "open"]) == (row["status"] == "member_vote")
    if row["stage"] == Stage.CLOSED.value:
        assert row["next_deadline"] is None


def nothing_twice(entries: list[dict[str, Any]]) -> None:
    """Assert that no step stands twice on a timeline."""
    assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
    codes = Counter(entry["code"] for entry in entries)
    back = Counter(e["detail"]["back_to"] for e in entries if e["code"] == "appeal_overturned")
    assert {code: codes[code] for code in ONCE if codes[code] > 1} == {}
    assert sum(codes[end] for end in ("expired", "withdrawn", "certified", "appeal_upheld")) <= 1
    assert codes["rejected"] + codes["became_ordinary_creator"] <= 1 + codes["appeal_overturned"]
    assert codes["probation_fail"] == codes["became_ordinary_creator"]
    assert codes["probation_extended"] == codes["probation_extend"] + back["probation"]
    assert codes["resubmitted"] <= codes["review_request_changes"]
    assert codes["review_passed"] <= 1 + codes["resubmitted"] + back["credential_review"]
    assert codes["ballot_opened"] <= codes["review_passed"] + back["member_vote"]
    assert codes["probation_started"] <= codes["ballot_counted"]
    judged = Counter(e["detail"]["why"] for e in entries if e["code"] == "probation_judged")
    assert judged["violation"] <= codes["violation_confirmed"]
    assert judged["ended"] <= codes["probation_started"] + codes["probation_extended"]
    _each_its_own(entries)
    _nothing_twice_in_a_round(entries)


def _each_its_own(entries: list[dict[str, Any]]) -> None:
    """What has an identity is told once for each: ballots, opinions, violations, those who step aside."""
    told: Counter[tuple[Any, ...]] = Counter()
    for entry in entries:
        code, actor, detail = entry["code"], entry["actor_id"], entry["detail"]
        if code.startswith("ballot_"):
            told[code, detail["ballot_id"]] += 1
        elif code.startswith("review_") and actor:
            told["opinion", detail["round"], actor] += 1
        elif code == "violation_confirmed":
            told[code, detail["violation_id"]] += 1
        elif code == "conflict_declared":
            told[code, actor] += 1
    assert {key: times for key, times in told.items() if times > 1} == {}


def _nothing_twice_in_a_round(entries: list[dict[str, Any]]) -> None:
    number, told = 0, set()
    last: dict[tuple[int, str], Any] = {}
    for entry in entries:
        number += entry["code"] in BEGINS
        code, detail = entry["code"], entry["detail"]
        if code in AGAIN:
            before = last.get((number, code))
            assert before is None or entry["at"] - before > timedelta(days=1), entry
            last[number, code] = entry["at"]
        elif code not in HOLD:
            own = (detail.get("day"), detail.get("week"), detail.get("violation_id"))
            key = (number, code, *own)
            assert key not in told, entry
            told.add(key)
    held = [entry["code"] for entry in entries if entry["code"] in {*HOLD, *BEGINS}]
    assert ("claimed", "claimed") not in pairwise(held)
    assert ("released", "released") not in pairwise(held)


async def no_mail_twice(case: Case) -> None:
    """Assert that each mail of ``case`` is queued once."""
    keys = [mail["key"] for mail in await case.mails()]
    assert len(keys) == len(set(keys))


async def votes_agree(case: Case, counted: dict[str, int]) -> None:
    """Assert that each closed ballot tells as many votes as were ``counted`` when they were cast."""
    for ballot in await case.ballots():
        if ballot["status"] == "closed":
            tally = ballot["yes"] + ballot["no"] + ballot["abstain"]
            assert tally == counted.get(ballot["id"], 0)
