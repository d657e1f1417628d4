"""The public page of a featured note: what social apps preview, what strangers read, and a way in."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from api.dependencies import PartsDep
from api.idempotency import exempt
from api.pages.forms import seen
from api.pages.link_previews import description_of
from api.pages.pictures import Drawings
from api.pages.pictures.preview import SIZE, Preview, draw
from api.pages.rendering import Reader, page, reader_of
from api.pages.visitors import visitor
from api.routes.shares import Code
from api.security import allow
from api.services import share_links
from api.services.featured import Addresses
from api.services.shared_notes import count_visit, found_note, passed_on
from domain.campaigns.plan import CampaignPlan
from domain.campaigns.sharing import ShareChannel
from domain.campaigns.terms import Joining, Status, joining
from locales import translate

router = APIRouter(dependencies=[allow.anyone])

_PREVIEW: Final = {
    "Cache-Control": "public, max-age=600",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}
_drawings: Final = Drawings()
_WELCOME: Final = (Joining.SCHEDULED, Joining.OPEN, Joining.LINE)


@router.api_route("/s/{code}", methods=["GET", "HEAD"])
async def show(request: Request, parts: PartsDep, code: Code) -> Response:
    """Show a note to everybody, and remember in this browser that it was read."""
    note, actor = await found_note(request, parts, code), await visitor(request)
    reader, where = share_links.visitor_of(request), Addresses(parts.settings.public_url)
    counted = await count_visit(request, parts, note, actor, reader)
    words = reader_of(request, actor)
    response = page(
        request,
        "shares/note",
        actor,
        note=note,
        url=where.share(code),
        preview=where.preview(code),
        size=SIZE,
        author=note.author or words.t("page.share.unnamed"),
        description=description_of(note.note),
        chance=_chance(note),
        channels=list(ShareChannel),
    )
    if counted:
        share_links.remember(request, response, reader, note.id)
    return response


def _chance(note: Any) -> str:
    """Return what the page says to who would like to take part, too."""
    plan = CampaignPlan.model_validate(note.plan)
    chance = joining(Status(note.status), note.campaign_day, note.seats_taken, plan)
    return "open" if chance in _WELCOME else chance.value


@router.post("/s/{code}/shares", openapi_extra=exempt("counted once a person or visitor and channel"))
async def share(
    request: Request, parts: PartsDep, code: Code, channel: Annotated[ShareChannel, Form()]
) -> Response:
    """Record that the note is passed on, and show the link or the picture to do it with."""
    await passed_on(request, parts, code, channel)
    return seen(f"/s/{code}/preview.png") if channel is ShareChannel.POSTER else seen(f"/s/{code}", "shared")


@router.get("/s/{code}/preview.png", response_class=Response)
async def preview(request: Request, parts: PartsDep, code: Code) -> Response:
    """Return the picture that social apps show beside the link, in the language of the note."""
    shown = _preview_of(await found_note(request, parts, code))
    drawn = await _drawings.png(shown, lambda: draw(shown))
    return Response(drawn, media_type="image/png", headers=_PREVIEW)


def _preview_of(note: Any) -> Preview:
    words = Reader.of_text(note.note, note.title)
    return Preview(
        campaign=note.title,
        day=words.t("page.share.day", day=note.day),
        note=note.note,
        author=translate(words.locale, "page.share.by", name=note.author)
        if note.author
        else words.t("page.share.unnamed"),
        brand=words.t("page.name"),
    )
