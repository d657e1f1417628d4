"""What a contribution may say, field by field."""

from typing import Any

import pytest
from pydantic import ValidationError

from contracts.contributions import ContributionIn

POST = {
    "source": "forum",
    "reference": "1",
    "kind": "post",
    "email": "an@kameng.org",
    "occurred_at": "2026-03-01T08:00:00+08:00",
}
RATING = POST | {"kind": "rating", "stars": 4, "actor_reference": "ann"}
ANSWER = POST | {"kind": "answer", "hours_to_answer": 3}


@pytest.mark.parametrize(
    "values",
    [
        POST,
        POST | {"email": None, "person_id": "p"},
        POST | {"kind": "question", "actor_reference": "ann"},
        POST | {"kind": "violation_report"},
        POST | {"source": "s" * 64, "reference": "r" * 160},
        RATING,
        RATING | {"stars": "5"},
        ANSWER,
        POST | {"kind": "answer", "answers_reference": "q"},
        ANSWER | {"hours_to_answer": 0},
        ANSWER | {"answers_reference": "q"},
        POST | {"occurred_at": "2000-01-01T00:00:00Z"},
    ],
)
def test_what_may_be_said(values: dict[str, Any]):
    ContributionIn.model_validate(values)


@pytest.mark.parametrize(
    "values",
    [
        {**POST, "email": None},
        {**POST, "person_id": "p"},  # one of the two, not both
        {**POST, "likes": 3},
        {**POST, "kind": "dance"},
        {**POST, "source": ""},
        {**POST, "source": "s" * 65},
        {**POST, "reference": "r" * 161},
        {**POST, "reference": "a\nb"},
        {**POST, "reference": " a"},
        {**POST, "actor_reference": "a\0"},
        {**POST, "occurred_at": "2026-03-01T08:00:00"},  # no offset
        {**POST, "occurred_at": "1999-12-31T23:59:59Z"},
        {**POST, "occurred_at": "2100-01-01T00:00:00Z"},
        {**POST, "occurred_at": "0001-01-01T00:00:00+14:00"},
        {**POST, "occurred_at": "9999-12-31T23:59:59-14:00"},
        {**POST, "stars": 3},
        {**POST, "hours_to_answer": 3},
        {**POST, "answers_reference": "q"},
        {**RATING, "stars": None},
        {**RATING, "stars": 0},
        {**RATING, "stars": 6},
        {**RATING, "stars": 4.5},
        {**RATING, "actor_reference": None},
        {**ANSWER, "hours_to_answer": None},
        {**ANSWER, "hours_to_answer": -1},
        {**ANSWER, "hours_to_answer": float("nan")},
        {**ANSWER, "hours_to_answer": float("inf")},
    ],
)
def test_what_is_refused(values: dict[str, Any]):
    with pytest.raises(ValidationError):
        ContributionIn.model_validate(values)
