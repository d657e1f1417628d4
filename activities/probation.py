"""Probation: what a provisional leader did, in numbers."""

from datetime import datetime

from sqlalchemy import Connection
from temporalio import activity

from contracts.vetting import EvaluateWeek, JudgeProbation, ProbationFigures
from db.database import Database
from db.repositories import applications, contributions
from db.statements import upsert
from db.tables.vetting import evaluations
from domain.probation import Figures


class ProbationActivities:
    """Reads the contributions that probation is judged by."""

    def __init__(self, db: Database) -> None:
        self._db = db

    @activity.defn(name="probation.evaluate_week")
    async def evaluate_week(self, given: EvaluateWeek) -> ProbationFigures:
        """Count one week and keep the figures beside the application, for the page that shows them.

        The weeks before are counted again: a community that reports at night reports some of them late.
        """
        return await self._db.write(lambda conn: _evaluate_week(conn, given))

    @activity.defn(name="probation.figures")
    async def figures(self, given: JudgeProbation) -> ProbationFigures:
        """Count a span: posts of each full week, and totals."""
        return await self._db.read(lambda conn: _figures(conn, given))


def _evaluate_week(conn: Connection, given: EvaluateWeek) -> ProbationFigures:
    def counted(starts_at: datetime, ends_at: datetime) -> Figures:
        return contributions.figures(
            conn, given.person_id, starts_at, ends_at, given.at, given.answer_within_hours
        )

    spans = {
        (week.period, week.week): (week.starts_at, week.ends_at)
        for week in applications.weeks(conn, given.application_id)
    }
    spans[given.period, given.week] = (given.starts_at, given.ends_at)
    found = {key: counted(*span) for key, span in spans.items()}
    rows = [
        {
            "application_id": given.application_id,
            "period": period,
            "week": week,
            "starts_at": spans[period, week][0],
            "ends_at": spans[period, week][1],
            "figures": figures.model_dump(),
            "evaluated_at": given.at,
        }
        for (period, week), figures in found.items()
    ]
    upsert(conn, evaluations, rows, conflict=["application_id", "period", "week"])
    total = found[given.period, given.week]
    return ProbationFigures(weekly_posts=(total.posts,), total=total)


def _figures(conn: Connection, given: JudgeProbation) -> ProbationFigures:
    total = contributions.figures(
        conn, given.person_id, given.starts_at, given.ends_at, given.at, given.answer_within_hours
    )
    posts = contributions.weekly_posts(conn, given.person_id, given.starts_at, given.weeks)
    return ProbationFigures(weekly_posts=posts, total=total)
