"""Contributions: what people did where the community lives."""

from enum import StrEnum


class ContributionKind(StrEnum):
    """Kinds of recorded activity; each concerns one person and came from one source."""

    POST = "post"
    QUESTION = "question"
    ANSWER = "answer"
    RATING = "rating"
    SHARE = "share"
    READ = "read"
    VIOLATION_REPORT = "violation_report"
