"""Invitations by mail: how far one has come, how many there may be, and to which addresses."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from domain.campaigns.invitations import InvitationStatus
from domain.mail import MailStatus
from domain.people import normalise_email


class Delivery(StrEnum):
    """What has become of an invitation's mail.

    ``not_sent``: the mailbox has been written to about this campaign before, or wants no such mail. Which
    of them, and whether it is a member's, is nobody's business.
    """

    WAITING = "waiting"
    SENT = "sent"
    BOUNCED = "bounced"
    FAILED = "failed"
    NOT_SENT = "not_sent"


_DELIVERIES = {
    MailStatus.SENT: Delivery.SENT,
    MailStatus.DELIVERED: Delivery.SENT,
    MailStatus.BOUNCED: Delivery.BOUNCED,
    MailStatus.FAILED: Delivery.FAILED,
    MailStatus.SUPPRESSED: Delivery.NOT_SENT,
}


def delivery_of(mail: MailStatus | None) -> Delivery:
    """Return what has become of the mail, None where there was none to send."""
    return Delivery.NOT_SENT if mail is None else _DELIVERIES.get(mail, Delivery.WAITING)


def status_before_joining(delivery: Delivery, *, opened: bool, over: bool) -> InvitationStatus:
    """Return how far an invitation has come by which nobody has joined."""
    if over:
        return InvitationStatus.EXPIRED
    if opened:
        return InvitationStatus.OPENED
    return InvitationStatus.SENT if delivery is Delivery.SENT else InvitationStatus.CREATED


Domain = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, to_lower=True, max_length=253, pattern=r"^[^\s@.]+(\.[^\s@.]+)+$"
    ),
]

MOST_OF_CAMPAIGN = 100
"""Mailed invitations that one member may have in one campaign at the most, whatever the policy says."""

_DISPOSABLE = (
    "10minutemail.com",
    "1secmail.com",
    "burnermail.io",
    "discard.email",
    "dispostable.com",
    "emailondeck.com",
    "fakeinbox.com",
    "getnada.com",
    "grr.la",
    "guerrillamail.com",
    "guerrillamail.info",
    "mailcatch.com",
    "maildrop.cc",
    "mailinator.com",
    "mailnesia.com",
    "mintemail.com",
    "moakt.com",
    "mohmal.com",
    "mytemp.email",
    "sharklasers.com",
    "spamgourmet.com",
    "temp-mail.org",
    "tempmail.com",
    "tempr.email",
    "throwawaymail.com",
    "trashmail.com",
    "yopmail.com",
)


class InvitationPolicy(BaseModel):
    """The community's rules for invitations by mail: numbers of mails, and domains of throw-away addresses.

    ``mails_a_day`` count for one member over 24 hours, ``mails_a_campaign`` for one member and campaign,
    ``mails_to_address_a_week`` for one mailbox over seven days, whoever invites.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mails_a_day: int = Field(20, ge=0, le=500)
    mails_a_campaign: int = Field(50, ge=0, le=MOST_OF_CAMPAIGN)
    mails_to_address_a_week: int = Field(3, ge=1, le=50)
    disposable_domains: tuple[Domain, ...] = Field(_DISPOSABLE, max_length=10_000)

    @field_validator("disposable_domains")
    @classmethod
    def _each_once(cls, domains: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted(set(domains)))

    def is_disposable(self, email: str) -> bool:
        """Tell whether an address lies in one of the domains, or in a domain below one."""
        host = normalise_email(email).rpartition("@")[2].rstrip(".")
        labels = host.split(".")
        return not {".".join(labels[start:]) for start in range(len(labels))}.isdisjoint(
            self.disposable_domains
        )
