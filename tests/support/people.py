"""People for tests."""

from datetime import UTC, datetime

from sqlalchemy import Connection

from db.repositories import people
from domain.people import Person

LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)


def create_person(conn: Connection, name: str, *, invited_by: str | None = None) -> Person:
    """Create a member called `name`, with an address to match, who joined long ago."""
    given = people.NewPerson(
        email=f"{name}@kameng.org",
        display_name=name,
        locale="en",
        time_zone="UTC",
        joined_at=LONG_AGO,
        invited_by=invited_by,
    )
    return people.find_or_create(conn, given, LONG_AGO)[0]
