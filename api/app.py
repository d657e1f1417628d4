"""The factory of the application: parts, routes, handlers and the layer around them."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.types import Scope

from api import access, handlers, reference
from api.draining import told_when_asked_to_end
from api.envelope import Envelope
from api.housekeeping import Housekeeping
from api.intake import declared_limit
from api.observability import NO_TELEMETRY
from api.pages.app import Door, create_pages
from api.parts import Parts
from api.routes import all_routers
from api.security.credentials import Cookies
from api.security.gate import Gate
from api.security.second_factor import SecondFactors
from api.security.sign_in import SignIn
from db.database import Database
from engine.interpreter import collect_rarely, hand_over_soon
from engine.logs import configure_logging
from engine.private_files import keep_private
from engine.temporal_client import connect
from engine.tracing import RequestIds
from mail.sealing import Sealer
from settings import Settings, load_settings


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the application; without ``settings`` they are read from the environment (uvicorn's way).

    Nothing is connected before the lifespan begins, and it begins even while database and Temporal are
    away: calls that need them are answered 503. Raises ``SettingsError`` and ``RouteWithoutRule``.
    """
    served = settings is None
    if settings is None:
        keep_private()
        settings = load_settings()
        configure_logging(settings)
    app = FastAPI(
        title="Kameng",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=_lifespan(settings),
        telemetry=NO_TELEMETRY,
        # A trailing slash is another path: redirects would drop the body of unsafe requests.
        redirect_slashes=False,
    )
    # Taken over as they are: an included router builds its routes again and matches each of them twice.
    for router in all_routers(settings):
        app.router.routes.extend(router.routes)
    app.state.settings = settings
    app.state.parts = parts = _parts(settings)
    app.state.pages = create_pages(settings, app.state)
    app.state.template_of = _templates(app, app.state.pages)
    app.state.access = access.table_of(app)
    app.state.page_access = access.table_of(app.state.pages)
    app.state.housekeeping = Housekeeping(parts)
    handlers.install(app)
    reference.install(app)
    app.add_middleware(Door, pages=app.state.pages)
    app.add_middleware(
        Envelope,
        metrics=parts.metrics,
        template_of=app.state.template_of,
        limit_of=_limits(settings.request_max_bytes, app, app.state.pages),
        secure=settings.public_url.startswith("https://"),
    )
    if served:
        collect_rarely()
    return app


def _parts(settings: Settings) -> Parts:
    db = Database.connect(settings.database_url, pool_size=settings.database_pool_size)
    sealer = Sealer(settings.secret_key.get_secret_value())
    factors = SecondFactors(db, sealer)
    return Parts(
        settings=settings,
        db=db,
        sealer=sealer,
        gate=Gate(settings),
        cookies=Cookies(settings.public_url.startswith("https://")),
        sign_in=SignIn(settings, db, sealer, factors),
        second_factors=factors,
    )


def _lifespan(settings: Settings) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        parts: Parts = app.state.parts
        hand_over_soon()
        parts.temporal = await connect(settings, lazy=True, interceptors=[RequestIds()])
        app.state.housekeeping.start()
        try:
            with told_when_asked_to_end(parts.draining):
                yield
        finally:
            await app.state.housekeeping.stop()
            await parts.db.close()

    return lifespan


def _templates(*apps: FastAPI) -> Callable[[Scope], str]:
    """Return what tells the route template of a scope, ``-`` before or without a match."""
    by_route = {
        id(context.original_route): context.path_format or ""
        for app in apps
        for context in iter_route_contexts(app.routes)
    }

    def template_of(scope: Scope) -> str:
        route = scope.get("route")
        return "-" if route is None else by_route.get(id(route), "-")

    return template_of


def _limits(usual: int, *apps: FastAPI) -> Callable[[Scope], int]:
    """Return what tells how many bytes of body the route of a scope takes."""
    higher = {
        id(context.original_route): limit
        for app in apps
        for context in access.contexts(app.routes)
        if (limit := declared_limit(context.openapi_extra)) is not None
    }

    def limit_of(scope: Scope) -> int:
        return higher.get(id(scope.get("route")), usual)

    return limit_of
