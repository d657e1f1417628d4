"""What routes ask for by type: the parts of the process and the way to repeat a request safely."""

from typing import Annotated

from fastapi import Depends, Path
from starlette.requests import Request
from temporalio.client import Client

from api.parts import Parts, parts_of
from api.security.rules import ID_PATTERN
from db.database import Database
from settings import Settings


async def _parts(request: Request) -> Parts:
    return parts_of(request)


async def _db(request: Request) -> Database:
    return parts_of(request).db


async def _temporal(request: Request) -> Client:
    return parts_of(request).temporal


async def _settings(request: Request) -> Settings:
    return parts_of(request).settings


PartsDep = Annotated[Parts, Depends(_parts)]
DatabaseDep = Annotated[Database, Depends(_db)]
TemporalDep = Annotated[Client, Depends(_temporal)]
SettingsDep = Annotated[Settings, Depends(_settings)]

ObjectId = Annotated[str, Path(pattern=ID_PATTERN, min_length=36, max_length=36)]
"""An id in a path; anything of another form is a validation problem."""
