"""Pictures that members hand in with a check-in: a file and its row, shown to those who take part."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Final

import structlog
from sqlalchemy import Connection, Row
from starlette.requests import Request

from api.problems import Problem
from api.security.gate import Actor
from api.services import file_sweep
from api.services.campaigns import MANAGERS
from api.services.uploads import FileStore, Proven, Prover, receive, storage_unavailable
from db.database import Database
from db.repositories import campaigns, enrolments, pictures
from db.repositories.pictures import TooManyPictures
from domain.campaigns.members import Place
from domain.campaigns.plan import CampaignPlan, Proof
from domain.campaigns.terms import OPEN_STATUSES, Status
from domain.documents import HEAD_BYTES, MediaType, UnfitDocument, sniff
from domain.ids import new_id
from settings import Settings

UNUSED_FOR: Final = timedelta(days=1)
"""How long a picture is kept that no check-in names."""
_PAGE: Final = 500

log: Any = structlog.get_logger("kameng.pictures")


class PictureService:
    """One for a process. ``prover`` is shared: it bounds how many images are decoded at once."""

    def __init__(self, db: Database, settings: Settings, prover: Prover) -> None:
        self._db = db
        self._max_bytes = settings.upload_max_bytes
        self._files = FileStore(settings.pictures_dir)
        self._prover = prover

    async def add(self, campaign_id: str, person_id: str, request: Request) -> str:
        """Take in the picture of a member who can check in with it; return its id.

        Nothing is read before that is known. Raises ``Problem``.
        """
        await self._db.read(lambda conn: _require_taken(conn, campaign_id, person_id))
        received = await receive(request, self._max_bytes, [])
        try:
            proven = await asyncio.to_thread(self._proven, received.file)
        except UnfitDocument as unfit:
            raise Problem(unfit.code) from None
        finally:
            received.file.close()
        return await self._store(campaign_id, person_id, proven)

    def _proven(self, file: BinaryIO) -> Proven:
        file.seek(0)
        if sniff(file.read(HEAD_BYTES)) in (None, MediaType.PDF):
            raise UnfitDocument("picture_type_unknown")
        return self._prover.prove(file)

    async def _store(self, campaign_id: str, person_id: str, proven: Proven) -> str:
        try:
            name = await asyncio.to_thread(self._files.put, proven.content)
        except OSError as error:
            log.error("a picture cannot be kept", exc_info=error)
            raise storage_unavailable() from error
        picture_id = new_id()

        def add(conn: Connection) -> str:
            pictures.add(
                conn,
                picture_id=picture_id,
                campaign_id=campaign_id,
                person_id=person_id,
                media_type=proven.media_type.value,
                size=len(proven.content),
                storage_name=name,
                now=datetime.now(UTC),
            )
            return picture_id

        try:
            return await self._db.write(add)
        except TooManyPictures:
            await asyncio.to_thread(self._files.remove, name)
            raise Problem("too_many_pictures", max_files=pictures.MOST_UNUSED) from None

    async def find(self, campaign_id: str, picture_id: str, actor: Actor) -> tuple[Row[Any], Path]:
        """Return a picture that ``actor`` may see, and where its file lies. Raises ``Problem``."""
        row = await self._db.read(lambda conn: _seen_by(conn, campaign_id, picture_id, actor))
        path = self._files.path(row.storage_name)
        if not await asyncio.to_thread(path.is_file):
            log.error("file of a picture is missing", picture_id=picture_id)
            raise Problem("not_found")
        return row, path

    async def sweep(self) -> int:
        """Delete pictures that no check-in named within a day, and files without a row; return how many."""
        before = datetime.now(UTC) - UNUSED_FOR
        while await self._db.write(lambda conn: pictures.sweep(conn, before, _PAGE)) == _PAGE:
            pass
        return await file_sweep.sweep(self._db, self._files, pictures.known_storage_names)


def _require_taken(conn: Connection, campaign_id: str, person_id: str) -> None:
    row, member = campaigns.get(conn, campaign_id), enrolments.get(conn, campaign_id, person_id)
    if row is None or Status(row.status) not in OPEN_STATUSES:
        raise Problem("not_found")
    if member is None or member.status != Place.ACTIVE:
        raise Problem("not_enrolled")
    if Proof.PICTURE not in CampaignPlan.model_validate(row.plan).requirement.proofs:
        raise Problem("pictures_not_taken")


def _seen_by(conn: Connection, campaign_id: str, picture_id: str, actor: Actor) -> Row[Any]:
    """Return a picture: one that is not handed in yet is its owner's, others are the participants'."""
    row = pictures.get(conn, campaign_id, picture_id)
    if row is None:
        raise Problem("not_found")
    if row.person_id == actor.person_id:
        return row
    campaign: Any = campaigns.get(conn, campaign_id)
    member = enrolments.get(conn, campaign_id, actor.person_id)
    takes_part = member is not None and member.status == Place.ACTIVE
    allowed = takes_part or campaign.leader_id == actor.person_id or actor.has(*MANAGERS)
    if row.check_in_id is None or not allowed:
        raise Problem("not_found")
    return row
