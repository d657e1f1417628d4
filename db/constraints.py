"""Names of unique constraints, for databases that report only the columns."""

from collections.abc import Iterable
from functools import cache

from sqlalchemy import UniqueConstraint

from db.tables import metadata


def unique_constraint_of(columns: Iterable[str]) -> str:
    """Return the name in ``db.tables`` of the unique key over ``columns`` (each as ``table.column``)."""
    wanted = frozenset(columns)
    return _names().get(wanted) or "uq_" + "_".join(sorted(wanted)).replace(".", "_")


@cache
def _names() -> dict[frozenset[str], str]:
    names = {}
    for table in metadata.tables.values():
        keys = [c for c in table.constraints if isinstance(c, UniqueConstraint)]
        for key in (table.primary_key, *keys):
            names[frozenset(f"{table.name}.{column.name}" for column in key.columns)] = str(key.name)
        for index in table.indexes:
            if index.unique:
                names[frozenset(f"{table.name}.{column.name}" for column in index.columns)] = str(index.name)
    return names
