"""What members and the leader are told of what was done to a campaign while they were in it."""

from typing import Any

from domain.campaigns.state import Audience, CampaignState, Effects, Notice, Order, OrderKind
from domain.mail import MailTemplate

_OF_LEADER = {
    MailTemplate.CAMPAIGN_PAUSED: MailTemplate.CAMPAIGN_PAUSED_LEADER,
    MailTemplate.CAMPAIGN_RESUMED: MailTemplate.CAMPAIGN_RESUMED_LEADER,
    MailTemplate.CAMPAIGN_EXTENDED: MailTemplate.CAMPAIGN_EXTENDED_LEADER,
    MailTemplate.CAMPAIGN_AMNESTY: MailTemplate.CAMPAIGN_AMNESTY_LEADER,
}
"""What the leader reads, who need not take part, where members read the other."""

RESULTS = frozenset({MailTemplate.CAMPAIGN_RESULT, MailTemplate.CAMPAIGN_ENDED_EARLY})
"""What a settlement says to each member: it tells what that member has earned."""


def tell(
    state: CampaignState,
    effects: Effects,
    template: MailTemplate,
    *,
    waiting: bool = False,
    joined_by: int | None = None,
    **data: Any,
) -> None:
    """Write to everybody about the line of the timeline noted last; the leader's own letter goes with it."""
    notice = Notice(template=template, data=data, waiting=waiting, joined_by=joined_by)
    state.orders = (*state.orders, Order(kind=OrderKind.TELL, number=state.entries, notice=notice))
    effects.mail(_OF_LEADER[template], Audience.LEADER, **data)


def tell_result(state: CampaignState) -> None:
    """Write to each member what the settlement noted last has come to for them."""
    template = MailTemplate.CAMPAIGN_ENDED_EARLY if state.cancelled else MailTemplate.CAMPAIGN_RESULT
    order = Order(kind=OrderKind.TELL, number=state.entries, notice=Notice(template=template))
    state.orders = (*state.orders, order)
