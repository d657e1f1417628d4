"""Alembic's entry: ``db.migrate`` hands over a connection whose transaction holds the whole change."""

from typing import Any, Literal

from alembic import context

from db.tables import metadata
from db.types import Json, UtcDateTime


def render_item(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """Write our own column types by their names; everything else as Alembic does."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "db.types.UtcDateTime()"
    if kind == "type" and item is Json:
        return "db.types.Json"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    render_item=render_item,
    compare_type=True,
    transactional_ddl=True,
)
context.run_migrations()
