"""Drafts: written over several visits, by one person, never lost and never half changed."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, insert, select, update

from db.tables.people import notes
from db.tables.vetting import applications, credential_claims, timeline_entries
from domain.ids import new_id
from domain.people import Role
from settings import Settings
from tests.support.vetting_api import PDF, PROFILE, Api, User, complete_draft, hand_in, problem, running_api


@pytest.fixture
async def api(database_url: str, settings: Settings) -> AsyncIterator[Api]:
    async with running_api(settings.model_copy(update={"database_url": database_url})) as running:
        yield running


@pytest.fixture
async def lin(api: Api) -> User:
    return await api.user("lin")


async def test_a_draft_is_written_over_several_visits(api: Api, lin: User) -> None:
    created = await lin.post("/applications", {})
    assert created.status_code == 201
    assert created.headers["location"] == f"/api/v1/applications/{created.json()['id']}"
    draft = created.json()
    assert (draft["status"], draft["stage"], draft["waiting_on"]) == ("draft", "intake", "applicant")
    assert draft["if_nothing_happens"] == "stays_draft"
    assert draft["if_nothing_happens_text"]
    assert draft["missing"] == [
        "headline",
        "bio",
        "statement",
        "tags",
        "claims",
        "identity_document",
        "content_sample",
    ]
    path = f"/applications/{draft['id']}"
    changed = await lin.http.patch(path, json=PROFILE, headers={"If-Match": created.headers["etag"]})
    assert changed.status_code == 200
    assert changed.json()["missing"] == ["claims", "identity_document"]
    await hand_in(lin, draft["id"], "identity", PDF)
    claims = [{"scope": "Finance", "issuer": "Guild", "expires_on": "2031-01-31"}]
    again = await lin.http.patch(path, json={"claims": claims}, headers={"If-Match": changed.headers["etag"]})
    assert again.json()["missing"] == ["regulated_document"]
    shown = await lin.get(path)
    body = shown.json()
    assert shown.headers["etag"] == '"v3"'
    assert {name: body[name] for name in PROFILE} == PROFILE
    assert [(c["scope"], c["expires_on"], c["regulated"], c["expired"]) for c in body["claims"]] == [
        ("Finance", "2031-01-31", True, False)
    ]
    assert [d["kind"] for d in body["documents"]] == ["identity"]
    assert body["staff"] is None
    assert body["applicant"]["display_name"] == "Shown lin"


async def test_one_application_under_way_a_person(api: Api, lin: User) -> None:
    first = (await lin.post("/applications", {})).json()["id"]
    assert (
        problem(await lin.post("/applications", {}), 409, "other_application_open")["application_id"] == first
    )
    others = [await api.user(f"p{n}") for n in range(3)]
    answers = await asyncio.gather(*(other.post("/applications", {}) for other in others))
    assert {a.status_code for a in answers} == {201}


async def test_two_drafts_at_the_same_moment_are_one(api: Api, lin: User) -> None:
    answers = await asyncio.gather(*(lin.post("/applications", {}) for _ in range(6)))
    assert sorted(a.status_code for a in answers) == [201, 409, 409, 409, 409, 409]
    [row] = await api.rows(select(func.count().label("n")).select_from(applications))
    assert row["n"] == 1


async def test_the_same_key_creates_one_draft(api: Api, lin: User) -> None:
    key = {"Idempotency-Key": "draft-1"}
    first = await lin.post("/applications", {"headline": "x"}, headers=key)
    second = await lin.post("/applications", {"headline": "x"}, headers=key)
    assert first.json()["id"] == second.json()["id"]
    assert second.status_code == 201


async def test_a_leader_has_nothing_to_apply_for(api: Api) -> None:
    leader = await api.user("leader", Role.LEADER)
    problem(await leader.post("/applications", {}), 409, "already_leader")


async def test_an_edit_needs_the_version_that_was_read(api: Api, lin: User) -> None:
    created = await lin.post("/applications", {"headline": "one"})
    path, etag = f"/applications/{created.json()['id']}", created.headers["etag"]
    blind = await lin.http.patch(path, json={"headline": "two"})
    problem(blind, 428, "precondition_required")
    assert blind.headers["etag"] == blind.json()["etag"] == etag
    stale = [
        {"If-Match": tag} for tag in ('"v0"', '"v99"', "v1", "*", "nonsense", '"v1', '"v99999999999999"')
    ]
    for header in stale:
        problem(await lin.http.patch(path, json={"headline": "two"}, headers=header), 412, "edit_conflict")
    assert (
        await lin.http.patch(path, json={"headline": "two"}, headers={"If-Match": etag})
    ).status_code == 200
    lost = await lin.http.patch(path, json={"headline": "three"}, headers={"If-Match": etag})
    problem(lost, 412, "edit_conflict")
    assert lost.headers["etag"] == '"v2"'
    assert (await lin.get(path)).json()["headline"] == "two"


async def test_of_two_editors_at_once_one_wins(api: Api, lin: User) -> None:
    created = await lin.post("/applications", {})
    path, header = f"/applications/{created.json()['id']}", {"If-Match": created.headers["etag"]}
    answers = await asyncio.gather(
        *(lin.http.patch(path, json={"headline": f"h{n}"}, headers=header) for n in range(5))
    )
    assert sorted(a.status_code for a in answers) == [200, 412, 412, 412, 412]
    assert (await lin.get(path)).json()["edit_version"] == 2


async def test_claims_that_stay_keep_their_ids(api: Api, lin: User) -> None:
    claims = [{"scope": "cooking", "issuer": "Guild"}, {"scope": "baking", "issuer": "Guild"}]
    created = await lin.post("/applications", {"claims": claims})
    before = {c["scope"]: c["id"] for c in created.json()["claims"]}
    claims = [
        {"scope": "baking", "issuer": "Guild", "expires_on": "2030-05-01"},
        {"scope": "tea", "issuer": "G"},
    ]
    changed = await lin.http.patch(
        f"/applications/{created.json()['id']}",
        json={"claims": claims},
        headers={"If-Match": created.headers["etag"]},
    )
    after = {c["scope"]: c["id"] for c in changed.json()["claims"]}
    assert set(after) == {"baking", "tea"}
    assert after["baking"] == before["baking"]


async def test_a_claim_cannot_name_someone_elses_document(api: Api, lin: User) -> None:
    other = await api.user("other")
    draft = await complete_draft(other)
    created = await lin.post("/applications", {})
    claims = [
        {"scope": "tea", "issuer": "G"},
        {"scope": "cooking", "issuer": "G", "document_ids": [draft["documents"][0]["id"]]},
    ]
    refused = await lin.http.patch(
        f"/applications/{created.json()['id']}",
        json={"claims": claims, "headline": "kept out"},
        headers={"If-Match": created.headers["etag"]},
    )
    found = problem(refused, 422, "validation_failed")
    assert found["errors"][0]["field"] == "claims[1].document_ids"
    shown = (await lin.get(f"/applications/{created.json()['id']}")).json()
    assert (shown["claims"], shown["headline"], shown["edit_version"]) == ([], "", 1)


LONG = "字"
CLAIM = {"scope": "tea", "issuer": "Guild"}
BAD_FIELDS = [
    ("headline", LONG * 161),
    ("headline", "two\nlines"),
    ("headline", "nul\x00"),
    ("headline", "a\r\nBcc: x@y.z"),
    ("headline", None),
    ("headline", 7),
    ("headline", ["x"]),
    ("bio", LONG * 2001),
    ("bio", "esc\x1b[31m"),
    ("statement", LONG * 10_001),
    ("statement", "\x00" * 60),
    ("statement", {"text": "x"}),
    ("tags", ["t"] * 11),
    ("tags", ["a", "A"]),
    ("tags", [""]),
    ("tags", ["x" * 41]),
    ("tags", "cooking"),
    ("links", ["javascript:alert(1)"]),
    ("links", ["https://"]),
    ("links", ["ftp://people.example/x"]),
    ("links", ["https://user:pw@people.example/"]),
    ("links", ["https://people.example/a b"]),
    ("links", ["https://people.example:99999/"]),
    ("links", ["https://[::1"]),
    ("links", ["https://people.example/" + "x" * 500]),
    ("links", [f"https://people.example/{n}" for n in range(11)]),
    ("links", ["https://people.example/\r\nX: y"]),
    ("claims", [CLAIM] * 2),
    ("claims", [{"scope": f"s{n}", "issuer": "G"} for n in range(21)]),
    ("claims", [{"scope": "", "issuer": "G"}]),
    ("claims", [{"scope": "x" * 81, "issuer": "G"}]),
    ("claims", [{"scope": "x", "issuer": "G" * 161}]),
    ("claims", [{"scope": "x"}]),
    ("claims", [CLAIM | {"expires_on": "31.12.2030"}]),
    ("claims", [CLAIM | {"expires_on": "2030-13-01"}]),
    ("claims", [CLAIM | {"verified_at": "2026-01-01T00:00:00Z"}]),
    ("claims", [CLAIM | {"document_ids": ["../../etc/passwd"]}]),
    ("claims", [CLAIM | {"document_ids": [new_id()]}]),
    ("status", "certified"),
    ("person_id", "somebody"),
    ("edit_version", 9),
]


async def test_bad_input_stores_nothing(sqlite_url: str, settings: Settings) -> None:
    async with running_api(settings.model_copy(update={"database_url": sqlite_url})) as api:
        newcomer, lin = await api.user("newcomer"), await api.user("lin")
        path = f"/applications/{(await lin.post('/applications', {'headline': 'before'})).json()['id']}"
        for field, value in BAD_FIELDS:
            found = problem(await newcomer.post("/applications", {field: value}), 422, "validation_failed")
            assert found["errors"][0]["field"].startswith(field), found
            changes = {"bio": "new", field: value}
            answer = await lin.http.patch(path, json=changes, headers={"If-Match": '"v1"'})
            problem(answer, 422, "validation_failed")
        [row] = await api.rows(
            select(applications.c.headline, applications.c.bio, applications.c.edit_version)
        )
        assert row == {"headline": "before", "bio": "", "edit_version": 1}


async def test_unreadable_bodies_are_problems(api: Api, lin: User) -> None:
    for body in (b"{", b"[]", b'"x"', b'{"headline": "\\ud800"}', b"\xff\xfe"):
        answer = await lin.http.post(
            "/applications", content=body, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code in {400, 422}, (body, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
    draft = (await lin.post("/applications", {})).json()
    nothing = await lin.http.patch(f"/applications/{draft['id']}", json={}, headers={"If-Match": '"v1"'})
    problem(nothing, 422, "validation_failed")


async def test_limits_are_reached_and_texts_come_back_as_typed(api: Api, lin: User) -> None:
    given = {
        "headline": LONG * 160,
        "bio": LONG * 2000,
        "statement": "<script>alert('{{ 7*7 }}')</script>\n{% raw %}" + "é" * 9_900,
        "tags": [f"标签{n}" for n in range(10)],
        "links": ["https://people.example/" + "x" * 477],
        "claims": [{"scope": "s" * 80, "issuer": "i" * 160}],
    }
    shown = (await lin.post("/applications", given)).json()
    assert {name: shown[name] for name in given if name != "claims"} == {
        name: value for name, value in given.items() if name != "claims"
    }


async def test_other_peoples_applications_do_not_exist(api: Api, lin: User) -> None:
    other = await api.user("other")
    path = f"/applications/{(await lin.post('/applications', {})).json()['id']}"
    unknown = f"/applications/{new_id()}"
    for target in (path, unknown):
        for tail in ("", "/timeline"):
            problem(await other.get(target + tail), 404, "not_found")
        for act in ("submit", "resubmit", "withdraw"):
            problem(await other.post(f"{target}/{act}"), 404, "not_found")
        problem(await other.post(f"{target}/appeal", {"reason": "x"}), 404, "not_found")
        problem(
            await other.http.patch(target, json={"headline": "x"}, headers={"If-Match": '"v1"'}),
            404,
            "not_found",
        )
    staff = await api.user("staff", Role.REVIEWER)
    problem(await staff.get(path), 404, "not_found")
    await _handed_in(api, path.rpartition("/")[2])
    assert (await staff.get(path)).json()["staff"]["claimed_by"] is None
    problem(
        await staff.http.patch(path, json={"headline": "x"}, headers={"If-Match": '"v1"'}), 404, "not_found"
    )


async def _handed_in(api: Api, application_id: str) -> None:
    own = applications.c.id == application_id
    await api.execute(update(applications).where(own).values(submitted_at=datetime.now(UTC)))


async def test_lists_show_people_their_own_and_staff_what_was_handed_in(api: Api, lin: User) -> None:
    other, staff = await api.user("other"), await api.user("staff", Role.MODERATOR)
    own = (await lin.post("/applications", {})).json()["id"]
    theirs = (await other.post("/applications", {})).json()["id"]
    await api.execute(
        update(applications)
        .where(applications.c.id == theirs)
        .values(status="credential_review", stage="first_review", submitted_at=datetime.now(UTC))
    )
    assert [a["id"] for a in (await lin.get("/applications")).json()["items"]] == [own]
    assert [a["id"] for a in (await lin.get("/me/applications")).json()["items"]] == [own]
    assert [a["id"] for a in (await staff.get("/applications")).json()["items"]] == [theirs]
    assert (await staff.get("/applications?mine=true")).json()["items"] == []
    assert (await staff.get("/applications?status=draft")).json()["items"] == []
    found = await staff.get("/applications?status=credential_review")
    assert [a["applicant"]["display_name"] for a in found.json()["items"]] == ["Shown other"]


async def test_lists_come_in_pages(api: Api, lin: User) -> None:
    now = datetime.now(UTC)
    ids = [new_id() for _ in range(5)]
    rows = [
        {
            "id": application_id,
            "person_id": lin.id,
            "tags": [],
            "links": [],
            "flags": [],
            "reasons": [],
            "created_at": now,
            "updated_at": now,
            "status": "expired",
        }
        for application_id in ids
    ]
    await api.execute(insert(applications).values(rows))
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await lin.get(f"/applications?limit=2{cursor}")).json()
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == sorted(ids, reverse=True)
    problem(await lin.get("/applications?cursor=forged"), 400, "cursor_invalid")
    problem(await lin.get("/applications?limit=101"), 422, "validation_failed")


async def test_a_draft_is_withdrawn_without_a_process(api: Api, lin: User) -> None:
    draft = (await lin.post("/applications", {})).json()
    path = f"/applications/{draft['id']}"
    answer = await lin.post(f"{path}/withdraw")
    assert (answer.status_code, answer.json()["status"]) == (200, "withdrawn")
    shown = (await lin.get(path)).json()
    assert (shown["stage"], shown["waiting_on"], shown["editable"]) == ("closed", "nobody", False)
    assert [e["code"] for e in (await lin.get(f"{path}/timeline")).json()["items"]] == ["withdrawn"]
    problem(
        await lin.http.patch(path, json={"headline": "x"}, headers={"If-Match": '"v1"'}), 409, "not_editable"
    )
    assert (await lin.post("/applications", {})).status_code == 201


async def test_only_a_draft_or_one_sent_back_can_be_edited(api: Api, lin: User) -> None:
    draft = await complete_draft(lin)
    path = f"/applications/{draft['id']}"
    for stage, status in (("first_review", 409), ("voting", 409), ("changes_requested", 200)):
        await api.execute(
            update(applications)
            .where(applications.c.id == draft["id"])
            .values(status="credential_review", stage=stage, submitted_at=datetime.now(UTC))
        )
        shown = await lin.get(path)
        answer = await lin.http.patch(
            path, json={"headline": stage}, headers={"If-Match": shown.headers["etag"]}
        )
        assert answer.status_code == status, answer.text
        assert shown.json()["editable"] == (status == 200)


async def test_the_clock_shown_is_that_of_the_process(api: Api, lin: User) -> None:
    draft = (await lin.post("/applications", {})).json()
    ahead = timedelta(days=40).total_seconds()
    await api.execute(
        update(applications).where(applications.c.id == draft["id"]).values(clock_offset_seconds=ahead)
    )
    shown = datetime.fromisoformat((await lin.get(f"/applications/{draft['id']}")).json()["now"])
    assert (
        timedelta(days=40)
        <= shown - datetime.now(UTC) + timedelta(seconds=5)
        < timedelta(days=40, seconds=10)
    )


async def test_submitting_is_refused_before_any_process_starts(api: Api, lin: User) -> None:
    draft = (await lin.post("/applications", {})).json()
    path = f"/applications/{draft['id']}/submit"
    found = problem(await lin.post(path), 422, "application_incomplete")
    assert found["missing"][0] == "headline"
    problem(await lin.post(path, {"force": True}), 422, "validation_failed")


async def test_the_applicant_reads_no_names_and_no_single_opinions(api: Api, lin: User) -> None:
    staff = await api.user("staff", Role.REVIEWER)
    draft = (await lin.post("/applications", {})).json()
    process = f"application/{draft['id']}"
    steps = ["submitted", "claimed", "review_reject", "review_approve", "rejected", "appealed"]
    now, note_id = datetime.now(UTC), new_id()
    await api.execute(
        insert(notes).values(
            id=note_id, process_id=process, author_id=staff.id, kind="review", body="Because.", created_at=now
        ),
        insert(timeline_entries).values(
            [
                {
                    "process_id": process,
                    "seq": n,
                    "at": now,
                    "recorded_at": now,
                    "code": code,
                    "actor_id": lin.id if code in {"submitted", "appealed"} else staff.id,
                    "detail": {"round": 1, "reasons": ["fraud"]},
                    "note_id": note_id,
                }
                for n, code in enumerate(steps, 1)
            ]
        ),
    )
    told = (await lin.get(f"/applications/{draft['id']}/timeline")).json()["items"]
    assert [(e["code"], e["actor"], e["note"]) for e in told] == [
        ("submitted", "applicant", None),
        ("review_reject", "reviewer", "Because."),
        ("opinion_given", "reviewer", None),
        ("rejected", "reviewer", None),
        ("appealed", "applicant", "Because."),
    ]
    assert told[2]["detail"] == {"round": 1}
    assert {e["actor_name"] for e in told} == {None}
    await _handed_in(api, draft["id"])
    seen = (await staff.get(f"/applications/{draft['id']}/timeline")).json()["items"]
    assert [e["code"] for e in seen] == steps
    assert seen[1]["actor_name"] == "Shown staff"


async def test_claims_are_gone_with_the_edit_that_left_them_out(api: Api, lin: User) -> None:
    draft = await complete_draft(lin, ("cooking", "tea"))
    etag = {"If-Match": f'"v{draft["edit_version"]}"'}
    await lin.http.patch(f"/applications/{draft['id']}", json={"claims": []}, headers=etag)
    assert await api.rows(select(credential_claims.c.id)) == []
