"""Campaigns of the demo community: one in its middle days, one that waits for approval, one being planned.

Each step looks at where the campaign stands, so a seeding that was cut short goes on, and a finished one
does nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from engine.seed_people import ADMIN, HOST, MEMBERS, Someone
from engine.visitors import Entrance, Refusal, Visitor

RUNNING, WAITING, PLANNED = "check_in_challenge", "topic_discussion", "skill_share"
LEADERS: Final = {RUNNING: "leader1", WAITING: "leader2", PLANNED: "leader1"}
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
Act = Callable[[int, Visitor], Awaitable[Any]]
_ALREADY: Final = frozenset({"already_checked_in"})


async def tell_campaigns(door: Entrance) -> None:
    """Bring the three campaigns to where they are told to be. Raises ``Refusal`` where it goes otherwise."""
    running, waiting, _ = [await _begun(door, template) for template in (RUNNING, WAITING, PLANNED)]
    await _handed_in(door, WAITING, waiting)
    await _handed_in(door, RUNNING, running)
    await _approved(door, running)
    await _lived(door, running)


async def _leader(door: Entrance, template: str) -> Visitor:
    return await door.by_name(f"{LEADERS[template]}@{HOST}")


async def _begun(door: Entrance, template: str) -> str:
    """Return the campaign from that template; a draft is written if there is none."""
    leader = await _leader(door, template)
    for campaign in (await leader.get("/me/campaigns"))["items"]:
        if campaign["template"] == template:
            return str(campaign["id"])
    days = 1 if template == RUNNING else 21
    starts_on = (datetime.now(UTC) + days * DAY).date().isoformat()
    body = {"template": template, "starts_on": starts_on}
    draft = await leader.post("/campaigns", body, key=f"seed-{template}")
    plan = draft["plan"] | {"capacity": CAPACITY, "late_enrolment_until_day": draft["plan"]["length_days"]}
    await leader.patch(f"/campaigns/{draft['id']}", {"plan": plan}, version=draft["edit_version"])
    return str(draft["id"])


async def _show(door: Entrance, campaign_id: str) -> dict[str, Any]:
    admin = await door.by_name(f"{ADMIN}@{HOST}")
    return dict(await admin.get(f"/campaigns/{campaign_id}"))


async def _handed_in(door: Entrance, template: str, campaign_id: str) -> None:
    if (await _show(door, campaign_id))["status"] == "draft":
        await (await _leader(door, template)).post(f"/campaigns/{campaign_id}/submit")


async def _approved(door: Entrance, campaign_id: str) -> None:
    if (await _show(door, campaign_id))["status"] != "in_review":
        return
    admin = await door.by_name(f"{ADMIN}@{HOST}")
    deposit = {"amount": POOL, "source": "sponsorship", "reference": "demo sponsor"}
    await admin.post("/staff/pool/deposits", deposit, key="seed-deposit")
    await admin.post(f"/campaigns/{campaign_id}/review", {"decision": "approve"})


async def _lived(door: Entrance, campaign_id: str) -> None:
    """Let members enrol and check in, each as eager as their place says, until the middle day."""
    path = f"/campaigns/{campaign_id}"
    show = await _show(door, campaign_id)
    if show["day"] >= MIDDLE_DAY or show["status"] not in {"scheduled", "enrolling", "running"}:
        return
    admin = await door.by_name(f"{ADMIN}@{HOST}")
    if show["day"] == 0:
        await _each(door, MEMBERS, lambda _place, visitor: visitor.post(f"{path}/enrolments"))
        begins = datetime.fromisoformat(show["starts_at"]) - datetime.fromisoformat(show["now"])
        await admin.skip_process(f"campaign/{campaign_id}", max(begins, timedelta()) + DAY / 4)
    while (day := (await _show(door, campaign_id))["day"]) < MIDDLE_DAY:
        eager = [one for place, one in enumerate(MEMBERS) if (place * 7 + day * 3) % 10 < 7]
        await _each(door, eager, partial(_check_in, path, day))
        await admin.skip_process(f"campaign/{campaign_id}", DAY)


async def _check_in(path: str, day: int, place: int, visitor: Visitor) -> None:
    try:
        await visitor.post(f"{path}/checkins", {"note": NOTES[(place + day) % len(NOTES)]})
    except Refusal as refusal:
        # The day was lived before the seeding was cut short.
        if refusal.code not in _ALREADY:
            raise


async def _each(door: Entrance, people: Iterable[Someone], act: Act) -> None:
    visitors = [await door.by_name(someone.email) for someone in people]
    await asyncio.gather(*(act(place, visitor) for place, visitor in enumerate(visitors)))
