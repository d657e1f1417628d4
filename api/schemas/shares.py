"""Pictures of check-ins and notes that are shown to everybody, in JSON."""

from datetime import datetime

from pydantic import BaseModel

from api.inputs import Input
from api.schemas.applications import PersonOut
from domain.campaigns.sharing import ShareChannel, SharingChoice


class PictureOut(BaseModel):
    """A picture that was handed in; a check-in names it by ``id`` within a day, else it is deleted."""

    id: str
    url: str


class SharingIn(Input):
    """What is to be done with all my notes of a campaign."""

    choice: SharingChoice


class SharingOut(BaseModel):
    """What I decided about my notes of a campaign."""

    choice: SharingChoice


class PrivacyIn(Input):
    """Whether one note is kept from being featured."""

    private: bool


class FeatureOut(BaseModel):
    """A featured note: its public address, and since when it is there."""

    check_in_id: str
    code: str
    url: str
    featured_at: datetime


class FeaturedOut(FeatureOut):
    """A featured note with what came of it: visits, each visitor once, and enrolments."""

    day: int
    note: str
    author: PersonOut
    visits: int
    joins: int


class NoteOut(BaseModel):
    """A note as the leader reads it; ``may_feature`` tells whether its author lets it be shown."""

    check_in_id: str
    day: int
    note: str
    link: str | None
    picture_url: str | None
    author: PersonOut
    at: datetime
    featured: bool
    may_feature: bool


class SharedNoteOut(BaseModel):
    """A note that is shown to everybody; ``author`` is null for who stays unnamed."""

    code: str
    url: str
    preview_url: str
    note: str
    day: int
    author: str | None
    campaign_id: str
    campaign_title: str
    featured_at: datetime


class ShareIn(Input):
    """That somebody passed a note on."""

    channel: ShareChannel


class VisitsOut(BaseModel):
    """Visits of one day that came from one host, empty for unknown."""

    day: str
    host: str
    visits: int
