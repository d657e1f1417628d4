"""Turns whatever goes wrong below ``/api`` into a problem document."""

import re

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from api.envelope import locale_of
from api.field_errors import field_errors
from api.problems import MEDIA_TYPE, Problem
from db.errors import DatabaseUnavailable, NotMigrated

log = structlog.get_logger(__name__)

_BY_STATUS = {
    400: "unreadable_body",
    401: "sign_in_required",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
    431: "headers_too_large",
}
_JSON_TYPE = re.compile(r"application/([\w.+-]+\+)?json\b", re.IGNORECASE)
_DATABASE_RETRY_SECONDS = 5


def install(app: FastAPI) -> None:
    """Answer every exception that a request can meet."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(DatabaseUnavailable, _database)


def problem_of_http(error: HTTPException) -> Problem:
    """Return the problem that stands for what routing and parsing raise."""
    code = _BY_STATUS.get(error.status_code, "bad_request" if error.status_code < 500 else "internal_error")
    return Problem(code, headers=error.headers)


def database_problem(error: DatabaseUnavailable) -> Problem:
    """Return the problem that asks to come back when the database is there again; ``error`` is logged."""
    log.warning("database unavailable", reason=str(error))
    code = "database_not_migrated" if isinstance(error, NotMigrated) else "database_unavailable"
    retry = {"Retry-After": str(_DATABASE_RETRY_SECONDS)}
    return Problem(code, headers=retry, retry_after_seconds=_DATABASE_RETRY_SECONDS)


def answer(request: Request, problem: Problem) -> Response:
    """Return the response that tells ``problem`` in the asker's language."""
    document = problem.document(locale_of(request.scope), request.state.request_id)
    content = document.model_dump(mode="json", exclude_none=True)
    return JSONResponse(content, problem.status, headers=problem.headers, media_type=MEDIA_TYPE)


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return answer(request, error)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return answer(request, problem_of_http(error))


async def _database(request: Request, error: Exception) -> Response:
    assert isinstance(error, DatabaseUnavailable)
    return answer(request, database_problem(error))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if any(item["type"] == "json_invalid" for item in found):
        return answer(request, Problem("unreadable_body"))
    media_type = request.headers.get("content-type", "")
    if isinstance(error.body, bytes) and not _JSON_TYPE.match(media_type):
        return answer(request, Problem("unsupported_media_type"))
    locale = locale_of(request.scope)
    return answer(request, Problem("validation_failed", errors=field_errors(locale, found)))
