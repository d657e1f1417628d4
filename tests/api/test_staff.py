"""The way of an application over the API, on a real Temporal server: who decides what, and who may not."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select
from temporalio.client import Client

from contracts.base import VETTING_QUEUE, task_queue
from db.tables.people import circle_members, notes
from db.tables.vetting import violations
from domain.ids import new_id
from domain.people import Role
from domain.vetting import ChecklistItem
from engine import processes
from settings import Settings
from tests.support.vetting_api import PDF, Api, User, complete_draft, hand_in, problem, running_api
from worker import vetting_worker

CHECKED = {item.value: True for item in ChecklistItem}
DAY = timedelta(days=1)


@dataclass
class Desk:
    """An application that was handed in, and the people around it."""

    api: Api
    lin: User
    ann: User
    bob: User
    lead: User
    id: str
    claims: list[str]

    @property
    def path(self) -> str:
        return f"/applications/{self.id}"

    def approval(self) -> dict[str, Any]:
        findings = [
            {"claim_id": claim, "verdict": "verified", "registry_checked": True} for claim in self.claims
        ]
        return {"decision": "approve", "checklist": CHECKED, "findings": findings, "note": "Looks right."}

    async def review(self, reviewer: User, body: dict[str, Any], **headers: str) -> Any:
        return await reviewer.post(f"{self.path}/review", body, headers=headers)

    async def shown(self, reader: User | None = None) -> dict[str, Any]:
        found: dict[str, Any] = (await (reader or self.lin).get(self.path)).json()
        return found

    async def rejected(self) -> None:
        for reviewer in (self.ann, self.bob):
            answer = await self.review(reviewer, REJECTION)
            assert answer.status_code == 200, answer.text


REJECTION = {"decision": "reject", "reasons": ["content_sample_weak"], "note": "Too little to judge by."}


def with_database(settings: Settings, url: str, client: Client) -> Settings:
    return settings.model_copy(
        update={
            "database_url": url,
            "temporal_address": client.service_client.config.target_host,
            "temporal_namespace": client.namespace,
        }
    )


@pytest.fixture
async def api(sqlite_url: str, settings: Settings, temporal_client: Client) -> AsyncIterator[Api]:
    async with running_api(with_database(settings, sqlite_url, temporal_client), temporal_client) as running:
        yield running


async def desk_of(api: Api, *, submit: bool = True, scopes: tuple[str, ...] = ("cooking",)) -> Desk:
    lin = await api.user("lin")
    ann, bob = await api.user("ann", Role.REVIEWER), await api.user("bob", Role.REVIEWER)
    lead = await api.user("lead", Role.LEAD_REVIEWER)
    draft = await complete_draft(lin, scopes)
    here = Desk(api, lin, ann, bob, lead, draft["id"], [claim["id"] for claim in draft["claims"]])
    if submit:
        answer = await lin.post(f"{here.path}/submit")
        assert answer.status_code == 200, answer.text
    return here


@pytest.fixture
async def desk(api: Api) -> Desk:
    return await desk_of(api)


async def test_submitting_starts_the_review_once(api: Api) -> None:
    desk = await desk_of(api, submit=False)
    answers = await asyncio.gather(*(desk.lin.post(f"{desk.path}/submit") for _ in range(5)))
    bodies = [answer.json() for answer in answers]
    assert {answer.status_code for answer in answers} == {200}
    assert all(body == bodies[0] for body in bodies)
    assert (bodies[0]["stage"], bodies[0]["waiting_on"]) == ("first_review", "reviewer")
    assert bodies[0]["if_nothing_happens"] == "reviewer_reminded"
    assert (await desk.lin.post(f"{desk.path}/submit")).json() == bodies[0]
    shown = await desk.shown()
    assert {name: shown[name] for name in bodies[0] if name != "now"} == {
        name: value for name, value in bodies[0].items() if name != "now"
    }
    codes = [entry["code"] for entry in (await desk.lin.get(f"{desk.path}/timeline")).json()["items"]]
    assert codes == ["submitted"]


async def test_only_what_was_read_is_handed_in(api: Api) -> None:
    desk = await desk_of(api, submit=False)
    stale = await desk.lin.post(f"{desk.path}/submit", headers={"If-Match": '"v1"'})
    problem(stale, 409, "draft_changed")
    assert (await desk.shown())["status"] == "draft"
    again = await desk.lin.post(f"{desk.path}/submit", headers={"If-Match": '"v2"'})
    assert again.json().get("stage") == "first_review", again.text


async def test_from_two_approvals_to_the_vote(desk: Desk) -> None:
    first = await desk.review(desk.ann, desk.approval())
    assert first.json()["stage"] == "second_review"
    second = await desk.review(desk.bob, desk.approval())
    assert (second.json()["stage"], second.json()["status"]) == ("voting", "member_vote")
    ballot = (await desk.ann.get(f"/ballots/{second.json()['ballot_id']}")).json()
    assert [claim["scope"] for claim in ballot["claims"]] == ["cooking"]
    given = (await desk.lead.get(f"{desk.path}/reviews")).json()["items"]
    assert [(r["reviewer"]["display_name"], r["decision"], r["note"]) for r in given] == [
        ("Shown ann", "approve", "Looks right."),
        ("Shown bob", "approve", "Looks right."),
    ]
    told = (await desk.lin.get(f"{desk.path}/timeline")).json()["items"]
    assert "Looks right." not in str(told)
    assert "ann" not in str(told)


async def test_an_approval_as_a_whole_verifies_every_plain_claim(desk: Desk) -> None:
    for reviewer in (desk.ann, desk.bob):
        body = {"decision": "approve", "checklist": list(CHECKED)}
        answer = await desk.review(reviewer, body)
        assert answer.status_code == 200, answer.text
    ballot = (await desk.ann.get(f"/ballots/{answer.json()['ballot_id']}")).json()
    assert [claim["scope"] for claim in ballot["claims"]] == ["cooking"]


async def test_what_to_change_may_be_told_by_the_note_alone(desk: Desk) -> None:
    asked = await desk.review(
        desk.ann, {"decision": "request_changes", "note": "A clearer statement, please."}
    )
    assert asked.json()["stage"] == "changes_requested", asked.text
    assert (await desk.shown())["reasons"] == ["other"]


async def test_calls_that_say_everything_by_their_path_need_no_body(desk: Desk) -> None:
    for reviewer, call, stage in (
        (desk.ann, "claim", "first_review"),
        (desk.ann, "release", "first_review"),
        (desk.lin, "withdraw", "closed"),
    ):
        answer = await reviewer.http.post(f"{desk.path}/{call}")
        assert answer.json().get("stage") == stage, answer.text


async def test_an_opinion_rests_on_what_it_must_rest_on(desk: Desk) -> None:
    whole = desk.approval()
    cases = [
        (whole | {"checklist": {"identity": True}}, "checklist_incomplete"),
        (whole | {"checklist": CHECKED | {"identity": False}}, "checklist_incomplete"),
        (whole | {"findings": []}, "claims_undecided"),
        (whole | {"findings": whole["findings"] * 2}, "claims_undecided"),
        (whole | {"findings": [{"claim_id": new_id(), "verdict": "verified"}]}, "claims_undecided"),
        (whole | {"findings": [{"claim_id": desk.claims[0], "verdict": "refused"}]}, "no_verified_claim"),
        ({"decision": "reject"}, "reasons_required"),
        ({"decision": "reject", "reasons": ["no_quorum"]}, "reasons_required"),
        ({"decision": "request_changes"}, "reasons_required"),
    ]
    for body, code in cases:
        problem(await desk.review(desk.ann, body), 422, code)
    bad: list[dict[str, Any]] = [
        {},
        {"decision": "maybe"},
        whole | {"checklist": {"beauty": True}},
        whole | {"checklist": {"identity": "perhaps"}},
        whole | {"checklist": ["beauty"]},
        whole | {"checklist": [["identity"]]},
        whole | {"findings": [{"claim_id": "x", "verdict": "verified"}]},
        whole | {"findings": [{"claim_id": desk.claims[0], "verdict": "fine"}]},
        whole | {"note": "x" * 5001},
        whole | {"note": "nul\x00"},
        whole | {"reasons": ["because"]},
        whole | {"is_lead": True},
        whole | {"reviewer_id": desk.bob.id},
    ]
    for body in bad:
        problem(await desk.review(desk.ann, body), 422, "validation_failed")
    assert await desk.api.rows(select(notes)) == []
    assert (await desk.shown())["stage"] == "first_review"


async def test_regulated_fields_take_the_strict_check(api: Api) -> None:
    desk = await desk_of(api, scopes=("finance",))
    lax = desk.approval()
    lax["findings"][0]["registry_checked"] = False
    found = problem(await desk.review(desk.ann, lax), 422, "strict_check_required")
    assert found["claims"] == desk.claims
    assert (await desk.review(desk.ann, desk.approval())).status_code == 200
    assert (await desk.shown(desk.ann))["staff"]["flags"] == ["regulated_scope"]


async def test_a_conflict_of_interest_cannot_decide(desk: Desk) -> None:
    api = desk.api
    friend = await api.user("friend", Role.REVIEWER)
    await api.execute(
        insert(circle_members).values([{"circle": "tea", "person_id": p} for p in (friend.id, desk.lin.id)])
    )
    found = problem(await desk.review(friend, desk.approval()), 403, "conflict_of_interest")
    assert found["conflict"] == "same_circle"
    problem(await friend.post(f"{desk.path}/claim"), 403, "conflict_of_interest")
    assert (await desk.ann.post(f"{desk.path}/conflicts")).status_code == 200
    problem(await desk.review(desk.ann, desk.approval()), 403, "conflict_of_interest")
    assert await api.rows(select(notes)) == []
    told = (await desk.lead.get(f"{desk.path}/timeline")).json()["items"]
    assert told[-1]["code"] == "conflict_declared"


async def test_staff_do_not_handle_their_own_application(api: Api) -> None:
    both = await api.user("both", Role.ADMIN)
    draft = await complete_draft(both)
    path = f"/applications/{draft['id']}"
    assert (await both.post(f"{path}/submit")).status_code == 200
    problem(await both.post(f"{path}/claim"), 403, "conflict_of_interest")
    body = {"decision": "reject", "reasons": ["other"]}
    problem(await both.post(f"{path}/review", body), 403, "conflict_of_interest")
    for hidden in (f"{path}/reviews", f"{path}/violations", f"/staff{path}/earlier"):
        problem(await both.get(hidden), 403, "conflict_of_interest")
    assert (await both.get(path)).json()["staff"] is None
    assert (await both.get("/staff/queue")).json()["items"] == []


async def test_a_claim_holds_until_it_is_released(desk: Desk) -> None:
    assert (await desk.ann.post(f"{desk.path}/claim")).status_code == 200
    problem(await desk.bob.post(f"{desk.path}/claim"), 409, "claimed_by_other")
    problem(await desk.review(desk.bob, desk.approval()), 409, "claimed_by_other")
    problem(await desk.bob.post(f"{desk.path}/release"), 409, "claimed_by_other")
    mine = (await desk.ann.get("/staff/queue?claimed=me")).json()["items"]
    assert [item["claimed_by"]["display_name"] for item in mine] == ["Shown ann"]
    assert (await desk.lead.post(f"{desk.path}/release")).status_code == 200
    problem(await desk.ann.post(f"{desk.path}/release"), 409, "not_claimed")
    # A refused decision leaves no note behind.
    assert await desk.api.rows(select(notes)) == []


async def test_only_reviewers_review(desk: Desk) -> None:
    for role in (Role.MODERATOR, Role.CAMPAIGN_MANAGER):
        other = await desk.api.user(role.value, role)
        problem(await desk.review(other, desk.approval()), 403, "forbidden")
    problem(await desk.review(desk.lin, desk.approval()), 403, "forbidden")
    problem(await desk.lin.get("/staff/queue"), 403, "forbidden")


async def test_two_who_disagree_go_to_the_lead(desk: Desk) -> None:
    await desk.review(desk.ann, REJECTION)
    told = (await desk.lin.get(f"{desk.path}/timeline")).json()["items"]
    assert [entry["code"] for entry in told] == ["submitted", "opinion_given"]
    assert "Too little" not in str(told)
    answer = await desk.review(desk.bob, desk.approval())
    assert answer.json()["stage"] == "lead_review"
    problem(await desk.review(desk.ann, REJECTION), 409, "already_decided_by_you")
    third = await desk.api.user("third", Role.REVIEWER)
    problem(await desk.review(third, desk.approval()), 403, "lead_reviewer_required")
    queue = (await desk.lead.get("/staff/queue?kind=lead_review")).json()["items"]
    assert [item["id"] for item in queue] == [desk.id]
    assert (await desk.review(desk.lead, REJECTION)).json()["status"] == "rejected"
    shown = await desk.shown()
    assert shown["reasons"] == ["content_sample_weak"]
    told = (await desk.lin.get(f"{desk.path}/timeline")).json()["items"]
    assert [e["note"] for e in told if e["code"] == "review_reject"] == ["Too little to judge by."] * 2


async def test_changes_are_asked_for_made_and_handed_in_again(desk: Desk) -> None:
    body = {"decision": "request_changes", "reasons": ["unreadable_document"], "note": "Page 2 is cut off."}
    answer = await desk.review(desk.ann, body)
    assert (answer.json()["stage"], answer.json()["waiting_on"]) == ("changes_requested", "applicant")
    shown = await desk.lin.get(desk.path)
    assert shown.json()["editable"] is True
    told = (await desk.lin.get(f"{desk.path}/timeline")).json()["items"]
    assert told[-1]["note"] == "Page 2 is cut off."
    await hand_in(desk.lin, desk.id, "other", PDF)
    changed = await desk.lin.http.patch(
        desk.path, json={"bio": "Twenty years of book-keeping."}, headers={"If-Match": shown.headers["etag"]}
    )
    assert changed.status_code == 200
    problem(await desk.ann.post(f"{desk.path}/claim"), 409, "wrong_stage")
    again = await desk.lin.post(f"{desk.path}/resubmit")
    assert (again.json()["stage"], again.json()["round"]) == ("first_review", 2)
    problem(await desk.lin.post(f"{desk.path}/resubmit"), 409, "wrong_stage")


async def test_a_key_repeats_a_decision_without_doing_it_twice(desk: Desk) -> None:
    first = await desk.review(desk.ann, desk.approval(), **{"Idempotency-Key": "review-1"})
    again = await desk.review(desk.ann, desk.approval(), **{"Idempotency-Key": "review-1"})
    assert again.json() == first.json()
    problem(
        await desk.review(desk.ann, REJECTION, **{"Idempotency-Key": "review-1"}),
        422,
        "idempotency_key_reused",
    )
    problem(await desk.review(desk.ann, desk.approval()), 409, "already_decided_by_you")
    assert len(await desk.api.rows(select(notes))) == 1


async def test_a_rejection_cools_down_and_is_appealed_once(desk: Desk) -> None:
    await desk.rejected()
    shown = await desk.shown()
    assert (shown["status"], shown["stage"]) == ("rejected", "appeal_window")
    assert shown["appeal_until"] < shown["reapply_after"]
    for bad in ({}, {"reason": ""}, {"reason": "x" * 5001}, {"reason": "\x00"}, {"reason": "y", "x": 1}):
        problem(await desk.lin.post(f"{desk.path}/appeal", bad), 422, "validation_failed")
    appealed = await desk.lin.post(f"{desk.path}/appeal", {"reason": "字" * 5000})
    assert appealed.json()["stage"] == "appeal_review"
    problem(await desk.lin.post(f"{desk.path}/appeal", {"reason": "again"}), 409, "appeal_used")
    assert "again" not in str(await desk.api.rows(select(notes.c.body)))
    problem(
        await desk.ann.post(f"{desk.path}/appeal-decision", {"decision": "uphold"}), 403, "decided_before"
    )
    problem(
        await desk.lead.post(f"{desk.path}/appeal-decision", {"decision": "uphold"}), 422, "note_required"
    )
    decided = await desk.lead.post(
        f"{desk.path}/appeal-decision", {"decision": "overturn", "note": "The sample is enough."}
    )
    assert (decided.json()["status"], decided.json()["stage"]) == ("credential_review", "first_review")
    told = (await desk.lin.get(f"{desk.path}/timeline")).json()["items"]
    assert [e["note"] for e in told if e["code"] == "appeal_overturned"] == ["The sample is enough."]


async def lose_at_review(desk: Desk) -> None:
    await desk.rejected()


async def lose_on_probation(desk: Desk) -> None:
    for n in range(4):
        await desk.api.user(f"member{n}")
    await to_probation(desk)
    await desk.api.skip(desk.id, 60 * DAY)
    await _until(desk, "probation_decision")
    failed = await desk.ann.post(
        f"{desk.path}/probation-decision", {"decision": "fail", "note": "Nothing was written."}
    )
    assert failed.status_code == 200, failed.text


@pytest.mark.parametrize(
    ("lose", "status", "reasons", "flags"),
    [
        (lose_at_review, "rejected", ["content_sample_weak"], ["earlier_rejection"]),
        # Who failed a probation was never rejected: reviewers see that application, and no flag.
        (lose_on_probation, "ordinary_creator", ["targets_missed"], []),
    ],
    ids=["rejected", "ordinary_creator"],
)
async def test_who_lost_applies_again_after_the_cool_down(
    desk: Desk, lose: Callable[[Desk], Awaitable[None]], status: str, reasons: list[str], flags: list[str]
) -> None:
    await lose(desk)
    lost = await desk.shown()
    assert (lost["status"], lost["stage"]) == (status, "appeal_window")
    end = datetime.fromisoformat(lost["reapply_after"])
    draft = await complete_draft(desk.lin)
    submit = f"/applications/{draft['id']}/submit"
    for before_the_end in (60 * DAY, TEN_MINUTES):
        # The first of these leads beyond the appeal window, where the process ends.
        await move_on(desk, end - before_the_end)
        found = problem(await desk.lin.post(submit), 409, "cool_down")
        assert found["reapply_after"] == lost["reapply_after"]
        assert (await desk.shown())["stage"] == "closed"
    await move_on(desk, end + timedelta(seconds=1))
    again = await desk.lin.post(submit)
    assert again.json().get("stage") == "first_review", again.text
    assert await again_flags(desk, draft["id"]) == flags
    earlier = (await desk.ann.get(f"/staff/applications/{draft['id']}/earlier")).json()["items"]
    assert [(e["id"], e["status"], e["reasons"]) for e in earlier] == [(desk.id, status, reasons)]


TEN_MINUTES = timedelta(minutes=10)
"""Longer than a request may take on any machine."""


async def move_on(desk: Desk, to: datetime) -> None:
    """Move the clock of the application to ``to`` as people do who try Kameng out, ended or not."""
    now = datetime.fromisoformat((await desk.shown())["now"])
    duration = f"PT{math.ceil((to - now).total_seconds())}S"
    body = {"process": f"application/{desk.id}", "duration": duration}
    moved = await desk.api.anyone.post("/dev/clock/advance", json=body)
    assert moved.status_code == 200, moved.text


async def again_flags(desk: Desk, application_id: str) -> list[str]:
    flags: list[str] = (await desk.ann.get(f"/applications/{application_id}")).json()["staff"]["flags"]
    return flags


async def test_withdrawing_ends_it_and_nothing_more_can_be_done(desk: Desk) -> None:
    answer = await desk.lin.post(f"{desk.path}/withdraw")
    assert (answer.json()["status"], answer.json()["stage"]) == ("withdrawn", "closed")
    for act in ("submit", "resubmit", "withdraw"):
        again = await desk.lin.post(f"{desk.path}/{act}")
        assert again.status_code in {200, 409}, again.text
        assert (await desk.shown())["status"] == "withdrawn"
    problem(await desk.lin.post(f"{desk.path}/withdraw"), 409, "application_not_open")
    problem(await desk.review(desk.ann, desk.approval()), 409, "application_not_open")
    problem(await desk.ann.post(f"{desk.path}/conflicts"), 409, "application_not_open")
    for unknown in ("claim", "release", "conflicts"):
        answer = await desk.ann.post(f"/applications/{new_id()}/{unknown}")
        assert answer.status_code in {404, 409}, answer.text


async def to_probation(desk: Desk) -> None:
    await desk.review(desk.ann, desk.approval())
    ballot = (await desk.review(desk.bob, desk.approval())).json()["ballot_id"]
    voters = [await desk.api.user(f"late{n}") for n in range(2)]
    del voters
    for user in (desk.ann, desk.bob, desk.lead, *desk.api.users):
        if user.id != desk.lin.id:
            await user.post(f"/ballots/{ballot}/votes", {"choice": "yes", "nonce": "n" * 20})
    await desk.api.skip(desk.id, 7 * DAY)
    await _until(desk, "probation")


async def _until(desk: Desk, stage: str) -> None:
    for _ in range(300):
        if (await desk.shown())["stage"] == stage:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"never got to {stage}: {(await desk.shown())['stage']}")


async def test_a_policy_written_later_leaves_a_running_process_alone(api: Api) -> None:
    older = await desk_of(api)
    admin = await api.user("admin", Role.ADMIN)
    policy = (await admin.get("/policies/vetting")).json()
    policy["body"]["review"] |= {"reminder_after_days": 1, "escalation_after_days": 2}
    given = {"expected_version": policy["version"], "body": policy["body"], "note": "Faster."}
    assert (await admin.http.put("/policies/vetting", json=given)).status_code == 200
    mo = await api.user("mo")
    newer = Desk(api, mo, older.ann, older.bob, older.lead, (await complete_draft(mo))["id"], [])
    await mo.post(f"{newer.path}/submit")
    codes = [["submitted"], ["escalated", "staff_reminded", "submitted"]]
    for desk, ahead in ((older, 3 * DAY), (newer, DAY)):
        shown = await desk.shown()
        left = datetime.fromisoformat(shown["next_deadline"]) - datetime.fromisoformat(shown["now"])
        assert ahead - DAY / 24 < left <= ahead
    for desk, known in zip((older, newer), codes, strict=True):
        await api.skip(desk.id, 2 * DAY + DAY / 24)
        timeline = (await older.ann.get(f"{desk.path}/timeline")).json()["items"]
        assert sorted(entry["code"] for entry in timeline) == known


async def test_the_whole_way_to_a_certified_leader(api: Api) -> None:
    for n in range(4):
        await api.user(f"member{n}")
    desk = await desk_of(api)
    await to_probation(desk)
    shown = await desk.shown()
    probation = shown["probation"]
    assert probation["recommendation"] is None
    assert [t["target"] for t in probation["targets"]] == ["steady_output", "answers", "rating", "conduct"]
    assert datetime.fromisoformat(shown["now"]) > datetime.now(UTC) + 6 * DAY
    await api.skip(desk.id, 60 * DAY)
    await _until(desk, "probation_decision")
    probation = (await desk.shown())["probation"]
    assert probation["recommendation"] == "extend"
    assert len(probation["evaluations"]) == 8
    assert {t["met"] for t in probation["targets"]} == {True, False}
    queue = (await desk.ann.get("/staff/queue?kind=probation")).json()["items"]
    assert [item["id"] for item in queue] == [desk.id]
    problem(
        await desk.ann.post(f"{desk.path}/probation-decision", {"decision": "pass"}), 422, "note_required"
    )
    done = await desk.ann.post(
        f"{desk.path}/probation-decision",
        {"decision": "pass", "note": "The figures are missing, the work is not."},
    )
    assert done.json()["status"] == "certified"
    leaders = (await api.anyone.get("http://kameng.test/api/v1/leaders")).json()["items"]
    assert [(x["display_name"], x["topics"], x["tier"]) for x in leaders] == [
        ("Shown lin", ["cooking"], "certified")
    ]
    assert set(leaders[0]) <= {"person_id", "display_name", "topics", "since", "tier"}
    # Its clock was moved on by months; in the list of all it stands with the day of everybody's calendar.
    assert abs(datetime.fromisoformat(leaders[0]["since"]) - datetime.now(UTC)) < timedelta(minutes=10)
    assert (await desk.shown())["claims"][0]["verified_at"] is not None
    problem(await desk.lin.post("/applications", {}), 409, "already_leader")
    led, tried = (await desk.lin.get("/me/certifications")).json()["items"]
    assert (led["standing"], led["tier"], led["until"]) == ("certified", "certified", None)
    assert led["topics"] == [{"scope": "cooking", "expires_on": None, "holds": True}]
    assert (tried["standing"], tried["until"], tried["ended_by"]) == (
        "provisional",
        led["since"],
        "certified",
    )
    assert {led["application_id"], tried["application_id"]} == {desk.id}
    assert (await desk.ann.get("/me/certifications")).json()["items"] == []


async def test_a_confirmed_violation_ends_probation_early(api: Api) -> None:
    for n in range(4):
        await api.user(f"member{n}")
    desk = await desk_of(api)
    moderator = await api.user("moderator", Role.MODERATOR)
    path = f"{desk.path}/violations"
    await to_probation(desk)
    reported = await desk.ann.post(path, {"kind": "plagiarism", "verdict": "reported", "note": "Copied."})
    assert reported.status_code == 201
    violation = reported.json()["violation_id"]
    confirm = {"verdict": "confirmed", "violation_id": violation}
    problem(await desk.ann.post(path, confirm), 403, "forbidden")
    second = await moderator.post(path, {"kind": "other", "verdict": "reported"})
    dismissed = {"verdict": "dismissed", "violation_id": second.json()["violation_id"]}
    assert (await moderator.post(path, dismissed)).status_code == 201
    problem(await moderator.post(path, dismissed | {"verdict": "confirmed"}), 409, "violation_settled")
    assert (await desk.shown())["stage"] == "probation"
    assert (await moderator.post(path, confirm)).status_code == 201
    assert (await moderator.post(path, confirm)).status_code == 201
    shown = await desk.shown()
    assert shown["stage"] == "probation_decision"
    assert shown["probation"]["recommendation"] == "fail"
    noted = (await moderator.get(path)).json()["items"]
    assert [(v["verdict"], v["note"]) for v in noted] == [("confirmed", "Copied."), ("dismissed", None)]
    codes = [e["code"] for e in (await moderator.get(f"{desk.path}/timeline")).json()["items"]]
    assert codes.count("violation_confirmed") == 1


async def test_violations_are_named_rightly_or_not_at_all(desk: Desk) -> None:
    moderator = await desk.api.user("moderator", Role.MODERATOR)
    path = f"{desk.path}/violations"
    bad: list[dict[str, Any]] = [
        {},
        {"verdict": "reported"},
        {"verdict": "reported", "kind": "rudeness"},
        {"verdict": "dismissed", "kind": "other"},
        {"verdict": "reported", "kind": "other", "violation_id": new_id()},
        {"verdict": "reported", "kind": "other", "occurred_at": "2026-01-01T00:00:00"},
        {"verdict": "reported", "kind": "other", "occurred_at": "yesterday"},
        {"verdict": "reported", "kind": "other", "note": "x" * 5001},
    ]
    for body in bad:
        problem(await moderator.post(path, body), 422, "validation_failed")
    future = {"verdict": "reported", "kind": "other", "occurred_at": "2199-01-01T00:00:00Z"}
    problem(await moderator.post(path, future), 422, "occurred_in_future")
    unknown = {"verdict": "confirmed", "violation_id": new_id()}
    problem(await moderator.post(path, unknown), 404, "not_found")
    problem(await moderator.post(f"/applications/{new_id()}/violations", unknown), 404, "not_found")
    assert await desk.api.rows(select(violations)) == []
    # Before probation there is nothing to end early: the report stays, unconfirmed.
    early = await moderator.post(path, {"verdict": "confirmed", "kind": "other"})
    problem(early, 409, "wrong_stage")
    [row] = await desk.api.rows(select(violations))
    assert row["verdict"] == "reported"


async def test_the_queue_is_in_the_order_of_deadlines(api: Api) -> None:
    desk = await desk_of(api)
    ids = [desk.id]
    for n in range(3):
        other = await api.user(f"w{n}")
        draft = await complete_draft(other)
        await other.post(f"/applications/{draft['id']}/submit")
        ids.append(draft["id"])
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await desk.ann.get(f"/staff/queue?kind=review&limit=2{cursor}")).json()
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == ids
    for kind in ("second_review", "lead_review", "probation", "appeal", "changes", "vote"):
        assert (await desk.ann.get(f"/staff/queue?kind={kind}")).json()["items"] == []
    found = (await desk.ann.get("/staff/queue", params={"q": "shown W1"})).json()["items"]
    assert [item["id"] for item in found] == [ids[2]]
    for harmless in ("%", "_", "' OR 1=1 --", "{{7*7}}"):
        assert (await desk.ann.get("/staff/queue", params={"q": harmless})).json()["items"] == []
    problem(await desk.ann.get("/staff/queue?kind=everything"), 422, "validation_failed")
    problem(await desk.ann.get("/staff/queue", params={"q": "x" * 101}), 422, "validation_failed")


async def test_temporal_away_leaves_the_draft_as_it_was(sqlite_url: str, settings: Settings) -> None:
    nowhere = settings.model_copy(
        update={
            "database_url": sqlite_url,
            "temporal_address": f"127.0.0.1:{processes.free_port()}",
            "temporal_call_seconds": 1.0,
        }
    )
    async with running_api(nowhere) as api:
        lin = await api.user("lin")
        draft = await complete_draft(lin)
        path = f"/applications/{draft['id']}"
        before = (await lin.get(path)).json()
        answer = await lin.post(f"{path}/submit")
        problem(answer, 503, "temporal_unavailable")
        assert int(answer.headers["retry-after"]) > 0
        after = (await lin.get(path)).json()
        assert {**after, "now": None} == {**before, "now": None}
        assert (await lin.post(f"{path}/withdraw")).json()["status"] == "withdrawn"


async def test_without_a_worker_the_answer_is_bounded_and_a_later_try_succeeds(
    sqlite_url: str, settings: Settings, temporal_client: Client
) -> None:
    short = with_database(settings, sqlite_url, temporal_client).model_copy(
        update={"temporal_call_seconds": 1.0}
    )
    async with running_api(short) as api:
        desk = await desk_of(api, submit=False)
        problem(await desk.lin.post(f"{desk.path}/submit"), 503, "temporal_unavailable")
        assert (await desk.shown())["status"] == "draft"
        queue = task_queue(short.task_queue_prefix, VETTING_QUEUE)
        async with vetting_worker(temporal_client, api.db, queue):
            await _until(desk, "first_review")
            again = await desk.lin.post(f"{desk.path}/submit")
            assert again.json()["stage"] == "first_review", again.text


async def test_on_postgresql_too(postgres_url: str, settings: Settings, temporal_client: Client) -> None:
    given = with_database(settings, postgres_url, temporal_client)
    async with running_api(given, temporal_client) as api:
        for n in range(4):
            await api.user(f"member{n}")
        desk = await desk_of(api)
        first = (await desk.ann.get("/staff/queue?kind=review&limit=1")).json()
        assert [item["id"] for item in first["items"]] == [desk.id]
        await to_probation(desk)
        reported = await desk.ann.post(f"{desk.path}/violations", {"kind": "other", "verdict": "reported"})
        assert reported.status_code == 201
        assert (await desk.shown())["probation"]["evaluations"] == []
