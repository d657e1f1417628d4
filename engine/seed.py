"""The demo community: people and their past written at once, and applications in every interesting state.

The applications are carried where they are by the people concerned, over the JSON API of the running
Kameng; what already happened is read from the timelines, so a seeding that was cut short goes on, and a
finished one does nothing.
"""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, NamedTuple

import httpx2
import typer
from sqlalchemy import Connection

from contracts.contributions import ContributionIn
from db.database import Database
from db.repositories import campaigns, contributions, people
from db.repositories.policies import VETTING
from domain.campaigns.terms import Status as CampaignStatus
from domain.contributions import ContributionKind
from domain.people import normalise_email
from engine.cache import Report
from engine.errors import EngineError
from engine.on_database import on_database
from engine.seed_campaigns import JOINABLE, MIDDLE_DAY, PAST, RUNNING, tell_campaigns
from engine.seed_people import ADMIN, BRIDGE, EVERYBODY, MEMBERS, Someone
from engine.seed_stories import NONCE, STORIES, Story, Teller, is_told
from engine.visitors import Entrance, Refusal, entrance
from settings import load_settings

SOURCE: Final = "demo-forum"
BRIDGE_TOKEN: Final = "forum bridge"
POLICY_NOTE: Final = "外地的证书两周常常寄不到，补材料放宽到三周；审核员提前一天提醒，不让申请人多等。"
_LAST: Final = (
    (JOINABLE, CampaignStatus.ENROLLING, 0),
    (RUNNING, CampaignStatus.RUNNING, MIDDLE_DAY),
    (PAST, CampaignStatus.SETTLED, 0),
)


class Seeded(NamedTuple):
    """How many people were added, and which stories were told now."""

    people: int
    stories: tuple[str, ...]


def _quiet(_line: str) -> None:
    return None


async def seed_demo(
    db: Database,
    base_url: str,
    *,
    report: Report = _quiet,
    transport: httpx2.AsyncBaseTransport | None = None,
) -> Seeded:
    """Put the demo community into the Kameng that runs at ``base_url`` on ``db``.

    Told again it adds nothing; after an interruption it completes. Raises ``EngineError`` if the API
    does not answer or a story goes otherwise than told.
    """
    added = await db.write(lambda conn: populate(conn, datetime.now(UTC)))
    untold = await db.read(_untold)
    if not untold and await db.read(_campaigns_are_told) and await db.read(_policy_is_told):
        return Seeded(added, ())
    report(f"{len(EVERYBODY)} fictional people; telling {len(untold)} stories")
    async with entrance(base_url, transport) as door:
        try:
            await _make_token(Teller(door, db))
            results = await asyncio.gather(
                *(_tell(Teller(door, db), story) for story in untold), return_exceptions=True
            )
        except httpx2.TransportError as error:
            raise EngineError(f"Kameng does not answer at {base_url}; is it running?") from error
        _raise_first(results)
        await _tell_the_rest(door, db)
    return Seeded(added, tuple(story.key for story in untold))


def _raise_first(results: Iterable[object]) -> None:
    for result in results:
        if isinstance(result, httpx2.TransportError):
            raise EngineError("Kameng stopped answering while the community was put in") from result
        if isinstance(result, BaseException):
            raise result


def _policy_is_told(conn: Connection) -> bool:
    return VETTING.current(conn).version > 1


async def _change_policy(teller: Teller) -> None:
    """Write the policy's second version."""
    if await teller.db.read(_policy_is_told):
        return
    admin = await teller.person(ADMIN)
    current = await admin.get("/policies/vetting")
    review = {"reminder_after_days": 2, "changes_window_days": 21, "changes_reminder_days": [7, 18]}
    body = current["body"] | {"review": current["body"]["review"] | review}
    given = {"expected_version": current["version"], "body": body, "note": POLICY_NOTE}
    await admin.ask("PUT", "/policies/vetting", f"{NONCE}-policy", json=given)


def _untold(conn: Connection) -> list[Story]:
    return [story for story in STORIES if not is_told(conn, story)]


