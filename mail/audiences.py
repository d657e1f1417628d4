"""Who a mail is for: what its footer says about why it was sent."""

from enum import StrEnum

from domain.mail import MailTemplate


class Audience(StrEnum):
    """Kinds of readers."""

    ACCOUNT = "account"
    APPLICANT = "applicant"
    INVITED = "invited"
    LEADER = "leader"
    MEMBER = "member"
    STAFF = "staff"
    VOTER = "voter"


_ACCOUNT = {MailTemplate.SIGN_IN, MailTemplate.SECOND_FACTOR_CHANGED}
_VOTER = {MailTemplate.BALLOT_OPENED, MailTemplate.BALLOT_REMINDER, MailTemplate.BALLOT_EXTENDED}
_STAFF = {
    MailTemplate.CAMPAIGN_REVIEW_NEEDED,
    MailTemplate.CAMPAIGN_REVIEW_REMINDER,
    MailTemplate.CAMPAIGN_DOUBTS_OPEN,
}
_LEADER = {
    MailTemplate.CAMPAIGN_APPROVED,
    MailTemplate.CAMPAIGN_REJECTED,
    MailTemplate.CAMPAIGN_CHANGES_REQUESTED,
    MailTemplate.CAMPAIGN_STARTED,
    MailTemplate.CAMPAIGN_DIGEST,
    MailTemplate.CAMPAIGN_CANCELLED,
    MailTemplate.CAMPAIGN_SETTLED,
    MailTemplate.CAMPAIGN_PAUSED_LEADER,
    MailTemplate.CAMPAIGN_RESUMED_LEADER,
    MailTemplate.CAMPAIGN_EXTENDED_LEADER,
    MailTemplate.CAMPAIGN_AMNESTY_LEADER,
}


def audience_of(template: MailTemplate) -> Audience:
    """Return who ``template`` is written to."""
    if template in _ACCOUNT:
        return Audience.ACCOUNT
    if template in _VOTER:
        return Audience.VOTER
    if template in _LEADER:
        return Audience.LEADER
    if template is MailTemplate.CAMPAIGN_INVITATION:
        return Audience.INVITED
    if template in _STAFF or template.startswith("staff_"):
        return Audience.STAFF
    return Audience.MEMBER if template.startswith("campaign_") else Audience.APPLICANT
