"""Ballots: one member one vote, secret, counted once, and nothing to see before the close."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from api.security.credentials import Cookies, hashed
from contracts.ballots import CountBallot, OpenBallot
from db.repositories import ballots as process_side
from db.repositories import vetting
from db.tables.access import idempotency_keys, sessions
from db.tables.ballots import ballot_roll, ballot_votes, ballots
from db.tables.people import people
from db.tables.vetting import reviews
from domain.ballots import Choice, receipt
from domain.ids import new_id
from domain.people import Role
from settings import Settings
from tests.support.vetting_api import BASE, Api, User, complete_draft, problem, running_api

WEEK = timedelta(days=7)


@pytest.fixture
async def api(database_url: str, settings: Settings) -> AsyncIterator[Api]:
    async with running_api(settings.model_copy(update={"database_url": database_url})) as running:
        yield running


async def open_ballot(api: Api, candidate: User, *, ahead: timedelta = timedelta(0)) -> str:
    """Open a ballot about a complete draft, on a clock that is ``ahead`` of the wall."""
    draft = await complete_draft(candidate)
    now = datetime.now(UTC)
    given = OpenBallot(
        ballot_id=new_id(),
        process_id=f"application/{draft['id']}",
        subject_id=draft["id"],
        candidate_id=candidate.id,
        kind="vetting",
        opens_at=now + ahead,
        closes_at=now + ahead + WEEK,
        member_for_days=30,
        quorum_share=0.1,
        quorum_minimum=2,
        approval_share=0.6,
    )
    await api.db.write(lambda conn: process_side.open_ballot(conn, given, now))
    return given.ballot_id


async def close(api: Api, ballot_id: str) -> None:
    at = datetime.now(UTC) + WEEK
    await api.db.write(lambda conn: process_side.count(conn, CountBallot(ballot_id=ballot_id, at=at)))


def vote(choice: str = "yes", nonce: str | None = None) -> dict[str, Any]:
    return {"choice": choice, "nonce": nonce or secrets.token_hex(16)}


async def voters(api: Api, number: int) -> list[User]:
    return [await api.user(f"voter{n}") for n in range(number)]


async def marks(api: Api, ballot_id: str) -> dict[str, bool]:
    rows = await api.rows(select(ballot_roll).where(ballot_roll.c.ballot_id == ballot_id))
    return {row["person_id"]: row["has_voted"] for row in rows}


async def test_a_vote_is_counted_once_and_apart_from_its_voter(api: Api) -> None:
    candidate, [ann, bob] = await api.user("candidate"), await voters(api, 2)
    ballot = await open_ballot(api, candidate)
    given = vote("no", "n" * 16)
    answer = await ann.post(f"/ballots/{ballot}/votes", given)
    assert answer.status_code == 201
    assert answer.json() == {"receipt": receipt(ballot, ann.id, "n" * 16)}
    again = await ann.post(f"/ballots/{ballot}/votes", given)
    assert (again.status_code, again.json()) == (201, answer.json())
    rows = await api.rows(select(ballot_votes))
    assert rows == [{"ballot_id": ballot, "receipt": answer.json()["receipt"], "choice": "no"}]
    assert await marks(api, ballot) == {ann.id: True, bob.id: False}


async def test_a_vote_cannot_be_changed(api: Api) -> None:
    candidate, [ann] = await api.user("candidate"), await voters(api, 1)
    ballot = await open_ballot(api, candidate)
    assert (await ann.post(f"/ballots/{ballot}/votes", vote("yes", "n" * 16))).status_code == 201
    for other in (vote("no", "n" * 16), vote("yes", "m" * 16), vote("abstain")):
        problem(await ann.post(f"/ballots/{ballot}/votes", other), 409, "already_voted")
    assert [row["choice"] for row in await api.rows(select(ballot_votes))] == ["yes"]


async def test_twenty_clicks_at_once_are_one_vote(api: Api) -> None:
    candidate, [ann] = await api.user("candidate"), await voters(api, 1)
    ballot = await open_ballot(api, candidate)
    same = vote("yes")
    sent = [same] * 10 + [vote("no") for _ in range(10)]
    answers = await asyncio.gather(*(ann.post(f"/ballots/{ballot}/votes", body) for body in sent))
    assert {answer.status_code for answer in answers} == {201, 409}
    assert len({a.json()["receipt"] for a in answers if a.status_code == 201}) == 1
    assert len(await api.rows(select(ballot_votes))) == 1


async def session_of(api: Api, user: User, *, over: bool = False) -> dict[str, str]:
    """Sign ``user`` in as a browser; return the headers of its cookie."""
    secret, now = secrets.token_urlsafe(32), datetime.now(UTC)
    row = {
        "token_hash": hashed(secret),
        "person_id": user.id,
        "created_at": now,
        "last_seen_at": now,
        "expires_at": now - WEEK if over else now + WEEK,
        "second_factor_at": None,
        "csrf_token": "c" * 43,
    }
    await api.execute(insert(sessions).values(**row))
    return {"cookie": f"{Cookies(secure=False).session}={secret}", "sec-fetch-site": "same-origin"}


async def test_votes_taken_together_each_have_their_own_answer(api: Api) -> None:
    candidate, [ann, bob, cid, dan] = await api.user("candidate"), await voters(api, 4)
    ballot, other = await open_ballot(api, candidate), await open_ballot(api, await api.user("another"))
    late, again = await api.user("late"), vote("no", "n" * 16)
    first = await ann.post(f"/ballots/{ballot}/votes", again)
    bobs, lates, over = (
        await session_of(api, bob),
        await session_of(api, late),
        await session_of(api, dan, over=True),
    )
    foreign = await session_of(api, cid) | {"sec-fetch-site": "cross-site"}

    async def cast(ballot_id: str, headers: dict[str, str]) -> Any:
        url = f"{BASE}/ballots/{ballot_id}/votes"
        return await api.anyone.post(url, json=vote("yes"), headers=headers)

    told = await asyncio.gather(
        ann.post(f"/ballots/{ballot}/votes", again),
        ann.post(f"/ballots/{ballot}/votes", vote("yes", "n" * 16)),
        ann.post(f"/ballots/{other}/votes", vote("yes")),
        cast(ballot, bobs),
        cast(ballot, lates),
        cast(ballot, over),
        cast(ballot, foreign),
        cast(ballot, {"cookie": f"{Cookies(secure=False).session}=unknown"}),
        cast(new_id(), bobs),
    )
    codes = [answer.json().get("code", 201) for answer in told]
    assert codes == [
        201,
        "already_voted",
        201,
        201,
        "not_on_roll",
        "sign_in_required",
        "cross_site_request",
        "sign_in_required",
        "not_found",
    ]
    assert told[0].json() == first.json()
    kept = [(row["ballot_id"], row["choice"]) for row in await api.rows(select(ballot_votes))]
    assert sorted(kept) == sorted([(ballot, "no"), (ballot, "yes"), (other, "yes")])
    assert {who for who, voted in (await marks(api, ballot)).items() if voted} == {ann.id, bob.id}


async def test_only_who_is_on_the_roll_votes(api: Api) -> None:
    candidate = await api.user("candidate")
    ann, fresh, fallen = [
        await api.user("ann"),
        await api.user("fresh", joined_at=datetime.now(UTC) - timedelta(days=29)),
        await api.user("fallen", good_standing=False),
    ]
    ballot = await open_ballot(api, candidate)
    late = await api.user("late")
    for nobody in (candidate, fresh, fallen, late):
        problem(await nobody.post(f"/ballots/{ballot}/votes", vote()), 403, "not_on_roll")
    problem(await ann.post(f"/ballots/{new_id()}/votes", vote()), 404, "not_found")
    problem(await api.anyone.post(f"{BASE}/ballots/{ballot}/votes", json=vote()), 401, "sign_in_required")
    assert await api.rows(select(ballot_votes)) == []


async def test_after_the_close_nobody_votes_but_a_repeated_vote_keeps_its_receipt(api: Api) -> None:
    candidate, [ann, bob] = await api.user("candidate"), await voters(api, 2)
    ballot = await open_ballot(api, candidate)
    given = vote()
    first = await ann.post(f"/ballots/{ballot}/votes", given)
    await close(api, ballot)
    problem(await bob.post(f"/ballots/{ballot}/votes", vote()), 409, "ballot_closed")
    assert (await ann.post(f"/ballots/{ballot}/votes", given)).json() == first.json()


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(days=90)], ids=["wall", "skipped"])
async def test_the_ballots_own_clock_closes_it_to_the_second(api: Api, ahead: timedelta) -> None:
    candidate, [ann, bob] = await api.user("candidate"), await voters(api, 2)
    ballot = await open_ballot(api, candidate, ahead=ahead)
    for left, voter, status in ((2.0, ann, 201), (-0.05, bob, 409)):
        closes_at = datetime.now(UTC) + ahead + timedelta(seconds=left)
        await api.execute(update(ballots).values(closes_at=closes_at))
        answer = await voter.post(f"/ballots/{ballot}/votes", vote())
        assert answer.status_code == status, answer.text
    problem(answer, 409, "ballot_closed")


async def test_who_comes_to_a_cancelled_ballot_is_told_so(api: Api) -> None:
    candidate, [ann] = await api.user("candidate"), await voters(api, 1)
    ballot = await open_ballot(api, candidate)
    await api.db.write(lambda conn: vetting.cancel_ballot(conn, ballot))
    problem(await ann.post(f"/ballots/{ballot}/votes", vote()), 410, "ballot_cancelled")
    for path in ("", "/result", "/receipts", f"/receipts/{'A' * 26}"):
        gone = problem(await ann.get(f"/ballots/{ballot}{path}"), 410, "ballot_cancelled")
        assert "withdrawn" in gone["detail"]
    page = await ann.get(f"/../../ballots/{ballot}")
    assert page.status_code == 410
    assert "The vote was called off" in page.text
    assert (await ann.get("/ballots")).json()["items"] == []


async def test_a_count_and_votes_at_once_lose_nobody(api: Api) -> None:
    candidate, people_here = await api.user("candidate"), await voters(api, 12)
    ballot = await open_ballot(api, candidate)
    answers = await asyncio.gather(
        *(voter.post(f"/ballots/{ballot}/votes", vote()) for voter in people_here[:6]),
        close(api, ballot),
        *(voter.post(f"/ballots/{ballot}/votes", vote()) for voter in people_here[6:]),
    )
    taken = sum(answer is not None and answer.status_code == 201 for answer in answers)
    [row] = await api.rows(select(ballots))
    assert row["yes"] == taken == len(await api.rows(select(ballot_votes)))
    assert sum((await marks(api, ballot)).values()) == taken


async def test_no_totals_before_the_close(api: Api) -> None:
    candidate, [ann, bob, cid] = await api.user("candidate"), await voters(api, 3)
    ballot = await open_ballot(api, candidate)
    shown = (await ann.get(f"/ballots/{ballot}")).json()
    assert shown["my"] == {"on_roll": True, "has_voted": False, "may_vote": True}
    assert (shown["roll_size"], shown["quorum"], shown["outcome"]) == (3, 2, None)
    assert not {"yes", "no", "abstain", "cast", "documents", "email"} & set(shown)
    mine = (await ann.post(f"/ballots/{ballot}/votes", vote("yes"))).json()["receipt"]
    problem(await ann.get(f"/ballots/{ballot}/result"), 409, "ballot_open")
    problem(await ann.get(f"/ballots/{ballot}/receipts"), 409, "ballot_open")
    known = (await ann.get(f"/ballots/{ballot}/receipts/{mine}")).json()
    assert known == {"receipt": mine, "present": True, "counted": None}
    assert (await ann.get(f"/ballots/{ballot}")).json()["my"]["may_vote"] is False
    await bob.post(f"/ballots/{ballot}/votes", vote("no"))
    await cid.post(f"/ballots/{ballot}/votes", vote("abstain"))
    await close(api, ballot)
    result = (await candidate.get(f"/ballots/{ballot}/result")).json()
    assert {name: result[name] for name in ("yes", "no", "abstain", "cast", "outcome", "approval")} == {
        "yes": 1,
        "no": 1,
        "abstain": 1,
        "cast": 3,
        "outcome": "failed",
        "approval": 0.5,
    }
    assert (await ann.get(f"/ballots/{ballot}/receipts/{mine}")).json()["counted"] is True
    absent = (await ann.get(f"/ballots/{ballot}/receipts/{'A' * 26}")).json()
    assert (absent["present"], absent["counted"]) == (False, False)
    first = (await ann.get(f"/ballots/{ballot}/receipts?limit=2")).json()
    rest = (await ann.get(f"/ballots/{ballot}/receipts?limit=2&cursor={first['next_cursor']}")).json()
    found = first["items"] + rest["items"]
    assert len(found) == 3
    assert found == sorted(found)
    assert mine in found
    assert rest["next_cursor"] is None


async def test_voters_see_what_reviewers_agreed_on_and_no_more(api: Api) -> None:
    candidate, [ann] = await api.user("candidate"), await voters(api, 1)
    staff = [await api.user(f"staff{n}", Role.REVIEWER) for n in range(2)]
    ballot = await open_ballot(api, candidate)
    [row] = await api.rows(select(ballots))
    shown = (await candidate.get(f"/applications/{row['subject_id']}")).json()
    claim = shown["claims"][0]["id"]
    for reviewer, verdicts in zip(staff, (("verified",), ("verified",)), strict=True):
        await api.execute(
            insert(reviews).values(
                id=new_id(),
                application_id=row["subject_id"],
                round=1,
                reviewer_id=reviewer.id,
                as_lead=False,
                decision="approve",
                checklist={},
                findings=[{"claim_id": claim, "verdict": v, "registry_checked": True} for v in verdicts],
                reasons=[],
                decided_at=datetime.now(UTC),
            )
        )
    told = (await ann.get(f"/ballots/{ballot}")).json()
    assert told["claims"] == [{"scope": "cooking", "issuer": "Guild of Fiction", "expires_on": None}]
    assert told["candidate"]["display_name"] == "Shown candidate"
    assert told["statement"] == shown["statement"]
    assert told["decides"] == "start_of_probation"
    [email] = await api.rows(select(people.c.email).where(people.c.id == candidate.id))
    assert email["email"] not in (await ann.get(f"/ballots/{ballot}")).text
    await api.execute(update(reviews).where(reviews.c.reviewer_id == staff[1].id).values(findings=[]))
    assert (await ann.get(f"/ballots/{ballot}")).json()["claims"] == []


async def test_the_list_marks_where_i_may_vote(api: Api) -> None:
    first, second, [ann] = await api.user("first"), await api.user("second"), await voters(api, 1)
    early, late = await open_ballot(api, first), await open_ballot(api, second, ahead=timedelta(days=1))
    listed = (await ann.get("/ballots?status=open")).json()["items"]
    assert [item["id"] for item in listed] == [late, early]
    assert {item["my"]["may_vote"] for item in listed} == {True}
    own = {item["id"]: item["my"] for item in (await first.get("/ballots")).json()["items"]}
    assert own[early] == {"on_roll": False, "has_voted": False, "may_vote": False}
    await close(api, early)
    assert [i["id"] for i in (await ann.get("/ballots?status=closed")).json()["items"]] == [early]
    page = (await ann.get("/ballots?limit=1")).json()
    rest = (await ann.get(f"/ballots?limit=1&cursor={page['next_cursor']}")).json()
    assert [page["items"][0]["id"], rest["items"][0]["id"], rest["next_cursor"]] == [late, early, None]


BAD_VOTES: list[Any] = [
    {},
    {"choice": "yes"},
    {"nonce": "n" * 16},
    vote("maybe"),
    vote("YES"),
    {"choice": None, "nonce": "n" * 16},
    {"choice": ["yes"], "nonce": "n" * 16},
    {"choice": "yes", "nonce": "n" * 15},
    {"choice": "yes", "nonce": "n" * 129},
    {"choice": "yes", "nonce": "n" * 15 + "\n"},
    {"choice": "yes", "nonce": "n" * 15 + "\x00"},
    {"choice": "yes", "nonce": "n" * 15 + "é"},
    {"choice": "yes", "nonce": 1234567890123456},
    vote() | {"person_id": "somebody"},
    [],
    "yes",
]


async def test_bad_votes_are_problems_and_mark_nobody(api: Api) -> None:
    candidate, [ann, bob] = await api.user("candidate"), await voters(api, 2)
    ballot = await open_ballot(api, candidate)
    for body in BAD_VOTES:
        answer = await ann.http.post(f"/ballots/{ballot}/votes", json=body)
        problem(answer, 422, "validation_failed")
    for path in (f"/ballots/{ballot}'--/votes", "/ballots/1/votes"):
        problem(await ann.post(path, vote()), 422, "validation_failed")
    for wrong in ("a" * 26, "A" * 25, "A" * 27, "%00" * 9):
        assert (await ann.get(f"/ballots/{ballot}/receipts/{wrong}")).status_code in {404, 422}
    assert await marks(api, ballot) == {ann.id: False, bob.id: False}
    for voter, nonce in ((ann, "n" * 16), (bob, "n" * 128)):
        assert (await voter.post(f"/ballots/{ballot}/votes", vote("yes", nonce))).status_code == 201
    assert await marks(api, ballot) == {ann.id: True, bob.id: True}


async def test_nothing_kept_or_logged_ties_voter_to_vote(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    candidate, [ann] = await api.user("candidate"), await voters(api, 1)
    ballot = await open_ballot(api, candidate)
    given = vote("abstain")
    answer = await ann.post(f"/ballots/{ballot}/votes", given, headers={"Idempotency-Key": "vote-key-1"})
    own = answer.json()["receipt"]
    await ann.get(f"/ballots/{ballot}/receipts/{own}")
    kept = await api.rows(select(idempotency_keys).where(idempotency_keys.c.route.contains("votes")))
    assert kept == []
    written = "".join(capsys.readouterr())
    for secret in (own, given["nonce"], "abstain"):
        assert secret not in written


async def test_every_choice_counts_as_itself(api: Api) -> None:
    candidate, here = await api.user("candidate"), await voters(api, 3)
    ballot = await open_ballot(api, candidate)
    for voter, choice in zip(here, Choice, strict=True):
        await voter.post(f"/ballots/{ballot}/votes", vote(choice.value))
    assert sorted(row["choice"] for row in await api.rows(select(ballot_votes))) == ["abstain", "no", "yes"]
