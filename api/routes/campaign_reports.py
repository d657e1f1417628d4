"""The report of a campaign that is settled."""

from fastapi import APIRouter
from starlette.responses import Response

from api.dependencies import DatabaseDep, ObjectId
from api.paths import PREFIX
from api.routes.campaigns import LeaderOrStaff
from api.schemas.campaign_reports import ReportOut
from api.services import campaign_reports

router = APIRouter(prefix=f"{PREFIX}/campaigns/{{campaign_id}}", tags=["campaigns"])


def csv_answer(campaign_id: str, text: str) -> Response:
    """Return a table to keep. It begins with a mark by which spreadsheets read Chinese right."""
    name = f'attachment; filename="campaign-{campaign_id}.csv"'
    return Response(
        text.encode("utf-8-sig"), media_type="text/csv; charset=utf-8", headers={"Content-Disposition": name}
    )


@router.get("/report", summary="The report of a campaign")
async def report(actor: LeaderOrStaff, campaign_id: ObjectId, db: DatabaseDep) -> ReportOut:
    """Return what the campaign did for the community; 409 until it is settled."""
    return await db.read(lambda conn: campaign_reports.read(conn, campaign_id))


@router.get(
    "/report.csv",
    summary="The report as a table",
    response_class=Response,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def report_csv(actor: LeaderOrStaff, campaign_id: ObjectId, db: DatabaseDep) -> Response:
    """Return the report as CSV: figure, day, value. No cell is a formula."""
    found = await db.read(lambda conn: campaign_reports.read(conn, campaign_id))
    return csv_answer(campaign_id, campaign_reports.as_csv(found))
