"""The vetting policy: versions on top of each other, never over each other."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import func, select

from db.tables.vetting import policies
from domain.people import Role
from domain.policy import VettingPolicy
from settings import Settings
from tests.support.vetting_api import BASE, Api, User, problem, running_api

PATH = "/policies/vetting"


@pytest.fixture
async def api(database_url: str, settings: Settings) -> AsyncIterator[Api]:
    async with running_api(settings.model_copy(update={"database_url": database_url})) as running:
        yield running


@pytest.fixture
async def admin(api: Api) -> User:
    return await api.user("admin", Role.ADMIN)


def body(**review: Any) -> dict[str, Any]:
    given = VettingPolicy().model_dump(mode="json")
    given["review"] |= review
    return given


async def versions(api: Api) -> int:
    [row] = await api.rows(select(func.count().label("n")).where(policies.c.process == "vetting"))
    return int(row["n"])


async def test_a_new_version_is_written_on_top_of_the_one_that_was_read(api: Api, admin: User) -> None:
    first = (await admin.get(PATH)).json()
    assert (first["version"], first["body"]["review"]["reviewers"]) == (1, 2)
    given = {"expected_version": 1, "body": body(reminder_after_days=2), "note": "Faster."}
    written = await admin.http.put(PATH, json=given)
    assert (written.status_code, written.json()["version"]) == (200, 2)
    assert (await admin.get(PATH)).json()["body"]["review"]["reminder_after_days"] == 2
    found = problem(await admin.http.put(PATH, json=given), 409, "policy_changed")
    assert found["current"] == 2
    listed = (await admin.get(f"{PATH}/versions")).json()["items"]
    assert (listed[0]["version"], listed[0]["note"]) == (2, "Faster.")
    assert listed[0]["created_by"] == admin.id


async def test_two_editors_at_once_do_not_overwrite_each_other(api: Api, admin: User) -> None:
    given = [
        {"expected_version": 1, "body": body(reminder_after_days=n), "note": f"n{n}"} for n in (1, 2, 3, 4)
    ]
    answers = await asyncio.gather(*(admin.http.put(PATH, json=one) for one in given))
    assert sorted(a.status_code for a in answers) == [200, 409, 409, 409]
    assert await versions(api) == 2


async def test_only_admins_write_and_only_staff_read(api: Api, admin: User) -> None:
    given = {"expected_version": 1, "body": body(), "note": "x"}
    for role in (Role.REVIEWER, Role.LEAD_REVIEWER, Role.MODERATOR, Role.CAMPAIGN_MANAGER):
        staff = await api.user(role.value, role)
        problem(await staff.http.put(PATH, json=given), 403, "forbidden")
        assert (await staff.get(PATH)).status_code == 200
    member = await api.user("member")
    problem(await member.get(PATH), 403, "forbidden")
    problem(await member.get(f"{PATH}/versions"), 403, "forbidden")
    problem(await api.anyone.get(BASE + PATH), 401, "sign_in_required")
    assert await versions(api) == 1


BAD: list[tuple[dict[str, Any], str]] = [
    ({"reminder_after_days": 0}, "body.review.reminder_after_days"),
    ({"reminder_after_days": 366}, "body.review.reminder_after_days"),
    ({"reminder_after_days": 5}, "body.review"),
    ({"reviewers": 3}, "body.review.reviewers"),
    ({"changes_reminder_days": [12, 7]}, "body.review"),
    ({"changes_reminder_days": [20]}, "body.review"),
    ({"unknown": 1}, "body.review.unknown"),
    ({"reviewers": "two"}, "body.review.reviewers"),
    ({"reviewers": None}, "body.review.reviewers"),
]


async def test_what_is_wrong_is_told_by_field_and_nothing_is_written(api: Api, admin: User) -> None:
    for review, field in BAD:
        answer = await admin.http.put(PATH, json={"expected_version": 1, "body": body(**review), "note": "x"})
        found = problem(answer, 422, "validation_failed")
        assert [error["field"] for error in found["errors"]] == [field], found
    others: list[Any] = [
        {"body": body(), "note": "x"},
        {"expected_version": 0, "body": body(), "note": "x"},
        {"expected_version": 2**40, "body": body(), "note": "x"},
        {"expected_version": 1, "body": body(), "note": ""},
        {"expected_version": 1, "body": body(), "note": "x" * 2001},
        {"expected_version": 1, "body": body(), "note": "\x00"},
        {"expected_version": 1, "body": {**body(), "cooldown_days": -1}, "note": "x"},
        {"expected_version": 1, "body": [], "note": "x"},
    ]
    for wrong in others:
        problem(await admin.http.put(PATH, json=wrong), 422, "validation_failed")
    problem(
        await admin.http.put(PATH, json={"expected_version": 99, "body": body(), "note": "x"}),
        409,
        "policy_changed",
    )
    assert await versions(api) == 1


@pytest.mark.parametrize(
    ("language", "bytes_said", "files_said"),
    [
        ("en", "files of 1.43 MiB (1500000 bytes) at most", "4 files"),
        ("zh-CN", "最多接收 1.43 MiB（1500000 字节）", "4 个文件"),
    ],
)
async def test_more_than_the_server_takes_is_refused_with_what_it_takes(
    database_url: str, settings: Settings, language: str, bytes_said: str, files_said: str
) -> None:
    lower = {"database_url": database_url, "upload_max_bytes": 1_500_000, "upload_max_files": 4}
    async with running_api(settings.model_copy(update=lower)) as api:
        admin = await api.user("admin", Role.ADMIN, locale=language)
        given = {"expected_version": 1, "body": body(), "note": "x"}
        found = problem(await admin.http.put(PATH, json=given), 422, "validation_failed")
        told = {error["field"]: (error["code"], error["message"]) for error in found["errors"]}
        code, message = told.pop("body.intake.max_file_bytes")
        assert (code, bytes_said in message) == ("beyond_server_max_file_bytes", True), message
        code, message = told.pop("body.intake.max_files")
        assert (code, files_said in message, told) == ("beyond_server_max_files", True, {}), message
        assert await versions(api) == 1
        fits = body() | {"intake": {"max_file_bytes": 1_500_000, "max_files": 4}}
        assert (await admin.http.put(PATH, json=given | {"body": fits})).status_code == 200
