"""The application of all pages, and the door that leads a request to it or to the JSON API."""

from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import State
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.observability import NO_TELEMETRY
from api.pages import (
    account,
    account_access,
    applications,
    ballots,
    campaigns,
    campaigns_clock,
    campaigns_invitations,
    campaigns_live,
    campaigns_notes,
    campaigns_own,
    certificates,
    dev,
    errors,
    front,
    invitations,
    live,
    policy,
    pool,
    rehearsals,
    shares,
    sign_in,
    staff,
    staff_amnesties,
    staff_campaigns,
    staff_decisions,
    staff_documents,
    staff_invitations,
    staff_templates,
    studio,
    studio_invitations,
    studio_notes,
    wizard,
)
from api.pages.rendering import environment
from settings import Settings

_STATIC: Final = Path(__file__).parents[2] / "static"
_OTHERS: Final = ("/api/", "/healthz", "/readyz", "/metrics", "/docs")


def page_routers(settings: Settings) -> list[APIRouter]:
    """Return the routers of the pages. Those for trying it out exist outside of production only."""
    routers = [
        front.router,
        invitations.router,
        shares.router,
        sign_in.router,
        account.router,
        account_access.router,
        ballots.router,
        campaigns_own.router,
        campaigns_invitations.router,
        campaigns_notes.router,
        campaigns_live.router,
        campaigns.router,
        certificates.router,
        applications.router,
        wizard.router,
        live.router,
        policy.router,
        pool.router,
        staff.router,
        staff_campaigns.router,
        staff_amnesties.router,
        staff_invitations.router,
        studio_invitations.router,
        staff_templates.router,
        studio.router,
        rehearsals.router,
        studio_notes.router,
        staff_decisions.router,
        staff_documents.router,
    ]
    if not settings.production:
        routers += [dev.router, campaigns_clock.router]
    return routers


class _Assets(StaticFiles):
    """Style sheets, scripts and pictures: kept by the browser for a while, asked about after that."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "public, max-age=600"
        return response


def create_pages(settings: Settings, state: State) -> FastAPI:
    """Return the application of the pages; ``state`` with the process's parts is shared with the API's."""
    app = FastAPI(
        title="Kameng pages",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        telemetry=NO_TELEMETRY,
    )
    app.state = state
    app.state.templates = environment(reload=not settings.production)
    # Taken over as they are: an included router builds its routes again and matches each of them twice.
    for router in page_routers(settings):
        app.router.routes.extend(router.routes)
    app.mount("/static", _Assets(directory=_STATIC), name="static")
    errors.install(app)
    return app


class Door:
    """Leads what is asked of the API to the API, and everything else to the pages."""

    def __init__(self, app: ASGIApp, pages: ASGIApp) -> None:
        self._api = app
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].startswith(_OTHERS):
            await self._pages(scope, receive, send)
        else:
            await self._api(scope, receive, send)
