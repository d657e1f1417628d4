"""Templates of campaigns as staff have changed or added them; a version never changes once it is written."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, func, select

from db.statements import insert_ignore
from db.tables.campaigns import campaign_templates
from db.tables.people import people


class TemplateChanged(Exception):
    """Somebody else wrote a version in the meantime; ``current`` is the newest one now."""

    def __init__(self, current: int) -> None:
        super().__init__(str(current))
        self.current = current


def newest(conn: Connection) -> list[Row[Any]]:
    """Return the newest version of every template that has one here, by code."""
    last = (
        select(campaign_templates.c.code, func.max(campaign_templates.c.version).label("version"))
        .group_by(campaign_templates.c.code)
        .subquery()
    )
    same = and_(campaign_templates.c.code == last.c.code, campaign_templates.c.version == last.c.version)
    rows = select(campaign_templates).join(last, same).order_by(campaign_templates.c.code)
    return list(conn.execute(rows))


def get(conn: Connection, code: str) -> Row[Any] | None:
    """Return the newest version of one template, None if it has none here."""
    mine = select(campaign_templates).where(campaign_templates.c.code == code)
    return conn.execute(mine.order_by(campaign_templates.c.version.desc()).limit(1)).one_or_none()


def history(conn: Connection, code: str, limit: int = 100) -> list[Row[Any]]:
    """Return up to ``limit`` versions of a template, newest first, with ``author``."""
    rows = (
        select(campaign_templates, people.c.display_name.label("author"))
        .outerjoin(people, people.c.id == campaign_templates.c.created_by)
        .where(campaign_templates.c.code == code)
        .order_by(campaign_templates.c.version.desc())
        .limit(limit)
    )
    return list(conn.execute(rows))


def add_version(
    conn: Connection,
    code: str,
    expected_version: int,
    *,
    settings: Mapping[str, Any],
    words: Mapping[str, Mapping[str, str]],
    retired: bool,
    note: str,
    created_by: str,
    now: datetime,
) -> int:
    """Write the version after ``expected_version`` (0: as shipped, or none yet) and return its number.

    Raises ``TemplateChanged`` if that is not the newest: two editors never overwrite each other.
    """
    row = {
        "code": code,
        "version": expected_version + 1,
        "settings": dict(settings),
        "words": {language: dict(texts) for language, texts in words.items()},
        "retired": retired,
        "created_at": now,
        "created_by": created_by,
        "note": note,
    }
    found = _version(conn, code)
    key = ["code", "version"]
    if found != expected_version or not insert_ignore(conn, campaign_templates, [row], conflict=key):
        raise TemplateChanged(_version(conn, code))
    return expected_version + 1


def _version(conn: Connection, code: str) -> int:
    newest_one = select(func.max(campaign_templates.c.version)).where(campaign_templates.c.code == code)
    return int(conn.execute(newest_one).scalar() or 0)
