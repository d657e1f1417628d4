"""Documents of an application: a file and its row live and die together."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection, Row
from starlette.requests import Request

from api.field_errors import one_of
from api.problems import Problem, field_problem
from api.services import file_sweep
from api.services.pages_of_pdf import PdfPages
from api.services.uploads import FileStore, Proven, Prover, Received, receive, storage_unavailable
from db.database import Database
from db.repositories import applications, documents, policies
from db.repositories.documents import TooManyDocuments
from domain.documents import DocumentKind, MediaType, UnfitDocument, clean_name
from domain.ids import new_id
from domain.policy import IntakePolicy
from locales import translate
from settings import Settings

log: Any = structlog.get_logger("kameng.documents")


class DocumentService:
    """One for a process. ``prover`` is shared: it bounds how many images are decoded at once."""

    def __init__(self, db: Database, settings: Settings, prover: Prover) -> None:
        self._db = db
        self._settings = settings
        self._files = FileStore(settings.uploads_dir)
        self._prover = prover
        self._pages = PdfPages()

    async def add(self, application_id: str, request: Request, locale: str) -> str:
        """Take in the file of a request for an application that the caller may edit; return its id.

        Nothing is read before the application is known to be editable. Raises ``Problem``.
        """
        limits = await self._db.read(lambda conn: self._limits(conn, application_id))
        received = await receive(request, limits.max_file_bytes, ["kind"])
        try:
            kind = _kind_of(received, locale)
            proven = await asyncio.to_thread(self._prover.prove, received.file)
        except UnfitDocument as unfit:
            raise Problem(unfit.code) from None
        finally:
            received.file.close()
        return await self._store(application_id, kind, received.name, proven, limits.max_files)

    def _limits(self, conn: Connection, application_id: str) -> IntakePolicy:
        row = applications.get(conn, application_id)
        if row is None or not applications.is_editable(row):
            raise Problem("not_editable")
        version = policies.VETTING.get(conn, row.policy_version) if row.policy_version else None
        rules = (version or policies.VETTING.current(conn)).policy.intake
        limits = IntakePolicy(
            max_file_bytes=min(rules.max_file_bytes, self._settings.upload_max_bytes),
            max_files=min(rules.max_files, self._settings.upload_max_files),
        )
        return limits

    async def _store(
        self, application_id: str, kind: DocumentKind, name: str, proven: Proven, max_files: int
    ) -> str:
        storage_name = await self._put(proven.content)
        document_id = new_id()

        def add(conn: Connection) -> str:
            return documents.add(
                conn,
                document_id=document_id,
                application_id=application_id,
                kind=kind,
                name=clean_name(name),
                media_type=proven.media_type,
                size=len(proven.content),
                sha256=proven.sha256,
                storage_name=storage_name,
                max_files=max_files,
                now=datetime.now(UTC),
            )

        try:
            stored_as = await self._db.write(add)
        except applications.NotEditable:
            await asyncio.to_thread(self._files.remove, storage_name)
            raise Problem("not_editable") from None
        except TooManyDocuments:
            await asyncio.to_thread(self._files.remove, storage_name)
            raise _too_many(max_files) from None
        # Any other failure may have happened after the commit: then the row needs its file, and if
        # there is no row the sweep takes it away.
        if stored_as != document_id:
            await asyncio.to_thread(self._files.remove, storage_name)
        return stored_as

    async def _put(self, content: bytes) -> str:
        try:
            return await asyncio.to_thread(self._files.put, content)
        except OSError as error:
            log.error("a document cannot be kept", exc_info=error)
            raise storage_unavailable() from error

    async def find(self, application_id: str, document_id: str) -> tuple[Row[Any], Path]:
        """Return a document's row and where its file lies. Raises ``Problem``."""
        row = await self._db.read(lambda conn: documents.get(conn, application_id, document_id))
        if row is None:
            raise Problem("not_found")
        path = self._files.path(row.storage_name)
        if not await asyncio.to_thread(path.is_file):
            log.error("file of a document is missing", document_id=document_id)
            raise Problem("not_found")
        return row, path

    async def count_pages(self, application_id: str, document_id: str) -> int:
        """Return how many pages a PDF has. Raises ``Problem``, ``Unreadable``."""
        return await self._pages.count(await self._pdf(application_id, document_id))

    async def draw_page(self, application_id: str, document_id: str, number: int) -> bytes:
        """Return one page of a PDF as PNG, counted from 1. Raises ``Problem``, ``Unreadable``."""
        return await self._pages.png(await self._pdf(application_id, document_id), number)

    async def _pdf(self, application_id: str, document_id: str) -> Path:
        row, path = await self.find(application_id, document_id)
        if row.media_type != MediaType.PDF.value:
            raise Problem("not_found")
        return path

    async def remove(self, application_id: str, document_id: str) -> None:
        """Throw a document away, the row first: a row never points to a missing file. Raises ``Problem``."""
        try:
            name = await self._db.write(lambda conn: documents.remove(conn, application_id, document_id))
        except applications.NotEditable:
            raise Problem("not_editable") from None
        if name is None:
            raise Problem("not_found")
        await asyncio.to_thread(self._files.remove, name)

    async def sweep(self) -> int:
        """Delete files that no row knows, left by a process that died between the two; return how many."""
        return await file_sweep.sweep(self._db, self._files, documents.known_storage_names)


def _kind_of(received: Received, locale: str) -> DocumentKind:
    try:
        return DocumentKind(received.fields["kind"])
    except ValueError:
        allowed = one_of(locale, [f"'{kind.value}'" for kind in DocumentKind])
        raise field_problem("kind", "enum", translate(locale, "field.enum", expected=allowed)) from None


def _too_many(max_files: int) -> Problem:
    return Problem("too_many_documents", max_files=max_files)
