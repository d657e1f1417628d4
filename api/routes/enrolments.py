"""Taking part in a campaign: enrolling, checking in, the own day, leaderboards."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from api.dependencies import DatabaseDep, ObjectId
from api.direct import DirectRoute
from api.idempotency import Answer, OnceDep, by_itself, key_of
from api.pagination import Page, PagingDep
from api.paths import PREFIX
from api.schemas.enrolments import (
    CheckInIn,
    CheckInOut,
    EnrolIn,
    EnrolmentChanges,
    EnrolmentOut,
    LeaderboardOut,
    MentioningOut,
    TodayOut,
)
from api.security import allow
from api.security.gate import Actor
from api.security.rules import Guard
from api.services import check_ins, enrolments, mentions
from api.services.invitation_clicks import count_try, followed
from domain.campaigns.plan import Board

router = APIRouter(prefix=f"{PREFIX}/campaigns/{{campaign_id}}", tags=["taking part"])
direct = APIRouter(prefix=router.prefix, tags=router.tags, route_class=DirectRoute)

Member = Annotated[Actor, allow.members]


@direct.post(
    "/checkins",
    summary="Check in",
    status_code=201,
    response_model=CheckInOut,
    openapi_extra=by_itself("its own: a day is checked in once, and a key finds it after the day, too"),
)
async def check_in(
    guard: Annotated[Guard, allow.inside(allow.members)],
    campaign_id: ObjectId,
    given: CheckInIn,
    request: Request,
) -> Response:
    """Meet the requirement of the open day, or with a card that of one that was missed.

    Sent again with the same content it has the same answer; points are paid at the settlement. In the
    note ``@name`` mentions a friend of the campaign, and ``@somebody@example.org`` invites by mail.
    """
    done = await guard.write_together(check_ins.check_in_together, (campaign_id, given, key_of(request)))
    return Response(done.model_dump_json(), 201, media_type="application/json")


@router.post(
    "/enrolments",
    summary="Enrol",
    status_code=201,
    response_model=EnrolmentOut,
    responses={200: {"model": EnrolmentOut, "description": "In already"}},
)
async def enrol(
    actor: Member, campaign_id: ObjectId, request: Request, once: OnceDep, given: EnrolIn | None = None
) -> Response:
    """Take part, or get in line where all places are taken. Who is in already is answered 200."""
    wish, shown = given or EnrolIn(), followed(request)
    if wish.invite_code is not None:
        await count_try(request, actor.person_id)

    def effect(conn: Connection) -> Answer:
        now = datetime.now(UTC)
        found, is_new = enrolments.enrol(conn, campaign_id, actor.person_id, wish, now, shown)
        return Answer(201 if is_new else 200, found)

    return await once.write(actor.person_id, effect)


@router.get("/enrolments/me", summary="My enrolment")
async def enrolment(actor: Member, campaign_id: ObjectId, db: DatabaseDep) -> EnrolmentOut:
    """Return whether I take part, wait or have left, and since which day."""
    return await db.read(lambda conn: enrolments.own(conn, campaign_id, actor.person_id))


@router.patch("/enrolments/me", summary="Change my enrolment", response_model=EnrolmentOut)
async def change(actor: Member, campaign_id: ObjectId, given: EnrolmentChanges, once: OnceDep) -> Response:
    """Choose the hour of my reminder, or none."""

    def effect(conn: Connection) -> Answer:
        hour = given.reminder_hour
        return Answer(200, enrolments.set_reminder_hour(conn, campaign_id, actor.person_id, hour))

    return await once.write(actor.person_id, effect)


@router.delete("/enrolments/me", summary="Leave", status_code=204)
async def leave(actor: Member, campaign_id: ObjectId, once: OnceDep) -> Response:
    """Leave, or get out of line. What was done stays; who comes back in time goes on with it."""

    def effect(conn: Connection) -> Answer:
        enrolments.leave(conn, campaign_id, actor.person_id, datetime.now(UTC))
        return Answer(204)

    return await once.write(actor.person_id, effect)


@router.get("/me", summary="My day")
async def today(actor: Member, campaign_id: ObjectId, db: DatabaseDep) -> TodayOut:
    """Return where I stand: the day, streak, days that can be made up, points so far, rank, calendar."""
    return await db.read(lambda conn: check_ins.today(conn, campaign_id, actor.person_id))


@router.get("/mentions", summary="Notes that mention me")
async def mentioned(
    actor: Member, campaign_id: ObjectId, db: DatabaseDep, paging: PagingDep
) -> Page[MentioningOut]:
    """Return the notes of this campaign that mention me, newest first."""
    return await db.read(lambda conn: mentions.mentioning(conn, campaign_id, actor.person_id, paging))


@router.get("/leaderboard", summary="Leaderboard")
async def leaderboard(
    actor: Member, campaign_id: ObjectId, db: DatabaseDep, paging: PagingDep, by: Board = Board.DAYS
) -> LeaderboardOut:
    """Return a page of a board with my own place; who is tied shares a place: 1, 1, 3."""
    lines, own = await db.read(
        lambda conn: check_ins.board(conn, campaign_id, actor, by, paging.after, paging.fetch)
    )
    shown, cursor = paging.cut(lines, lambda line: check_ins.cursor_of(line, by, actor, own))
    return check_ins.board_out(by, shown, own, cursor)
