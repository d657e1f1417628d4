"""People: who they are, what they may do, and what stands between two of them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, and_, delete, exists, func, insert, or_, select, update

from db.statements import insert_ignore
from db.tables.people import circle_members, declared_conflicts, people, role_grants, sanctions
from domain import people as rules
from domain.ids import new_id
from domain.people import ConflictKind, Person, PersonStatus, Role, normalise_email


class NewPerson(NamedTuple):
    """What it takes to create a person; ``joined_at`` is UTC."""

    email: str
    display_name: str
    locale: str
    time_zone: str
    joined_at: datetime
    invited_by: str | None = None


def get(conn: Connection, person_id: str) -> Person | None:
    """Return the person with that id."""
    return _person(conn.execute(select(people).where(people.c.id == person_id)).one_or_none())


def get_by_email(conn: Connection, email: str) -> Person | None:
    """Return the person with that mailbox, however its address is spelled."""
    key = people.c.email_normalised == normalise_email(email)
    return _person(conn.execute(select(people).where(key)).one_or_none())


def _person(row: Row[Any] | None) -> Person | None:
    return None if row is None else Person.model_validate(row._asdict())


def ids_by_email(conn: Connection, emails: Iterable[str]) -> dict[str, str]:
    """Return person ids by normalised address, for those ``emails`` (normalised, ≤ 10,000) that are known."""
    key = people.c.email_normalised
    rows = conn.execute(select(key, people.c.id).where(key.in_(sorted(set(emails)))))
    return {row.email_normalised: row.id for row in rows}


def find_or_create(conn: Connection, given: NewPerson, now: datetime) -> tuple[Person, bool]:
    """Return the person with that mailbox, and whether it had to be created."""
    created = create_many(conn, [given], now) == 1
    person = get_by_email(conn, given.email)
    assert person is not None
    return person, created


def create_many(conn: Connection, given: Sequence[NewPerson], now: datetime) -> int:
    """Create those whose mailbox is unknown, leave the others as they are; return how many were created.

    Everyone created holds the role ``member``.
    """
    rows = [_row(person, now) for person in given]
    insert_ignore(conn, people, rows, conflict=["email_normalised"])
    created = select(people.c.id).where(people.c.id.in_([row["id"] for row in rows]))
    new = conn.execute(created).scalars().all()
    insert_ignore(
        conn,
        role_grants,
        [{"person_id": person_id, "role": Role.MEMBER.value, "granted_at": now} for person_id in new],
    )
    return len(new)


def _row(given: NewPerson, now: datetime) -> dict[str, Any]:
    return {
        "id": new_id(),
        "email": given.email,
        "email_normalised": normalise_email(given.email),
        "display_name": given.display_name,
        "locale": given.locale,
        "time_zone": given.time_zone,
        "status": PersonStatus.ACTIVE.value,
        "good_standing": True,
        "list_mail": True,
        "invited_by": given.invited_by,
        "joined_at": given.joined_at,
        "created_at": now,
    }


def roles(conn: Connection, person_id: str) -> frozenset[Role]:
    """Return the roles that a person holds."""
    held = conn.execute(select(role_grants.c.role).where(role_grants.c.person_id == person_id))
    return frozenset(Role(role) for role in held.scalars())


def grant_role(
    conn: Connection, person_id: str, role: Role, now: datetime, granted_by: str | None = None
) -> bool:
    """Give a role; return False if it was held already."""
    row = {"person_id": person_id, "role": role.value, "granted_at": now, "granted_by": granted_by}
    return insert_ignore(conn, role_grants, [row], conflict=["person_id", "role"]) == 1


def revoke_role(conn: Connection, person_id: str, role: Role) -> bool:
    """Take a role away; return False if it was not held."""
    held = and_(role_grants.c.person_id == person_id, role_grants.c.role == role.value)
    return conn.execute(delete(role_grants).where(held)).rowcount == 1


def holders_of(conn: Connection, role: Role) -> tuple[str, ...]:
    """Return the ids of active people who hold ``role``, in order of creation."""
    statement = (
        select(people.c.id)
        .join(role_grants, role_grants.c.person_id == people.c.id)
        .where(role_grants.c.role == role.value, people.c.status == PersonStatus.ACTIVE.value)
        .order_by(people.c.id)
    )
    return tuple(conn.execute(statement).scalars())


def some_to_try(conn: Connection, members: int = 50) -> list[tuple[Person, frozenset[Role]]]:
    """Return all active people with a role beyond member (≤ 200), then ``members`` others, with roles."""
    active = people.c.status == PersonStatus.ACTIVE.value
    special = exists().where(role_grants.c.person_id == people.c.id, role_grants.c.role != Role.MEMBER.value)
    first = conn.execute(select(people).where(active, special).order_by(people.c.id).limit(200)).all()
    rest = conn.execute(select(people).where(active, ~special).order_by(people.c.id).limit(members)).all()
    found = [Person.model_validate(row._asdict()) for row in (*first, *rest)]
    return [(person, roles(conn, person.id)) for person in found]


def set_status(conn: Connection, person_id: str, status: PersonStatus) -> bool:
    """Change whether the account can be used; return False for an unknown person."""
    statement = update(people).where(people.c.id == person_id).values(status=status.value)
    return conn.execute(statement).rowcount == 1


def set_standing(conn: Connection, person_id: str, *, good: bool) -> bool:
    """Change whether the person counts as in good standing; return False for an unknown person."""
    statement = update(people).where(people.c.id == person_id).values(good_standing=good)
    return conn.execute(statement).rowcount == 1


def join_circle(conn: Connection, person_id: str, circle: str) -> bool:
    """Put a person into a circle; return False if already in it."""
    row = {"circle": circle, "person_id": person_id}
    return insert_ignore(conn, circle_members, [row], conflict=["circle", "person_id"]) == 1


def leave_circle(conn: Connection, person_id: str, circle: str) -> bool:
    """Take a person out of a circle; return False if not in it."""
    held = and_(circle_members.c.circle == circle, circle_members.c.person_id == person_id)
    return conn.execute(delete(circle_members).where(held)).rowcount == 1


def circles(conn: Connection, person_id: str) -> tuple[str, ...]:
    """Return the circles that a person belongs to, sorted."""
    statement = select(circle_members.c.circle).where(circle_members.c.person_id == person_id)
    return tuple(sorted(conn.execute(statement).scalars()))


def sanction(
    conn: Connection,
    person_id: str,
    *,
    kind: str,
    reason: str,
    starts_at: datetime,
    ends_at: datetime | None = None,
    created_by: str | None = None,
) -> str:
    """Record a sanction, open-ended without ``ends_at`` (UTC), and return its id."""
    sanction_id = new_id()
    conn.execute(
        insert(sanctions),
        {
            "id": sanction_id,
            "person_id": person_id,
            "kind": kind,
            "reason": reason,
            "starts_at": starts_at,
            "ends_at": ends_at,
            "created_by": created_by,
        },
    )
    return sanction_id


def lift_sanction(conn: Connection, sanction_id: str, at: datetime) -> bool:
    """End a sanction at ``at``; return False if it is unknown or lifted already."""
    held = and_(sanctions.c.id == sanction_id, sanctions.c.lifted_at.is_(None))
    return conn.execute(update(sanctions).where(held).values(lifted_at=at)).rowcount == 1


def is_sanctioned(conn: Connection, person_id: str, at: datetime) -> bool:
    """Tell whether a sanction is in force at ``at``: from its start on, no longer at its very end."""
    in_force = and_(
        sanctions.c.person_id == person_id,
        sanctions.c.starts_at <= at,
        or_(sanctions.c.ends_at.is_(None), sanctions.c.ends_at > at),
        or_(sanctions.c.lifted_at.is_(None), sanctions.c.lifted_at > at),
    )
    return conn.execute(select(sanctions.c.id).where(in_force).limit(1)).first() is not None


def declare_conflict(conn: Connection, person_id: str, other_id: str, now: datetime) -> bool:
    """Record that ``person_id`` names a conflict of interest with ``other_id``; False if it stood already."""
    row = {"person_id": person_id, "other_id": other_id, "declared_at": now}
    return insert_ignore(conn, declared_conflicts, [row], conflict=["person_id", "other_id"]) == 1


def conflict_between(conn: Connection, reviewer_id: str, applicant_id: str) -> ConflictKind | None:
    """Return why the reviewer may not decide about the applicant, or None. Raises ``LookupError``."""
    reviewer, applicant = get(conn, reviewer_id), get(conn, applicant_id)
    if reviewer is None or applicant is None:
        raise LookupError("no such person")
    declared = select(func.count()).where(
        or_(
            and_(
                declared_conflicts.c.person_id == reviewer_id, declared_conflicts.c.other_id == applicant_id
            ),
            and_(
                declared_conflicts.c.person_id == applicant_id, declared_conflicts.c.other_id == reviewer_id
            ),
        )
    )
    return rules.conflict_between(
        reviewer,
        applicant,
        circles(conn, reviewer_id),
        circles(conn, applicant_id),
        declared=bool(conn.execute(declared).scalar_one()),
    )