async def _tell(teller: Teller, story: Story) -> None:
    try:
        await story.tell(teller, story.key)
    except Refusal as refusal:
        raise EngineError(f"the story of «{story.key}» went otherwise: {refusal}") from refusal


async def _tell_the_rest(door: Entrance, db: Database) -> None:
    """Tell what comes after the applications, which keep the policy that they began with."""
    try:
        await _change_policy(Teller(door, db))
        await tell_campaigns(door, db)
    except Refusal as refusal:
        raise EngineError(f"the policy or a campaign went otherwise: {refusal}") from refusal
    except httpx2.TransportError as error:
        raise EngineError("Kameng stopped answering while campaigns were put in") from error


def _campaigns_are_told(conn: Connection) -> bool:
    """Tell whether the campaigns that are told last stand where they should."""
    found = campaigns.listed(conn, [status for _, status, _ in _LAST], limit=100)
    return all(
        any(row.template == told.template and row.status == status and row.day >= day for row in found)
        for told, status, day in _LAST
    )


async def _make_token(teller: Teller) -> None:
    """Give the forum bridge its API token, whose secret nobody keeps: a new one is made at /auth/tokens."""
    bridge = await teller.person(BRIDGE)
    held = (await bridge.get("/auth/tokens"))["items"]
    if not any(token["name"] == BRIDGE_TOKEN for token in held):
        await bridge.post("/auth/tokens", {"name": BRIDGE_TOKEN, "scopes": ["contributions:write"]})


def populate(conn: Connection, now: datetime) -> int:
    """Write everybody with roles and circles, and what the members did lately, unless all are there.

    Returns how many people were added. ``now`` is the wall clock (UTC).
    """
    emails = {someone.key: normalise_email(someone.email) for someone in EVERYBODY}
    known = people.ids_by_email(conn, emails.values())
    if len(known) == len(emails):
        return 0
    waiting = list(EVERYBODY)
    while waiting:
        ids = people.ids_by_email(conn, emails.values())
        ready = [s for s in waiting if s.invited_by is None or emails[s.invited_by] in ids]
        people.create_many(conn, [_new_person(s, ids, emails, now) for s in ready], now)
        waiting = [s for s in waiting if s not in ready]
    ids = people.ids_by_email(conn, emails.values())
    admin = ids[emails[ADMIN]]
    for someone in EVERYBODY:
        person_id = ids[emails[someone.key]]
        for role in someone.roles:
            people.grant_role(conn, person_id, role, now, granted_by=admin)
        for circle in someone.circles:
            people.join_circle(conn, person_id, circle)
    contributions.record(conn, list(_past(now)), now)
    return len(ids) - len(known)


def _new_person(
    someone: Someone, ids: dict[str, str], emails: dict[str, str], now: datetime
) -> people.NewPerson:
    inviter = ids[emails[someone.invited_by]] if someone.invited_by else None
    joined = now - timedelta(days=someone.days)
    return people.NewPerson(someone.email, someone.name, someone.locale, someone.time_zone, joined, inviter)


def _past(now: datetime) -> Iterable[ContributionIn]:
    """Yield what the members did in the last weeks where the community lives."""
    for place, member in enumerate(MEMBERS):
        kinds = (ContributionKind.POST, ContributionKind.SHARE, ContributionKind.READ)
        for number in range(2 + place % 4):
            days = 1 + (place * 3 + number * 5) % 26
            if days < member.days:
                yield ContributionIn(
                    source=SOURCE,
                    reference=f"{member.key}-{number}",
                    kind=kinds[number % len(kinds)],
                    email=member.email,
                    occurred_at=now - timedelta(days=days, hours=place),
                )


def seed_command(kind: str) -> None:
    """Seed the running Kameng of the settings. Raises ``EngineError``."""
    settings = load_settings()
    if kind != "demo":
        raise EngineError(f"there is no community called {kind}; demo is one")
    if settings.production:
        raise EngineError("the demo community is for trying out, not for production")
    base_url = f"http://{settings.http_host}:{settings.http_port}"
    done = on_database(settings.database_url, partial(seed_demo, base_url=base_url, report=typer.echo))
    typer.echo(f"{done.people} people added, {len(done.stories)} stories told")
