from pathlib import Path

import pytest
from pydantic import ValidationError

from settings import PLACEHOLDER_SECRET, Settings, SettingsError, load_settings

PRODUCTION = {
    "environment": "production",
    "public_url": "https://kameng.example/",
    "secret_key": "s" * 32,
    "database_url": "postgresql://kameng@db.example/kameng",
    "mail_transport": "smtp",
    "smtp_host": "mail.example",
    "mail_from": "hello@kameng.example",
}


SENDGRID = {"sendgrid_api_key": "SG.x", "sendgrid_webhook_public_key": "key"}


def test_development_needs_nothing(tmp_path: Path) -> None:
    settings = load_settings({"data_dir": tmp_path})
    assert settings.problems() == []
    assert settings.database_url == f"sqlite:///{tmp_path}/kameng.db"
    assert settings.time_machine_enabled


def test_production_with_everything_set() -> None:
    settings = load_settings(PRODUCTION)
    assert settings.public_url == "https://kameng.example"
    assert not settings.time_machine_enabled


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"secret_key": PLACEHOLDER_SECRET}, "KAMENG_SECRET_KEY"),
        ({"secret_key": "s" * 31}, "KAMENG_SECRET_KEY"),
        ({"public_url": "http://kameng.example"}, "KAMENG_PUBLIC_URL"),
        ({"mail_transport": "outbox"}, "KAMENG_MAIL_TRANSPORT"),
        ({"mail_from": "kameng@localhost.localdomain"}, "KAMENG_MAIL_FROM"),
        ({"mail_from": "nobody"}, "KAMENG_MAIL_FROM"),
        ({"mail_transport": "sendgrid", **SENDGRID, "sendgrid_sandbox": True}, "KAMENG_SENDGRID_SANDBOX"),
        ({"database_url": "sqlite:////var/lib/kameng.db"}, "DATABASE_URL"),
        ({"smtp_host": ""}, "KAMENG_SMTP_HOST"),
        ({"mail_transport": "sendgrid", "sendgrid_webhook_public_key": "key"}, "SENDGRID_API_KEY"),
        ({"mail_transport": "sendgrid", "sendgrid_api_key": "SG.x"}, "KAMENG_SENDGRID_WEBHOOK_PUBLIC_KEY"),
        ({"staff_second_factor": False}, "KAMENG_STAFF_SECOND_FACTOR"),
    ],
)
def test_production_refuses_each_default_in_one_line(changed: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(PRODUCTION | changed)
    (problem,) = caught.value.problems
    assert problem.startswith(f"{named}: ")


@pytest.mark.parametrize("url", ["mysql://me:hunter2@db/kameng", "garbage", "sqlite://"])
def test_a_database_of_another_kind_is_refused_in_one_line(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"database_url": url})
    (problem,) = caught.value.problems
    assert problem.startswith("DATABASE_URL: ")
    assert "hunter2" not in problem


def test_sqlite_in_production_can_be_wanted() -> None:
    load_settings(PRODUCTION | {"database_url": "sqlite:////srv/k.db", "allow_sqlite_in_production": True})


def test_usual_names_are_read_and_own_names_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://usual")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "usual:7233")
    monkeypatch.setenv("KAMENG_TEMPORAL_ADDRESS", "own:7233")
    settings = load_settings()
    assert (settings.database_url, settings.temporal_address) == ("postgresql://usual", "own:7233")


def test_a_value_that_is_not_valid_is_named_but_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAMENG_HTTP_PORT", "hunter2")
    monkeypatch.setenv("KAMENG_PUBLIC_URL", "ftp://kameng.example")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert sorted(problem.split(":")[0] for problem in caught.value.problems) == [
        "KAMENG_HTTP_PORT",
        "KAMENG_PUBLIC_URL",
    ]
    assert "hunter2" not in str(caught.value)


def test_a_sender_cannot_carry_a_header() -> None:
    with pytest.raises(SettingsError):
        load_settings({"mail_from_name": "Kameng\r\nBcc: all@example.com"})


def test_settings_are_not_changed_and_secrets_not_printed() -> None:
    settings = Settings(secret_key="a-secret-that-nobody-may-read-in-a-log")
    assert "nobody-may-read" not in repr(settings)
    with pytest.raises(ValidationError):
        settings.http_port = 1  # type: ignore[misc]
