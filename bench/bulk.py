"""The bare bulk insert that a fan-out is measured against: the driver, the rows, nothing else."""

import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import Any

import psycopg

Rows = Sequence[tuple[Any, ...]]


def sqlite_bulk(path: str) -> tuple[Callable[[], Rows], Callable[[Rows], float], Callable[[], None]]:
    """Return what reads all mails, what inserts them in one go (seconds), and what empties the table."""

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(path, isolation_level=None, timeout=30)
        for setting in (
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            "cache_size = -16000",
        ):
            connection.execute(f"PRAGMA {setting}")
        return connection

    def read() -> Rows:
        connection = connect()
        rows = connection.execute("SELECT * FROM mails").fetchall()
        connection.close()
        return rows

    def insert(rows: Rows) -> float:
        connection = connect()
        statement = f"INSERT INTO mails VALUES ({', '.join('?' * len(rows[0]))})"
        started = time.perf_counter()
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(statement, rows)
        connection.execute("COMMIT")
        taken = time.perf_counter() - started
        connection.close()
        return taken

    def empty() -> None:
        connection = connect()
        connection.execute("DELETE FROM mails")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()

    return read, insert, empty


def postgres_bulk(
    url: str, *, copy: bool = False
) -> tuple[Callable[[], Rows], Callable[[Rows], float], Callable[[], None]]:
    """As ``sqlite_bulk``, by ``executemany`` (which psycopg pipelines) or by ``COPY``."""

    def read() -> Rows:
        with psycopg.connect(url) as connection:
            # As text: psycopg would turn JSON into objects that it cannot send back.
            columns = [row[0] for row in connection.execute("SELECT * FROM mails LIMIT 0").description or ()]
            listed = ", ".join(f"{name}::text" if name == "data" else name for name in columns)
            return connection.execute(f"SELECT {listed} FROM mails".encode()).fetchall()

    def insert(rows: Rows) -> float:
        with psycopg.connect(url) as connection:
            started = time.perf_counter()
            with connection.cursor() as cursor:
                if copy:
                    with cursor.copy("COPY mails FROM STDIN") as stream:
                        for row in rows:
                            stream.write_row(row)
                else:
                    places = ", ".join(["%s"] * len(rows[0]))
                    cursor.executemany(f"INSERT INTO mails VALUES ({places})".encode(), rows)
            connection.commit()
            return time.perf_counter() - started

    def empty() -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            # Invitations by mail name the letters that they went by.
            connection.execute("TRUNCATE mails, mail_events, invitation_mails")
            connection.execute("CHECKPOINT")

    return read, insert, empty
