"""An activity that does nothing, and one that keeps a check-in as a workflow for each member would."""

import sqlite3

from temporalio import activity


@activity.defn
async def nothing() -> None:
    """Do nothing."""


class Keeper:
    """Writes check-ins into a file of its own, one commit each."""

    def __init__(self, database: str) -> None:
        self._connection = sqlite3.connect(database, isolation_level=None)
        for setting in ("journal_mode = WAL", "synchronous = FULL"):
            self._connection.execute(f"PRAGMA {setting}")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS kept (member TEXT, day INTEGER, streak INTEGER, "
            "PRIMARY KEY (member, day)) WITHOUT ROWID"
        )

    @activity.defn(name="keep_check_in")
    async def keep(self, member: str, day: int, streak: int) -> None:
        """Keep one check-in; again it changes nothing."""
        self._connection.execute("INSERT OR IGNORE INTO kept VALUES (?, ?, ?)", (member, day, streak))
