"""The front page, the list of leaders, and the choice of language."""

from typing import Literal

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
from api.security import allow
from api.security.gate import Actor
from api.services import ballots, leaders
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
    """Show what this community is, who leads it, and what is put to the vote."""
    actor = await visitor(request)
    locale = reader_of(request, actor).locale

    def read(conn: Connection) -> tuple[list[LeaderOut], list[BallotSummary], list[CampaignSummary]]:
        groups = grouped(conn, locale, _SHOWN, ("running", "enrolling"))
        under_way = [one for group in groups.values() for one in group]
        return leaders.certified(conn, None, _SHOWN), _open_ballots(conn, actor), under_way

    certified, open_ballots, under_way = await parts.db.read(read)
    return page(request, "front", actor, leaders=certified, ballots=open_ballots, campaigns=under_way)


def _open_ballots(conn: Connection, actor: Actor | None) -> list[BallotSummary]:
    reader = actor.person_id if actor else ""
    return [ballots.summary(row) for row in votes.page(conn, reader, BallotStatus.OPEN, None, _SHOWN)]


@router.get("/leaders")
async def all_leaders(request: Request, parts: PartsDep, paging: PagingDep) -> Response:
    """Show the certified leaders and the topics in which their credentials hold today."""
    found = await parts.db.read(lambda conn: leaders.certified(conn, paging.after, paging.fetch))
    shown, cursor = paging.cut(found, leaders.place_of)
    return page(request, "leaders", await visitor(request), leaders=shown, cursor=cursor)


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
