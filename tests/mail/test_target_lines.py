"""Where a target stands, in words: a rating that is high enough says when there are too few of them."""

from datetime import UTC
from typing import Any

import pytest

from domain.probation import Figures
from domain.vetting import trial
from domain.vetting.state import Effects, VettingState
from mail.phrases import Phrases
from tests.unit.test_vetting_process import APPLICANT, POLICY, START


def told_at_midterm(ratings: int) -> dict[str, Any]:
    """Return the rating's target as the mid-term mail gets it."""
    state = VettingState(application_id="a", person_id=APPLICANT, policy=POLICY, policy_version=1)
    trial.begin(state, Effects(), START)
    effects = trial.midterm_reached(state, 1, [], Figures(ratings=ratings, rating_sum=5 * ratings), START)
    [mail] = effects.mails
    return next(target for target in mail.data["targets"] if target["target"] == "rating")


@pytest.mark.parametrize(
    ("language", "ratings", "line"),
    [
        ("en", 3, "{name}: 5.0 so far, 4.0 needed · not met yet · 3 of 10 ratings"),
        ("en", 12, "{name}: 5.0 so far, 4.0 needed · met"),
        ("zh-CN", 3, "{name}：目前 5.0，目标 4.0 · 未达标 · 已收到 3 / 10 个评分"),
    ],
)
def test_the_line_of_the_rating(language: str, ratings: int, line: str) -> None:
    say = Phrases(language, UTC)
    assert say.target_line(told_at_midterm(ratings)) == line.format(name=say.target_name("rating"))


def test_mails_queued_without_numbers_read_as_they_did() -> None:
    target = told_at_midterm(3)
    del target["ratings"], target["ratings_needed"]
    assert "ratings" not in Phrases("en", UTC).target_line(target)
