"""The table of every route and who may use it; ``python -m api.access_table`` writes docs/access.md."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from starlette.routing import BaseRoute

from api.security.rules import Eager, Inside, Public, Rule

TABLE = Path(__file__).parent.parent / "docs" / "access.md"
_SAFE = frozenset({"GET", "HEAD"})


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
    for context in contexts(app.routes):
        path = context.path_format or ""
        rules = list(_rules(context.dependant))
        if len(rules) != 1:
            raise RouteWithoutRule(f"{path} declares {len(rules)} access rules instead of one")
        for method in sorted(context.methods or ()):
            yield Access(method, path, rules[0], _idempotency(context, method), context.summary or "")


def _rules(dependant: Any) -> Iterator[Rule]:
    for inner in dependant.dependencies:
        if isinstance(inner.call, Public | Eager | Inside):
            yield inner.call.rule
        yield from _rules(inner)


def _idempotency(context: Any, method: str) -> str:
    if method in _SAFE:
        return ""
    if _takes_key(context.dependant):
        return "Idempotency-Key"
    return str((context.openapi_extra or {}).get("x-idempotency", "none"))


def _takes_key(dependant: Any) -> bool:
    from api.idempotency import once

    return any(inner.call is once or _takes_key(inner) for inner in dependant.dependencies)


def rendered(app: FastAPI) -> str:
    """Return the table as Markdown."""
    lines = [
        "# Who may use what",
        "",
        "Generated from the routes by `python -m api.access_table`; a test compares.",
        "«owner» is whose the object is: to everybody else who is not named it does not exist (404).",
        "An API token also needs the scope in the fourth column, and never reaches further than its person.",
        "Rows under `/api/v1/dev` exist in development only.",
        "",
        "| method | path | who | token scope | repeating it |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [_row(entry) for entry in table_of(app)]
    return "\n".join(lines) + "\n"


def _row(entry: Access) -> str:
    cells = (entry.method, f"`{entry.path}`", entry.rule.audience, _scope(entry), entry.idempotency)
    return f"| {' | '.join(cells)} |"


def _scope(entry: Access) -> str:
    if entry.rule.public:
        return ""
    if entry.rule.session_only:
        return "no token"
    if entry.rule.scope is not None:
        return f"`{entry.rule.scope.value}`"
    return "`read`" if entry.method in _SAFE else "`write`"


def main() -> None:
    """Write docs/access.md."""
    from api.app import create_app
    from settings import Settings

    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text(rendered(create_app(Settings())), encoding="utf-8")


if __name__ == "__main__":
    main()
