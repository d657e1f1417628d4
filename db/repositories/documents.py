"""Documents of applications: which file is whose. The files themselves are kept outside the database."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from db.repositories.applications import lock_editable
from db.tables.vetting import credential_claims, documents
from domain.documents import DocumentKind, MediaType


class TooManyDocuments(Exception):
    """The application holds as many files as the policy allows."""


def add(
    conn: Connection,
    *,
    document_id: str,
    application_id: str,
    kind: DocumentKind,
    name: str,
    media_type: MediaType,
    size: int,
    sha256: str,
    storage_name: str,
    max_files: int,
    now: datetime,
) -> str:
    """Add a stored file to an editable application and return the document's id.

    ``sha256`` is that of the file as it was handed in: it finds the same file under two accounts. The
    same file as the same kind is there once: then the id is that of the first, and ``storage_name``
    is not used. Raises ``NotEditable``, ``TooManyDocuments``.
    """
    lock_editable(conn, application_id)
    known = same(conn, application_id, kind, sha256)
    if known is not None:
        return known
    if count(conn, application_id) >= max_files:
        raise TooManyDocuments
    conn.execute(
        insert(documents),
        {
            "id": document_id,
            "application_id": application_id,
            "kind": kind.value,
            "original_name": name,
            "media_type": media_type.value,
            "size": size,
            "sha256": sha256,
            "storage_name": storage_name,
            "created_at": now,
        },
    )
    return document_id


def same(conn: Connection, application_id: str, kind: DocumentKind, sha256: str) -> str | None:
    """Return the id of the document of that application that was the same file, handed in as the same."""
    return conn.execute(
        select(documents.c.id).where(
            documents.c.application_id == application_id,
            documents.c.kind == kind.value,
            documents.c.sha256 == sha256,
        )
    ).scalar_one_or_none()


def count(conn: Connection, application_id: str) -> int:
    """Return how many files an application holds."""
    counted = select(func.count()).where(documents.c.application_id == application_id)
    return int(conn.execute(counted).scalar_one())


def get(conn: Connection, application_id: str, document_id: str) -> Row[Any] | None:
    """Return the row of a document of that application."""
    return conn.execute(
        select(documents).where(documents.c.id == document_id, documents.c.application_id == application_id)
    ).one_or_none()


def remove(conn: Connection, application_id: str, document_id: str) -> str | None:
    """Take a document out of an editable application and out of its claims; return its storage name.

    None if it is not there. Raises ``NotEditable``.
    """
    lock_editable(conn, application_id)
    row = get(conn, application_id, document_id)
    if row is None:
        return None
    for claim in _claims_with(conn, application_id, document_id):
        left = [known for known in claim.document_ids if known != document_id]
        conn.execute(
            update(credential_claims).where(credential_claims.c.id == claim.id).values(document_ids=left)
        )
    conn.execute(delete(documents).where(documents.c.id == document_id))
    return str(row.storage_name)


def _claims_with(conn: Connection, application_id: str, document_id: str) -> Sequence[Any]:
    claims = conn.execute(
        select(credential_claims.c.id, credential_claims.c.document_ids).where(
            credential_claims.c.application_id == application_id
        )
    )
    return [claim for claim in claims if document_id in claim.document_ids]


def known_storage_names(conn: Connection, names: Iterable[str]) -> set[str]:
    """Return those of ``names`` (≤ 10,000) that a document uses."""
    wanted = list(names)
    return set(
        conn.execute(select(documents.c.storage_name).where(documents.c.storage_name.in_(wanted))).scalars()
    )
