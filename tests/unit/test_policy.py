"""The policy: the community's defaults, and what staff cannot set."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from domain.policy import VettingPolicy

DEFAULTS: dict[str, Any] = {
    "intake": {"max_file_bytes": 10 * 1024 * 1024, "max_files": 10},
    "review": {
        "reviewers": 2,
        "reminder_after_days": 3,
        "escalation_after_days": 5,
        "changes_window_days": 14,
        "changes_reminder_days": [7, 12],
    },
    "vote": {
        "window_days": 7,
        "extension_days": 3,
        "member_for_days": 30,
        "quorum_share": 0.10,
        "quorum_minimum": 5,
        "approval_share": 0.60,
    },
    "probation": {
        "length_days": 60,
        "extension_days": 30,
        "posts_a_week": 2,
        "steady_weeks_share": 0.80,
        "answer_within_hours": 72,
        "answered_share": 0.70,
        "rating_minimum": 4.0,
        "ratings_needed": 10,
    },
    "appeal": {"window_days": 14, "decision_days": 7},
    "cooldown_days": 90,
    "fraud_cooldown_days": 365,
}


def test_the_defaults_are_the_communitys():
    stored = VettingPolicy().model_dump(mode="json")
    for part, values in DEFAULTS.items():
        if isinstance(values, dict):
            assert values.items() <= {k: v for k, v in stored[part].items() if k in values}.items()
        else:
            assert stored[part] == values
    assert VettingPolicy().cooldown == timedelta(days=90)


def test_a_policy_survives_being_stored():
    policy = VettingPolicy.model_validate(DEFAULTS)
    assert VettingPolicy.model_validate(policy.model_dump(mode="json")) == policy
    assert VettingPolicy.model_validate_json(policy.model_dump_json()) == policy


@pytest.mark.parametrize(
    ("part", "values"),
    [
        ("review", {"reviewers": 0}),
        ("review", {"reviewers": 3}),
        ("review", {"reminder_after_days": 5}),  # not before the escalation
        ("review", {"changes_reminder_days": [14]}),  # not before the end
        ("review", {"changes_reminder_days": [12, 7]}),
        ("review", {"changes_reminder_days": [7, 7]}),
        ("review", {"changes_reminder_days": [0]}),
        ("vote", {"window_days": 0}),
        ("vote", {"window_days": 366}),
        ("vote", {"quorum_share": 0}),
        ("vote", {"quorum_share": 1.01}),
        ("vote", {"quorum_share": float("nan")}),
        ("vote", {"approval_share": -0.1}),
        ("vote", {"quorum_minimum": 0}),
        ("vote", {"reminder_before_close_hours": 72}),  # the extension is as long
        ("probation", {"extension_days": 6}),
        ("probation", {"length_days": 6}),
        ("probation", {"rating_minimum": 5.1}),
        ("probation", {"decision_reminder_days": 5}),
        ("appeal", {"reminder_after_days": 7}),
        ("intake", {"max_files": 0}),
        ("vote", {"quorm_share": 0.2}),  # a typing mistake
    ],
)
def test_what_staff_cannot_set(part: str, values: dict[str, Any]):
    with pytest.raises(ValidationError):
        VettingPolicy.model_validate({part: values})


@pytest.mark.parametrize(
    ("part", "values"),
    [
        ("review", {"reminder_after_days": 4}),
        ("review", {"changes_reminder_days": [13]}),
        ("review", {"changes_reminder_days": []}),
        ("vote", {"quorum_share": 1, "approval_share": 1}),
        ("vote", {"reminder_before_close_hours": 71}),
        ("probation", {"extension_days": 7, "length_days": 7}),
        ("appeal", {"reminder_after_days": 6}),
    ],
)
def test_what_staff_can_just_set(part: str, values: dict[str, Any]):
    VettingPolicy.model_validate({part: values})


def test_a_snapshot_cannot_be_changed():
    with pytest.raises(ValidationError):
        VettingPolicy().cooldown_days = 1  # type: ignore[misc]
