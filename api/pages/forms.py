"""Forms: what was typed, checked by the same models as the JSON API, and shown again where it is wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import RedirectResponse

from api.field_errors import field_errors
from api.problems import Problem
from locales import translate

Model = TypeVar("Model", bound=BaseModel)

FOR_PEOPLE: Final = {"edit_conflict": "page.edit_conflict", "validation_failed": "page.staff.look_again"}
"""Problems that a program reads otherwise than somebody before a form."""


@dataclass
class Form:
    """A form as a template shows it: what was typed, what is wrong by field, ``error`` about the whole."""

    values: Mapping[str, Any] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    error: str = ""

    @property
    def failed(self) -> bool:
        """Whether there is something to put right."""
        return bool(self.errors or self.error)


async def typed(request: Request, lists: Sequence[str] = ()) -> dict[str, Any]:
    """Return the fields of a posted form as text; those named in ``lists`` as lists of text."""
    data = await request.form()
    values: dict[str, Any] = {
        name: value for name, value in data.items() if isinstance(value, str) and name not in lists
    }
    for name in lists:
        values[name] = [value for value in data.getlist(name) if isinstance(value, str) and value]
    return values


def checked(model: type[Model], values: Mapping[str, Any], locale: str) -> tuple[Model | None, Form]:
    """Return the model of ``values``, or None and the form that says what to put right."""
    try:
        return model.model_validate(dict(values)), Form(values)
    except ValidationError as error:
        found = field_errors(locale, error.errors(include_url=False))
        return None, Form(values, {item.field: item.message for item in found})


def told(problem: Problem, values: Mapping[str, Any], locale: str) -> Form:
    """Return the form again with what a refused request should know."""
    fields = {item.field: item.message for item in problem.errors}
    if problem.code in FOR_PEOPLE:
        return Form(values, fields, translate(locale, FOR_PEOPLE[problem.code]))
    document = problem.document(locale, "")
    return Form(values, fields, document.detail or document.title)


def seen(location: str, done: str = "") -> RedirectResponse:
    """Return the answer to a form that did its work: look at ``location``, which says ``done``."""
    mark = "&" if "?" in location else "?"
    return RedirectResponse(f"{location}{mark}done={done}" if done else location, 303)


def local(target: str | None, otherwise: str = "/") -> str:
    """Return ``target`` if it is a path of this host, else ``otherwise``: links never lead elsewhere."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")) or len(target) > 500:
        return otherwise
    parts = urlsplit(target)
    if parts.scheme or parts.netloc or any(ord(char) < 33 or char == "\\" for char in target):
        return otherwise
    return target
