"""Campaigns of the demo community: being planned, waiting for approval, open to join, running, over.

Each step looks at where the campaign stands, so a seeding that was cut short goes on, and a finished one
does nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, Final, NamedTuple

from db.database import Database
from db.repositories import people
from domain.campaigns.plan import CampaignPlan
from engine.seed_people import ADMIN, CHINESE, ENGLISH, HOST, MEMBERS, Someone
from engine.visitors import Entrance, Refusal, Visitor

MIDDLE_DAY: Final = 6
CAPACITY: Final = 60
POOL: Final = 200_000
DAY: Final = timedelta(days=1)
NOTES: Final = (
    "今天早起读了二十页，把没看懂的两处记下来，晚上再查。",
    "Twenty minutes of practice before breakfast; the hard bar is slower but clean now.",
    "和同伴交换了笔记，发现自己漏了一个前提，已经补上。",
    "Tried the exercise twice, wrote down what went wrong the first time.",
)


NEWCOMERS: Final = (
    Someone("newcomer1", "示例·初晴", CHINESE),
    Someone("newcomer2", "Demo Robin Vale", ENGLISH, "Europe/Dublin"),
    Someone("newcomer3", "示例·新禾", CHINESE),
)
CROWD: Final = (
    # The mailbox of who invites them, written in another way.
    Someone("member.02+books", "示例·柏青青", CHINESE),
    Someone("friend1", "新成员 204170", CHINESE),
    Someone("friend2", "新成员 582604", CHINESE),
    Someone("friend3", "Demo Pat Hollow", ENGLISH, "Europe/Paris"),
    Someone("friend4", "New member 339517", ENGLISH, "Europe/Paris"),
)
CROWD_DAY: Final = 5
READER: Final = "Mozilla/5.0 (demo reader {day}-{number})"
FORUM: Final = "https://forum.demo.example/"


class Told(NamedTuple):
    """One campaign: from which template, who leads it, in how many days it begins, what changes.

    ``members`` take part, of whom the first invites the ``newcomers``, who make their accounts on the first
    day, and the second the ``crowd``, who come later, all at once, and are doubted; ``eager`` of ten check
    in on a day. The leader shows a note with the text ``featured`` to everybody, strangers read it, and
    where newcomers come, members pass it on.
    """

    template: str
    leader: str
    starts_in: int
    texts: dict[str, str] = {}
    plan: dict[str, Any] = {}
    members: Sequence[Someone] = ()
    newcomers: Sequence[Someone] = ()
    crowd: Sequence[Someone] = ()
    eager: int = 7
    featured: str = NOTES[2]


PLANNED: Final = Told("skill_share", "leader1", 21)
WAITING: Final = Told("topic_discussion", "leader2", 21)
JOINABLE: Final = Told("learning_plan", "leader1", 5, members=MEMBERS[:5])
RUNNING: Final = Told("check_in_challenge", "leader1", 1, members=MEMBERS, crowd=CROWD)
PAST: Final = Told(
    "product_review",
    "leader2",
    1,
    {
        "title": "Seven evenings without a screen",
        "summary": "A week of books, walks and talk instead; one line about each evening.",
        "description": "For seven evenings the screens stay dark from eight o'clock on. What do we do then? "
        "One line a day is enough. Who manages six of the seven has completed it.",
        "task": "What did you do this evening instead? One honest line.",
    },
    {
        "enrolment": "open",
        "length_days": 7,
        "requirement": {"proofs": ["note"], "min_note_characters": 10},
        "invitations": {"mode": "inside", "goal": 2, "points": 20, "rewarded_at_most": 3},
    },
    MEMBERS[:10],
    NEWCOMERS,
    eager=8,
    featured=NOTES[1],
)
Act = Callable[[int, Visitor], Awaitable[Any]]
_ALREADY: Final = frozenset({"already_checked_in"})
_OVER: Final = frozenset({"settling", "settled"})


async def tell_campaigns(door: Entrance, db: Database) -> None:
    """Bring the campaigns to where they are told to be. Raises ``Refusal`` where it goes otherwise."""
    await _begun(door, PLANNED)
    await _handed_in(door, WAITING)
    admin = await _by_key(door, ADMIN)
    deposit = {"amount": POOL, "source": "sponsorship", "reference": "demo sponsor"}
    await admin.post("/staff/pool/deposits", deposit, key="seed-deposit")
    await asyncio.gather(_joined(door), _lived(door, db, RUNNING, CROWD_DAY), _past(door, db))
    # Whoever comes from here on is no new member of the days that are reported.
    await _lived(door, db, RUNNING, MIDDLE_DAY)


async def _joined(door: Entrance) -> None:
    campaign_id = await _approved(door, JOINABLE)
    await _enrolled(door, campaign_id, JOINABLE)


async def _past(door: Entrance, db: Database) -> None:
    campaign_id = await _lived(door, db, PAST, PAST.plan["length_days"] + 1)
    admin = await _by_key(door, ADMIN)
    while (await _show(door, campaign_id))["status"] != "settled":
        await admin.skip_process(f"campaign/{campaign_id}", DAY)


async def _by_key(door: Entrance, key: str) -> Visitor:
    return await door.by_name(f"{key}@{HOST}")


async def _begun(door: Entrance, told: Told) -> str:
    """Return the campaign; a draft is written if there is none."""
    leader = await _by_key(door, told.leader)
    for campaign in (await leader.get("/me/campaigns"))["items"]:
        if campaign["template"] == told.template:
            return str(campaign["id"])
    now = datetime.now(UTC)
    body = {"template": told.template, "starts_on": (now + told.starts_in * DAY).date().isoformat()}
    draft = await leader.post("/campaigns", body, key=f"seed-{told.template}")
    starts_on = first_date(CampaignPlan.model_validate(draft["plan"]), told.starts_in, now)
    plan = draft["plan"] | {
        "starts_on": starts_on.isoformat(),
        "capacity": CAPACITY,
        "late_enrolment_until_day": draft["plan"]["length_days"],
    }
    changes = told.texts | {"plan": plan | told.plan}
    await leader.patch(f"/campaigns/{draft['id']}", changes, version=draft["edit_version"])
    return str(draft["id"])


def first_date(plan: CampaignPlan, starts_in: int, now: datetime) -> date:
    """Return the local date that is ``starts_in`` (≥ 1) of the plan's own days after that of ``now`` (UTC).

    From a plan's cut-off until midnight in UTC its zone can be a date ahead: there the first day of
    «tomorrow, by UTC» has begun.
    """
    here = now.astimezone(plan.zone) - timedelta(minutes=plan.cutoff_minutes)
    return here.date() + starts_in * DAY


async def _show(door: Entrance, campaign_id: str) -> dict[str, Any]:
    return dict(await (await _by_key(door, ADMIN)).get(f"/campaigns/{campaign_id}"))


async def _handed_in(door: Entrance, told: Told) -> str:
    campaign_id = await _begun(door, told)
    if (await _show(door, campaign_id))["status"] == "draft":
        await (await _by_key(door, told.leader)).post(f"/campaigns/{campaign_id}/submit")
    return campaign_id


async def _approved(door: Entrance, told: Told) -> str:
    campaign_id = await _handed_in(door, told)
    if (await _show(door, campaign_id))["status"] == "in_review":
        admin = await _by_key(door, ADMIN)
        await admin.post(f"/campaigns/{campaign_id}/review", {"decision": "approve"})
    return campaign_id


async def _lived(door: Entrance, db: Database, told: Told, until: int) -> str:
    """Let members enrol and check in, each as eager as their place says, until day ``until``."""
    campaign_id = await _approved(door, told)
    path, process = f"/campaigns/{campaign_id}", f"campaign/{campaign_id}"
    show = await _show(door, campaign_id)
    admin = await _by_key(door, ADMIN)
    if show["day"] == 0:
        await _enrolled(door, campaign_id, told)
        begins = datetime.fromisoformat(show["starts_at"]) - datetime.fromisoformat(show["now"])
        await admin.skip_process(process, max(begins, timedelta()) + DAY / 4)
    while (show := await _show(door, campaign_id))["day"] < until and show["status"] not in _OVER:
        day = show["day"]
        if day == 1:
            await _come(door, db, path, told.members[0], told.newcomers)
        if day == CROWD_DAY:
            await _come(door, db, path, told.members[1], told.crowd)
        everybody = (*told.members, *told.newcomers, *(told.crowd if day >= CROWD_DAY else ()))
        eager = [one for place, one in enumerate(everybody) if (place * 7 + day * 3) % 10 < told.eager]
        await _each(door, eager, partial(_check_in, path, day))
        if day == 1:
            await _featured(await _by_key(door, told.leader), path, told.featured)
        await _read(door, path, day)
        if told.newcomers:
            await _passed_on(door, path, told.members[day % len(told.members)])
        await admin.skip_process(process, DAY)
    return campaign_id


async def _enrolled(door: Entrance, campaign_id: str, told: Told) -> None:
    path = f"/campaigns/{campaign_id}"
    await _each(door, told.members, lambda _place, visitor: visitor.post(f"{path}/enrolments"))


async def _come(
    door: Entrance, db: Database, path: str, inviting: Someone, friends: Sequence[Someone]
) -> None:
    """Let friends make accounts after they were given a member's code, and enrol by it one by one."""
    if not friends:
        return
    inviter = await door.by_name(inviting.email)
    body = {"invite_code": (await inviter.post(f"{path}/invitations"))["code"]}
    now = datetime.now(UTC)
    new = [people.NewPerson(one.email, one.name, one.locale, one.time_zone, now) for one in friends]
    await db.write(lambda conn: people.create_many(conn, new, now))
    for friend in friends:
        await (await door.by_name(friend.email)).post(f"{path}/enrolments", body)


