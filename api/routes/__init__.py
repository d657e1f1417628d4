"""The JSON routes, a module per room: each has a ``router``, and every route an access rule."""

from fastapi import APIRouter

from api.routes import (
    amnesties,
    applications,
    auth,
    ballots,
    campaign_reports,
    campaign_templates,
    campaigns,
    certificates,
    contributions,
    dev,
    enrolments,
    health,
    invitation_doubts,
    invitation_growth,
    invitations,
    leaders,
    mail,
    me,
    points,
    policies,
    rehearsals,
    shares,
    staff,
)
from settings import Settings


def all_routers(settings: Settings) -> list[APIRouter]:
    """Return the routers of all rooms. Those for trying it out exist outside of production only.

    They are matched in this order: the hottest first.
    """
    api = [
        ballots.direct,
        enrolments.direct,
        ballots.router,
        enrolments.router,
        applications.router,
        me.router,
        points.router,
        auth.router,
        staff.router,
        policies.router,
        leaders.router,
        campaigns.router,
        campaign_reports.router,
        campaign_templates.router,
        amnesties.router,
        certificates.router,
        invitations.router,
        shares.router,
        invitation_doubts.router,
        invitation_growth.router,
        rehearsals.router,
        contributions.router,
        mail.router,
    ]
    if not settings.production:
        api.append(dev.outbox_router)
    if settings.time_machine_enabled:
        api.append(dev.clock_router)
    return [*api, health.router]
