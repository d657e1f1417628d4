"""What invitations did, in JSON. Shares are from 0 to 1."""

from datetime import datetime

from pydantic import BaseModel

from api.schemas.applications import PersonOut
from domain.campaigns.growth import Branch, Cohort, Friends
from domain.campaigns.invitations import InvitationStatus


class StepOut(BaseModel):
    """A step of the funnel. A way is one invitation to one person; each is counted at one step only once.

    ``reached``: so many came as far; ``share`` of those who reached the step before. The others count who
    came no further: still in progress, done, expired, rejected, in doubt, or dropped out.
    """

    step: InvitationStatus
    reached: int
    share: float | None
    in_progress: int
    done: int
    expired: int
    rejected: int
    doubtful: int
    dropped: int


class KFactorOut(BaseModel):
    """``value`` = ``invitations_each`` x ``conversion``: active friends for each participant."""

    value: float
    invitations_each: float
    conversion: float
    participants: int
    invited: int
    activated: int


class GrowthOut(BaseModel):
    """Funnel, K-factor, friends who were new to the community and who were known, cohorts by day."""

    steps: list[StepOut]
    k: KFactorOut
    new: Friends
    known: Friends
    cohorts: list[Cohort]


class TreeFiguresOut(BaseModel):
    """Who brought whom: ``roots`` came by themselves and brought ``people``, over ``depth`` steps at most."""

    roots: int
    people: int
    depth: int
    branches: list[Branch]


class NodeOut(BaseModel):
    """Somebody in the tree. ``id`` names the place in it; who severed the link has no ``person``.

    ``friends`` came by this person directly, ``below`` in all; null above what is counted at once.
    """

    id: str
    person: PersonOut | None
    joined_at: datetime | None
    new_member: bool
    active: bool
    friends: int
    below: int | None


class TreeOut(BaseModel):
    """One level of the tree: who came by ``parent``, or who came by themselves and brought somebody."""

    parent: NodeOut | None
    items: list[NodeOut]
    next_cursor: str | None
    participants: int
    invited: int