async def _read(door: Entrance, path: str, day: int) -> None:
    """Let strangers read the notes that everybody may see, some of them sent by a forum."""
    admin = await _by_key(door, ADMIN)
    for note in (await admin.get(f"{path}/shared-notes"))["items"]:
        for number in range(1 + day * 5 % 4):
            browser = {
                "User-Agent": READER.format(day=day, number=number),
                "Accept-Language": (CHINESE, ENGLISH)[number % 2],
            }
            reader = door.stranger(**browser | ({"Referer": FORUM} if number % 2 else {}))
            await reader.http.get(f"/s/{note['code']}")


async def _passed_on(door: Entrance, path: str, sharer: Someone) -> None:
    """Let somebody pass the notes on that everybody may see."""
    visitor = await door.by_name(sharer.email)
    for note in (await visitor.get(f"{path}/shared-notes"))["items"]:
        for channel in ("link", "poster"):
            await visitor.post(f"/shared-notes/{note['code']}/shares", {"channel": channel})


async def _check_in(path: str, day: int, place: int, visitor: Visitor) -> None:
    try:
        await visitor.post(f"{path}/checkins", {"note": NOTES[(place + day) % len(NOTES)]})
    except Refusal as refusal:
        # The day was lived before the seeding was cut short.
        if refusal.code not in _ALREADY:
            raise


async def _featured(leader: Visitor, path: str, text: str) -> None:
    """Have the leader show a note with that text to everybody."""
    notes = (await leader.get(f"{path}/notes"))["items"]
    for note in [one for one in notes if one["note"] == text and one["may_feature"]][:1]:
        await leader.post(f"/checkins/{note['check_in_id']}/feature")


async def _each(door: Entrance, people: Iterable[Someone], act: Act) -> None:
    visitors = [await door.by_name(someone.email) for someone in people]
    await asyncio.gather(*(act(place, visitor) for place, visitor in enumerate(visitors)))
