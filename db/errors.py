"""What can go wrong between a caller and the database, told by type and never by text.

``DatabaseError``
 ├─ ``DatabaseUnavailable``   nothing is wrong with the request: try again later (the API answers 503)
 │   └─ ``NotMigrated``       a table is missing: somebody has to migrate
 ├─ ``Conflict``              a unique key is taken; ``constraint`` names which
 └─ ``BrokenReference``       a row that is referred to does not exist
"""


class DatabaseError(Exception):
    """Base of everything that this package raises on its own account."""


class DatabaseUnavailable(DatabaseError):
    """The database cannot be reached, is locked, read-only or full; nothing was stored, or it is unknown.

    ``outcome_unknown`` is True where the connection broke during COMMIT: the write may stand, so
    only a request with an idempotency key may be repeated.
    """

    def __init__(self, message: str, *, outcome_unknown: bool = False) -> None:
        super().__init__(message)
        self.outcome_unknown = outcome_unknown


class NotMigrated(DatabaseUnavailable):
    """A table is missing: the database was never brought to the schema that this version works on."""

    def __init__(self) -> None:
        super().__init__("it has not been migrated; run: kameng migrate")


class Conflict(DatabaseError):
    """A unique key is taken. ``constraint`` is its name in ``db.tables``, the same on every database."""

    def __init__(self, constraint: str) -> None:
        super().__init__(f"{constraint} is violated")
        self.constraint = constraint


class BrokenReference(DatabaseError):
    """A foreign key points to a row that does not exist. SQLite does not say which key."""

    def __init__(self, constraint: str | None = None) -> None:
        super().__init__(f"{constraint or 'a foreign key'} is violated")
        self.constraint = constraint
