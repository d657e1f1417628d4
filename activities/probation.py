"""Probation: what a provisional leader did, in numbers."""

from sqlalchemy import Connection
from temporalio import activity

from contracts.vetting import EvaluateWeek, JudgeProbation, ProbationFigures
from db.database import Database
from db.repositories import contributions
from db.statements import upsert
from db.tables.vetting import evaluations


class ProbationActivities:
    """Reads the contributions that probation is judged by."""

    def __init__(self, db: Database) -> None:
        self._db = db

    @activity.defn(name="probation.evaluate_week")
    async def evaluate_week(self, given: EvaluateWeek) -> ProbationFigures:
        """Count one week and keep the figures beside the application, for the page that shows them."""
        return await self._db.write(lambda conn: _evaluate_week(conn, given))

    @activity.defn(name="probation.figures")
    async def figures(self, given: JudgeProbation) -> ProbationFigures:
        """Count a span: posts of each full week, and totals."""
        return await self._db.read(lambda conn: _figures(conn, given))


def _evaluate_week(conn: Connection, given: EvaluateWeek) -> ProbationFigures:
    total = contributions.figures(
        conn, given.person_id, given.starts_at, given.ends_at, given.at, given.answer_within_hours
    )
    row = {
        "application_id": given.application_id,
        "period": given.period,
        "week": given.week,
        "starts_at": given.starts_at,
        "ends_at": given.ends_at,
        "figures": total.model_dump(),
        "evaluated_at": given.at,
    }
    upsert(conn, evaluations, [row], conflict=["application_id", "period", "week"])
    return ProbationFigures(weekly_posts=(total.posts,), total=total)


def _figures(conn: Connection, given: JudgeProbation) -> ProbationFigures:
    total = contributions.figures(
        conn, given.person_id, given.starts_at, given.ends_at, given.at, given.answer_within_hours
    )
    posts = contributions.weekly_posts(conn, given.person_id, given.starts_at, given.weeks)
    return ProbationFigures(weekly_posts=posts, total=total)
