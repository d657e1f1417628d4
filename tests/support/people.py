"""People for tests."""

import secrets
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from db.repositories import people
from domain.ids import new_id
from domain.people import Person, normalise_email

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


def person_row(name: str, email: str | None = None, **values: Any) -> dict[str, Any]:
    """Return the row of an active person who joined long ago; ``values`` replace what is given here."""
    email = email or f"{name}-{secrets.token_hex(3)}@people.example"
    return {
        "id": new_id(),
        "email": email,
        "email_normalised": normalise_email(email),
        "display_name": f"Shown {name}",
        "locale": "en",
        "time_zone": "Asia/Shanghai",
        "status": "active",
        "good_standing": True,
        "list_mail": True,
        "joined_at": LONG_AGO,
        "created_at": datetime.now(UTC),
        **values,
    }
