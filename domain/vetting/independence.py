"""Two reviewers count as two only if the second has not read the first: whose opinions are shown to whom."""

from domain.vetting.terms import Stage


def opinions_hidden(stage: Stage, *, may_review: bool, is_lead: bool, has_given: bool) -> bool:
    """Tell whether somebody must not see the opinions of the round that is under way.

    Hidden they are from whoever may still give the second one. Who has given an opinion, leads (who settle
    what two disagree about) and staff who do not review see everything, and so does everybody once both
    opinions are there.
    """
    open_still = stage in (Stage.FIRST_REVIEW, Stage.SECOND_REVIEW)
    return open_still and may_review and not is_lead and not has_given
