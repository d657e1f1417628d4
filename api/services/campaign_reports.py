"""The report of a settled campaign, as it is read and as a table for other programs."""

import csv
from collections.abc import Iterator
from io import StringIO
from typing import Any, Final

from sqlalchemy import Connection

from api.problems import Problem
from api.schemas.campaign_reports import AgainstOut, LaterOut, PaidOut, ReachOut, ReportDayOut, ReportOut
from api.schemas.invitation_growth import GrowthOut, TreeFiguresOut
from api.services.campaigns import existing
from api.services.invitation_growth import growth_out, tree_figures
from db.repositories import campaign_reports
from db.repositories.check_in_records import shifts_of
from domain.campaigns.calendar import date_of
from domain.campaigns.plan import CampaignPlan
from domain.campaigns.reports import Against

# Those of full width as well: where Chinese is typed, programs take them for the others.
_FORMULA: Final = (*"=+-@＝＋－＠", "\t", "\r", "\n", "\0")
_SINGLE: Final = (
    "cancelled",
    "days_run",
    "members",
    "left",
    "started",
    "completed",
    "completion",
    "still_there",
    "retention",
    "check_ins",
    "cost_of_a_new_member",
)


def read(conn: Connection, campaign_id: str) -> ReportOut:
    """Return the report. Raises ``Problem`` before the campaign is settled."""
    row = existing(conn, campaign_id)
    found = campaign_reports.get(conn, campaign_id)
    if found is None:
        raise Problem("campaign_not_settled")
    plain = found.model_dump(include={*_SINGLE, "campaign_id"})
    plan, shifts = CampaignPlan.model_validate(row.plan), shifts_of(conn, campaign_id)
    friends, points = campaign_reports.decided_later(conn, row, found)
    return ReportOut(
        **plain,
        later=LaterOut(friends=friends, points=points),
        title=row.title,
        completion=found.completion,
        retention=found.retention,
        cost_of_a_new_member=found.cost_of_a_new_member,
        new_members=_against(found.new_members),
        shares=_against(found.shares),
        paid=PaidOut(**found.paid.model_dump(), total=found.paid.total),
        featured=ReachOut(**found.featured.model_dump()),
        days=[ReportDayOut(**day.model_dump(), on=date_of(plan, day.day, shifts)) for day in found.days],
        growth=growth_out(found.growth) if found.growth else None,
        tree=tree_figures(found.growth.tree) if found.growth else None,
    )


def _against(given: Against) -> AgainstOut:
    return AgainstOut(**given.model_dump(), growth=given.growth)


def cell(value: Any) -> str:
    """Return a value as a cell that no spreadsheet takes for a formula."""
    text = "" if value is None else str(value)
    if isinstance(value, int | float):
        return text
    return f"'{text}" if text.startswith(_FORMULA) else text


def as_csv(report: ReportOut) -> str:
    """Return the report as one long table: figure, day (empty for the whole campaign), value."""
    out = StringIO()
    writer = csv.writer(out)
    writer.writerow(("figure", "day", "value"))
    writer.writerows((cell(name), cell(day), cell(value)) for name, day, value in _figures(report))
    return out.getvalue()


def _figures(report: ReportOut) -> Iterator[tuple[str, int | None, Any]]:
    yield "title", None, report.title
    for name in _SINGLE:
        yield name, None, getattr(report, name)
    for part in ("new_members", "shares", "paid", "later", "featured"):
        for name, value in getattr(report, part).model_dump().items():
            yield f"{part}_{name}", None, value
    for day in report.days:
        yield "on", day.day, day.on.isoformat()
        yield "opened_at", day.day, day.opened_at.isoformat()
        for name in ("active", "checked_in", "made_up"):
            yield name, day.day, getattr(day, name)
    if report.growth is not None and report.tree is not None:
        yield from _growth_figures(report.growth, report.tree)


def _growth_figures(growth: GrowthOut, tree: TreeFiguresOut) -> Iterator[tuple[str, int | None, Any]]:
    for step in growth.steps:
        for name, value in step.model_dump(exclude={"step"}).items():
            yield f"invitations_{step.step.value}_{name}", None, value
    for name, value in growth.k.model_dump().items():
        yield "k_factor" if name == "value" else f"k_factor_{name}", None, value
    for part in ("new", "known"):
        for name, value in getattr(growth, part).model_dump().items():
            yield f"friends_{part}_{name}", None, value
    for name in ("roots", "people", "depth"):
        yield f"tree_{name}", None, getattr(tree, name)
    for place, branch in enumerate(tree.branches, 1):
        for name, value in branch.model_dump().items():
            yield f"tree_branch_{place}_{name}", None, value
    for cohort in growth.cohorts:
        for name, value in cohort.model_dump(exclude={"day"}).items():
            yield f"invited_on_day_{name}", cohort.day, value
