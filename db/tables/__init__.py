"""All tables, a module per room; importing this package fills ``metadata``."""

from db.tables import (
    access,
    ballots,
    campaigns,
    contributions,
    invitation_mails,
    invitations,
    mail,
    people,
    points,
    rehearsals,
    shares,
    vetting,
)
from db.tables.base import metadata

__all__ = [
    "access",
    "ballots",
    "campaigns",
    "contributions",
    "invitation_mails",
    "invitations",
    "mail",
    "metadata",
    "people",
    "points",
    "rehearsals",
    "shares",
    "vetting",
]
