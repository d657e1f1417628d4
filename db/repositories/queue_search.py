"""The index that the staff's search goes through: names and headlines of the applications that wait.

It is kept in the transaction that lets an application wait, changes its headline or its applicant's name,
and holds no more than what waits.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, Connection, delete, func, literal, select, union_all

from db.statements import chunked, insert_ignore, upsert
from db.tables.people import people
from db.tables.vetting import application_grams, application_search, applications
from domain.search import beginnings, folded, grams, key_range
from domain.vetting.desk import QUEUE_STAGES

WAITING = frozenset(stage.value for stages in QUEUE_STAGES.values() for stage in stages)
FEW = 5_000
"""What is in no more applications than these is looked up there; what is in more is met soon by reading
the queue in its order."""
_BATCH = 500


class Range(NamedTuple):
    """The keys ``[first, last)`` of grams of which every application that is looked for has one."""

    first: bytes | BindParameter[Any]
    last: bytes | BindParameter[Any]


def text_of(name: str, headline: str) -> str:
    """Return what of an application is searched, folded; no search goes across the line break."""
    return f"{folded(name)}\n{folded(headline)}"


def moved(conn: Connection, application_id: str, before: str, after: str) -> None:
    """Take an application that begins to wait into the index, and one that no longer does out of it."""
    if before not in WAITING and after in WAITING:
        index(conn, [application_id])
    elif before in WAITING and after not in WAITING:
        _forget(conn, application_id)


def headline_changed(conn: Connection, application_id: str) -> None:
    """Index an application's headline anew, if it waits."""
    index(conn, [application_id])


def name_changed(conn: Connection, person_id: str) -> None:
    """Index a person's name anew in the applications that wait."""
    index(
        conn, conn.execute(select(applications.c.id).where(applications.c.person_id == person_id)).scalars()
    )


def index(conn: Connection, application_ids: Iterable[str]) -> None:
    """Index those of these applications that wait; what is indexed as it is now stays."""
    for chunk in chunked(application_ids, _BATCH):
        rows = conn.execute(
            select(
                applications.c.id, people.c.display_name, applications.c.headline, application_search.c.text
            )
            .join(people, people.c.id == applications.c.person_id)
            .outerjoin(application_search, application_search.c.application_id == applications.c.id)
            .where(applications.c.id.in_(chunk), applications.c.stage.in_(WAITING))
        ).all()
        texts = {row.id: text_of(row.display_name, row.headline) for row in rows}
        for row in rows:
            if row.text is not None and row.text != texts[row.id]:
                _forget(conn, row.id)
        _add(conn, {row.id: texts[row.id] for row in rows if row.text != texts[row.id]})


def _add(conn: Connection, texts: dict[str, str]) -> None:
    upsert(
        conn,
        application_search,
        [{"application_id": own, "text": text} for own, text in texts.items()],
        conflict=["application_id"],
    )
    insert_ignore(
        conn,
        application_grams,
        [
            {"gram": gram.encode(), "application_id": own}
            for own, text in texts.items()
            for gram in sorted(_grams_of(text))
        ],
        conflict=["gram", "application_id"],
    )


def _grams_of(text: str) -> set[str]:
    """Return the grams of each line: none of them goes across the break."""
    return {gram for line in text.split("\n") for gram in grams(line)}


def _forget(conn: Connection, application_id: str) -> None:
    text = conn.execute(
        select(application_search.c.text).where(application_search.c.application_id == application_id)
    ).scalar_one_or_none()
    if text is None:
        return
    conn.execute(
        delete(application_grams).where(
            application_grams.c.application_id == application_id,
            application_grams.c.gram.in_([gram.encode() for gram in _grams_of(text)]),
        )
    )
    conn.execute(delete(application_search).where(application_search.c.application_id == application_id))


def rarest(conn: Connection, search: str) -> Range | None:
    """Return the keys that the fewest applications have of those that the folded ``search`` needs.

    None if even those are in more than ``FEW``.
    """
    ranges = [Range(*key_range(beginning)) for beginning in beginnings(search)]
    counted = [
        select(literal(number).label("number"), func.count().label("rows")).select_from(
            select(application_grams.c.gram).where(*within(one)).limit(FEW + 1).subquery()
        )
        for number, one in enumerate(ranges)
    ]
    if not counted:
        return None
    found: Any = min(conn.execute(union_all(*counted)), key=lambda row: row.rows)
    return ranges[found.number] if found.rows <= FEW else None


def within(keys: Range) -> tuple[Any, Any]:
    """Return the conditions that a gram is one of ``keys``."""
    return application_grams.c.gram >= keys.first, application_grams.c.gram < keys.last
