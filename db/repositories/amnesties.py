"""Amnesties: after an outage everybody rests on the days that it spoilt, and streaks are made whole."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, bindparam, select, update

from db.repositories.check_in_records import Rules, recounted, rules_of
from db.repositories.check_ins import lock_campaigns
from db.tables.campaigns import campaigns, check_ins, enrolments
from domain.campaigns.members import Place
from domain.campaigns.terms import Status


class NoAmnesty(Exception):
    """These days cannot be given: one is not closed yet, asks nothing anyway, or the campaign is over."""


def amnesty(
    conn: Connection, campaign_id: str, days: Iterable[int], actor_id: str, at: datetime, page: int = 5_000
) -> int:
    """Let everybody rest on ``days`` after an outage; return how many members' counters it changed.

    They become days of rest rather than check-ins of everybody: nobody is paid for what nobody did, who
    had checked in keeps it, and one line says all of it. ``at`` is the process's time (UTC). Raises
    ``NoAmnesty``.
    """
    wanted = sorted(set(days))
    row = lock_campaigns(conn, [campaign_id]).get(campaign_id)
    if row is None or row.status not in (Status.RUNNING, Status.PAUSED) or not wanted:
        raise NoAmnesty
    plan, before = rules_of(conn, row)
    if any(not 1 <= day <= row.closed_through or day in before for day in wanted):
        raise NoAmnesty
    rules, total = Rules(plan, before | frozenset(wanted)), 0
    after: str | None = ""
    while after is not None:
        after, changed = _repair_page(conn, row, rules, wanted, after, page)
        total += changed
    batch = {"days": wanted, "declared_by": actor_id, "declared_at": at.isoformat(), "members": total}
    conn.execute(
        update(campaigns).where(campaigns.c.id == campaign_id).values(amnesties=[*row.amnesties, batch])
    )
    return total


def _repair_page(
    conn: Connection, row: Any, rules: Rules, days: Sequence[int], after: str, size: int
) -> tuple[str | None, int]:
    """Count one page of members again; return where it ended (None: no more) and how many changed."""
    members = conn.execute(
        select(enrolments)
        .where(
            enrolments.c.campaign_id == row.id,
            enrolments.c.status == Place.ACTIVE.value,
            enrolments.c.person_id > after,
        )
        .order_by(enrolments.c.person_id)
        .limit(size)
        .with_for_update()
    ).all()
    if not members:
        return None, 0
    done = _done_by(conn, row.id, members)
    changes = []
    for member in members:
        if member.first_day > days[-1] or done[member.person_id].issuperset(days):
            continue
        values = recounted(done[member.person_id], row.day, rules, member.first_day)
        if any(getattr(member, name) != value for name, value in values.items()):
            changes.append({"member": member.person_id, **values})
    if changes:
        mine = and_(enrolments.c.campaign_id == row.id, enrolments.c.person_id == bindparam("member"))
        names = [name for name in changes[0] if name != "member"]
        conn.execute(
            update(enrolments).where(mine).values({name: bindparam(name) for name in names}), changes
        )
    return members[-1].person_id, len(changes)


def _done_by(conn: Connection, campaign_id: str, members: Sequence[Any]) -> dict[str, set[int]]:
    rows = conn.execute(
        select(check_ins.c.person_id, check_ins.c.day).where(
            check_ins.c.campaign_id == campaign_id,
            check_ins.c.person_id >= members[0].person_id,
            check_ins.c.person_id <= members[-1].person_id,
        )
    )
    done: dict[str, set[int]] = defaultdict(set)
    for person_id, day in rows:
        done[person_id].add(day)
    return done
