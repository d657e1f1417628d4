"""What a page shows when a request cannot be done: the API's problems, in words and with a way on."""

from http import HTTPStatus
from urllib.parse import quote

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.handlers import database_problem, problem_of_http
from api.pages.rendering import page, reader_of
from api.pages.visitors import visitor
from api.problems import Problem
from api.security.gate import Actor
from db.errors import DatabaseUnavailable

_ELSEWHERE = {
    "sign_in_required": "/sign-in",
    "second_factor_required": "/account/second-factor",
    "second_factor_enrolment_required": "/account/second-factor",
}


def install(app: FastAPI) -> None:
    """Answer every exception that a page can meet."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _not_found)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(DatabaseUnavailable, _database)
    app.add_exception_handler(Exception, _unforeseen)


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    way = _ELSEWHERE.get(error.code)
    if way is not None:
        # After a form was sent there is no page to come back to, only the one that showed it.
        back = request.url.path if request.method == "GET" else "/"
        return RedirectResponse(f"{way}?next={quote(back)}", 303)
    return await shown(request, error)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return await shown(request, problem_of_http(error))


async def _not_found(request: Request, error: Exception) -> Response:
    return await shown(request, Problem("not_found"))


async def _database(request: Request, error: Exception) -> Response:
    assert isinstance(error, DatabaseUnavailable)
    return _rendered(request, database_problem(error), None)


async def _unforeseen(request: Request, error: Exception) -> Response:
    # Logged by the envelope, to which it is raised again after this.
    return _rendered(request, Problem("internal_error"), None)


async def shown(request: Request, problem: Problem) -> Response:
    """Return the page that tells ``problem``, as the visitor reads."""
    try:
        return _rendered(request, problem, await visitor(request))
    except (Problem, DatabaseUnavailable):
        return _rendered(request, problem, None)


def _rendered(request: Request, problem: Problem, actor: Actor | None) -> Response:
    document = problem.document(reader_of(request, actor).locale, request.state.request_id)
    return page(
        request,
        "problem",
        actor,
        status=problem.status,
        headers=problem.headers,
        problem=document,
        phrase=HTTPStatus(problem.status).phrase,
    )
