"""The front page, the list of leaders, and the choice of language."""

from typing import Literal, NamedTuple

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from api.dependencies import PartsDep
from api.idempotency import exempt
from api.inputs import Input
from api.pages.campaigns import grouped
from api.pages.forms import checked, local, seen, typed
from api.pages.rendering import LANGUAGE_COOKIE, page, reader_of
from api.pages.visitors import visitor
from api.pagination import PagingDep
from api.schemas.ballots import BallotSummary, LeaderOut
from api.schemas.campaigns import CampaignSummary
from api.schemas.enrolments import MyCampaignOut
from api.security import allow
from api.security.gate import Actor
from api.services import ballots, leaders
from api.services.my_campaigns import mine
from db.repositories import access, votes
from domain.ballots import BallotStatus

router = APIRouter(dependencies=[allow.anyone])

_SHOWN = 6
_A_YEAR = 365 * 24 * 3600


class _Language(Input):
    locale: Literal["zh-CN", "en"]
    back: str = "/"


@router.get("/")
async def front(request: Request, parts: PartsDep) -> Response:
    """Show what I have to do today, what this community does, who leads it, and what is put to the vote."""
    actor = await visitor(request)
    locale = reader_of(request, actor).locale

    def read(conn: Connection) -> _Front:
        groups = grouped(conn, locale, _SHOWN, ("running", "enrolling"))
        own = mine(conn, actor.person_id).items if actor is not None else []
        known = {one.id for one in own}
        others = [one for group in groups.values() for one in group if one.id not in known]
        return _Front(
            own,
            others,
            _open_ballots(conn, actor),
            [leaders.out(one) for one in leaders.certified(conn, None, _SHOWN)],
        )

    found = await parts.db.read(read)
    return page(request, "front", actor, **found._asdict())


class _Front(NamedTuple):
    """What the front page shows; ``mine`` are the reader's own campaigns, ``campaigns`` the others."""

    mine: list[MyCampaignOut]
    campaigns: list[CampaignSummary]
    ballots: list[BallotSummary]
    leaders: list[LeaderOut]


def _open_ballots(conn: Connection, actor: Actor | None) -> list[BallotSummary]:
    reader = actor.person_id if actor else ""
    return [ballots.summary(row) for row in votes.page(conn, reader, BallotStatus.OPEN, None, _SHOWN)]


@router.get("/leaders")
async def all_leaders(request: Request, parts: PartsDep, paging: PagingDep) -> Response:
    """Show the certified leaders and the topics in which their credentials hold today."""
    found = await parts.db.read(lambda conn: leaders.certified(conn, paging.after, paging.fetch))
    shown, cursor = paging.cut(found, leaders.place_of)
    told = [leaders.out(one) for one in shown]
    return page(request, "leaders", await visitor(request), leaders=told, cursor=cursor)


@router.post("/language", openapi_extra=exempt("it stays chosen"))
async def choose_language(request: Request, parts: PartsDep) -> Response:
    """Keep the language, for the account or, without one, for the browser."""
    actor = await visitor(request)
    values = await typed(request)
    chosen, _ = checked(_Language, values, reader_of(request, actor).locale)
    response = seen(local(values.get("back")))
    if chosen is None:
        return response
    if actor is not None:
        locale = chosen.locale
        await parts.db.write(lambda conn: access.change_person(conn, actor.person_id, {"locale": locale}))
    parts.cookies.set(response, LANGUAGE_COOKIE, chosen.locale, _A_YEAR)
    return response
