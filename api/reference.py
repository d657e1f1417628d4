"""The OpenAPI document, and a plain page of it that loads nothing from anywhere."""

import base64
import hashlib
import html
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.access import Access
from api.idempotency import KEY_PARAMETER
from api.problems import MEDIA_TYPE, STATUS_OF, ProblemDocument
from locales import translate

_PROBLEM = {"content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}}

_PROBLEMS: dict[str, dict[str, Any]] = {
    "4XX": {"description": "The request cannot be done as it is; `code` says why", **_PROBLEM},
    "5XX": {"description": "Not the request's fault; try again later", **_PROBLEM},
}

DESCRIPTION = """\
Runs a leader community: vetting, votes, probation, certification.

Times are RFC 3339 in UTC. Lists are paged by opaque cursors. Errors are problem documents (RFC 9457)
whose `code` never changes. Unsafe requests take `Idempotency-Key`. Sign in by cookie or bearer token;
with the cookie, requests that come from pages of other hosts are refused."""


def install(app: FastAPI) -> None:
    """Give the application its own OpenAPI document, made once when first asked for."""
    made: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not made:
            made.update(_document(app))
        return made

    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes)
    components = document.setdefault("components", {})
    schema = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas = components.setdefault("schemas", {})
    schemas.update(schema.pop("$defs", {}))
    schemas["ProblemDocument"] = schema
    components["securitySchemes"] = {
        "session": {"type": "apiKey", "in": "cookie", "name": app.state.parts.cookies.session},
        "token": {"type": "http", "scheme": "bearer"},
    }
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for entry in app.state.access:
        operation = document["paths"].get(entry.path, {}).get(entry.method.lower())
        if operation is not None:
            _declare(operation, entry)
    return document


def _declare(operation: dict[str, Any], entry: Access) -> None:
    operation["x-access"] = entry.rule.audience
    # FastAPI documents 422 in a form of its own; here every refusal is a problem.
    operation["responses"].pop("422", None)
    operation["responses"].update(_PROBLEMS)
    if entry.idempotency == KEY_PARAMETER["name"]:
        operation.setdefault("parameters", []).append(KEY_PARAMETER)
    if not entry.rule.public:
        both: list[dict[str, list[str]]] = [{"session": []}, {"token": []}]
        operation["security"] = both[:1] if entry.rule.session_only else both


# --- the page

_STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #8884 }
section { margin: 1.5rem 0 }
code { font: 14px/1.4 ui-monospace, monospace }
td { text-align: start; vertical-align: top; padding: .2rem .75rem .2rem 0 }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
PAGE_POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'; base-uri 'none'"


def page(document: dict[str, Any], locale: str) -> str:
    """Return the OpenAPI ``document`` as one HTML page, with every problem code in words."""
    operations = "".join(
        _operation(path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    schemas = "".join(_schema(name, body) for name, body in sorted(document["components"]["schemas"].items()))
    problems = "".join(_problem(code, status, locale) for code, status in sorted(STATUS_OF.items()))
    description = html.escape(document["info"]["description"]).replace("\n\n", "</p><p>")
    return (
        f'<!doctype html><html lang="{locale}"><meta charset="utf-8"><title>Kameng API</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<h1>Kameng API</h1><p>{description}</p>"
        f'<p><a href="/api/v1/openapi.json">OpenAPI</a> · <a href="#schemas">schemas</a> · '
        f'<a href="#problems">problems</a></p>{operations}'
        f'<h2 id="schemas">Schemas</h2>{schemas}'
        f'<h2 id="problems">Problems</h2><table>{problems}</table></html>'
    )


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    parameters = "".join(
        f"<li><code>{html.escape(p['name'])}</code> ({p['in']}{', required' if p.get('required') else ''}): "
        f"{_type(p.get('schema', {}))} {html.escape(p.get('description', ''))}</li>"
        for p in operation.get("parameters", ())
    )
    body = "".join(
        f"<p>Body: <code>{html.escape(media)}</code> {_type(content.get('schema', {}))}</p>"
        for media, content in operation.get("requestBody", {}).get("content", {}).items()
    )
    answers = "".join(
        f"<li>{html.escape(status)}: {html.escape(answer['description'])} "
        + " ".join(_type(content.get("schema", {})) for content in answer.get("content", {}).values())
        + "</li>"
        for status, answer in operation.get("responses", {}).items()
        if not status.endswith("XX")
    )
    return (
        f"<section><h3>{method.upper()} <code>{html.escape(path)}</code></h3>"
        f"<p>{html.escape(operation.get('summary', ''))}. {html.escape(operation.get('description', ''))}</p>"
        f"<p>Who: {html.escape(operation.get('x-access', ''))}</p>"
        f"<ul>{parameters}</ul>{body}<ul>{answers}</ul></section>"
    )


def _type(schema: dict[str, Any]) -> str:
    """Return a short name of a schema, linked where it has one of its own."""
    reference = schema.get("$ref")
    if reference:
        name = html.escape(reference.rsplit("/", 1)[-1])
        return f'<a href="#schema-{name}">{name}</a>'
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return " | ".join(_type(option) for option in options)
    if schema.get("type") == "array":
        return f"[{_type(schema.get('items', {}))}]"
    return html.escape(str(schema.get("format") or schema.get("type") or schema.get("title") or ""))


def _schema(name: str, body: dict[str, Any]) -> str:
    required = set(body.get("required", ()))
    rows = "".join(
        f"<tr><td><code>{html.escape(field)}</code>{'' if field in required else '?'}</td>"
        f"<td>{_type(schema)}</td><td>{html.escape(schema.get('description', ''))}</td></tr>"
        for field, schema in body.get("properties", {}).items()
    )
    values = " | ".join(f"<code>{html.escape(str(value))}</code>" for value in body.get("enum", ()))
    return (
        f'<section id="schema-{html.escape(name)}"><h3>{html.escape(name)}</h3>'
        f"<p>{html.escape(body.get('description', ''))}</p>{values}<table>{rows}</table></section>"
    )


def _problem(code: str, status: int, locale: str) -> str:
    title = html.escape(translate(locale, f"problem.{code}.title"))
    return f'<tr id="problem-{code}"><td>{status}</td><td><code>{code}</code></td><td>{title}</td></tr>'
