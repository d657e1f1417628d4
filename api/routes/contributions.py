"""Contributions: what people did where the community lives, told by the platforms themselves."""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body
from pydantic import BaseModel, Discriminator, Field, Tag, ValidationError, ValidatorFunctionWrapHandler
from pydantic.functional_validators import WrapValidator
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from api.envelope import locale_of
from api.field_errors import field_errors
from api.idempotency import Answer, OnceDep
from api.inputs import Input
from api.intake import body_up_to
from api.paths import PREFIX
from api.problems import FieldError, Problem
from api.security import allow
from api.security.gate import Actor
from api.security.scopes import Scope
from contracts.contributions import MAX_BATCH, ContributionIn
from db.repositories import contributions
from domain.people import Role

router = APIRouter(prefix=f"{PREFIX}/contributions", tags=["contributions"])

MAX_BODY: Final = 2 * 1024 * 1024


class ItemOutcome(StrEnum):
    """What became of one item."""

    RECORDED = "recorded"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    UNKNOWN_PERSON = "unknown_person"
    IN_FUTURE = "in_future"
    INVALID = "invalid"


class Misfit:
    """An item that is none, with what is wrong with it."""

    def __init__(self, errors: list[Any]) -> None:
        self.errors = errors


def _or_misfit(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    try:
        return validate(value)
    except ValidationError as error:
        return Misfit(error.errors(include_url=False, include_input=False))


Item = Annotated[ContributionIn, WrapValidator(_or_misfit)]


class Batch(Input):
    """Up to 1,000 contributions; the good ones go in, and each is told what became of it."""

    items: Annotated[list[Item], Field(min_length=1, max_length=MAX_BATCH)]


class Recorded(BaseModel):
    """What became of a single contribution."""

    outcome: ItemOutcome


class ItemResult(BaseModel):
    """What became of the item at ``index`` (from 0); ``errors`` for one that is not valid."""

    index: int
    outcome: ItemOutcome
    errors: list[FieldError] | None = None


class BatchResult(BaseModel):
    """What became of every item, and how many went in, were there, and were refused."""

    recorded: int
    duplicates: int
    refused: int
    items: list[ItemResult]


def _form(value: Any) -> str:
    items = value.get("items") if isinstance(value, dict) else getattr(value, "items", None)
    return "#single" if items is None or callable(items) else "#batch"


Given = Annotated[
    Annotated[ContributionIn, Tag("#single")] | Annotated[Batch, Tag("#batch")], Discriminator(_form)
]


@router.post(
    "",
    status_code=201,
    summary="Record contributions",
    response_model=Recorded | BatchResult,
    openapi_extra=body_up_to(MAX_BODY),
    responses={200: {"model": Recorded | BatchResult, "description": "A batch, or there already"}},
)
async def record(
    request: Request,
    actor: Annotated[Actor, allow.roles(Role.ADMIN, scope=Scope.CONTRIBUTIONS_WRITE)],
    given: Annotated[Given, Body()],
    once: OnceDep,
) -> Response:
    """Record one contribution, or a batch under ``items``; told again, nothing is doubled.

    A source and reference that exist and say something else are a conflict: what was told first stays.
    """
    if isinstance(given, Batch):
        items, locale = given.items, locale_of(request.scope)
        return await once.write(actor.person_id, lambda conn: _batch(conn, items, locale))
    return await once.write(actor.person_id, lambda conn: _single(conn, given))


def _single(conn: Connection, given: ContributionIn) -> Answer:
    outcome = _record(conn, [given])[0]
    if outcome is ItemOutcome.CONFLICT:
        raise Problem("contribution_conflict")
    if outcome is ItemOutcome.UNKNOWN_PERSON:
        raise Problem("person_unknown")
    if outcome is ItemOutcome.IN_FUTURE:
        raise Problem("occurred_in_future")
    return Answer(201 if outcome is ItemOutcome.RECORDED else 200, Recorded(outcome=outcome))


def _batch(conn: Connection, items: Sequence[ContributionIn | Misfit], locale: str) -> Answer:
    good = [item for item in items if isinstance(item, ContributionIn)]
    outcomes = iter(_record(conn, good))
    results = [
        ItemResult(index=index, outcome=next(outcomes))
        if isinstance(item, ContributionIn)
        else ItemResult(index=index, outcome=ItemOutcome.INVALID, errors=field_errors(locale, item.errors))
        for index, item in enumerate(items)
    ]
    recorded = sum(result.outcome is ItemOutcome.RECORDED for result in results)
    duplicates = sum(result.outcome is ItemOutcome.DUPLICATE for result in results)
    refused = len(results) - recorded - duplicates
    return Answer(200, BatchResult(recorded=recorded, duplicates=duplicates, refused=refused, items=results))


def _record(conn: Connection, rows: list[ContributionIn]) -> list[ItemOutcome]:
    return [ItemOutcome(outcome.value) for outcome in contributions.record(conn, rows, datetime.now(UTC))]
