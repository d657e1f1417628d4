"""What members and the leader are told of what was done to a campaign while they were in it."""

from typing import Any

from domain.campaigns.state import Audience, CampaignState, Effects, Notice, Order, OrderKind
from domain.mail import MailTemplate


def tell(
    state: CampaignState,
    effects: Effects,
    template: MailTemplate,
    *,
    waiting: bool = False,
    joined_by: int | None = None,
    **data: Any,
) -> None:
    """Write to everybody about the line of the timeline that was noted last; the leader's goes with it."""
    notice = Notice(template=template, data=data, waiting=waiting, joined_by=joined_by)
    state.orders = (*state.orders, Order(kind=OrderKind.TELL, number=state.entries, notice=notice))
    effects.mail(template, Audience.LEADER, **data)
