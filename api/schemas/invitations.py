"""Invitations in JSON. The addresses of friends are nobody's business: they are shown by name."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, Field

from api.inputs import Input
from api.schemas.applications import PersonOut
from domain.campaigns.invitations import Channel, InvitationStatus


class PersonalChannel(StrEnum):
    """How a personal code is passed on."""

    LINK = Channel.LINK.value
    QR = Channel.QR.value


class InvitationIn(Input):
    """A wish for a personal code; asked again it is the same one."""

    channel: PersonalChannel = PersonalChannel.LINK


class InvitationOut(BaseModel):
    """A personal code; ``status`` is created, opened, or expired (also when it was taken back)."""

    id: str
    channel: PersonalChannel
    code: str
    url: str
    qr_url: str
    status: InvitationStatus
    created_at: datetime
    expires_at: datetime


class FriendOut(BaseModel):
    """A friend who joined; ``new_member``: the community had not known the friend before."""

    friend: PersonOut
    status: InvitationStatus
    new_member: bool
    joined_at: datetime
    activated_at: datetime | None


class InvitationsOut(BaseModel):
    """My invitations to a campaign and a page of the friends who joined by them, newest first.

    ``activated`` friends count; rewards are paid at the settlement, for ``rewarded_at_most`` friends.
    """

    invitations: list[InvitationOut]
    friends: list[FriendOut]
    activated: int
    goal: int
    rewarded_at_most: int
    next_cursor: str | None


class SeverIn(Input):
    """The campaign to whose inviter the link is cut; without one, the links to all who invited me."""

    campaign_id: Annotated[str, Field(min_length=36, max_length=36)] | None = None


class InviterOut(BaseModel):
    """By whom I came to a campaign."""

    campaign_id: str
    campaign_title: str
    inviter: PersonOut
    joined_at: datetime


class InvitersOut(BaseModel):
    """Everybody by whose invitation I joined something."""

    items: list[InviterOut]
