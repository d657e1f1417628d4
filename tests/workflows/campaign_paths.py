"""Every way that a campaign can go, each with what has to be true at its end."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from db.repositories import point_checks, points
from db.tables.campaigns import (
    campaign_amnesties,
    campaign_days,
    campaign_reports,
    enrolments,
    settlements,
)
from db.tables.mail import mails
from db.tables.points import point_accounts
from domain.campaigns.terms import ReasonCode, Refusal, ReviewDecision, Status
from tests.support.campaign_case import DAY, CampaignCase
from tests.support.vetting import refused

Walk = Callable[[CampaignCase], Awaitable[None]]
SHORT = {"length_days": 3, "late_enrolment_until_day": 3, "invitations": {"mode": "off"}, "capacity": 50}


@dataclass(frozen=True)
class Path:
    """One way, and what the campaign that goes it begins with."""

    walk: Walk
    given: dict[str, Any]


PATHS: dict[str, Path] = {}


def path(**given: Any) -> Callable[[Walk], Walk]:
    def keep(walk: Walk) -> Walk:
        PATHS[walk.__name__] = Path(walk, SHORT | given)
        return walk

    return keep


async def available(case: CampaignCase, person_id: str) -> int:
    return (await case.db.read(lambda conn: points.balances(conn, person_id))).available


async def left_in_reserve(case: CampaignCase) -> int:
    """What is still reserved for the campaign; the whole ledger is proved on the way."""
    proofs = await case.db.read(point_checks.verify)
    assert not [proof for proof in proofs if proof.findings], proofs
    reserve = (point_accounts.c.kind == "reserve") & (point_accounts.c.owner == case.id)
    rows = await case.rows(select(point_accounts.c.balance).where(reserve))
    return int(rows[0]["balance"])


async def letters(case: CampaignCase) -> list[str]:
    return [row["template"] for row in await case.rows(select(mails.c.template))]


@path()
async def settled(case: CampaignCase) -> None:
    """From the plan to the settlement: everybody is paid what they earned, once."""
    assert (await case.submit()).status is Status.IN_REVIEW
    assert (await case.review()).status is Status.SCHEDULED
    ann, bob, eve = case.members
    await case.enrol()
    await case.to_day(1)
    for day in (1, 2, 3):
        await case.check_in(ann, day)
        if day != 2:
            await case.check_in(bob, day)
        await case.skip(DAY)
    assert (await case.status()).status is Status.SETTLED
    days = await case.rows(select(campaign_days).order_by(campaign_days.c.day))
    found = [(day["active"], day["checked_in"], day["missed"]) for day in days]
    assert found == [(3, 2, 1), (3, 1, 2), (3, 2, 1)]
    rewards = case.plan.rewards
    rows = {row["person_id"]: row for row in await case.rows(select(settlements))}
    assert [rows[one]["completed"] for one in (ann, bob, eve)] == [True, False, False]
    assert await available(case, ann) == 3 * rewards.check_in + rewards.completion
    assert await available(case, bob) == 2 * rewards.check_in
    assert await available(case, eve) == 0
    figures = (await case.rows(select(campaign_reports.c.figures)))[0]["figures"]
    assert (figures["completed"], figures["members"], figures["check_ins"]) == (1, 3, 5)
    sent = await letters(case)
    assert (sent.count("campaign_result"), sent.count("campaign_settled")) == (3, 1)
    assert await left_in_reserve(case) == 0


@path()
async def changed_and_rejected(case: CampaignCase) -> None:
    """Sent back, handed in again, rejected."""
    await case.submit()
    async with refused(Refusal.OWN_CAMPAIGN):
        await case.review(by=case.leader)
    async with refused(Refusal.REASONS_REQUIRED):
        await case.review(ReviewDecision.REJECT)
    view = await case.review(ReviewDecision.REQUEST_CHANGES, ReasonCode.RULES_UNCLEAR)
    assert (view.status, view.reasons) == (Status.DRAFT, (ReasonCode.RULES_UNCLEAR,))
    assert (await case.submit()).reasons == ()
    assert (await case.review(ReviewDecision.REJECT, ReasonCode.UNSUITABLE)).status is Status.REJECTED
    assert (await case.row())["reserved"] == 0


@path(starts_in=6)
async def nobody_decides(case: CampaignCase) -> None:
    """Staff are reminded; the first day passes; the leader does not answer; it is dropped."""
    await case.submit()
    await case.skip(5 * DAY)
    assert (await letters(case)).count("campaign_review_reminder") == 2
    await case.skip(2 * DAY)
    view = await case.status()
    assert (view.status, view.reasons) == (Status.DRAFT, (ReasonCode.START_PASSED,))
    async with refused(Refusal.STARTS_TOO_SOON):
        await case.submit()
    await case.skip(14 * DAY)
    row = await case.row()
    assert (row["status"], row["reasons"]) == ("cancelled", [ReasonCode.NO_ANSWER.value])


@path(pool=10)
async def pool_too_small(case: CampaignCase) -> None:
    """What cannot be paid cannot be promised; the campaign goes on waiting for a decision."""
    await case.submit()
    async with refused(Refusal.POOL_TOO_SMALL):
        await case.review()
    view = await case.status()
    assert (view.status, view.reserved) == (Status.IN_REVIEW, 0)
    await case.review(ReviewDecision.REJECT, ReasonCode.REWARDS_TOO_HIGH)


@path()
async def paused_and_resumed(case: CampaignCase) -> None:
    """A pause of four days moves what was still to come by four days."""
    await case.submit()
    await case.enrol()
    await case.to_day(2)
    before = (await case.status()).ends_at
    assert before is not None
    assert (await case.pause()).status is Status.PAUSED
    await case.skip(4 * DAY)
    assert (await case.status()).day == 2
    view = await case.resume()
    assert (view.status, view.day, view.ends_at) == (Status.RUNNING, 2, before + 4 * DAY)
    await case.skip(2 * DAY)
    assert (await case.status()).status is Status.SETTLED


@path()
async def paused_for_an_hour(case: CampaignCase) -> None:
    """A pause within the day moves nothing."""
    await case.submit()
    await case.to_day(1)
    before = (await case.status()).ends_at
    await case.pause()
    await case.skip(timedelta(hours=1))
    assert (await case.resume()).ends_at == before
    await case.cancel()


@path()
async def extended(case: CampaignCase) -> None:
    """Two more days are reserved for, and run."""
    await case.submit()
    await case.to_day(1)
    reserved = (await case.row())["reserved"]
    view = await case.extend(2)
    assert view.length_days == 5
    assert view.reserved > reserved
    async with refused(Refusal.TOO_LONG):
        await case.extend(300)
    await case.skip(5 * DAY)
    assert (await case.status()).status is Status.SETTLED
    assert len(await case.rows(select(campaign_days))) == 5
    assert await left_in_reserve(case) == 0


@path()
async def cancelled_in_the_middle(case: CampaignCase) -> None:
    """What was earned is paid, the rest goes back to the pool."""
    await case.submit()
    await case.enrol()
    await case.to_day(2)
    await case.check_in(case.members[0], 2)
    await case.cancel()
    await case.handle.result()
    assert (await case.row())["status"] == "cancelled"
    assert await available(case, case.members[0]) == case.plan.rewards.check_in
    assert (await letters(case)).count("campaign_ended_early") == 3
    assert await left_in_reserve(case) == 0


@path()
async def cancelled_while_paused(case: CampaignCase) -> None:
    """A paused campaign is settled as it stands."""
    await case.submit()
    await case.enrol()
    await case.to_day(1)
    await case.check_in(case.members[1], 1)
    await case.pause()
    await case.cancel()
    await case.handle.result()
    assert await available(case, case.members[1]) == case.plan.rewards.check_in


@path()
async def cancelled_before_the_start(case: CampaignCase) -> None:
    """Before the first day there is nothing to settle: the reservation is released at once."""
    await case.submit()
    assert (await case.review()).reserved > 0
    view = await case.cancel()
    assert view.status is Status.CANCELLED
    assert await left_in_reserve(case) == 0


@path(starts_in=9, rest_weekdays=[0, 1, 2, 3, 4, 5])
async def rest_days(case: CampaignCase) -> None:
    """A rest day breaks no streak and is no missed day."""
    await case.submit()
    await case.enrol()
    await case.to_day(1)
    await case.skip(3 * DAY)
    row = await case.rows(select(enrolments).limit(1))
    sundays = [day for day in range(3) if (case.plan.starts_on + day * DAY).weekday() == 6]
    assert row[0]["missed"] == len(sundays)
    assert (await case.status()).status is Status.SETTLED


@path(starts_in=3, enrolment_lead_days=7)
async def enrolling_at_once(case: CampaignCase) -> None:
    """Approved within the lead time it enrols at once; reminders go to whoever asked for the hour."""
    await case.submit()
    assert (await case.review()).status is Status.ENROLLING
    await case.enrol(case.members[:2])
    await case.enrol(case.members[2:], reminder_hour=None)
    await case.to_day(1)
    await case.check_in(case.members[0], 1)
    await case.skip(20 * timedelta(hours=1))
    assert (await letters(case)).count("campaign_reminder") == 1
    await case.skip(2 * DAY + timedelta(hours=8))
    assert (await case.status()).status is Status.SETTLED


@path()
async def told_of_everything(case: CampaignCase) -> None:
    """Members and the leader are told of a pause, a resumption and an extension, each time once."""
    await case.submit()
    await case.enrol()
    await case.to_day(2)
    for _ in range(2):
        await case.pause()
        await case.resume()
    await case.extend(1)
    await case.settled_down()
    sent = Counter(await letters(case))
    each = len(case.members)
    assert sent["campaign_paused"] == sent["campaign_resumed"] == 2 * each
    assert sent["campaign_paused_leader"] == sent["campaign_resumed_leader"] == 2
    assert (sent["campaign_extended"], sent["campaign_extended_leader"]) == (each, 1)
    await case.cancel()


@path(capacity=3, enrolment_lead_days=30)
async def called_off(case: CampaignCase) -> None:
    """Who enrolled in a campaign that never begins is told so, and so is who waits for a place."""
    await case.submit()
    assert (await case.review()).status is Status.ENROLLING
    ann, bob, eve = case.members
    await case.enrol([ann, bob])
    await case.enrol([eve], status="waiting", in_line=1)
    assert (await case.cancel()).status is Status.CANCELLED
    await case.handle.result()
    sent = Counter(await letters(case))
    assert (sent["campaign_called_off"], sent["campaign_cancelled"]) == (3, 1)
    assert await left_in_reserve(case) == 0


@path(capacity=2)
async def cancelled_with_a_line(case: CampaignCase) -> None:
    """Members are told with what they are paid, and who is still in line that no place comes free."""
    await case.submit()
    ann, bob, eve = case.members
    await case.enrol([ann, bob])
    await case.enrol([eve], status="waiting", in_line=1)
    await case.to_day(2)
    await case.check_in(ann, 2)
    await case.cancel()
    await case.handle.result()
    told = await case.rows(select(mails.c.person_id, mails.c.template))
    called_off = [row["person_id"] for row in told if row["template"] == "campaign_called_off"]
    ended = {row["person_id"] for row in told if row["template"] == "campaign_ended_early"}
    assert (called_off, ended) == ([eve], {ann, bob})
    assert await available(case, ann) == case.plan.rewards.check_in
    assert await left_in_reserve(case) == 0


@path(capacity=2, late_enrolment_until_day=0)
async def waited_in_vain(case: CampaignCase) -> None:
    """Where one joins before the start only, who still waits is told when the first day opens, and once."""
    await case.submit()
    ann, bob, eve = case.members
    await case.enrol([ann, bob])
    await case.enrol([eve], status="waiting", in_line=1)
    await case.to_day(1)
    await case.settled_down()
    wanted = select(mails.c.person_id).where(mails.c.template == "campaign_no_place")
    assert [row["person_id"] for row in await case.rows(wanted)] == [eve]
    await case.skip(3 * DAY)
    await case.handle.result()
    assert [row["person_id"] for row in await case.rows(wanted)] == [eve]
    assert await left_in_reserve(case) == 0


@path(length_days=5, rewards={"streaks": [{"days": 2, "points": 7}], "completion_share": 1})
async def amnesty(case: CampaignCase) -> None:
    """An outage in the middle: streaks are made whole, members told, the settlement counts with it."""
    await case.submit()
    ann, bob, eve = case.members
    await case.enrol()
    for day in (1, 2, 3):
        await case.to_day(day)
        if day != 2:
            await case.check_in(ann, day)
        await case.check_in(bob, day)
    async with refused(Refusal.AMNESTY_DAYS):
        await case.amnesty(4)
    async with refused(Refusal.OWN_CAMPAIGN):
        await case.amnesty(2, by=case.leader)
    await case.pause()
    first = await case.amnesty(2, update_id="once")
    again = await case.amnesty(2, update_id="once")
    assert first == again
    await case.settled_down()
    await case.resume()
    members = {row["person_id"]: row for row in await case.rows(select(enrolments))}
    assert [(members[one]["streak"], members[one]["missed"]) for one in (ann, bob, eve)] == [
        (2, 0),
        (3, 0),
        (0, 1),
    ]
    [batch] = await case.rows(select(campaign_amnesties))
    assert (batch["days"], batch["members"], batch["declared_by"]) == ([2], 2, case.manager)
    for day in (4, 5):
        await case.to_day(day)
        await case.check_in(ann, day)
    # The day of the outage can be the open one, and the last: it is repaired before anybody is paid.
    await case.amnesty(5)
    await case.skip(DAY)
    await case.handle.result()
    rows = {row["person_id"]: row for row in await case.rows(select(settlements))}
    assert [rows[one]["completed"] for one in (ann, bob, eve)] == [True, False, False]
    assert rows[ann]["streak_points"] == 7
    sent = Counter(await letters(case))
    assert (sent["campaign_amnesty"], sent["campaign_amnesty_leader"]) == (2 * len(case.members), 2)
    assert await left_in_reserve(case) == 0
