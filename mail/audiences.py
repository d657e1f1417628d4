"""Who a mail is for: what its footer says about why it was sent."""

from enum import StrEnum

from domain.mail import MailTemplate


class Audience(StrEnum):
    """Kinds of readers."""

    ACCOUNT = "account"
    APPLICANT = "applicant"
    STAFF = "staff"
    VOTER = "voter"


_ACCOUNT = {MailTemplate.SIGN_IN, MailTemplate.SECOND_FACTOR_CHANGED}
_VOTER = {MailTemplate.BALLOT_OPENED, MailTemplate.BALLOT_REMINDER, MailTemplate.BALLOT_EXTENDED}


def audience_of(template: MailTemplate) -> Audience:
    """Return who ``template`` is written to."""
    if template in _ACCOUNT:
        return Audience.ACCOUNT
    if template in _VOTER:
        return Audience.VOTER
    return Audience.STAFF if template.startswith("staff_") else Audience.APPLICANT
