"""Times as a leader, as the timeline of an application tells of them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from domain.vetting import ReasonCode, Status
from domain.vetting.standing import Span, Standing, spans

BEGUN = datetime(2026, 3, 1, tzinfo=UTC)


class Line(NamedTuple):
    at: datetime
    code: str
    detail: Mapping[str, Any]


def day(number: int) -> datetime:
    return BEGUN + timedelta(days=number)


def line(number: int, code: str, **detail: Any) -> Line:
    return Line(day(number), code, detail)


def test_nobody_leads_before_probation() -> None:
    assert spans([line(0, "submitted"), line(1, "review_passed"), line(2, "withdrawn")]) == []


def test_a_probation_lasts_until_it_is_decided_whatever_its_extension() -> None:
    lasting = Span(Standing.PROVISIONAL, day(0))
    extended = [line(0, "probation_started"), line(60, "probation_extended")]
    assert spans(extended) == [lasting]
    assert spans([*extended, line(90, "certified")]) == [
        lasting._replace(until=day(90), ended_by=Status.CERTIFIED),
        Span(Standing.CERTIFIED, day(90)),
    ]


def test_a_failed_probation_says_why_and_one_brought_back_by_an_appeal_is_another() -> None:
    failed = Span(
        Standing.PROVISIONAL, day(0), day(60), Status.ORDINARY_CREATOR, (ReasonCode.TARGETS_MISSED,)
    )
    lost = [
        line(0, "probation_started"),
        line(60, "became_ordinary_creator", reasons=["targets_missed"]),
    ]
    assert spans([*lost, line(65, "appeal_upheld")]) == [failed]
    brought_back = line(65, "appeal_overturned", back_to="probation")
    assert spans([*lost, brought_back, line(70, "withdrawn")]) == [
        failed,
        Span(Standing.PROVISIONAL, day(65), day(70), Status.WITHDRAWN),
    ]


def test_an_appeal_that_leads_back_to_the_review_makes_nobody_a_leader() -> None:
    for stage in ("credential_review", "member_vote", None):
        assert spans([line(0, "rejected"), line(3, "appeal_overturned", back_to=stage)]) == []
