"""Every route of the application and who may use it, read off the routes themselves."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from fastapi.staticfiles import StaticFiles
from starlette.routing import BaseRoute, Mount

from api.idempotency import KEY_PARAMETER, once
from api.security.rules import Eager, Inside, Public, Rule

SAFE = frozenset({"GET", "HEAD"})


class RouteWithoutRule(Exception):
    """A route says nothing about who may use it, or more than one thing."""


@dataclass(frozen=True)
class Access:
    """One method of one route and its rule."""

    method: str
    path: str
    rule: Rule
    idempotency: str
    summary: str


def table_of(app: FastAPI) -> list[Access]:
    """Return every route of ``app`` with its rule. Raises ``RouteWithoutRule``."""
    return sorted(_walk(app), key=lambda entry: (entry.path, entry.method))


def contexts(routes: Sequence[BaseRoute]) -> Iterator[RouteContext]:
    """Yield every route that answers requests as it stands in the whole application."""
    for context in iter_route_contexts(routes):
        if isinstance(context.original_route, APIRoute):
            yield context


def _walk(app: FastAPI) -> Iterator[Access]:
    _no_side_doors(app)
    for context in contexts(app.routes):
        path = context.path_format or ""
        rules = list(_rules(context.dependant))
        if len(rules) != 1:
            raise RouteWithoutRule(f"{path} declares {len(rules)} access rules instead of one")
        for method in sorted(context.methods or ()):
            yield Access(method, path, rules[0], _idempotency(context, method), context.summary or "")


def _no_side_doors(app: FastAPI) -> None:
    """Raise ``RouteWithoutRule`` for what answers requests and can declare no rule, files aside."""
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        files = isinstance(route, Mount) and isinstance(route.app, StaticFiles)
        if not isinstance(route, APIRoute) and not files:
            raise RouteWithoutRule(f"{context.path or route} is a {type(route).__name__} without a rule")


def _rules(dependant: Any) -> Iterator[Rule]:
    for inner in dependant.dependencies:
        if isinstance(inner.call, Public | Eager | Inside):
            yield inner.call.rule
        yield from _rules(inner)


def _idempotency(context: Any, method: str) -> str:
    if method in SAFE:
        return ""
    if _takes_key(context.dependant):
        return str(KEY_PARAMETER["name"])
    return str((context.openapi_extra or {}).get("x-idempotency", "none"))


def _takes_key(dependant: Any) -> bool:
    return any(inner.call is once or _takes_key(inner) for inner in dependant.dependencies)
