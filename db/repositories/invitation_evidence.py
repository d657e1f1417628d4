"""What staff look at before they decide about a doubtful friend."""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, func, select

from db.repositories import enrolments as entries
from db.tables.campaigns import campaigns
from db.tables.invitations import invitation_joins
from db.tables.people import notes, people
from domain.campaigns.invitation_doubts import JoinStatus

MOST_EARLIER: Final = 20


@dataclass(frozen=True, slots=True)
class Evidence:
    """A case: both people, how active the friend was (days), what the inviter and the client did before.

    ``earlier`` are the latest other joins of that inviter, ``by_status`` counts them all. ``of_client`` are
    the joins from the same client by this inviter, ``others_of_client`` those by others; None where no
    client is known.
    """

    friend: Row[Any]
    inviter: Row[Any]
    days_done: int
    place: str | None
    by_status: dict[JoinStatus, int]
    earlier: list[Row[Any]]
    of_client: int | None
    others_of_client: int | None
    decided_by: str | None
    note: str | None


def of(conn: Connection, join: Row[Any]) -> Evidence:
    """Return what there is about a join."""
    person: Select[Any] = select(
        people.c.id, people.c.display_name, people.c.email, people.c.joined_at, people.c.status
    )
    entry: Any = entries.get(conn, join.campaign_id, join.friend_id)
    by_inviter = _by_inviter(join)
    statuses = select(invitation_joins.c.status, func.count().label("number")).where(*by_inviter)
    of_client, others = _of_client(conn, join)
    return Evidence(
        friend=conn.execute(person.where(people.c.id == join.friend_id)).one(),
        inviter=conn.execute(person.where(people.c.id == join.inviter_id)).one(),
        days_done=entry.days_done if entry else 0,
        place=entry.status if entry else None,
        by_status={
            JoinStatus(row.status): row.number
            for row in conn.execute(statuses.group_by(invitation_joins.c.status))
        },
        earlier=_earlier(conn, by_inviter),
        of_client=of_client,
        others_of_client=others,
        decided_by=_name(conn, join.decided_by),
        note=conn.execute(select(notes.c.body).where(notes.c.id == join.note_id)).scalar_one_or_none(),
    )


def _by_inviter(join: Row[Any]) -> tuple[Any, ...]:
    return (invitation_joins.c.inviter_id == join.inviter_id, invitation_joins.c.id != join.id)


def _earlier(conn: Connection, by_inviter: tuple[Any, ...]) -> list[Row[Any]]:
    found = (
        select(
            invitation_joins.c.id,
            invitation_joins.c.status,
            invitation_joins.c.joined_at,
            people.c.display_name,
            campaigns.c.title,
        )
        .join(people, people.c.id == invitation_joins.c.friend_id)
        .join(campaigns, campaigns.c.id == invitation_joins.c.campaign_id)
        .where(*by_inviter)
        .order_by(invitation_joins.c.joined_at.desc(), invitation_joins.c.id.desc())
        .limit(MOST_EARLIER)
    )
    return list(conn.execute(found))


def _of_client(conn: Connection, join: Row[Any]) -> tuple[int | None, int | None]:
    if join.client_hash is None:
        return None, None
    same = (invitation_joins.c.client_hash == join.client_hash, invitation_joins.c.id != join.id)
    counts = select(invitation_joins.c.inviter_id == join.inviter_id, func.count()).where(*same)
    by_own = {bool(own): number for own, number in conn.execute(counts.group_by(counts.selected_columns[0]))}
    return by_own.get(True, 0), by_own.get(False, 0)


def _name(conn: Connection, person_id: str | None) -> str | None:
    return conn.execute(select(people.c.display_name).where(people.c.id == person_id)).scalar_one_or_none()
