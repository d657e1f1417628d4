"""Where the demo community's applications and ballots are found."""

from sqlalchemy import select

from db.database import Database
from db.tables.ballots import ballots
from db.tables.people import people
from db.tables.vetting import applications
from engine.seed_people import HOST


async def application_of(db: Database, key: str) -> str:
    """Return the id of the latest application of one of the demo community."""
    statement = (
        select(applications.c.id)
        .join(people, people.c.id == applications.c.person_id)
        .where(people.c.email == f"{key}@{HOST}")
        .order_by(applications.c.id.desc())
    )
    return str(await db.read(lambda conn: conn.execute(statement).scalars().first()))


async def ballot_of(db: Database, key: str) -> str:
    """Return the id of the latest ballot on one of the demo community."""
    application_id = await application_of(db, key)
    statement = (
        select(ballots.c.id).where(ballots.c.subject_id == application_id).order_by(ballots.c.opens_at.desc())
    )
    return str(await db.read(lambda conn: conn.execute(statement).scalars().first()))
