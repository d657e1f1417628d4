"""The staff desk as pages: the same services as the JSON API, by forms that lose nothing and act once."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import httpx2
import pytest
from sqlalchemy import insert, select, update
from temporalio.client import Client

from api.pages.staff_file import process_link
from db.tables.people import circle_members
from db.tables.vetting import applications, policies, reviews, violations
from domain.ids import new_id
from domain.people import Role
from engine.papers import paper
from settings import Settings
from tests.api.test_staff import REJECTION, Desk, desk_of, to_probation, with_database
from tests.support.vetting_api import Api, User, hand_in, running_api

SITE = "http://kameng.test"
TICKED = ["identity", "professional_background", "content_sample", "community_values"]


@pytest.fixture
async def api(sqlite_url: str, settings: Settings, temporal_client: Client) -> AsyncIterator[Api]:
    async with running_api(with_database(settings, sqlite_url, temporal_client), temporal_client) as running:
        yield running


async def look(user: User, path: str, status: int = 200) -> str:
    """Return a page as text, with what its markup escapes."""
    answer = await user.get(SITE + path)
    assert answer.status_code == status, answer.text[:2000]
    return unescape(answer.text)


async def send(user: User, path: str, **fields: Any) -> httpx2.Response:
    """Send a form as a browser does, without going where it leads."""
    return await user.http.post(SITE + path, data={"once": new_id()} | fields)


def done(answer: httpx2.Response, code: str) -> None:
    assert (answer.status_code, answer.headers["location"].partition("done=")[2]) == (303, code), answer.text


def at(desk: Desk, act: str = "") -> str:
    return f"/staff/applications/{desk.id}" + (f"/{act}" if act else "")


def approval(desk: Desk) -> dict[str, Any]:
    verdicts = {f"verdict-{claim}": "verified" for claim in desk.claims}
    return {"decision": "approve", "checklist": TICKED, "registry": desk.claims, **verdicts}


def rows_of(text: str) -> list[str]:
    return re.findall(r'<th scope="row"><a href="/staff/applications/([^"]+)"', text)


async def test_the_queue_shows_filters_counts_and_says_when_it_is_empty(api: Api) -> None:
    ann = await api.user("ann", Role.REVIEWER)
    assert "Nothing waits here" in await look(ann, "/staff")
    desk = await desk_of(api)
    text = await look(desk.ann, "/staff")
    assert rows_of(text) == [desk.id]
    assert "Shown lin" in text
    assert "in 3 days" in text
    assert re.search(r'First review <span class="badge number">1</span>', text)
    for path, found in {
        "kind=review": 1,
        "kind=appeal": 0,
        "show=mine": 0,
        "show=unclaimed": 1,
        "show=escalated": 0,
        "q=shown LIN": 1,
        "q=家庭": 1,
        "q=100%25": 0,
    }.items():
        assert len(rows_of(await look(desk.ann, f"/staff?{path}"))) == found, path
    assert "No application matches" in await look(desk.ann, "/staff?q=nobody")
    done(await send(desk.ann, at(desk, "claim")), "claimed")
    assert rows_of(await look(desk.ann, "/staff?show=mine")) == [desk.id]
    assert rows_of(await look(desk.ann, "/staff?show=unclaimed")) == []
    for path in ("kind=nothing", "kind=REVIEW", "show=theirs"):
        answer = await desk.ann.get(f"{SITE}/staff?{path}")
        assert (answer.status_code, answer.headers["location"]) == (303, "/staff"), path
    await api.execute(update(applications).values(next_deadline=applications.c.submitted_at))
    assert "Overdue" in await look(desk.ann, "/staff")


async def test_who_sees_the_desk(api: Api) -> None:
    desk = await desk_of(api)
    campaigner = await api.user("camp", Role.CAMPAIGN_MANAGER)
    answer = await campaigner.get(f"{SITE}/staff")
    assert (answer.status_code, answer.headers["location"]) == (303, "/staff/policy")
    for path in ("/staff", at(desk), "/staff/policy"):
        await look(desk.lin, path, 403)
    await look(campaigner, at(desk), 403)
    await look(desk.ann, f"/staff/applications/{new_id()}", 404)
    moderator = await api.user("moderator", Role.MODERATOR)
    text = await look(moderator, at(desk))
    assert "Reviewers decide this step" in text
    assert (await send(moderator, at(desk, "review"), **approval(desk))).status_code == 403


async def test_staff_do_not_see_their_own_application_as_staff(api: Api) -> None:
    desk = await desk_of(api)
    applicant = await api.user("both", Role.REVIEWER)
    await api.execute(update(applications).values(person_id=applicant.id))
    await look(applicant, at(desk), 403)
    assert rows_of(await look(applicant, "/staff")) == []
    assert 'badge number">0<' in await look(applicant, "/staff")
    assert (await send(applicant, at(desk, "claim"))).status_code == 403
    assert (await send(applicant, at(desk, "review"), **approval(desk))).status_code == 403


async def test_what_is_wrong_is_told_where_it_is_and_nothing_typed_is_lost(api: Api) -> None:
    desk = await desk_of(api, scopes=("cooking", "finance"))
    cases = [
        ({"note": "Typed <b>so</b>."}, "decision-error", "Choose a decision"),
        ({"decision": "reject", "note": "Typed <b>so</b>."}, "reasons-error", "at least one reason"),
        (approval(desk) | {"checklist": ["identity"], "note": "Typed <b>so</b>."}, "checklist-error", ""),
        (approval(desk) | {"registry": [], "note": "Typed <b>so</b>."}, "findings-error", ""),
        ({"decision": "approve", "checklist": TICKED, "note": "Typed <b>so</b>."}, "findings-error", ""),
    ]
    for fields, place, words in cases:
        answer = await send(desk.ann, at(desk, "review"), **fields)
        assert answer.status_code == 422, answer.text[:500]
        assert f'id="{place}"' in answer.text
        assert words in answer.text
        assert "Typed &lt;b&gt;so&lt;/b&gt;." in answer.text
        for item in fields.get("checklist", ()):
            assert re.search(rf'value="{item}"[^>]* checked', answer.text)
    assert f'id="verdict-{desk.claims[0]}-error"' in answer.text
    assert await api.rows(select(reviews)) == []


async def test_the_second_opinion_is_given_without_the_first(api: Api) -> None:
    desk = await desk_of(api)
    fields = approval(desk) | {"note": "Looked very closely.", "once": new_id()}
    for _ in range(2):
        done(await send(desk.ann, at(desk, "review"), **fields), "decided_review")
    assert len(await api.rows(select(reviews))) == 1
    assert "Looked very closely." in await look(desk.ann, at(desk))
    assert "Looked very closely." in await look(desk.lead, at(desk))
    text = await look(desk.bob, at(desk))
    assert "Looked very closely." not in text
    assert "1 opinion is shown once you have given yours" in text
    told = (await desk.bob.get(f"{desk.path}/reviews")).json()
    assert (told["items"], told["hidden"]) == ([], 1)
    entries = (await desk.bob.get(f"{desk.path}/timeline")).json()["items"]
    assert [entry["code"] for entry in entries] == ["submitted", "opinion_given"]
    assert "approve" not in str(entries)
    refusal = await send(
        desk.bob, at(desk, "review"), decision="reject", reasons=["content_sample_weak"], note="Too thin."
    )
    done(refusal, "decided_review")
    assert "Looked very closely." in await look(desk.bob, at(desk))
    assert "a lead reviewer decides" in await look(await api.user("eve", Role.REVIEWER), at(desk))
    done(await send(desk.lead, at(desk, "review"), **approval(desk)), "decided_review")
    assert (await desk.shown())["status"] == "member_vote"


async def test_holding_giving_back_and_stepping_aside(api: Api) -> None:
    desk = await desk_of(api)
    done(await send(desk.ann, at(desk, "claim")), "claimed")
    text = await look(desk.bob, at(desk))
    assert "Held by Shown ann." in text
    assert 'action="' + at(desk, "release") not in text
    late = await send(desk.bob, at(desk, "claim"))
    assert late.status_code == 409
    assert 'role="alert"' in late.text
    assert 'action="' + at(desk, "release") in await look(desk.lead, at(desk))
    done(await send(desk.ann, at(desk, "release")), "released")
    done(await send(desk.ann, at(desk, "conflicts")), "stepped_aside")
    text = await look(desk.ann, at(desk))
    assert "you cannot decide" in text
    assert "data-decision" not in text
    friend = await api.user("friend", Role.REVIEWER)
    await api.execute(
        insert(circle_members).values([{"circle": "tea", "person_id": p} for p in (friend.id, desk.lin.id)])
    )
    assert "data-decision" not in await look(friend, at(desk))


async def test_an_appeal_is_decided_by_others(api: Api) -> None:
    desk = await desk_of(api)
    await desk.rejected()
    await desk.lin.post(f"{desk.path}/appeal", {"reason": "You missed my third sample."})
    assert "others decide the appeal" in await look(desk.ann, at(desk))
    text = await look(desk.lead, at(desk))
    assert "You missed my third sample." in text
    assert str(REJECTION["note"]) in text
    assert (await send(desk.lead, at(desk, "appeal-decision"), note="Hm.")).status_code == 422
    assert (await send(desk.ann, at(desk, "appeal-decision"), decision="uphold")).status_code == 403
    done(
        await send(desk.lead, at(desk, "appeal-decision"), decision="overturn", note="True."),
        "decided_appeal",
    )
    assert (await desk.shown())["stage"] == "first_review"


async def test_probation_violations_and_the_decision(api: Api) -> None:
    for number in range(4):
        await api.user(f"member{number}")
    desk = await desk_of(api)
    moderator = await api.user("moderator", Role.MODERATOR)
    await to_probation(desk)
    await api.skip(desk.id, timedelta(days=15))
    text = await look(desk.ann, at(desk))
    assert "the dashed line is the target of 2" in text
    assert "Missed in 2 of 2 weeks" in text
    assert "0 of 10 ratings" in text
    own = await look(desk.lin, f"/applications/{desk.id}")
    assert "0 of 10 ratings" in own
    assert own.count('class="chart"') == text.count('class="chart"') == 3
    assert "Missed in 2 of 2 weeks" in own
    assert "provisional leader" in await look(desk.lin, "/certificates")
    report = {"verdict": "reported", "kind": "plagiarism", "note": "Copied."}
    future = await send(desk.ann, at(desk, "violations"), **report, occurred_at="2199-01-01T00:00")
    assert future.status_code == 422
    assert 'id="occurred_at-error"' in future.text
    assert "Copied." in future.text
    done(await send(desk.ann, at(desk, "violations"), **report), "decided_violation")
    [row] = await api.rows(select(violations))
    confirm = {"verdict": "confirmed", "violation_id": row["id"]}
    assert 'value="confirmed"' not in await look(desk.ann, at(desk))
    assert (await send(desk.ann, at(desk, "violations"), **confirm)).status_code == 403
    assert 'value="confirmed"' in await look(moderator, at(desk))
    done(await send(moderator, at(desk, "violations"), **confirm), "decided_violation")
    unexplained = await send(desk.bob, at(desk, "probation-decision"), decision="pass")
    assert unexplained.status_code == 422
    assert 'id="note-error"' in unexplained.text
    assert re.search(r'value="pass"[^>]* checked', unexplained.text)
    done(await send(desk.bob, at(desk, "probation-decision"), decision="fail"), "decided_probation")
    assert (await desk.shown())["status"] == "ordinary_creator"
    ended = await look(desk.lin, "/certificates")
    assert f'href="/applications/{desk.id}"' in ended
    assert "A violation during the probation was confirmed" in ended


async def test_a_pdf_is_shown_as_pictures_of_its_pages(api: Api) -> None:
    desk = await desk_of(api, submit=False)
    whole = await hand_in(desk.lin, desk.id, "sample", paper("A sample", ["of work"]), "sample.pdf")
    empty = (await desk.shown())["documents"][0]["id"]
    own = applications.c.id == desk.id
    await api.execute(update(applications).where(own).values(submitted_at=datetime.now(UTC)))
    base = f"/applications/{desk.id}/documents"
    framed = await desk.ann.get(f"{SITE}{base}/{whole}/pages")
    assert f'src="{base}/{whole}/pages/1"' in framed.text
    assert "script" not in framed.text
    assert framed.headers["x-frame-options"] == "SAMEORIGIN"
    assert "script-src" not in framed.headers["content-security-policy"]
    for reader in (desk.ann, desk.lin):
        drawn = await reader.get(f"{SITE}{base}/{whole}/pages/1")
        assert (drawn.status_code, drawn.headers["content-type"]) == (200, "image/png")
        assert drawn.headers["x-content-type-options"] == "nosniff"
        assert drawn.content.startswith(b"\x89PNG")
    for path in (f"{whole}/pages/2", f"{whole}/pages/0", f"{whole}/pages/21", f"{empty}/pages/1"):
        assert (await desk.ann.get(f"{SITE}{base}/{path}")).status_code == 404, path
    assert "cannot be shown in the page" in await look(desk.ann, f"{base}/{empty}/pages")
    stranger = await api.user("stranger")
    for path in (f"{whole}/pages", f"{whole}/pages/1"):
        assert (await stranger.get(f"{SITE}{base}/{path}")).status_code == 404


async def test_the_policy_is_written_version_by_version(api: Api) -> None:
    admin, ann = await api.user("admin", Role.ADMIN), await api.user("ann", Role.REVIEWER)
    text = await look(ann, "/staff/policy")
    assert "Only administrators can change it" in text
    assert '<button class="primary">Write' not in text
    fields = dict(re.findall(r'<input id="[^"]+" name="([^"]+)" class="number"[^>]* value="([^"]*)"', text))
    assert fields["vote.quorum_share"] == "10"
    assert fields["intake.max_file_bytes"] == "10"
    assert fields["review.changes_reminder_days"] == "7, 12"
    change = fields | {"expected_version": "1", "note": "Smaller quorum.", "vote.quorum_share": "7.5"}
    assert (await send(ann, "/staff/policy", **change)).status_code == 403
    for wrong, place in {
        "vote-quorum_share-error": {"vote.quorum_share": "101"},
        "review-reviewers-error": {"review.reviewers": "many"},
        "review-changes_reminder_days-error": {"review.changes_reminder_days": "7, later"},
        "review-error": {"review.escalation_after_days": "2"},
        "note-error": {"note": ""},
        "intake-max_file_bytes-error": {"intake.max_file_bytes": "10.1"},
    }.items():
        answer = await send(admin, "/staff/policy", **(change | place))
        assert answer.status_code == 422
        assert f'id="{wrong}"' in answer.text, wrong
        assert 'value="7.5"' in answer.text or "101" in answer.text
    assert "this server takes files of 10 MiB (10485760 bytes) at most" in answer.text
    done(await send(admin, "/staff/policy", **change), "policy_written_vetting")
    text = await look(ann, "/staff/policy")
    assert "Quorum (%): <del>10</del> → <ins>7.5</ins>" in text
    assert "Shown admin" in text
    late = await send(admin, "/staff/policy", **(change | {"vote.quorum_share": "9"}))
    assert late.status_code == 409
    assert 'value="9"' in late.text
    assert 'name="expected_version" value="2"' in late.text
    stored = await api.rows(
        select(policies).where(policies.c.process == "vetting").order_by(policies.c.version)
    )
    assert [row["version"] for row in stored] == [1, 2]
    assert stored[1]["body"] == stored[0]["body"] | {
        "vote": stored[0]["body"]["vote"] | {"quorum_share": 0.075}
    }


def test_the_link_to_the_process(settings: Settings) -> None:
    assert process_link(settings.model_copy(update={"temporal_ui_url": ""}), "7") == ""
    told = settings.model_copy(update={"temporal_ui_url": "http://ui.example/", "temporal_namespace": "n"})
    assert process_link(told, "7") == "http://ui.example/namespaces/n/workflows/application%2F7"
