"""Documents in the page: PDFs as pictures of their pages, so that no viewer runs what a file brings along."""

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from api.dependencies import ObjectId, PartsDep
from api.pages.rendering import page
from api.problems import Problem
from api.routes.applications import Reader
from api.services.pages_of_pdf import MOST_PAGES, Unreadable

router = APIRouter(prefix="/applications/{application_id}/documents/{document_id}/pages")

# The page stands in a frame of our own pages, and has nothing but pictures.
_FRAMED = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'self'; frame-ancestors 'self'",
    "X-Frame-Options": "SAMEORIGIN",
    "Cache-Control": "private, no-store",
}
_PICTURE = {
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "private, max-age=600",
}


@router.get("")
async def pages(
    request: Request, actor: Reader, application_id: ObjectId, document_id: ObjectId, parts: PartsDep
) -> Response:
    """Show every page of a PDF below the other, to stand in a frame beside the checklist."""
    row, _ = await parts.documents.find(application_id, document_id)
    try:
        count = await parts.documents.count_pages(application_id, document_id)
    except Unreadable:
        count = 0
    return page(
        request,
        "staff_document",
        actor,
        headers=_FRAMED,
        title=row.original_name,
        address=request.url.path,
        count=count,
        shown=min(count, MOST_PAGES),
    )


@router.get("/{number}", response_class=Response)
async def picture(
    actor: Reader,
    application_id: ObjectId,
    document_id: ObjectId,
    number: Annotated[int, Path(ge=1, le=MOST_PAGES)],
    parts: PartsDep,
) -> Response:
    """Return one page as PNG."""
    try:
        drawn = await parts.documents.draw_page(application_id, document_id, number)
    except Unreadable:
        raise Problem("not_found") from None
    return Response(drawn, media_type="image/png", headers=_PICTURE)
