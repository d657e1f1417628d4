"""A shorter way to the hottest calls: votes and check-ins, which a whole community makes in the same minutes.

FastAPI works out anew for each request what a function asks for, which took as long as the function itself.
Here it is worked out once, when the route is made. A request of the usual form goes straight to the function;
any other, and with it every refusal of a form, goes FastAPI's way, so that there is one set of answers.
"""

import inspect
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.security.rules import Inside

Arguments = dict[str, Any]

_JSON: Final = "application/json"


class DirectRoute(APIRoute):
    """A route whose function asks for a guard, ids in its path, a model as body and, maybe, the request.

    It returns a finished response. Give the class to a router: ``APIRouter(route_class=DirectRoute)``.
    Raises ``TypeError`` for a function that asks for anything else.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **values: Any) -> None:
        super().__init__(path, endpoint, **values)
        self.app = _shorter(self.app, endpoint, _reader(self))


def _shorter(
    usual: ASGIApp,
    function: Callable[..., Awaitable[Response]],
    arguments: Callable[[Request, bytes], Awaitable[Arguments | None]],
) -> ASGIApp:
    """Return what calls ``function`` by itself where it can, and leaves the rest to ``usual``."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request, given = Request(scope, receive, send), None
        if request.headers.get("content-type") == _JSON:
            # Who has left before the whole was there is told nothing by either way.
            with suppress(ClientDisconnect):
                body = await request.body()
                receive = _again(body, receive)
                given = await arguments(request, body)
        if given is None:
            await usual(scope, receive, send)
            return
        response = await function(**given)
        await response(scope, receive, send)

    return app


def _again(body: bytes, receive: Receive) -> Receive:
    """Return what gives a body that was read once more, before whatever ``receive`` gives."""
    left: list[Message] = [{"type": "http.request", "body": body}]

    async def receive_again() -> Message:
        return left.pop() if left else await receive()

    return receive_again


def _reader(route: APIRoute) -> Callable[[Request, bytes], Awaitable[Arguments | None]]:
    """Return what reads a function's arguments off a request; None where it is not of the usual form."""
    guard_name, rule, body_name, model = _asked(route)
    ids = [(field.name, field.validate) for field in route.dependant.path_params]
    request_name = route.dependant.request_param_name

    async def read(request: Request, body: bytes) -> Arguments | None:
        given: Arguments = {}
        for name, validate in ids:
            given[name], wrong = validate(request.path_params[name], {}, loc=("path", name))
            if wrong:
                return None
        try:
            given[body_name] = model.model_validate_json(body)
        except ValidationError:
            return None
        given[guard_name] = await rule(request)
        if request_name is not None:
            given[request_name] = request
        return given

    return read


def _asked(route: APIRoute) -> tuple[str, Inside, str, type[BaseModel]]:
    """Return the guard and the body that a route's function asks for, with their names."""
    asked = route.dependant
    rules = [(inner.name, inner.call) for inner in asked.dependencies]
    bodies = [(field.name, field.field_info.annotation) for field in asked.body_params]
    known = {asked.request_param_name, *(field.name for field in (*asked.path_params, *asked.body_params))}
    match rules, bodies:
        case [(str(guard_name), Inside() as rule)], [(body_name, type() as model)] if issubclass(
            model, BaseModel
        ) and inspect.signature(route.endpoint).parameters.keys() <= known | {guard_name}:
            return guard_name, rule, body_name, model
    raise TypeError(f"{route.path} asks for more than a guard, ids, one model and the request")
