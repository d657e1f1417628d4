"""Invitations in JSON. The addresses of friends are nobody's business: they are shown by name."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, model_validator
from pydantic_core import PydanticCustomError

from api.inputs import Email, Input
from api.schemas.applications import Id, PersonOut
from domain.campaigns.invitation_mails import Delivery
from domain.campaigns.invitations import Channel, InvitationStatus


class InvitationIn(Input):
    """A wish for a personal code, or for a mail with a code of its own to ``email``; asked again the same."""

    channel: Channel = Channel.LINK
    email: Email | None = None

    @model_validator(mode="after")
    def _address_where_it_is_mailed(self) -> Self:
        if (self.channel is Channel.EMAIL) != (self.email is not None):
            raise PydanticCustomError("email_for_channel", "email is needed for the channel email alone")
        return self


class InvitationOut(BaseModel):
    """An invitation; the ``status`` of a personal code is created, opened, or expired (also taken back).

    One by mail also has the ``email`` that I gave (null once it has been deleted) and the ``delivery`` of
    its mail, serves one friend, and goes on to joined, activated and rewarded.
    """

    id: str
    channel: Channel
    code: str
    url: str
    qr_url: str
    status: InvitationStatus
    created_at: datetime
    expires_at: datetime
    email: str | None = None
    delivery: Delivery | None = None


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

    campaign_id: Id | None = None


class InviterOut(BaseModel):
    """By whom I came to a campaign."""

    campaign_id: str
    campaign_title: str
    inviter: PersonOut
    joined_at: datetime


class InvitersOut(BaseModel):
    """Everybody by whose invitation I joined something."""

    items: list[InviterOut]
