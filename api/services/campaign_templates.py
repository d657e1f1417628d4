"""Templates of campaigns: those that are shipped, as staff have changed them, and those of their own."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection

from api.problems import Problem
from api.schemas.campaign_templates import (
    TemplateIn,
    TemplateOut,
    TemplatePlan,
    TemplateVersionOut,
    TemplateWords,
)
from api.security.gate import Actor
from db.repositories import campaign_templates
from db.repositories.campaign_templates import TemplateChanged
from domain.campaigns.invitations import BLOCKING, warnings
from domain.campaigns.rewards import liability
from domain.campaigns.templates import SETTINGS, TemplateCode, TemplateText, text_id
from domain.people import LOCALES
from locales import translate

SHIPPED: Final = tuple(code.value for code in TemplateCode)


def every(conn: Connection) -> list[TemplateOut]:
    """Return all templates, retired ones too: the shipped in their order, then others by code."""
    stored = {row.code: row for row in campaign_templates.newest(conn)}
    shipped = [_stored(stored[code]) if code in stored else default(code) for code in SHIPPED]
    return [*shipped, *(_stored(row) for code, row in stored.items() if code not in SHIPPED)]


def offered(conn: Connection) -> list[TemplateOut]:
    """Return the templates that a campaign can begin with."""
    return [one for one in every(conn) if not one.retired]


def find(conn: Connection, code: str) -> TemplateOut | None:
    """Return a template by its code, None if there is none."""
    row = campaign_templates.get(conn, code)
    if row is not None:
        return _stored(row)
    return default(code) if code in SHIPPED else None


def default(code: str) -> TemplateOut:
    """Return a template as it is shipped: version 0."""
    shipped = TemplateCode(code)
    texts = {
        locale: {text.value: translate(locale, text_id(shipped, text)) for text in TemplateText}
        for locale in LOCALES
    }
    return _out(code, 0, False, texts, SETTINGS[shipped])


def _stored(row: Any) -> TemplateOut:
    return _out(row.code, row.version, row.retired, row.words, row.settings)


def _out(
    code: str, version: int, retired: bool, texts: Mapping[str, Any], settings: Mapping[str, Any]
) -> TemplateOut:
    plan = TemplatePlan.model_validate(settings)
    return TemplateOut(
        code=code,
        version=version,
        shipped=code in SHIPPED,
        retired=retired,
        texts={locale: TemplateWords.model_validate(words) for locale, words in texts.items()},
        plan=plan,
        liability=liability(plan),
        warnings=[warning.value for warning in warnings(plan)],
    )


def write(conn: Connection, actor: Actor, code: str, expected_version: int, given: TemplateIn) -> TemplateOut:
    """Write a version of a template on top of ``expected_version``; 0 for one that is new or as shipped.

    Raises ``Problem``: for a plan that the law forbids, and where another was written meanwhile.
    """
    barred = [warning.value for warning in warnings(given.plan) if warning in BLOCKING]
    if barred:
        raise Problem("plan_unlawful", warnings=barred)
    try:
        campaign_templates.add_version(
            conn,
            code,
            expected_version,
            settings=given.plan.model_dump(mode="json"),
            words={locale: words.model_dump() for locale, words in given.texts.items()},
            retired=given.retired,
            note=given.note,
            created_by=actor.person_id,
            now=datetime.now(UTC),
        )
    except TemplateChanged:
        raise Problem("edit_conflict") from None
    return existing(conn, code)


def restore(conn: Connection, actor: Actor, code: str, expected_version: int) -> TemplateOut:
    """Make a template what it was when it was shipped, as a new version. Raises ``Problem``."""
    if code not in SHIPPED:
        raise Problem("not_found")
    shipped = default(code)
    if expected_version == 0 and existing(conn, code).version == 0:
        return shipped
    given = TemplateIn(texts=shipped.texts, plan=shipped.plan)
    return write(conn, actor, code, expected_version, given)


def existing(conn: Connection, code: str) -> TemplateOut:
    """Return a template by its code. Raises ``Problem``."""
    found = find(conn, code)
    if found is None:
        raise Problem("not_found")
    return found


def versions(conn: Connection, code: str) -> list[TemplateVersionOut]:
    """Return who wrote the versions of a template, newest first. Raises ``Problem``."""
    existing(conn, code)
    return [
        TemplateVersionOut(
            version=row.version,
            created_at=row.created_at,
            author=row.author,
            note=row.note,
            retired=row.retired,
        )
        for row in campaign_templates.history(conn, code)
    ]
