"""Invitations by mail over HTTP: sending, limits, no finding out who is a member, joining, never again."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import insert, select, update

from api.housekeeping import Housekeeping
from db.repositories import invitation_mails as repository
from db.repositories import invitation_policies, mail_delivery, mail_events
from db.tables.campaigns import enrolments
from db.tables.invitation_mails import invitation_mails, invitation_refusals
from db.tables.invitations import invitation_joins, invitations
from db.tables.mail import mails
from db.tables.people import people
from domain.campaigns.invitation_mails import InvitationPolicy
from domain.campaigns.terms import Status
from domain.mail import MailStatus
from domain.people import Role, address_hash
from mail.config import MailConfig
from mail.factory import build_renderer
from settings import Settings
from tests.api.test_invitations import SITE, enrol, sign_up
from tests.support.browser import browser, parts_of
from tests.support.campaigns import Campaign
from tests.support.vetting_api import Api, User, problem, running_api

FRIEND = "new.friend@friends.example"
DAY = timedelta(days=1)


@pytest.fixture
async def api(database_url: str, settings: Settings) -> AsyncIterator[Api]:
    async with running_api(settings.model_copy(update={"database_url": database_url})) as running:
        yield running


async def ask(user: User, campaign: Campaign, email: str = FRIEND, **headers: str) -> httpx2.Response:
    body = {"channel": "email", "email": email}
    return await user.http.post(f"/campaigns/{campaign.id}/invitations", json=body, headers=headers)


async def invite(user: User, campaign: Campaign, email: str = FRIEND) -> dict[str, Any]:
    answer = await ask(user, campaign, email)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def led(api: Api, **changes: Any) -> tuple[User, Campaign]:
    ann = await api.user("ann")
    return ann, await Campaign.at(api.db, leader=ann.id, **changes)


async def mailed(api: Api) -> list[dict[str, Any]]:
    wanted = select(mails).where(mails.c.template == "campaign_invitation").order_by(mails.c.id)
    return await api.rows(wanted)


async def addresses(api: Api) -> list[str]:
    """Every address that is stored with an invitation."""
    kept = await api.rows(select(invitation_mails.c.email).where(invitation_mails.c.email.is_not(None)))
    return [row["to_email"] for row in await mailed(api)] + [row["email"] for row in kept]


async def state(user: User, campaign: Campaign) -> list[tuple[str, str]]:
    """Status and delivery of the mailed invitations, newest first."""
    mine = (await user.get(f"/campaigns/{campaign.id}/invitations")).json()
    return [(one["status"], one["delivery"]) for one in mine["invitations"] if one["channel"] == "email"]


async def send(api: Api, status: MailStatus = MailStatus.SENT) -> list[Any]:
    """Claim what is queued and record that it came to ``status``; return the letters that may leave."""
    now = datetime.now(UTC)

    def run(conn: Any) -> list[Any]:
        claimed = mail_delivery.claim(conn, 100, now, timedelta(minutes=1))
        outcomes = [
            mail_delivery.Settled(
                one.id, one.claims, MailStatus.SUPPRESSED if one.barred else status, error=None
            )
            for one in claimed
        ]
        mail_delivery.record(conn, outcomes, now)
        return [one for one in claimed if not one.barred and one.template == "campaign_invitation"]

    return await api.db.write(run)


def rendered(api: Api, letter: Any) -> Any:
    return build_renderer(MailConfig.model_validate(parts_of(api).settings, from_attributes=True)).render(
        letter
    )


async def test_a_friend_is_mailed_opens_signs_up_and_joins(api: Api) -> None:
    ann, campaign = await led(api, enrolment="invitation")
    made = await invite(ann, campaign)
    assert (made["channel"], made["status"], made["delivery"]) == ("email", "created", "waiting")
    assert made["url"].rsplit("/", 1)[-1] == made["code"]
    assert len(made["code"]) >= 22
    [letter] = await send(api)
    assert (letter.to_email, letter.person_id, letter.list_mail) == (FRIEND, None, True)
    mail = rendered(api, letter)
    assert mail.links[0].endswith(f"/i/{made['code']}")
    assert "Shown ann" in mail.subject
    assert await state(ann, campaign) == [("sent", "sent")]
    guest = await browser(api, SITE)
    assert (await guest.get(f"/i/{made['code']}")).status_code == 200
    assert await state(ann, campaign) == [("opened", "sent")]
    await sign_up(api, guest, FRIEND, f"/i/{made['code']}")
    joined = await guest.post(f"/i/{made['code']}")
    own_page = f"/campaigns/{campaign.id}/me?done=enrolled"
    assert (joined.status_code, joined.headers["location"]) == (303, own_page)
    assert await state(ann, campaign) == [("joined", "sent")]
    [row] = await api.rows(select(invitation_joins))
    assert (row["new_member"], row["status"], row["reasons"]) == (True, "joined", [])
    assert row["invitation_id"] == made["id"]
    again = await guest.get(f"/i/{made['code']}")
    assert (again.status_code, again.headers["location"]) == (303, f"/campaigns/{campaign.id}/me")
    # One code, one friend.
    other = await api.user("other")
    assert (await (await browser(api, SITE)).get(f"/i/{made['code']}")).status_code == 404
    problem(await enrol(other, campaign, made["code"]), 403, "invitation_required")


async def test_one_mailbox_is_one_invitation_however_it_is_spelled(api: Api) -> None:
    ann, campaign = await led(api)
    made = await invite(ann, campaign, "some.body+a@gmail.com")
    for spelled in ("somebody@gmail.com", "Some.Body@GoogleMail.com"):
        assert (await invite(ann, campaign, spelled))["code"] == made["code"]
    assert len(await mailed(api)) == 1
    # Another member's invitation has a code of its own, and the mailbox is not written to again.
    bob = await api.user("bob")
    await enrol(bob, campaign)
    theirs = await invite(bob, campaign, "somebody@gmail.com")
    assert theirs["code"] != made["code"]
    assert len(await mailed(api)) == 1
    assert await state(bob, campaign) == [("created", "not_sent")]
    # Another campaign is another occasion.
    elsewhere = await Campaign.at(api.db, leader=ann.id)
    await invite(ann, elsewhere, "somebody@gmail.com")
    assert len(await mailed(api)) == 2


async def test_two_tabs_at_once_make_one_invitation(api: Api) -> None:
    ann, campaign = await led(api)
    answers = await asyncio.gather(*(ask(ann, campaign) for _ in range(6)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["code"] for answer in answers}) == 1
    assert len(await api.rows(select(invitation_mails))) == len(await mailed(api)) == 1
    key = {"Idempotency-Key": "the-same"}
    first, second = [await ask(ann, campaign, "second@friends.example", **key) for _ in range(2)]
    assert first.json() == second.json()
    assert second.headers["idempotency-replayed"] == "true"


async def test_nobody_finds_out_who_is_a_member(api: Api) -> None:
    ann, campaign = await led(api)
    member, quiet, away, inside = [await api.user(n) for n in ("member", "quiet", "away", "inside")]
    await api.execute(update(people).where(people.c.id == quiet.id).values(list_mail=False))
    await api.execute(update(people).where(people.c.id == away.id).values(status="suspended"))
    assert (await enrol(inside, campaign)).status_code == 201
    rows = {row["id"]: row["email"] for row in await api.rows(select(people.c.id, people.c.email))}
    addresses = [FRIEND, *(rows[one.id] for one in (member, quiet, away, inside))]
    answers = [await ask(ann, campaign, address) for address in addresses]
    assert [answer.status_code for answer in answers] == [201] * 5

    def shape(answer: httpx2.Response, address: str) -> dict[str, Any]:
        changing = {"id", "code", "url", "qr_url", "created_at", "expires_at"}
        body = {key: value for key, value in answer.json().items() if key not in changing}
        assert body.pop("email") == address
        return body

    known, unknown = shape(answers[1], addresses[1]), shape(answers[0], addresses[0])
    assert known == unknown
    assert {str(shape(answer, at)) for answer, at in zip(answers, addresses, strict=True)} == {str(unknown)}
    stranger, known_one = await send(api)
    # Who takes part already, wants no list mail or is away is not written to, and looks like any mailbox
    # that wants no invitation.
    told = [delivery for _, delivery in await state(ann, campaign)]
    assert told == ["not_sent", "not_sent", "not_sent", "sent", "sent"]
    assert (stranger.person_id, known_one.person_id) == (None, member.id)
    assert "You are a member already" in rendered(api, known_one).text
    assert "You are a member already" not in rendered(api, stranger).text
    # A member who comes by it is not a new one.
    assert (await enrol(member, campaign, answers[1].json()["code"])).status_code == 201
    [row] = await api.rows(select(invitation_joins))
    assert (row["new_member"], row["reasons"]) == (False, [])


async def test_what_is_refused(api: Api) -> None:
    ann, campaign = await led(api)
    bob = await api.user("bob")
    problem(await ask(bob, campaign), 403, "not_enrolled")
    own = (await api.rows(select(people.c.email).where(people.c.id == ann.id)))[0]["email"]
    problem(await ask(ann, campaign, own), 422, "invitation_own_address")
    problem(await ask(ann, campaign, "x@mailinator.com"), 422, "address_disposable")
    problem(await ask(ann, campaign, "x@sub.MAILINATOR.com"), 422, "address_disposable")
    for wrong in ("", "nobody", "a@b", "a\r\nBcc: x@y.example@z.example", "x" * 400 + "@friends.example"):
        problem(await ask(ann, campaign, wrong), 422, "validation_failed")
    at = f"/campaigns/{campaign.id}/invitations"
    problem(await ann.post(at, {"channel": "email"}), 422, "validation_failed")
    problem(await ann.post(at, {"channel": "link", "email": FRIEND}), 422, "validation_failed")
    off = await Campaign.at(api.db, leader=ann.id, invitations={"mode": "off"})
    problem(await ask(ann, off), 409, "invitations_off")
    over = await Campaign.at(api.db, leader=ann.id, day=31, status=Status.SETTLED)
    problem(await ask(ann, over), 404, "not_found")
    assert await mailed(api) == []


async def test_who_takes_part_by_the_time_of_the_mail_or_comes_too_late_is_not_written_to(api: Api) -> None:
    ann, campaign = await led(api, capacity=1, waiting_list=True, late_enrolment_until_day=2)
    users = [await api.user(name) for name in ("seated", "waiting", "gone")]
    for user in users:
        await invite(ann, campaign, await email_of(api, user))
    await invite(ann, campaign)
    for user in users:
        assert (await enrol(user, campaign)).status_code == 201
    assert (await users[2].http.delete(f"/campaigns/{campaign.id}/enrolments/me")).status_code == 204
    assert [one.to_email for one in await send(api)] == [await email_of(api, users[2]), FRIEND]
    await campaign.go(2)
    await invite(ann, campaign, "late@friends.example")
    await campaign.go(3)
    assert await send(api) == []
    problem(await ask(ann, campaign, "later@friends.example"), 409, "joining_over")
    problem(await ann.post(f"/campaigns/{campaign.id}/invitations"), 409, "joining_over")


async def email_of(api: Api, user: User) -> str:
    [row] = await api.rows(select(people.c.email).where(people.c.id == user.id))
    return str(row["email"])


async def test_the_letter_names_the_last_day_to_join_where_that_is_earlier(api: Api) -> None:
    ann, campaign = await led(api, late_enrolment_until_day=5)
    made = await invite(ann, campaign)
    [letter] = await send(api)
    # March 2 is day 1; day 5 closes in the night after March 6.
    assert "March 7, 2026" in rendered(api, letter).text
    # The link itself stays good for whoever wants to read what it was.
    assert datetime.fromisoformat(made["expires_at"]) > datetime.now(UTC) + timedelta(days=5)
    other = await Campaign.at(api.db, leader=ann.id, starts_on="2036-03-03")
    made = await invite(ann, other, "second@friends.example")
    [letter] = await send(api)
    assert datetime.fromisoformat(letter.data["expires_at"]) == datetime.fromisoformat(made["expires_at"])


async def test_limits_of_a_day_of_a_campaign_and_of_a_mailbox(api: Api) -> None:
    ann, campaign = await led(api)
    await change_policy(api, ann, mails_a_day=2, mails_a_campaign=3, mails_to_address_a_week=1)
    await invite(ann, campaign, "one@friends.example")
    answers = await asyncio.gather(*(ask(ann, campaign, f"{n}@friends.example") for n in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 429, 429, 429]
    refused = next(answer for answer in answers if answer.status_code == 429)
    document = problem(refused, 429, "too_many_requests")
    assert DAY.total_seconds() - 60 < document["retry_after_seconds"] <= DAY.total_seconds()
    # What is invited already costs nothing.
    await invite(ann, campaign, "one@friends.example")
    earlier = datetime.now(UTC) - DAY
    await api.execute(update(invitation_mails).values(created_at=earlier))
    await invite(ann, campaign, "three@friends.example")
    problem(await ask(ann, campaign, "four@friends.example"), 429, "invitations_used_up")
    # A mailbox hears of one campaign a week, whoever invites; its inviters are not told why.
    other = await Campaign.at(api.db, leader=(await api.user("zoe")).id)
    zoe = api.users[-1]
    await invite(zoe, other, "one@friends.example")
    assert await state(zoe, other) == [("created", "not_sent")]


async def change_policy(api: Api, by: User, **values: Any) -> None:
    policy = InvitationPolicy(**values)
    now = datetime.now(UTC)
    await api.db.write(
        lambda conn: invitation_policies.add_version(
            conn, policy, expected_version=0, now=now, created_by=by.id, note=""
        )
    )


async def test_never_again_without_an_account(api: Api) -> None:
    ann, campaign = await led(api)
    made = await invite(ann, campaign)
    [letter] = await send(api)
    leave = rendered(api, letter).links[1]
    path = leave.removeprefix(parts_of(api).settings.public_url)
    guest = await browser(api, SITE, **{"Accept-Language": "zh-CN"})
    page = await guest.get(path)
    # In the language of the mail, and opening it changes nothing.
    assert "Nobody will be able to send" in page.text
    assert await api.rows(select(invitation_refusals)) == []
    # A mail program's one click (RFC 8058): a post from nowhere, with no cookie and no page of ours.
    program = await browser(api, SITE)
    program.headers.clear()
    clicked = await program.post(path, data={"List-Unsubscribe": "One-Click"})
    assert clicked.status_code == 200
    assert (await guest.post(path)).status_code == 200
    [row] = await api.rows(select(invitation_refusals))
    assert row["address_hash"] == address_hash(FRIEND)
    assert await addresses(api) == [""]
    assert (await guest.get(f"/i/{made['code']}")).status_code == 404
    # However it is spelled, and in whatever campaign, nothing leaves any more.
    other = await Campaign.at(api.db, leader=ann.id)
    await invite(ann, other, FRIEND.replace("@", "+x@").upper())
    assert await send(api) == []
    assert await state(ann, other) == [("created", "not_sent")]
    broken = path[:-2] + ("AA" if path[-2:] != "AA" else "BB")
    assert (await guest.post(broken)).status_code == 404


async def test_a_refusal_holds_for_a_mail_that_is_queued(api: Api) -> None:
    ann, campaign = await led(api)
    await invite(ann, campaign)
    await api.execute(
        insert(invitation_refusals).values(address_hash=address_hash(FRIEND), created_at=datetime.now(UTC))
    )
    assert await send(api) == []
    assert await state(ann, campaign) == [("created", "not_sent")]


async def test_taken_back_before_it_left_it_never_leaves_and_the_address_goes(api: Api) -> None:
    ann, campaign = await led(api)
    made = await invite(ann, campaign)
    at = f"/campaigns/{campaign.id}/invitations/{made['id']}"
    problem(await (await api.user("bob")).http.delete(at), 404, "not_found")
    for _ in range(2):
        assert (await ann.http.delete(at)).status_code == 204
    assert await send(api) == []
    assert await addresses(api) == [""]
    mine = (await ann.get(f"/campaigns/{campaign.id}/invitations")).json()["invitations"]
    assert [(one["status"], one["email"]) for one in mine] == [("expired", None)]
    problem(await ask(ann, campaign), 409, "invitation_address_used")
    # The mailbox has heard of nothing: somebody else may still write to it.
    bob = api.users[-1]
    await enrol(bob, campaign)
    await invite(bob, campaign)
    assert [one.to_email for one in await send(api)] == [FRIEND]


@pytest.mark.parametrize(
    ("status", "delivery"),
    [(MailStatus.BOUNCED, "bounced"), (MailStatus.FAILED, "failed"), (MailStatus.SUPPRESSED, "not_sent")],
)
async def test_what_became_of_the_mail_is_shown(api: Api, status: MailStatus, delivery: str) -> None:
    ann, campaign = await led(api)
    await invite(ann, campaign)
    await api.execute(update(mails).values(status=status.value))
    assert await state(ann, campaign) == [("created", delivery)]


async def test_it_expires_and_its_address_is_deleted_later(api: Api) -> None:
    ann, campaign = await led(api)
    made, now = await invite(ann, campaign), datetime.now(UTC)
    long_ago = now - timedelta(days=40)
    await api.execute(
        update(invitations).values(created_at=long_ago - DAY, expires_at=now - timedelta(seconds=1)),
        update(invitation_mails).values(created_at=long_ago - DAY),
    )
    assert await send(api) == []
    assert await state(ann, campaign) == [("expired", "not_sent")]
    assert (await (await browser(api, SITE)).get(f"/i/{made['code']}")).status_code == 404
    house = Housekeeping(parts_of(api))
    await house.prune()
    assert (await mailed(api))[0]["to_email"] == FRIEND
    await api.execute(update(invitations).values(expires_at=long_ago))
    await house.prune()
    assert (await mailed(api))[0]["to_email"] == ""
    [row] = await api.rows(select(invitation_mails))
    assert (row["email"], row["address_hash"]) == (None, address_hash(FRIEND))


async def test_somebody_elses_use_is_a_doubt(api: Api) -> None:
    ann, campaign = await led(api, enrolment="invitation")
    made, bob = await invite(ann, campaign), await api.user("bob")
    assert (await enrol(bob, campaign, made["code"])).status_code == 201
    [row] = await api.rows(select(invitation_joins))
    assert (row["status"], row["reasons"]) == ("doubtful", ["other_address"])
    # To the inviter it is somebody who joined.
    assert await state(ann, campaign) == [("joined", "waiting")]
    boss = await api.user("boss", Role.CAMPAIGN_MANAGER)
    [doubt] = (await boss.get("/staff/invitations/doubtful")).json()["items"]
    assert doubt["reasons"] == ["other_address"]


async def test_two_who_come_by_one_code_at_once(api: Api) -> None:
    ann, campaign = await led(api, enrolment="invitation")
    made = await invite(ann, campaign)
    users = [await api.user(f"u{n}") for n in range(4)]
    answers = await asyncio.gather(*(enrol(user, campaign, made["code"]) for user in users))
    assert sorted(answer.status_code for answer in answers) == [201, 403, 403, 403]
    assert len(await api.rows(select(invitation_joins))) == 1
    assert len(await api.rows(select(enrolments))) == 1


async def test_who_cuts_the_link_is_seen_no_more(api: Api) -> None:
    ann, campaign = await led(api)
    made, bob = await invite(ann, campaign), await api.user("bob")
    await enrol(bob, campaign, made["code"])
    assert (await bob.post("/me/inviter/sever")).status_code == 204
    assert await state(ann, campaign) == [("expired", "waiting")]


async def test_names_and_titles_cannot_reach_headers_or_markup(api: Api) -> None:
    ann, campaign = await led(api)
    name = "<img src=x onerror=1>\r\nBcc: all@evil.example http://evil.example/pay"
    await api.execute(update(people).where(people.c.id == ann.id).values(display_name=name))
    await invite(ann, campaign)
    [letter] = await send(api)
    mail = rendered(api, letter)
    assert not re.search(r"[\r\n]", mail.subject)
    assert "<img" not in mail.html
    assert "evil.example" not in mail.html + mail.text + mail.subject
    path = mail.links[0].removeprefix(parts_of(api).settings.public_url)
    landed = await (await browser(api, SITE)).get(path)
    assert "<img src=x" not in landed.text


async def test_an_outside_campaign_invites_without_a_promise(api: Api) -> None:
    ann, campaign = await led(
        api, invitations={"mode": "outside", "points": 0, "rewarded_at_most": 0, "goal": 0}
    )
    await invite(ann, campaign)
    [letter] = await send(api)
    assert not re.search(r"point|reward|积分|奖", rendered(api, letter).text)
    mine = (await ann.get(f"/campaigns/{campaign.id}/invitations")).json()
    assert mine["rewarded_at_most"] == 0


async def test_a_complaint_about_a_forgotten_mail_suppresses_nobody(api: Api) -> None:
    ann, campaign = await led(api)
    made = await invite(ann, campaign)
    await send(api)
    await api.db.write(lambda conn: repository.forget(conn, [made["id"]], datetime.now(UTC)))
    [row] = await mailed(api)
    assert (row["status"], row["to_email"]) == ("sent", "")
    letter = await api.db.read(lambda conn: mail_events.letter(conn, row["id"]))
    assert letter is not None
    assert rendered(api, letter).subject
