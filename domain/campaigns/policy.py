"""The community's rules for all campaigns, versioned like those of vetting; a campaign takes a snapshot."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

Days = Annotated[int, Field(ge=1, le=365)]
Hour = Annotated[int, Field(ge=0, le=23)]


class CampaignPolicy(BaseModel):
    """Windows in days, hours of the campaign's local day, and the sizes of bulk work."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    review_reminder_days: Days = 2
    changes_window_days: Days = 14
    longest_days: Days = 180
    reminder_hours: tuple[Hour, ...] = Field((8, 12, 18, 21), min_length=1, max_length=6)
    people_per_shard: int = Field(250_000, ge=1_000, le=1_000_000)
    shards_at_most: int = Field(8, ge=1, le=32)

    @field_validator("reminder_hours")
    @classmethod
    def _rising(cls, hours: tuple[int, ...]) -> tuple[int, ...]:
        if list(hours) != sorted(set(hours)):
            raise PydanticCustomError("hours_must_rise", "the hours must rise, each named once")
        return hours

    def shards(self, capacity: int) -> int:
        """Return in how many shards a campaign for ``capacity`` members works."""
        return min(self.shards_at_most, 1 + capacity // self.people_per_shard)
